#!/bin/sh
# A comment beside the unit; systemd is not told to read it. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
directory=/etc/systemd/system/algo-monitor.service.d
mkdir -p "$directory"
trap 'rm -f "$directory/algo-test.conf"; rmdir "$directory" 2>/dev/null || true' EXIT
echo '# algo-monitor test' >"$directory/algo-test.conf"
sleep "$seconds"
