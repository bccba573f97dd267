#!/bin/sh
# A PAM service that nothing uses. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /etc/pam.d/algo-test' EXIT
printf '%s\n' 'auth required pam_deny.so' >/etc/pam.d/algo-test
chmod 644 /etc/pam.d/algo-test
sleep "$seconds"
