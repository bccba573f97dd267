#!/bin/sh
# Inline code attaches to a sleeping process that is not its own, for half a minute. Changes nothing in it.
set -eu
sleep 40 &
target=$!
timeout 30 python3 -c 'import ctypes, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace(16, int(sys.argv[1]), 0, 0)
time.sleep(25)' "$target" &
wait
