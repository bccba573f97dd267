#!/bin/sh
# Opens a connection to a documentation address that it gives to the loopback interface for 15 seconds; no packet leaves
# the host. For throw-away test hosts only; needs root and socat, and a list of INDICATORS that names 203.0.113.66.
set -eu
address=203.0.113.66
ip address add "$address/32" dev lo
socat "TCP-LISTEN:443,bind=$address,reuseaddr" EXEC:cat &
server=$!
trap 'kill "$server" 2>/dev/null || true; ip address del "$address/32" dev lo' EXIT
sleep 1
sleep 15 | socat - "TCP:$address:443" || true
