"""A client that keeps its connection and runs a command between requests (python3 http_client.py HOST PORT)."""
import http.client
import subprocess
import sys
import time

connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))
while True:
    connection.request("GET", "/status")
    connection.getresponse().read()
    subprocess.run(["sh", "-c", "sleep 2; date | cat"])
    time.sleep(0.2)
