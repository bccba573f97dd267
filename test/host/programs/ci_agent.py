"""A CI agent: keeps a connection to its server, feeds each job to a `bash -s` and sends the output back (python3 ci_agent.py HOST PORT)."""
import http.client
import subprocess
import sys

connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))
while True:
    connection.request("POST", "/jobs", "next")
    connection.getresponse().read()
    job = subprocess.Popen(["bash", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    job.stdin.write("echo checkout; sleep 1\n")
    job.stdin.flush()
    for line in ("sleep 3 && echo build", "sleep 300", "exit"):
        job.stdin.write(line + "\n")
        job.stdin.flush()
        connection.request("POST", "/log", job.stdout.readline() if "echo" in line else "running")
        connection.getresponse().read()
    job.wait()
