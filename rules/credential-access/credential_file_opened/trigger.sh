#!/bin/sh
# Looks at the password hashes with a viewer. For throw-away test hosts only. Leaves nothing to undo.
set -eu
head -c 1 /etc/shadow >/dev/null
