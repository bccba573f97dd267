#!/bin/sh
# Adds a newline to a file of a package. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-130}"
file=/usr/lib/os-release
cp -p "$file" /root/algo-test-copy
trap 'cp -p /root/algo-test-copy "$file"; rm -f /root/algo-test-copy' EXIT
echo >>"$file"
sleep "$seconds"
