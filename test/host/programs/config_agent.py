"""A configuration agent: a connection to its master, `sh -c` for each state (python3 config_agent.py HOST PORT)."""
import socket
import subprocess
import sys

master = socket.create_connection((sys.argv[1], int(sys.argv[2])))
master.recv(200)
while True:
    for state in ("id -u; sleep 2", "systemctl is-active ssh; sleep 2", "df / | tail -1; sleep 2"):
        done = subprocess.run(["/bin/sh", "-c", state], capture_output=True, stdin=subprocess.DEVNULL)
        master.sendall(b"result " + str(done.returncode).encode() + b"\n")
        master.recv(200)
