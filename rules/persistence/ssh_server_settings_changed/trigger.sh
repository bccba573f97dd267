#!/bin/sh
# A comment in sshd_config.d; sshd is not reloaded. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
mkdir -p /etc/ssh/sshd_config.d
trap 'rm -f /etc/ssh/sshd_config.d/algo-test.conf' EXIT
printf '%s\n' '# algo-monitor test' >/etc/ssh/sshd_config.d/algo-test.conf
chmod 644 /etc/ssh/sshd_config.d/algo-test.conf
sleep "$seconds"
