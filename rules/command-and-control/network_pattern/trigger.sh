#!/bin/sh
# Opens a connection to port 4444 of a documentation address that it gives to the loopback interface for 15 seconds; no
# packet leaves the host. For throw-away test hosts only; needs root and socat, and a SUSPICIOUS_NETWORK_PATTERNS that
# names the port (the published list has `:4444$`).
set -eu
address=203.0.113.44
ip address add "$address/32" dev lo
socat "TCP-LISTEN:4444,bind=$address,reuseaddr" EXEC:cat &
server=$!
trap 'kill "$server" 2>/dev/null || true; ip address del "$address/32" dev lo' EXIT
sleep 1
sleep 15 | socat - "TCP:$address:4444" || true
