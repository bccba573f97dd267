#!/bin/sh
# Listens on port 47813 of all addresses with a relay tool for 15 seconds. For throw-away test hosts only; needs socat.
set -eu
port="${1:-47813}"
timeout 15 socat "TCP-LISTEN:$port,reuseaddr" EXEC:cat || true
