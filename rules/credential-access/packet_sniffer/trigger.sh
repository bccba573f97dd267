#!/bin/sh
# Opens a packet socket and holds it for as many seconds as the argument says. For throw-away test hosts only.
set -eu
exec python3 -c 'import socket, sys, time; s = socket.socket(17, 3, socket.htons(3)); time.sleep(float(sys.argv[1]))' "${1:-20}"
