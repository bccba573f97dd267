#!/bin/sh
# Opens a decoy of the configuration (DECOYS: /srv/algo-decoy.txt). For throw-away test hosts only.
set -eu
trap 'rm -f /srv/algo-decoy.txt' EXIT
echo nothing >/srv/algo-decoy.txt
sleep 2
cat /srv/algo-decoy.txt >/dev/null
