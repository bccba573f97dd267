#!/bin/sh
# Logs in to a stand-in pool and is busy, 30 seconds. Mines nothing.
# The kernel sensor needs no list: the login is enough. By scans alone the pool must stand in MINING_POOLS.
set -eu
pool="${1:?address of the stand-in pool}"
port="${2:-3333}"
exec timeout 30 bash -c "exec 3<>/dev/tcp/$pool/$port; printf '{\"id\":1,\"method\":\"mining.subscribe\"}\n' >&3; while :; do :; done"
