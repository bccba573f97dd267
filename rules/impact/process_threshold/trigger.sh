#!/bin/sh
# One process with 2,100 open files, more than the 2,000 of PROCESS_THRESHOLDS.file_handles, 40 seconds.
set -eu
bash -c 'ulimit -n 4096; for n in $(seq 2100); do exec {descriptor}</dev/null; done; exec sleep 40'
