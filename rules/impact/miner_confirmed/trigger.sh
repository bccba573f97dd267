#!/bin/sh
# A busy process with a connection to a pool of the test host (added to MINING_POOLS), 30 seconds. Mines nothing.
set -eu
pool="${1:?address of the stand-in pool}"
port="${2:-3333}"
exec timeout 30 bash -c "exec 3<>/dev/tcp/$pool/$port; printf '{\"id\":1,\"method\":\"login\"}\n' >&3; while :; do :; done"
