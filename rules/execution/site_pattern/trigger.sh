#!/bin/sh
# A harmless program under a name that SUSPICIOUS_PATTERNS lists (`xmrig` must be in the list), 20 seconds.
set -eu
directory="$(mktemp -d /srv/site-pattern.XXXXXX)"
trap 'rm -rf "$directory"' EXIT
cp "$(command -v sleep)" "$directory/xmrig"
"$directory/xmrig" 20
