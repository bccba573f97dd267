#!/bin/sh
# Adds an account that nobody can log in to. For throw-away test hosts only.
# The argument is how many seconds it is left before it is undone: longer than two scans.
set -eu
seconds="${1:-20}"
trap 'userdel algo-test-user' EXIT
useradd --system --no-create-home --shell /usr/sbin/nologin algo-test-user
sleep "$seconds"
