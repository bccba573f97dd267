#!/bin/bash
# A service whose standard input and output are the connection (inetd style).
echo "ready"
while read -r line; do
  echo "you said: ${line}" | tr a-z A-Z
done
