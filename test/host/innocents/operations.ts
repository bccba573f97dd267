// Innocent work of operators: probes, transfers, installers, agents, terminals. Short work runs in loops and ends with
// an error as soon as anything of it fails, so that one kill shows.
import { type Innocent, remote, service, unit } from "./row.ts";

const OPT = "/opt/innocent";
const WEB = "http://remote:8080";

export const OPERATIONS: readonly Innocent[] = [
  repeated(
    "printf asks through netcat and a shell obeys what it is told by a file",
    "printf 'status\\n' | nc -q1 -w2 remote 3307 | sh -n",
  ),
  repeated(
    "printf, netcat and a shell in a row",
    "printf 'GET /echo.sh HTTP/1.0\\r\\nHost: remote\\r\\n\\r\\n' | nc -q1 -w2 remote 8080 | sed '1,/^.$/d' | sh",
  ),
  repeated(
    "curl pipes into sh and that into curl",
    `curl -fsS ${WEB}/echo.sh | sh | curl -fsS --data-binary @- ${WEB}/said >/dev/null`,
  ),
  repeated("curl pipes into sh", `curl -fsS ${WEB}/echo.sh | sh`),
  repeated("wget pipes into bash with arguments", `wget -qO- ${WEB}/echo.sh | bash -s -- --quiet`),
  repeated("a shell runs what curl printed", `sh -c "$(curl -fsS ${WEB}/echo.sh)"`),
  repeated("curl brings an installer that downloads further", `curl -fsS ${WEB}/installer.sh | bash`),
  repeated(
    "a downloaded script runs from a temporary folder",
    `t=$(mktemp -d); curl -fsSo $t/i.sh ${WEB}/installer.sh && sh $t/i.sh; r=$?; rm -r $t; [ $r = 0 ]`,
  ),
  repeated(
    "a health check by /dev/tcp reads an answer and runs a program",
    "bash -c 'exec 3<>/dev/tcp/remote/3308; read -rt 3 greeting <&3 && date >/dev/null && echo QUIT >&3'",
  ),
  repeated(
    "a container's health check asks the web by /dev/tcp and greps",
    "bash -c 'exec 3<>/dev/tcp/remote/8080; printf \"GET /health HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n\" >&3; timeout 2 cat <&3 | grep -q 200'",
  ),
  repeated(
    "a script waits until a port is open",
    "timeout 5 bash -c 'until printf \"\" 2>/dev/null >/dev/tcp/remote/3307; do sleep 0.1; done'",
  ),
  repeated("monitoring asks a server whether it is well", '[ "$(echo ruok | nc -q1 -w2 remote 3307 | wc -l)" -ge 1 ]'),
  repeated(
    "monitoring sends a number to graphite",
    "echo \"host.load $(cut -d' ' -f1 /proc/loadavg) $(date +%s)\" | nc -q0 -w2 remote 3307 >/dev/null; true",
  ),
  repeated(
    "monitoring sends a number by UDP",
    "echo 'up:1|c' | nc -u -w1 remote 8125; bash -c 'echo up:1 >/dev/udp/remote/8125'; true",
  ),
  repeated(
    "redis-cli pipes into a loop that runs programs",
    'redis-cli -h localhost info | head -20 | while read -r line; do expr length "$line" >/dev/null; done; true',
  ),
  repeated(
    "redis-cli's answer is read by xargs",
    "redis-cli -h localhost config get maxclients | xargs -n1 sh -c 'echo \"$0\" >/dev/null'",
  ),
  repeated("tar goes out over netcat", "tar c /etc/apt 2>/dev/null | nc -q0 -w2 remote 3309 >/dev/null; true"),
  {
    name: "tar comes in over netcat",
    run: unit(
      "mkdir -p /tmp/inn-tar; while :; do timeout 8 nc -l 9391 | tar xz -C /tmp/inn-tar 2>/dev/null; date | cat >/dev/null; done",
      "alice",
    ),
    traffic: "while sleep 1; do tar cz /etc/apt 2>/dev/null | nc -q0 -w2 guarded 9391; done",
  },
  {
    name: "netcat takes a script in and bash runs it at the administrator's wish",
    run: unit(
      "while :; do timeout 8 nc -l 9392 >/tmp/inn-given.sh; [ -s /tmp/inn-given.sh ] && sh /tmp/inn-given.sh; done",
      "alice",
    ),
    traffic: "while sleep 1; do echo 'date | cat' | nc -q0 -w2 guarded 9392; done",
  },
  repeated(
    "openssl shows a certificate to a filter",
    "echo | openssl s_client -connect remote:8443 2>/dev/null | openssl x509 -noout -subject | cat",
  ),
  repeated("socat asks a server once", "echo status | socat -t1 - TCP:remote:3307 >/dev/null"),
  repeated(
    "git fetches over ssh",
    `git ls-remote alice@remote:${OPT}/repo.git && git -c core.sshCommand='ssh -o ConnectTimeout=5' ls-remote alice@remote:${OPT}/repo.git`,
    "alice",
  ),
  repeated("ssh goes through netcat, again and again", "ssh -o ProxyCommand='nc %h %p' alice@remote true", "alice"),
  repeated(
    "ssh goes through a shell with bash's own TCP",
    "ssh -o ProxyCommand='bash -c \"exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3; kill $!\"' alice@remote true",
    "alice",
  ),
  repeated("ssh goes through socat", "ssh -o ProxyCommand='socat - TCP:%h:%p' alice@remote true", "alice"),
  repeated("ssh brings a script that sh runs", "ssh alice@remote 'echo date; echo id' | sh >/dev/null", "alice"),
  repeated(
    "rsync goes both ways",
    "rsync -a /etc/apt alice@remote:/var/tmp/inn-rsync && rsync -a alice@remote:/etc/apt /tmp/inn-rsync-back",
    "alice",
  ),
  {
    name: "Ansible's way: python gets its module over ssh, many times",
    run: remote(
      'while :; do printf \'import subprocess\\nsubprocess.run(["sh", "-c", "id | cat"], check=True)\\n\' | ssh alice@guarded python3 - >/dev/null || exit 1; done',
    ),
  },
  {
    name: "commands by ssh, one after the other",
    run: remote("while :; do ssh alice@guarded 'date | cat; bash -c id' >/dev/null </dev/null || exit 1; done"),
  },
  {
    name: "an interactive bash runs netcat and programs",
    run: unit(
      "(while :; do echo 'date | cat'; echo 'echo ping | nc -q1 -w2 remote 3307'; echo 'nc -zv remote 8080'; sleep 2; done) | script -qfc 'bash -i' /dev/null",
      "alice",
    ),
  },
  {
    name: "somebody by ssh on a terminal runs netcat and curl",
    run: remote(
      "(while :; do echo 'date | cat'; echo 'echo ping | nc -q1 -w2 remote 3307'; echo 'curl -fsS http://remote:8080/echo.sh | sh'; sleep 2; done) | ssh -tt alice@guarded",
    ),
  },
  {
    name: "netcat stays open in an interactive bash",
    run: unit("(echo 'nc remote 3307'; while sleep 1; do echo ping; done) | script -qfc 'bash -i' /dev/null", "alice"),
  },
  {
    name: "a CI runner from a file hands bash -s each step over a pipe",
    setup: ciRunner(),
    run: service(
      "User=alice",
      "WorkingDirectory=/tmp",
      "ExecStart=/usr/bin/python3 /opt/ci-runner/runner.py remote 8080",
    ),
  },
  {
    name: "a web terminal from a file accepts and hands a shell a terminal",
    setup: webTerminal(),
    run: service("User=alice", "ExecStart=/usr/bin/python3 /opt/ttyd/ttyd.py 7681"),
    traffic: "while :; do (sleep 0.5; echo 'date | cat'; sleep 1; echo exit; sleep 0.5) | nc -q1 guarded 7681; done",
  },
  {
    name: "an editor's server from a file keeps its connection and opens terminals",
    setup: webTerminal(),
    run: service("User=alice", "ExecStart=/usr/bin/python3 /opt/ttyd/editor.py remote 8080"),
  },
  {
    name: "expect keeps a connection open and runs programs",
    run: unit(
      "exec expect -c 'set timeout 5; spawn nc remote 3307; expect ready; while 1 { send \"ping\\n\"; expect OK; exec date; exec sh -c {id | cat}; sleep 1 }'",
      "alice",
    ),
  },
  {
    name: "expect drives telnet and then a local shell",
    run: unit(
      'exec expect -c \'set timeout 5; spawn telnet remote 3307; expect ready; set far $spawn_id; spawn sh; while 1 { send "date\\n"; send -i $far "ping\\n"; expect -i $far OK; sleep 1 }\'',
      "alice",
    ),
  },
];

/** Ends with the first failure. */
function repeated(name: string, script: string, user = "alice"): Innocent {
  return {
    name: `${name}, repeatedly`,
    run: unit(`set -o pipefail; while :; do { ${script}; } || exit 1; sleep 0.7; done`, user),
  };
}

function ciRunner(): string {
  return `mkdir -p /opt/ci-runner && cat >/opt/ci-runner/runner.py <<'END'
import http.client, subprocess, sys, time
c = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))
while True:
    c.request("GET", "/step.sh")
    step = c.getresponse().read()
    p = subprocess.Popen(["bash", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    out = p.communicate(step)[0]
    if p.returncode: sys.exit(1)
    c.request("POST", "/log", out)
    c.getresponse().read()
    time.sleep(1)
END`;
}

function webTerminal(): string {
  return `mkdir -p /opt/ttyd && cat >/opt/ttyd/ttyd.py <<'END'
import os, pty, select, socket, sys, threading
def serve(c):
    pid, master = pty.fork()
    if pid == 0: os.execv("/bin/bash", ["bash"])
    while True:
        try:
            for ready in select.select([c, master], [], [])[0]:
                data = c.recv(4096) if ready is c else os.read(master, 4096)
                if not data: raise OSError
                os.write(master, data) if ready is c else c.sendall(data)
        except OSError:
            break
    os.close(master); c.close(); os.waitpid(pid, 0)
l = socket.create_server(("", int(sys.argv[1])))
while True: threading.Thread(target=serve, args=(l.accept()[0],)).start()
END
cat >/opt/ttyd/editor.py <<'END'
import http.client, os, pty, subprocess, sys, time
c = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))
while True:
    c.request("GET", "/poll"); c.getresponse().read()
    pid, master = pty.fork()
    if pid == 0: os.execv("/bin/bash", ["bash", "-i"])
    os.write(master, b"date | cat; exit\\n"); time.sleep(0.5)
    c.request("POST", "/terminal", os.read(master, 4096)); c.getresponse().read()
    subprocess.run(["git", "--version"], stdout=subprocess.DEVNULL)
    os.waitpid(pid, 0); os.close(master)
END`;
}
