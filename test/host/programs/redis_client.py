"""A client of a redis server that runs commands while connected (python3 redis_client.py HOST PORT)."""
import socket
import subprocess
import sys

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while True:
    connection.sendall(b"PING\r\n")
    connection.recv(100)
    subprocess.run("sleep 2; uptime | cat", shell=True, capture_output=True)
