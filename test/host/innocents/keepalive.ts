// Innocent clients as inline code that keep a connection and run programs, where the client speaks first and where the
// server does (mail, databases, files): to a kernel that sees only sockets and execs, the nearest thing to a shell.
import { type Innocent, unit } from "./row.ts";

const GREETER = "remote 3307";
/** Greets like a mail server and answers `250` to everything. */
const MAIL = "remote 3308";

export const KEEPALIVE: readonly Innocent[] = [
  inline(
    "python is greeted and runs commands",
    "python3",
    "-c",
    `import socket, subprocess
s = socket.create_connection(("remote", 3307)); f = s.makefile("rw")
f.readline()
while True:
    f.write("select 1\\n"); f.flush(); f.readline()
    subprocess.run(["sh", "-c", "sleep 1; date | cat"])`,
  ),
  inline(
    "python is greeted by a mail server, says who it is and captures a program",
    "python3",
    "-c",
    `import smtplib, subprocess, time
while True:
    s = smtplib.SMTP("remote", 3308, local_hostname=subprocess.check_output(["hostname"], text=True).strip())
    for n in range(5): s.noop(); subprocess.check_output("uptime | cat", shell=True); time.sleep(0.5)
    s.close()`,
  ),
  inline(
    "python waits for work of a queue and runs the program that it always runs",
    "python3",
    "-c",
    `import socket, subprocess
s = socket.create_connection(("remote", 3307))
s.sendall(b"subscribe jobs\\n"); s.recv(100); s.recv(100)
while True:
    s.sendall(b"next\\n"); s.recv(100)
    subprocess.run(["/usr/bin/find", "/etc", "-maxdepth", "1", "-name", "host*"], stdout=subprocess.DEVNULL); subprocess.run(["sleep", "1"])`,
  ),
  inline(
    "python is greeted and feeds a filter over pipes",
    "python3",
    "-c",
    `import socket, subprocess
s = socket.create_connection(("remote", 3307)); f = s.makefile("rw")
p = subprocess.Popen(["sort", "-u"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
while True:
    p.stdin.write(f.readline()); p.stdin.flush(); f.write("row\\n"); f.flush(); subprocess.run(["sleep", "0.5"])`,
  ),
  inline(
    "perl is greeted and runs commands",
    "perl",
    "-MIO::Socket::INET -e",
    `$s = IO::Socket::INET->new("remote:3307"); <$s>; while (1) { print $s "ping\\n"; <$s>; $d = \`date | cat\`; system "sleep 1; id >/dev/null" }`,
  ),
  inline(
    "ruby is greeted and runs commands",
    "ruby",
    "-rsocket -e",
    `s = TCPSocket.new("remote", 3307); s.gets; loop { s.puts "ping"; s.gets; \`date | cat\`; system "sleep 1; id >/dev/null" }`,
  ),
  inline(
    "php is greeted and runs commands",
    "php",
    "-r",
    `$s = fsockopen("remote", 3307); fgets($s); while (true) { fwrite($s, "ping\\n"); fgets($s); shell_exec("date | cat"); system("sleep 1; id >/dev/null"); }`,
  ),
  inline(
    "node is greeted and runs commands",
    "node",
    "-e",
    `const s = require("net").connect(3307, "remote"), { exec } = require("child_process");
s.on("data", () => exec("sleep 1; date | cat", () => s.write("ping\\n")));`,
  ),
  inline(
    "lua is greeted and runs commands",
    "lua5.4",
    "-e",
    `s = require("socket").tcp(); s:connect("remote", 3307); s:receive(); while true do s:send("ping\\n"); s:receive(); io.popen("date | cat"):read("a"); os.execute("sleep 1") end`,
  ),
  inline(
    "awk is greeted and runs commands",
    "gawk",
    "",
    `BEGIN { s = "/inet/tcp/0/remote/3307"; s |& getline; while (1) { print "ping" |& s; s |& getline; "date" | getline d; close("date"); system("sleep 1") } }`,
  ),
  {
    name: "inline python asks a mail server with a command of its own on a terminal",
    run: unit(
      `sleep 600 | script -qfc "python3 -c 'import socket,subprocess,time
s=socket.create_connection((\\"remote\\",3308)); s.recv(200)
while True: s.sendall(b\\"NOOP\\\\r\\\\n\\"); s.recv(100); subprocess.run([\\"stty\\",\\"-a\\"],stdout=subprocess.DEVNULL); time.sleep(1)'" /dev/null`,
      "alice",
    ),
  },
  {
    name: "a shell one-liner talks to a mail server through netcat",
    run: unit(
      `while :; do (sleep 0.2; echo EHLO me; sleep 0.2; echo QUIT) | nc -q1 ${MAIL} | while read -r code rest; do date >/dev/null; done; sleep 1; done`,
      "alice",
    ),
  },
  {
    name: "bash reads a greeting and then runs programs",
    run: unit(
      `exec 3<>/dev/tcp/${GREETER.replace(" ", "/")}; read -r greeting <&3; while :; do date | cat >/dev/null; echo ping >&3; read -r answer <&3; sleep 1; done`,
      "alice",
    ),
  },
  {
    name: "bash waits for a greeting with time-out and mails a program's output",
    run: unit(
      `while :; do bash -c 'exec 3<>/dev/tcp/remote/3308; read -rt 2 line <&3; uptime >&3; read -rt 2 line <&3; hostname' >/dev/null || exit 1; sleep 1; done`,
      "alice",
    ),
  },
];

function inline(name: string, program: string, option: string, code: string): Innocent {
  const run = unit(`exec ${program} ${option} '${code}'`, "alice");
  return { name: `inline ${name}`, told: "inline_client_with_children", run };
}
