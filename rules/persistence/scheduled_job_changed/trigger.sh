#!/bin/sh
# A cron job that does nothing. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /etc/cron.d/algo-test' EXIT
printf '%s\n' '0 0 1 1 * root /bin/true' >/etc/cron.d/algo-test
chmod 644 /etc/cron.d/algo-test
sleep "$seconds"
