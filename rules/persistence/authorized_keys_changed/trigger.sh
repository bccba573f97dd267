#!/bin/sh
# A key for root that nobody has. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
mkdir -p -m 700 /root/.ssh
trap 'rm -f /root/.ssh/authorized_keys2' EXIT
printf '%s\n' 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAlgoMonitorTestAlgoMonitorTestAlgoMonitorTe test' >/root/.ssh/authorized_keys2
chmod 600 /root/.ssh/authorized_keys2
sleep "$seconds"
