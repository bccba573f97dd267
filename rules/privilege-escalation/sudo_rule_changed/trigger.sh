#!/bin/sh
# A sudo rule for an account that does not exist. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /etc/sudoers.d/algo-test' EXIT
printf '%s\n' 'algo-test-nobody ALL=(root) /bin/true' >/etc/sudoers.d/algo-test
chmod 440 /etc/sudoers.d/algo-test
sleep "$seconds"
