#!/bin/sh
# Serves a shell on loopback and connects to it, for at most 20 seconds. For throw-away test hosts only; needs socat.
set -eu
port="${1:-47812}"
socat "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr" EXEC:/bin/sh &
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
sleep 1
sleep 20 | socat - "TCP:127.0.0.1:$port" || true
