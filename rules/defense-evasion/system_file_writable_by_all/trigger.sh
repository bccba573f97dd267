#!/bin/sh
# A file in /etc that everybody may write and nothing reads. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /etc/algo-test.conf' EXIT
printf '%s\n' '# algo-monitor test' >/etc/algo-test.conf
chmod 666 /etc/algo-test.conf
sleep "$seconds"
