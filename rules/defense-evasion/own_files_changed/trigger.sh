#!/bin/sh
# An empty site rule that is taken away again. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-130}"
trap 'rm -f /opt/.monitor/rules.d/algo-test.txt' EXIT
printf '%s\n' '# algo-monitor test' >/opt/.monitor/rules.d/algo-test.txt
chmod 644 /opt/.monitor/rules.d/algo-test.txt
sleep "$seconds"
