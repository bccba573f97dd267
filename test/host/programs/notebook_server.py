"""A notebook: the web side starts a kernel and talks to it over local TCP (python3 notebook_server.py PORT)."""
import os
import socket
import subprocess
import sys
import time

kernel_port = int(sys.argv[1]) + 1
kernel = subprocess.Popen(
    [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "notebook_kernel.py"), str(kernel_port)],
    stdin=subprocess.PIPE,
)
web = socket.create_server(("", int(sys.argv[1])))
for _ in range(100):
    try:
        channel = socket.create_connection(("127.0.0.1", kernel_port))
        break
    except OSError:
        time.sleep(0.1)
while True:
    client, _ = web.accept()
    while data := client.recv(4096):
        channel.sendall(data)
        client.sendall(channel.recv(65536))
