#!/bin/sh
# Starts a program that is to load a library of /tmp, which is not there. For throw-away test hosts only.
# The argument is how many seconds it waits afterwards.
set -eu
LD_PRELOAD=/tmp/algo-monitor-trigger.so /bin/true 2>/dev/null
sleep "${1:-20}"
