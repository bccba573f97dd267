#!/bin/sh
# Empties /var/log/btmp and puts it back. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-130}"
cp -p /var/log/btmp /root/algo-test-btmp
head -c 768 /dev/zero >>/var/log/btmp
sleep "$seconds"
trap 'cat /root/algo-test-btmp >/var/log/btmp; rm -f /root/algo-test-btmp' EXIT
: >/var/log/btmp
sleep "$seconds"
