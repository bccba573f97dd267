#!/bin/sh
# alice logs in from two networks of this host's own loopback device. For throw-away hosts.
set -eu
work=$(mktemp -d)
undo() {
  ip address del 192.0.2.1/32 dev lo
  ip address del 198.51.100.1/32 dev lo
  sed -i '/trigger-login-from-new-network/d' /home/alice/.ssh/authorized_keys
  rm -rf "$work"
}
trap undo EXIT
ip address add 192.0.2.1/32 dev lo
ip address add 198.51.100.1/32 dev lo
ssh-keygen -q -t ed25519 -N '' -C trigger-login-from-new-network -f "$work/key"
mkdir -p /home/alice/.ssh
cat "$work/key.pub" >>/home/alice/.ssh/authorized_keys
chown -R alice /home/alice/.ssh
chmod 700 /home/alice/.ssh
for from in 192.0.2.1 198.51.100.1; do
  ssh -b "$from" -i "$work/key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
    "alice@$from" sleep 12 </dev/null
done
