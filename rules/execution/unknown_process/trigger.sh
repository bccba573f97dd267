#!/bin/sh
# A program with a content that no package has, in a directory that is no system directory, 40 seconds.
set -eu
directory="$(mktemp -d /srv/unknown-process.XXXXXX)"
trap 'rm -rf "$directory"' EXIT
cp "$(command -v sleep)" "$directory/unknown-agent"
date +%s%N >>"$directory/unknown-agent"
"$directory/unknown-agent" 40
