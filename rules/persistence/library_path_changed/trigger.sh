#!/bin/sh
# A directory that does not exist; the cache of ldconfig is not made anew. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /etc/ld.so.conf.d/algo-test.conf' EXIT
printf '%s\n' '/nonexistent/algo-test' >/etc/ld.so.conf.d/algo-test.conf
chmod 644 /etc/ld.so.conf.d/algo-test.conf
sleep "$seconds"
