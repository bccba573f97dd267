#!/bin/sh
# Adds a newline to a file of a package. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
file="$(find /usr/lib/systemd/catalog -name 'systemd.*.catalog' | head -n 1)"
cp -p "$file" /root/algo-test-catalog
trap 'cp -p /root/algo-test-catalog "$file"; rm -f /root/algo-test-catalog' EXIT
echo >>"$file"
sleep "$seconds"
