#!/bin/bash
# A health check that speaks HTTP through bash's own /dev/tcp, then keeps the connection open.
while :; do
  exec 3<>/dev/tcp/remote/8080
  printf 'GET /health HTTP/1.1\r\nHost: remote\r\n\r\n' >&3
  read -r -t 5 status <&3
  echo "$status"
  timeout 8 cat <&3 | tail -1
  exec 3>&-
done
