#!/bin/sh
# A unit that fails, as a file of its own: transient ones are not told. For throw-away hosts.
set -eu
file=/run/systemd/system/algo-trigger-fails.service
undo() {
  rm -f "$file"
  systemctl reset-failed algo-trigger-fails.service 2>/dev/null || true
  systemctl daemon-reload
}
trap undo EXIT
mkdir -p /run/systemd/system
printf '[Service]\nType=oneshot\nExecStart=/bin/false\n' >"$file"
systemctl daemon-reload
systemctl start algo-trigger-fails.service || true
