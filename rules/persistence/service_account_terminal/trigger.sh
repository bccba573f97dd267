#!/bin/sh
# A shell of the account `daemon` on a pseudo-terminal that no login stands above, 20 seconds.
set -eu
systemd-run --quiet --wait --collect --uid=daemon --setenv=SHELL=/bin/sh "$(command -v script)" -qec 'sleep 20; :' /dev/null
