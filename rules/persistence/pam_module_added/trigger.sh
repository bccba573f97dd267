#!/bin/sh
# An empty file with the name of a module, which no service uses. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
directory="$(dirname "$(find /usr/lib /lib -name pam_deny.so | head -n 1)")"
file="$directory/pam_algo_test.so"
trap 'rm -f "$file"' EXIT
echo test >"$file"
sleep "$seconds"
