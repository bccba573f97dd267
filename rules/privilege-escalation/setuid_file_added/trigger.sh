#!/bin/sh
# A setuid file that is no program. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /usr/local/bin/algo-test-setuid' EXIT
printf '%s\n' 'not a program' >/usr/local/bin/algo-test-setuid
chmod 4755 /usr/local/bin/algo-test-setuid
sleep "$seconds"
