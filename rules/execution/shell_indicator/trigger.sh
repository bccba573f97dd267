#!/bin/sh
# A shell with the words `sh -i` (they must be in REVERSE_SHELL_INDICATORS) and no connection, 20 seconds.
set -eu
sh -i -c 'sleep 20; :' </dev/null
