#!/bin/sh
# A file in /etc that nothing reads. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /etc/algo-test-record' EXIT
printf '%s\n' '# algo-monitor test' >/etc/algo-test-record
chmod 644 /etc/algo-test-record
sleep "$seconds"
