#!/bin/sh
# Makes a history, waits until it is known, and deletes it. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
mkdir -p /root/.ssh
file=/root/.ssh/.bash_history
trap 'rm -f "$file"' EXIT
echo test >"$file"
sleep "$seconds"
rm -f "$file"
sleep "$seconds"
