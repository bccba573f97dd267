"""A web terminal: every connection gets a shell on a pty (python3 web_terminal.py PORT)."""
import os
import pty
import select
import socket
import sys


def serve(connection):
    pid, master = pty.fork()
    if pid == 0:
        os.execv("/bin/bash", ["bash", "-i"])
    while True:
        readable, _, _ = select.select([connection, master], [], [])
        for source in readable:
            data = os.read(source.fileno() if source is connection else source, 4096)
            if not data:
                return
            (os.write(master, data) if source is connection else connection.sendall(data))


server = socket.create_server(("", int(sys.argv[1])))
while True:
    client, _ = server.accept()
    if os.fork() == 0:
        server.close()
        serve(client)
        os._exit(0)
    client.close()
