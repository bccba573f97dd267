#!/bin/sh
# root logs in over loopback with a password. For throw-away hosts: sets and takes back root's password and one sshd setting.
set -eu
work=$(mktemp -d)
old=$(getent shadow root | cut -d: -f2)
undo() {
  usermod -p "$old" root
  rm -rf "$work" /etc/ssh/sshd_config.d/00-trigger.conf
  systemctl reload ssh
}
trap undo EXIT
echo root:trigger-4711 | chpasswd
printf 'PermitRootLogin yes\nPasswordAuthentication yes\n' >/etc/ssh/sshd_config.d/00-trigger.conf
systemctl reload ssh
sleep 1
printf '#!/bin/sh\necho trigger-4711\n' >"$work/ask"
chmod 700 "$work/ask"
SSH_ASKPASS="$work/ask" SSH_ASKPASS_REQUIRE=force DISPLAY=none setsid -w ssh -o StrictHostKeyChecking=no \
  -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o PubkeyAuthentication=no root@127.0.0.1 sleep 12 </dev/null
