#!/usr/bin/env bash
# Builds the base image of the test hosts: a Debian with systemd on an ext4 file of its own.
# Cached outside the checkout; rebuilt when this file changes. Prints the image's path on standard output.
# Needs root, loop devices and Debian's packages.
set -euo pipefail

cache=${ALGO_TESTHOST_CACHE:-/var/cache/algo-monitor-testhost}
key=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)
image=$cache/base-$key.img

say() { printf 'test host image: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

[ "$(id -u)" = 0 ] || fail "needs root (it mounts loop devices). Run it with sudo."
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ -s "$image" ]; then printf '%s\n' "$image"; exit 0; fi
losetup -f >/dev/null 2>&1 || fail "no free loop device: load the loop module or allow loop devices here."

missing=()
for need in debootstrap:debootstrap systemd-nspawn:systemd-container ip:iproute2 mkfs.ext4:e2fsprogs; do
  command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  apt-get update -qq >&2 && apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

work=$(mktemp -d "$cache/build.XXXXXX")
cleanup() { mountpoint -q "$work/mnt" && umount "$work/mnt"; rm -rf "$work"; }
trap cleanup EXIT
tree=$work/tree

say "debootstrap (once, about two minutes with the packages below)"
debootstrap --variant=minbase \
  --include=ca-certificates,systemd,systemd-sysv,dbus,procps,iproute2,sudo,util-linux,openssh-server,openssh-client,cron,kmod,nftables \
  bookworm "$tree" http://deb.debian.org/debian >"$work/log" 2>&1 || { tail -5 "$work/log" >&2; fail "debootstrap failed"; }
cp /etc/resolv.conf "$tree/etc/resolv.conf"
cp /etc/apt/apt.conf.d/*proxy* "$tree/etc/apt/apt.conf.d/" 2>/dev/null || true

say "installing the programs that attacks and innocent work need"
cat >"$tree/usr/sbin/policy-rc.d" <<'POLICY'
#!/bin/sh
exit 101
POLICY
chmod 755 "$tree/usr/sbin/policy-rc.d"
chroot "$tree" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  python3 python-is-python3 perl php-cli php-fpm ruby lua5.4 lua-socket nodejs gawk ncat netcat-openbsd netcat-traditional \
  socat openssl tcl curl wget git gcc libc6-dev make busybox expect zsh dash inetutils-telnet sqlite3 rsync tmux screen \
  xinetd jq apt-utils dpkg-dev file strace psmisc nginx-light redis-server at fakeroot libfaketime \
  libpam-systemd logrotate man-db sshpass libnotify-bin python3-dbus python3-gi dbus-user-session rpm acl >>"$work/log" 2>&1 \
  || { tail -5 "$work/log" >&2; fail "apt-get install failed"; }
for unit in nginx redis-server xinetd php8.2-fpm atd apt-daily.timer apt-daily-upgrade.timer; do
  chroot "$tree" systemctl disable "$unit" >/dev/null 2>&1 || true
done
rm -f "$tree/usr/sbin/policy-rc.d"
chroot "$tree" apt-get clean
rm -rf "$tree"/var/lib/apt/lists/*
chroot "$tree" useradd -m -s /bin/bash alice
: >"$tree/etc/machine-id"

say "making the ext4 image"
truncate -s 5G "$work/base.img"
mkfs.ext4 -q -F "$work/base.img"
mkdir "$work/mnt"
mount -o loop "$work/base.img" "$work/mnt"
cp -a "$tree/." "$work/mnt/"
umount "$work/mnt"
rm -f "$cache"/base-*.img
mv "$work/base.img" "$image"
say "ready: $image"
printf '%s\n' "$image"
