#!/bin/sh
# Takes a program of coreutils away from others. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'chmod 755 /usr/bin/factor' EXIT
chmod 750 /usr/bin/factor
sleep "$seconds"
