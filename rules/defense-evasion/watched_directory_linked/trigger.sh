#!/bin/sh
# Replaces /etc/profile.d by a link to a copy of it. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /etc/profile.d; mv /etc/profile.d.algo-test /etc/profile.d; rm -rf /var/tmp/algo-test-profile' EXIT
cp -a /etc/profile.d /var/tmp/algo-test-profile
mv /etc/profile.d /etc/profile.d.algo-test
ln -s /var/tmp/algo-test-profile /etc/profile.d
sleep "$seconds"
