#!/bin/sh
# A comment in apt.conf.d. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /etc/apt/apt.conf.d/99algo-test' EXIT
printf '%s\n' '// algo-monitor test' >/etc/apt/apt.conf.d/99algo-test
chmod 644 /etc/apt/apt.conf.d/99algo-test
sleep "$seconds"
