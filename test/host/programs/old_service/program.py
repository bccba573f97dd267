#!/usr/bin/python3
"""Stand-in of the replaced Python service: reads its config, writes a line to its log every 200 ms, ends on SIGTERM."""
import json
import os
import signal
import sys
import time

HOME = "/opt/.monitor"
if sys.argv[1:] and sys.argv[1] != "run":
    # Whoever runs the command of before would run this; the tests look for the mark.
    open("/root/old-program-was-run", "a").write(" ".join(sys.argv) + "\n")
    sys.exit(0)
with open(HOME + "/config.json") as file:
    config = json.load(file)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    with open(HOME + "/logs/alert.log", "a") as log:
        log.write("[old service] pid %d, %d keys\n" % (os.getpid(), len(config)))
    time.sleep(0.2)
