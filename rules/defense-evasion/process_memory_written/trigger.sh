#!/bin/sh
# Writes one byte into the memory of a child that sleeps, the byte that is there. For throw-away test hosts only.
set -eu
sleep 20 &
victim=$!
trap 'kill "$victim"' EXIT
start=$(grep -m1 ' rw-p ' "/proc/$victim/maps" | cut -d- -f1)
dd if="/proc/$victim/mem" of="/proc/$victim/mem" bs=1 count=1 conv=notrunc iflag=skip_bytes oflag=seek_bytes \
  skip=$((0x$start)) seek=$((0x$start)) 2>/dev/null
sleep 2
