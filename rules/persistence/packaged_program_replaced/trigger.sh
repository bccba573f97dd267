#!/bin/sh
# Adds a newline to a script of a package. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
file=/usr/bin/ldd
cp -p "$file" /root/algo-test-ldd
trap 'cp -p /root/algo-test-ldd "$file"; rm -f /root/algo-test-ldd' EXIT
echo >>"$file"
sleep "$seconds"
