#!/bin/bash
while sleep 1; do
  ps ax | grep -c ssh | cat
  curl -fsS http://remote:8080/health | wc -c
done
