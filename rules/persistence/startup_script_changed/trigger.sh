#!/bin/sh
# A comment in profile.d. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /etc/profile.d/algo-test.sh' EXIT
printf '%s\n' '# algo-monitor test' >/etc/profile.d/algo-test.sh
chmod 644 /etc/profile.d/algo-test.sh
sleep "$seconds"
