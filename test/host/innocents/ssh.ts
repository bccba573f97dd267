// Innocent work over ssh, in both directions. `guarded` is the host, `remote` the machine at the other end of the veth.
import { type Innocent, remote, unit } from "./row.ts";

export const SSH: readonly Innocent[] = [
  {
    name: "somebody logs in by ssh and sits in an interactive bash",
    run: remote("sleep 600 | ssh -tt alice@guarded"),
    alive: "pgrep -u alice -f '^-bash' >/dev/null",
  },
  {
    name: "ssh runs a command with a pipe",
    run: remote("ssh alice@guarded 'while sleep 1; do date; done | cat' </dev/null"),
  },
  {
    name: "ssh feeds a script to bash -s",
    run: remote("(echo 'while sleep 1; do date; done'; sleep 600) | ssh alice@guarded bash -s"),
  },
  {
    name: "ssh feeds a module to python, as Ansible does",
    run: remote(
      '(echo \'import time, subprocess\'; echo \'subprocess.run(["sh", "-c", "sleep 500"])\') | ssh alice@guarded python3 -',
    ),
  },
  { name: "ssh -t runs python interactively", run: remote("sleep 600 | ssh -tt alice@guarded python3") },
  {
    name: "ssh -t attaches to tmux",
    run: remote("sleep 600 | TERM=xterm ssh -tt alice@guarded 'tmux -L over-ssh new-session'"),
  },
  { name: "root runs a command by ssh", run: remote("ssh root@guarded 'sleep 500; true' </dev/null") },
  {
    name: "scp copies a large file in, slowly",
    run: remote("scp -l 800 /opt/innocent/large alice@guarded:/tmp/scp-in"),
  },
  {
    name: "scp with the old protocol copies a file out, slowly",
    run: remote("scp -O -l 800 alice@guarded:/opt/innocent/large /var/tmp/scp-out"),
  },
  {
    name: "rsync over ssh copies a file in, slowly",
    run: remote("rsync --bwlimit=50 /opt/innocent/large alice@guarded:/tmp/rsync-in"),
  },
  { name: "an sftp session stays open", run: remote("(echo ls; sleep 600) | sftp alice@guarded") },
  {
    name: "ssh -L forwards traffic into the host",
    run: remote(
      "ssh -N -L 7101:localhost:22 alice@guarded & while sleep 0.5; do nc -w1 localhost 7101 </dev/null; done",
    ),
  },
  {
    name: "git clones from the host over ssh",
    run: remote(
      "cd /var/tmp && rm -rf clone-in && git clone -q -u /opt/innocent/slow-upload-pack alice@guarded:/opt/innocent/repo.git clone-in",
    ),
  },
  {
    name: "the host goes out by ssh and runs a command",
    run: unit("ssh alice@remote 'sleep 500; true' </dev/null", "alice"),
  },
  {
    name: "the host goes out by ssh -t on a terminal",
    run: unit("sleep 600 | script -qfc 'ssh -tt alice@remote' /dev/null", "alice"),
  },
  {
    name: "ssh -R offers a local service to the remote side",
    run: unit("ssh -N -R 7102:localhost:22 alice@remote", "alice"),
    traffic: "while sleep 0.5; do nc -w1 localhost 7102 </dev/null; done",
  },
  { name: "ssh -D serves a SOCKS proxy", run: unit("ssh -N -D 7103 alice@remote", "alice") },
  {
    name: "ssh goes out through a ProxyCommand with nc",
    run: unit("ssh -o ProxyCommand='nc %h %p' alice@remote 'sleep 500; true'", "alice"),
  },
  {
    name: "ssh goes out through a ProxyCommand that keeps its shell",
    run: unit("ssh -o ProxyCommand='sh -c \"nc %h %p; true\"' alice@remote 'sleep 500; true'", "alice"),
  },
  {
    name: "a shared ssh master connection serves a command",
    run: unit(
      "ssh -M -S /tmp/inn-master -fN alice@remote; ssh -S /tmp/inn-master alice@remote 'sleep 500; true'",
      "alice",
    ),
  },
  {
    name: "scp copies a file out of the host",
    run: unit("scp -l 800 /opt/innocent/large alice@remote:/var/tmp/scp-sent", "alice"),
  },
  {
    name: "rsync over ssh pulls a file from the remote side",
    run: unit("rsync --bwlimit=50 alice@remote:/opt/innocent/large /tmp/rsync-pulled", "alice"),
  },
  {
    name: "git clones from the remote side over ssh",
    run: unit(
      "cd ~ && rm -rf clone-out && git clone -q -u /opt/innocent/slow-upload-pack alice@remote:/opt/innocent/repo.git clone-out",
      "alice",
    ),
  },
  {
    name: "a backup streams through a pipe into ssh",
    run: unit("(while sleep 1; do date; done) | ssh alice@remote 'cat >/dev/null'", "alice"),
  },
  {
    name: "a loop reads what ssh brings",
    run: unit("ssh alice@remote 'while sleep 1; do date; done' | while read -r line; do echo \"$line\"; done", "alice"),
  },
  {
    name: "a loop reads from one ssh and writes to another",
    run: unit(
      "ssh alice@remote 'while sleep 1; do date; done' | while read -r line; do echo \"$line\"; done | ssh alice@remote 'cat >/dev/null'",
      "alice",
    ),
  },
  { name: "expect drives an ssh session", run: unit("expect /opt/innocent/expect_ssh.exp", "alice") },
];
