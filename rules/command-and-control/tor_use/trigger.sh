#!/bin/sh
# Starts a program with the name of a hidden service in its arguments and lets it live for 15 seconds; it asks nobody.
# For throw-away test hosts only.
set -eu
name="$(printf 'a%.0s' $(seq 55))d.onion"
sh -c 'sleep 15; :' sh "http://$name/"
