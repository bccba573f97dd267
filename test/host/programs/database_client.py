"""A client of a server that greets first (MySQL, SMTP, FTP); runs commands while connected (python3 database_client.py HOST PORT)."""
import socket
import subprocess
import sys

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
lines = connection.makefile("rw")
lines.readline()
while True:
    print("query", file=lines, flush=True)
    lines.readline()
    subprocess.run(["bash", "-c", "sleep 2; df / | tail -1"], stdout=subprocess.PIPE)
