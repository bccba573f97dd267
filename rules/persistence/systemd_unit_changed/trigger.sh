#!/bin/sh
# A service that does nothing and is not started. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /etc/systemd/system/algo-test.service' EXIT
printf '%s\n' '[Service]
ExecStart=/bin/true' >/etc/systemd/system/algo-test.service
chmod 644 /etc/systemd/system/algo-test.service
sleep "$seconds"
