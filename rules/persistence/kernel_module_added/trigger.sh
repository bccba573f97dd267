#!/bin/sh
# A file that is no module; nothing loads it. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-130}"
mkdir -p /usr/lib/modules/algo-test
trap 'rm -rf /usr/lib/modules/algo-test' EXIT
echo test >/usr/lib/modules/algo-test/algo_test.ko
sleep "$seconds"
