"""The kernel of the notebook: executes cells; `!command` runs on a pty, as IPython does (python3 notebook_kernel.py PORT)."""
import os
import pty
import socket
import subprocess
import sys

server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
channel, _ = server.accept()
while cell := channel.recv(4096).decode():
    if cell.startswith("!"):
        pid, master = pty.fork()
        if pid == 0:
            os.execv("/bin/bash", ["bash", "-c", cell[1:]])
        channel.sendall(b"running\n")
    else:
        done = subprocess.run(["bash", "-c", "sleep 3; id"], stdin=subprocess.PIPE, capture_output=True)
        channel.sendall(done.stdout)
