// What the detector states of hosts where somebody's input or output is a connection; and where it says nothing.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import type { Fields } from "../../core/nouns.ts";
import { wiredShellDetector } from "./wired_shell.ts";

const OUT = "tcp 10.0.0.5:40000 -> 203.0.113.7:4444 inode 1 sent 20 1000 received 30 1200";
const IN = "tcp 10.0.0.5:4444 <- 203.0.113.7:40000 inode 1 sent 20 1000 received 30 1200";
const SHELL = `pid 100 ppid 1 uid 1000 exe /usr/bin/bash
  argv ["bash","-i"]`;
const ON_SOCKET = `${SHELL}
  fd 0 rw socket:[1]
  fd 1 rw socket:[1]`;
const BY_PIPES = `${SHELL}
  fd 0 r pipe:[10]
  fd 1 w pipe:[11]`;
const holding = (head: string, argv: string) => `pid 90 ppid 1 uid 1000 ${head}
  argv ${argv}
  fd 0 r pipe:[11]
  fd 1 w pipe:[10]
  fd 3 rw socket:[1]`;
const NC = holding("exe /usr/bin/nc.openbsd", `["nc","203.0.113.7","4444"]`);
const listener = (head: string, argv: string) => `pid 90 ppid 1 uid 1000 ${head}
  argv ${argv}
  fd 3 rw socket:[2]
tcp listen 0.0.0.0:4444 inode 2`;

type Expected = Fields | "nothing";
const ROWS: readonly [sentence: string, host: string, expected: Expected][] = [
  [
    "a shell on a connection that this host opened",
    `${ON_SOCKET}\n${OUT}`,
    {
      "process.pid": 100,
      "shell.direction": "connected",
      "shell.wiring": "direct",
      "shell.interpreter": true,
      "shell.stdin_commands": true,
      "shell.same_connection": true,
      "shell.holder.kind": "inline",
      "shell.on_terminal": false,
      "peer.ip": "203.0.113.7",
    },
  ],
  [
    "a shell whose output goes to a file but that holds the connection it reads",
    `${SHELL}\n  fd 0 rw socket:[1]\n  fd 1 w /tmp/o\n${OUT}`,
    { "shell.wiring": "reading" },
  ],
  [
    "a shell that only writes to a connection is none",
    `${SHELL}\n  fd 0 r /dev/null\n  fd 1 rw socket:[1]\n${OUT}`,
    "nothing",
  ],
  [
    "a shell whose input is a file is none, whatever it holds",
    `${SHELL}\n  fd 0 r /root/x\n  fd 3 rw socket:[1]\n${OUT}`,
    "nothing",
  ],
  [
    "a shell on a terminal of somebody local is none",
    `${SHELL}\n  fd 0 rw /dev/pts/3\n  fd 1 rw /dev/pts/3\npid 90 ppid 1 uid 1000 exe /usr/bin/tmux\n  fd 4 rw /dev/pts/ptmx (tty-index 3)`,
    "nothing",
  ],
  [
    "a program that is no interpreter is stated as such when the connection is its own 0 and 1",
    `pid 100 ppid 1 uid 1000 exe /home/alice/agent\n  argv ["agent"]\n  fd 0 rw socket:[1]\n  fd 1 rw socket:[1]\n${OUT}`,
    { "shell.interpreter": false, "process.executable_verified": false },
  ],
  [
    "a program that is no interpreter behind pipes is none",
    `pid 100 ppid 1 uid 1000 exe /usr/bin/sort\n  fd 0 r pipe:[10]\n  fd 1 w pipe:[11]\n${NC}\n${OUT}`,
    "nothing",
  ],
  [
    "a copy of bash under another name is an interpreter",
    `pid 100 ppid 1 uid 1000 build bash exe /home/alice/x\n  argv ["x"]\n  fd 0 rw socket:[1]\n  fd 1 rw socket:[1]\n${OUT}`,
    { "shell.interpreter": true, "process.program_is_copy": true },
  ],
  [
    "pipes to nc",
    `${BY_PIPES}\n${NC}\n${OUT}`,
    { "shell.wiring": "relayed", "shell.holder.kind": "relay-tool", "shell.holder.pid": 90 },
  ],
  [
    "input by nc and output nowhere is none",
    `${SHELL}\n  fd 0 r pipe:[10]\n  fd 1 w /dev/null\n${NC}\n${OUT}`,
    "nothing",
  ],
  [
    "only errors go back by nc",
    `${SHELL}\n  fd 0 r pipe:[10]\n  fd 1 w /dev/null\n  fd 2 w pipe:[11]\n${NC}\n${OUT}`,
    { "shell.wiring": "relayed" },
  ],
  [
    "a terminal that a program joins to its connection",
    `${SHELL}\n  fd 0 rw /dev/pts/3\n  fd 1 rw /dev/pts/3\npid 90 ppid 1 uid 1000 exe /usr/bin/socat\n  fd 4 rw /dev/pts/ptmx (tty-index 3)\n  fd 5 rw socket:[1]\n${OUT}`,
    { "shell.on_terminal": true, "shell.wiring": "relayed" },
  ],
  [
    "an unnamed pair of sockets",
    `${SHELL}\n  fd 0 rw socket:[20]\n  fd 1 rw socket:[20]\npid 90 ppid 1 uid 1000 exe /usr/bin/socat\n  fd 4 rw socket:[21]\n  fd 5 rw socket:[1]\npair 20 21\n${OUT}`,
    { "shell.wiring": "relayed", "shell.holder.kind": "relay-tool" },
  ],
  [
    "a named socket belongs to a service: the journal has connections too",
    `${SHELL}\n  fd 0 rw socket:[20]\n  fd 1 rw socket:[20]\npid 90 ppid 1 uid 0 exe /usr/lib/systemd/systemd-journald\n  fd 4 rw socket:[21]\n  fd 5 rw socket:[1]\npair 20 21 /run/systemd/journal/stdout\n${OUT}`,
    "nothing",
  ],
  [
    "sshd gives a login its shell",
    `${SHELL}\n  fd 0 rw /dev/pts/3\n  fd 1 rw /dev/pts/3\npid 90 ppid 1 uid 0 exe /usr/sbin/sshd\n  fd 4 rw socket:[1]\n  fd 5 rw /dev/pts/ptmx (tty-index 3)\n${IN}`,
    "nothing",
  ],
  [
    "a login daemon on the same port pardons nothing that it neither accepted nor stands above",
    `${ON_SOCKET}\n${listener("exe /usr/sbin/sshd", `["sshd","-D"]`)}\npid 91 ppid 1 uid 1000 exe /usr/bin/ncat\n  argv ["ncat","-lke","/bin/sh"]\n  fd 3 rw socket:[3]\ntcp listen 10.0.0.5:4444 inode 3\n${IN}`,
    { "shell.holder.kind": "relay-tool", "shell.holder.pid": 91 },
  ],
  [
    "a file called sshd that is not root's gives nobody a login",
    `${BY_PIPES}\n${holding("owner 1000 exe /usr/sbin/sshd", `["sshd"]`)}\n${OUT}`,
    { "shell.holder.kind": "unverified-file" },
  ],
  [
    "a socket of systemd",
    `${ON_SOCKET}\npid 1 ppid 0 uid 0 exe /usr/lib/systemd/systemd\n  fd 9 rw socket:[2]\ntcp listen 0.0.0.0:4444 inode 2\n${IN}`,
    { "shell.direction": "accepted", "shell.holder.kind": "pid1" },
  ],
  [
    "somebody called and nobody knows who listened",
    `${ON_SOCKET}\n${IN}`,
    { "shell.direction": "accepted", "shell.holder.kind": "unknown-listener" },
  ],
  [
    "inline code listened",
    `${ON_SOCKET}\n${listener("exe /usr/bin/python3.11", `["python3","-c","x"]`)}\n${IN}`,
    { "shell.holder.kind": "inline", "shell.holder.pid": 90 },
  ],
  [
    "ncat listened",
    `${ON_SOCKET}\n${listener("exe /usr/bin/ncat", `["ncat","-lke","/bin/sh"]`)}\n${IN}`,
    { "shell.holder.kind": "relay-tool" },
  ],
  [
    "a service's main process listened",
    `unit inetd.service main 90\n${ON_SOCKET.replace("ppid 1", "ppid 90").replace("-i", "/usr/local/bin/serve")}\n${listener("exe /usr/sbin/xinetd", `["xinetd"]`)}\n${IN}`,
    { "shell.holder.kind": "unit-main", "shell.in_service": true },
  ],
  [
    "a transient unit is no service that anybody installed",
    `unit run-1.service main 90 transient\n${ON_SOCKET.replace("ppid 1", "ppid 90").replace("-i", "/usr/local/bin/serve")}\n${listener("exe /usr/sbin/xinetd", `["xinetd"]`)}\n${IN}`,
    { "shell.in_service": false },
  ],
  [
    "a direction that nobody knows counts as opened here",
    `${ON_SOCKET}\n${OUT.replace("->", "--")}`,
    { "shell.direction": "connected" },
  ],
  [
    "two connections to one peer: the milder end counts",
    `${SHELL}\n  fd 0 r pipe:[10]\n  fd 1 w pipe:[11]\npid 90 ppid 1 uid 0 exe /usr/bin/ssh\n  fd 1 w pipe:[10]\n  fd 3 rw socket:[1]\npid 91 ppid 1 uid 0 exe /usr/bin/nc.openbsd\n  fd 0 r pipe:[11]\n  fd 3 rw socket:[2]\n${OUT}\n${OUT.replace("40000", "40001").replace("inode 1", "inode 2")}`,
    { "shell.same_connection": false, "shell.holder.kind": "verified-file" },
  ],
  [
    "from one peer to another is a pipeline",
    `${BY_PIPES}\npid 90 ppid 1 uid 0 exe /usr/bin/ssh\n  fd 1 w pipe:[10]\n  fd 3 rw socket:[1]\npid 91 ppid 1 uid 0 exe /usr/bin/ssh\n  fd 0 r pipe:[11]\n  fd 3 rw socket:[2]\n${OUT}\n${OUT.replace("203.0.113.7", "203.0.113.8").replace("inode 1", "inode 2")}`,
    "nothing",
  ],
  ["a listener is no connection", `${ON_SOCKET}\ntcp listen 0.0.0.0:80 inode 1`, "nothing"],
  ["a shell in a pipe that nobody else holds", `${BY_PIPES}`, "nothing"],
  [
    "pid 1 of a container's own tree is not looked at",
    `${ON_SOCKET.replace("pid 100 ppid 1", "pid 1 ppid 0")}\n${OUT}`,
    "nothing",
  ],
  [
    "a process without a file is not looked at",
    `pid 100 ppid 1 uid 0 state Z\n  fd 0 rw socket:[1]\n  fd 1 rw socket:[1]\n${OUT}`,
    "nothing",
  ],
  [
    "a shell that sleeps in a read of the connection on another descriptor (`read -u9`)",
    `pid 100 ppid 1 uid 1000 exe /usr/bin/bash\n  argv ["bash","-c","x"]\n  fd 0 r /dev/null\n  fd 9 rw socket:[1]\n  blocked 9\n${OUT}`,
    { "shell.wiring": "reading", "shell.same_connection": true },
  ],
  [
    "a shell that holds a connection and sleeps in a read of something else is none",
    `pid 100 ppid 1 uid 1000 exe /usr/bin/bash\n  argv ["bash","-c","x"]\n  fd 0 r /dev/null\n  fd 8 r pipe:[10]\n  fd 9 rw socket:[1]\n  blocked 8\n${OUT}`,
    "nothing",
  ],
  [
    "a shell that sleeps in a read of a coprocess of nc",
    `pid 100 ppid 1 uid 1000 exe /usr/bin/bash\n  argv ["bash","-c","x"]\n  fd 0 r /dev/null\n  fd 62 w pipe:[11]\n  fd 63 r pipe:[10]\n  blocked 63\n${NC}\n${OUT}`,
    { "shell.wiring": "reading", "shell.holder.kind": "relay-tool" },
  ],
  [
    "a program of unknown kind and origin behind pipes",
    `pid 100 ppid 1 uid 1000 exe /home/alice/agent\n  fd 0 r pipe:[10]\n  fd 1 w pipe:[11]\n${NC}\n${OUT}`,
    { "shell.wiring": "relayed", "shell.interpreter": false },
  ],
  [
    "two relay tools, one from one peer and one to another (input on one port, output on another host)",
    `${BY_PIPES}\npid 90 ppid 1 uid 0 exe /usr/bin/nc.openbsd\n  fd 1 w pipe:[10]\n  fd 3 rw socket:[1]\npid 91 ppid 1 uid 0 exe /usr/bin/nc.openbsd\n  fd 0 r pipe:[11]\n  fd 3 rw socket:[2]\n${OUT}\n${OUT.replace("203.0.113.7", "203.0.113.8").replace("inode 1", "inode 2")}`,
    { "shell.same_connection": false, "shell.holder.kind": "relay-tool" },
  ],
  [
    "a filter between two relay tools with different peers ships a log",
    `${BY_PIPES.replace("/usr/bin/bash", "/usr/bin/mawk").replace(`["bash","-i"]`, `["awk","{print}"]`)}\npid 90 ppid 1 uid 0 exe /usr/bin/nc.openbsd\n  fd 1 w pipe:[10]\n  fd 3 rw socket:[1]\npid 91 ppid 1 uid 0 exe /usr/bin/nc.openbsd\n  fd 0 r pipe:[11]\n  fd 3 rw socket:[2]\n${OUT}\n${OUT.replace("203.0.113.7", "203.0.113.8").replace("inode 1", "inode 2")}`,
    "nothing",
  ],
  [
    "so does a loop of bash",
    `${BY_PIPES.replace(`"-i"`, `"-c","while read"`)}\npid 90 ppid 1 uid 0 exe /usr/bin/nc.openbsd\n  fd 1 w pipe:[10]\n  fd 3 rw socket:[1]\npid 91 ppid 1 uid 0 exe /usr/bin/nc.openbsd\n  fd 0 r pipe:[11]\n  fd 3 rw socket:[2]\n${OUT}\n${OUT.replace("203.0.113.7", "203.0.113.8").replace("inode 1", "inode 2")}`,
    "nothing",
  ],
  ["a peer on this host", `${ON_SOCKET}\n${OUT.replace("203.0.113.7", "127.0.0.1")}`, { "shell.peer_loopback": true }],
  [
    "how long our last word stands",
    `${ON_SOCKET}\n${OUT}`,
    { "shell.last_sent_ago_ms": 1000, "shell.peer_loopback": false, "shell.starts_programs": false },
  ],
  [
    "a shell that has a child",
    `${ON_SOCKET}\npid 101 ppid 100 uid 1000 exe /usr/bin/id\n${OUT}`,
    { "shell.starts_programs": true },
  ],
  [
    "a shell that has waited for a child",
    `${ON_SOCKET.replace("uid 1000", "uid 1000 waited 9")}\n${OUT}`,
    { "shell.starts_programs": true },
  ],
  [
    "a shell with inline code runs what came with it",
    `${ON_SOCKET.replace(`"-i"`, `"-c","x"`)}\n${OUT}`,
    { "shell.runs_given_code": true, "shell.stdin_commands": false },
  ],
  [
    "inline code that sleeps in a read of its standard input takes commands",
    `${ON_SOCKET.replace(`"-i"`, `"-c","x"`)}\n  blocked 0\n${OUT}`,
    { "shell.stdin_commands": true },
  ],
  [
    "a shell with an installed script runs what somebody installed",
    `${ON_SOCKET.replace("-i", "/usr/local/bin/serve")}\n${OUT}`,
    { "shell.runs_given_code": false },
  ],
  [
    "a shell with a script in /tmp runs given code",
    `${ON_SOCKET.replace("-i", "/tmp/x")}\n${OUT}`,
    { "shell.runs_given_code": true },
  ],
  [
    "a datagram connection",
    `${ON_SOCKET}\nudp 10.0.0.5:40000 -- 203.0.113.7:4444 inode 1`,
    { "shell.wiring": "direct", "network.transport": "udp" },
  ],
];

describe("states", () => {
  test.each(ROWS)("%s", (_sentence, host, expected) => {
    const events = wiredShellDetector.sweep(hostFixture(host).view);
    if (expected === "nothing") expect(events.map((event) => event.fields["shell.path"])).toEqual([]);
    else expect(events).toEqual([expect.objectContaining({ fields: expect.objectContaining(expected) })]);
  });
});

const HOLDERS: readonly [sentence: string, head: string, argv: string, kind: string][] = [
  ["code in its arguments", "exe /usr/bin/python3.11", `["python3","-c","x"]`, "inline"],
  ["a relay tool", "exe /usr/bin/socat", `["socat"]`, "relay-tool"],
  ["a program in memory", "exe /memfd:a (deleted)", `["a"]`, "memfd"],
  ["a program in /dev/shm", "exe /dev/shm/a", `["a"]`, "temporary-file"],
  ["a script in /tmp", "exe /usr/bin/python3.11", `["python3","/tmp/a.py"]`, "temporary-file"],
  ["a program that deleted itself", "exe /home/alice/a (deleted)", `["a"]`, "deleted"],
  ["a program in a home directory", "exe /home/alice/a", `["a"]`, "unverified-file"],
  ["an installed program", "exe /opt/agent/agent", `["agent"]`, "verified-file"],
];

describe("a shell by pipes is held by", () => {
  test.each(HOLDERS)("%s", (_sentence, head, argv, kind) => {
    const withoutStdio = holding(head, argv).replace("fd 0 r", "fd 7 r").replace("fd 1 w", "fd 8 w");
    const [event] = wiredShellDetector.sweep(hostFixture(`${BY_PIPES}\n${withoutStdio}\n${OUT}`).view);
    expect(event?.fields["shell.holder.kind"]).toBe(kind);
  });
});

const TALKS: readonly [sentence: string, socket: string, expected: Fields][] = [
  [
    "they spoke and we answered later",
    "sent 20 1000 received 30 1200",
    { first: false, spoke: true, ours: true, together: false },
  ],
  ["they spoke last", "sent 20 1200 received 30 1000", { first: false, spoke: true, ours: false, together: false }],
  [
    "an answer within one tick",
    "sent 20 1000 received 30 1000",
    { first: false, spoke: true, ours: false, together: true },
  ],
  [
    "they spoke and nobody answered",
    "sent 0 8000 received 30 1000",
    { first: true, spoke: true, ours: false, together: false },
  ],
  ["only we spoke", "sent 20 1000 received 0 8000", { first: false, spoke: false, ours: false, together: false }],
  ["nobody spoke", "sent 0 8000 received 0 8000", { first: false, spoke: false, ours: false, together: false }],
  [
    "what we said before the shell lived is no answer of its",
    "sent 20 8005 received 30 8010",
    { first: false, spoke: true, ours: false, together: false },
  ],
  [
    "nor is what we said in the tick in which it started",
    "sent 20 7950 received 30 7950",
    { first: false, spoke: true, ours: false, together: false },
  ],
];

describe("of the talk on the connection:", () => {
  test.each(TALKS)("%s", (_sentence, talk, expected) => {
    const [event] = wiredShellDetector.sweep(hostFixture(`${ON_SOCKET}\n${OUT.replace(/sent.*/, talk)}`).view);
    const { first, spoke, ours, together } = expected;
    expect(event?.fields).toMatchObject({
      "shell.remote_spoke_first": first,
      "shell.remote_spoke": spoke,
      "shell.last_word_ours": ours,
      "shell.last_words_together": together,
    });
  });

  test("a kernel that does not count says nothing", () => {
    const [event] = wiredShellDetector.sweep(hostFixture(`${ON_SOCKET}\n${OUT.replace(/ sent.*/, "")}`).view);
    const said = [
      "shell.remote_spoke_first",
      "shell.remote_spoke",
      "shell.last_word_ours",
      "shell.last_words_together",
    ];
    expect(said.filter((field) => field in (event?.fields ?? {}))).toEqual([]);
  });
});

const CHILDREN: readonly [sentence: string, child: string, answers: boolean][] = [
  ["a command that writes to the connection", "exe /usr/bin/find\n  fd 1 rw socket:[1]", true],
  ["a command whose errors go to the connection", "exe /usr/bin/find\n  fd 2 rw socket:[1]", true],
  ["a command that writes elsewhere", "exe /usr/bin/logger\n  fd 0 rw socket:[1]\n  fd 1 w /var/log/x", false],
  ["the shell's own fork", "exe /usr/bin/bash\n  fd 1 rw socket:[1]", false],
];

test.each(CHILDREN)("%s answers: %s", (_sentence, child, answers) => {
  const host = hostFixture(
    `${SHELL}\n  fd 0 rw socket:[1]\n  fd 1 w /dev/null\npid 101 ppid 100 uid 1000 ${child}\n${OUT}`,
  );
  const event = wiredShellDetector.sweep(host.view).find((draft) => draft.process?.pid === 100);
  expect(event?.fields["shell.child_answers"]).toBe(answers);
});

const WAITS: readonly [sentence: string, waits: string, says: string][] = [
  ["a relay at rest sleeps on the connection and on the shell", "blocked 0 3", "both"],
  ["one that forgets the shell sleeps on the connection", "blocked 3", "remote"],
  ["an event loop watches everything", "loops 0 3", "loop"],
  ["a client that drives a shell sleeps on the shell", "blocked 0", "elsewhere"],
  ["nobody can see what it sleeps on", "", "unknown"],
];

test.each(WAITS)("of who carries the bytes: %s", (_sentence, waits, says) => {
  const [event] = wiredShellDetector.sweep(hostFixture(`${BY_PIPES}\n${NC}\n  ${waits}\n${OUT}`).view);
  expect(event?.fields["shell.holder_waits"]).toBe(says);
});

test("only a shell on a connection that this host opened is its own proof", () => {
  const certain = [`${ON_SOCKET}\n${OUT}`, `${ON_SOCKET}\n${IN}`, `${BY_PIPES}\n${NC}\n${OUT}`].map(
    (host) => wiredShellDetector.sweep(hostFixture(host).view)[0]?.subject?.certain,
  );
  expect(certain).toEqual([true, undefined, undefined]);
});

describe("whom a response would concern", () => {
  test("one event for a connection: all shells on it are actors, the oldest stands for them", () => {
    const second = ON_SOCKET.replace("pid 100 ppid 1", "pid 101 ppid 100");
    const events = wiredShellDetector.sweep(hostFixture(`${second}\n${ON_SOCKET}\n${OUT}`).view);
    expect(events.map((event) => event.process?.pid)).toEqual([100]);
    expect(events[0]?.subject?.actors.map((ref) => ref.pid).sort()).toEqual([100, 101]);
    expect(events[0]?.subject?.sockets.map((socket) => socket.inode)).toEqual([1]);
  });

  test("everything that carries bytes between shell and connection is a relay, the shell is not", () => {
    const host = `${SHELL}\n  fd 0 r pipe:[10]\n  fd 1 w pipe:[11]
pid 88 ppid 1 uid 1000 exe /usr/bin/cat
  fd 0 r /dev/null
  fd 1 w pipe:[10]
  fd 3 r fifo /tmp/f
pid 89 ppid 1 uid 1000 exe /usr/bin/nc.openbsd
  fd 0 r pipe:[11]
  fd 1 w fifo /tmp/f
  fd 3 rw socket:[1]
${OUT}`;
    const [event] = wiredShellDetector.sweep(hostFixture(host).view);
    expect(event?.subject?.actors.map((ref) => ref.pid)).toEqual([100]);
    expect(event?.subject?.relays.map((ref) => ref.pid).sort()).toEqual([88, 89]);
  });
});
