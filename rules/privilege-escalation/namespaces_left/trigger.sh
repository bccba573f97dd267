#!/bin/sh
# Runs a program in a network namespace of its own. For throw-away test hosts only.
# The argument is how many seconds it waits afterwards.
set -eu
unshare --net true
sleep "${1:-20}"
