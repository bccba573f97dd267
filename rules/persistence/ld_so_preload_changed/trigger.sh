#!/bin/sh
# Names a library that does not exist in /etc/ld.so.preload; the loader complains and goes on. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /etc/ld.so.preload' EXIT
printf '%s\n' '/nonexistent/algo-monitor-test.so' >/etc/ld.so.preload
chmod 644 /etc/ld.so.preload
sleep "$seconds"
