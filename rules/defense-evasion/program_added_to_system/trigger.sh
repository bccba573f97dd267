#!/bin/sh
# A script in /usr/local/bin. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'rm -f /usr/local/bin/algo-test' EXIT
printf '%s\n' '#!/bin/true' >/usr/local/bin/algo-test
chmod 755 /usr/local/bin/algo-test
sleep "$seconds"
