// Innocent work on the host itself: terminals, jobs, packages, builds, checks, pipes.
import { type Innocent, unit } from "./row.ts";

export const EVERYDAY: readonly Innocent[] = [
  {
    name: "tmux holds a shell",
    run: unit("tmux -L inn new-session -d bash; sleep 1; tmux -L inn ls; exec sleep 500", "alice"),
    alive: "pgrep -u alice -f 'tmux -L inn' >/dev/null",
  },
  {
    name: "screen holds a shell",
    run: unit("screen -dmS inn bash; exec sleep 500", "alice"),
    alive: "pgrep -u alice -f 'SCREEN -dmS inn' >/dev/null",
  },
  { name: "script records a shell on a terminal", run: unit("sleep 600 | script -qfc 'bash -i' /dev/null", "alice") },
  {
    name: "sudo opens a shell on a terminal",
    run: unit("sleep 600 | script -qfc 'sudo -u alice bash -i' /dev/null"),
    alive: "pgrep -f '^sudo -u alice bash -i' >/dev/null",
  },
  {
    name: "su opens a login shell on a terminal",
    run: unit("sleep 600 | script -qfc 'su - alice' /dev/null"),
    alive: "pgrep -f '^su - alice' >/dev/null",
  },
  {
    name: "cron runs a script with pipes and curl",
    run: { as: "setup" },
    setup:
      "echo '@reboot alice /opt/innocent/cron_job.sh 2>&1 | cat >/tmp/cron-output' >/etc/cron.d/innocent; rm -f /run/crond.reboot; systemctl restart cron",
    alive: "pgrep -u alice -f cron_job.sh >/dev/null && test -s /tmp/cron-output",
    cleanup: "rm /etc/cron.d/innocent; systemctl kill -s KILL cron",
  },
  {
    name: "at runs a job",
    run: { as: "setup" },
    setup: "systemctl start atd; echo 'sleep 499; true' | at now 2>/dev/null",
    alive: "pgrep -f 'sleep 499' >/dev/null",
    cleanup: "systemctl kill -s KILL atd",
  },
  {
    name: "apt installs a package from a local repository",
    setup: aptRepository(),
    run: unit(
      "apt-get install -y -o Dir::Etc::sourcelist=/opt/innocent/apt.list -o Dir::Etc::sourceparts=- inn-slow </dev/null",
    ),
    cleanup: "dpkg --purge --force-all inn-slow",
  },
  {
    name: "dpkg configures a package",
    setup:
      "cp -a /var/lib/dpkg /opt/innocent/dpkg; dpkg --admindir=/opt/innocent/dpkg --unpack /opt/innocent/repo/inn-other.deb",
    run: unit("dpkg --admindir=/opt/innocent/dpkg --configure inn-other"),
    cleanup: "rm -rf /opt/innocent/dpkg",
  },
  { name: "make builds a C project", setup: cProject(), run: unit("cd /tmp/cproject && make -j2", "alice") },
  {
    name: "a user compiles and runs a program at home",
    run: unit(
      'cd ~ && gcc -o app /opt/innocent/app.c && exec ./app "$(getent ahostsv4 remote | head -1 | cut -d" " -f1)"',
      "alice",
    ),
  },
  { name: "curl pipes a script into sh", run: unit("curl -fsS http://remote:8080/install.sh | sh") },
  {
    name: "curl pipes a long script into bash and has not finished",
    run: unit("curl -fsS http://remote:8080/long.sh | bash"),
  },
  {
    name: "wget pipes a script into sudo bash",
    run: unit("wget -qO- http://remote:8080/install.sh | sudo bash -s -- --yes"),
  },
  {
    name: "curl output feeds a loop",
    run: unit(
      'while :; do curl -fsS http://remote:8080/status | while read -r line; do echo "$line"; sleep 1; done; done',
    ),
  },
  {
    name: "a shell runs a script from process substitution of curl",
    run: unit("bash <(curl -fsS http://remote:8080/install.sh)"),
  },
  {
    name: "nc checks ports in a loop",
    run: unit(
      "while :; do nc -zv -w1 remote 8080; nc -zv -w1 remote 9; echo PING | nc -q1 -w2 localhost 6379; sleep 0.5; done",
    ),
  },
  { name: "nc ships a growing log", run: unit("while sleep 1; do date; done | nc remote 3307") },
  { name: "nc waits for a file", run: unit("nc -l 9190 >/tmp/received") },
  {
    name: "socat forwards TCP",
    run: unit("exec socat TCP-LISTEN:9201,fork,reuseaddr TCP:remote:8080"),
    traffic: "while sleep 0.5; do curl -s http://guarded:9201/ -o /dev/null; done",
  },
  {
    name: "socat joins a unix socket with TCP",
    run: unit(
      "socat UNIX-LISTEN:/tmp/inn.sock,fork TCP:remote:3307 & sleep 1; while sleep 1; do echo query | socat -t1 - UNIX-CONNECT:/tmp/inn.sock; done",
    ),
  },
  { name: "bash checks a service through /dev/tcp", run: unit("exec bash /opt/innocent/device_check.sh") },
  {
    name: "bash reads a greeting through /dev/tcp and waits",
    run: unit(
      'exec 3<>/dev/tcp/remote/3307; read -r greeting <&3; echo "$greeting"; while sleep 1; do echo ping >&3; read -r answer <&3; done',
      "alice",
    ),
  },
  { name: "cat waits on /dev/tcp", run: unit("exec 3<>/dev/tcp/remote/3307; echo hello >&3; cat <&3") },
  {
    name: "find runs a shell for each file",
    run: unit("find /usr/lib -name '*.py' -exec sh -c 'sleep 0.3; md5sum \"$1\" | cat' _ {} ';' >/dev/null"),
  },
  {
    name: "xargs runs shells in parallel",
    run: unit("seq 1000 | xargs -P2 -I{} sh -c 'sleep 0.5; echo {} | cat' >/dev/null", "alice"),
  },
  {
    name: "busybox runs a script with pipes and wget",
    run: unit(
      "exec busybox sh -c 'while busybox sleep 1; do busybox wget -qO- http://remote:8080/ | busybox wc -l; done'",
    ),
  },
  {
    name: "a health check loop asks its own service",
    run: unit(
      "while :; do curl -fsS http://remote:8080/health >/dev/null || exit 1; bash -c '</dev/tcp/remote/8080' || exit 1; sleep 1; done",
    ),
  },
  { name: "expect drives a local bash", run: unit("expect /opt/innocent/expect_bash.exp", "alice") },
  {
    name: "a shell script talks to a server through a coprocess",
    run: unit(
      'coproc nc remote 3307; read -r line <&"${COPROC[0]}"; while sleep 1; do echo query >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; done',
    ),
  },
  { name: "telnet asks a mail server by hand", run: unit("(while sleep 2; do echo NOOP; done) | telnet remote 3307") },
  {
    name: "openssl s_client watches a certificate",
    run: unit("(while sleep 2; do echo; done) | openssl s_client -connect remote:8443 -quiet 2>/dev/null"),
  },
  {
    name: "awk and friends work on pipes",
    run: unit(
      "while sleep 1; do ps aux; done | awk '{ print $1; fflush() }' | grep --line-buffered root | while read -r user; do :; done",
      "alice",
    ),
  },
  {
    name: "a fifo joins two shells on the host",
    run: unit(
      "mkfifo /tmp/inn-fifo; (while sleep 1; do date; done >/tmp/inn-fifo) & sh -c 'while read -r line; do echo \"$line\"; done </tmp/inn-fifo'",
    ),
  },
];

function aptRepository(): string {
  return `
    for p in inn-slow inn-other; do
      mkdir -p /opt/innocent/$p/DEBIAN /opt/innocent/repo
      printf 'Package: %s\\nVersion: 1.0\\nArchitecture: all\\nMaintainer: test <t@example.org>\\nDescription: slow\\n' $p >/opt/innocent/$p/DEBIAN/control
      printf '#!/bin/bash\\nset -e\\nid | cat\\npython3 -c "import subprocess; subprocess.run([\\x27sh\\x27, \\x27-c\\x27, \\x27sleep 400\\x27])"\\n' >/opt/innocent/$p/DEBIAN/postinst
      chmod 755 /opt/innocent/$p/DEBIAN/postinst
      dpkg-deb -b /opt/innocent/$p /opt/innocent/repo/$p.deb >/dev/null
    done
    cd /opt/innocent/repo && apt-ftparchive packages . >Packages
    echo 'deb [trusted=yes] file:/opt/innocent/repo ./' >/opt/innocent/apt.list
    apt-get update -qq -o Dir::Etc::sourcelist=/opt/innocent/apt.list -o Dir::Etc::sourceparts=-`;
}

function cProject(): string {
  return `
    mkdir -p /tmp/cproject && cd /tmp/cproject
    for n in $(seq 200); do printf '#include <stdio.h>\\nint f%s(void) { return puts("x"); }\\n' $n >f$n.c; done
    printf 'objects := $(patsubst %%.c,%%.o,$(wildcard *.c))\\nall: $(objects)\\n%%.o: %%.c\\n\\tsleep 1; gcc -O1 -c $< -o $@\\n' >Makefile
    chown -R alice /tmp/cproject`;
}
