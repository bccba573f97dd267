#!/bin/sh
read -r request
sleep 3
printf 'HTTP/1.0 200 OK\r\n\r\n%s\n' "$request"
