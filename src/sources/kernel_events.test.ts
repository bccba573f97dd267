// From single reports of the kernel to events: told once, counted when alike, lost when there are too many.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../context/host.fixture.ts";
import { connectionFixture, execFixture, taskFixture } from "../core/kernel.fixture.ts";
import type { KernelWord } from "../core/kernel.ts";
import { fakeClock } from "../core/nouns.fixture.ts";
import type { Fields } from "../core/nouns.ts";
import type { Process, ProcessRef } from "../core/process.ts";
import type { HostView } from "../core/view.ts";
import { createKernelEvents } from "./kernel_events.ts";
import { createKernelProcesses } from "./kernel_processes.ts";
import { createHeardNames } from "./names_heard.ts";

const POOL_ASKED = { isAnswer: false, name: "pool.example", questionType: "A", addresses: [] } as const;
const PARENT = `pid 400 ppid 1 uid 1000 exe /usr/bin/make
  argv ["make"]`;

function setUp() {
  const clock = fakeClock();
  const processes = createKernelProcesses({
    files: {
      executableOf: ({ device, inode }, path) => ({
        path,
        device,
        inode,
        ownerUid: 0,
        mode: 0o755,
        deleted: false,
        memfd: false,
      }),
      learn: () => undefined,
    },
    cgroups: { pathOf: () => "/system.slice/job.service", idOf: () => undefined },
    nowMs: clock.nowMs,
  });
  const { view } = hostFixture(PARENT);
  const living = (ref: ProcessRef): Process | undefined => {
    const process = view.processes.get(ref.pid);
    return process?.ref.startedAtTicks === ref.startedAtTicks ? process : undefined;
  };
  const events = createKernelEvents({ processes, living, names: createHeardNames(), nowMs: clock.nowMs });
  const withGone = (gone: readonly Process[]): HostView => ({
    ...view,
    processes: new Map([...view.processes, ...gone.map((process) => [process.ref.pid, process] as const)]),
  });
  const hear = (word: KernelWord): void => {
    if (word.kind === "exec") processes.executed(word.exec);
    if (word.kind === "fork") processes.started(word.ref, word.parent);
    if (word.kind === "exit") processes.ended(word.ref, clock.nowMs());
    events.hear(word);
  };
  return { clock, processes, events, hear, take: (max = 100) => events.take(max, withGone) };
}

const execOf = (
  pid: number,
  argv: readonly string[],
  overrides: Parameters<typeof taskFixture>[0] = {},
): KernelWord => ({
  kind: "exec",
  exec: execFixture({
    task: taskFixture({ ref: { pid, startedAtTicks: pid }, ...overrides }),
    argv,
    path: "/usr/bin/gcc",
  }),
});

const ROWS: readonly [sentence: string, word: KernelWord, category: string, fields: Fields][] = [
  [
    "a program that no scan saw, with its parent",
    execOf(500, ["gcc", "-c"]),
    "process_creation",
    { "process.command_line": "gcc -c", "process.executable": "/usr/bin/gcc", "process.parent.command_line": "make" },
  ],
  [
    "a connection",
    { kind: "connect", task: taskFixture(), connection: connectionFixture() },
    "network_connection",
    { "destination.ip": "203.0.113.7", "destination.port": 4_444, "network.initiated": true, "process.pid": 500 },
  ],
  [
    "a connection that came",
    { kind: "accept", task: taskFixture(), connection: connectionFixture({ direction: "accepted" }) },
    "network_connection",
    { "source.ip": "203.0.113.7", "network.initiated": false },
  ],
  [
    "a listener",
    { kind: "listen", task: taskFixture(), connection: connectionFixture({ listens: true }) },
    "network_listener",
    { "source.ip": "10.0.0.5", "source.port": 40_000 },
  ],
  [
    "a question for a name, with who asked",
    { kind: "dns", ref: { pid: 400, startedAtTicks: 1_400 }, message: POOL_ASKED },
    "dns_query",
    { "dns.question.name": "pool.example", "dns.question.type": "A", "process.executable": "/usr/bin/make" },
  ],
  [
    "a question of somebody who is gone",
    { kind: "dns", ref: { pid: 9, startedAtTicks: 9 }, message: POOL_ASKED },
    "dns_query",
    { "dns.question.name": "pool.example", "process.pid": 9 },
  ],
  [
    "refused ports",
    { kind: "refused", source: "198.51.100.9", ports: 30 },
    "port_probe",
    { "peer.ip": "198.51.100.9", "scan.ports": 30 },
  ],
  [
    "a signal to us",
    { kind: "signal", task: taskFixture(), name: "kill", targetPid: 700, signal: 9 },
    "guard_signal",
    { "signal.number": 9, "signal.target_pid": 700, "process.pid": 500 },
  ],
  [
    "a watched file that was opened",
    accessOf({ pid: 400, startedAtTicks: 1_400 }),
    "sensitive_access",
    { "file.path": "/etc/shadow", "access.kind": "credentials", "process.executable": "/usr/bin/make" },
  ],
  ["a module", { kind: "module", task: taskFixture(), name: "evil" }, "kernel_module", { "module.name": "evil" }],
  ["an io_uring", { kind: "uring", task: taskFixture() }, "io_uring", { "process.pid": 500 }],
  [
    "root that nobody explains",
    changeOf(taskFixture({ effectiveUid: 0 })),
    "credential_change",
    { "change.root_unexplained": true, "change.before_user_id": 1_000 },
  ],
  [
    "root by a setuid file",
    changeOf(taskFixture({ effectiveUid: 0, marks: { memfd: false, deleted: false, setuid: true } })),
    "credential_change",
    { "change.root_unexplained": false },
  ],
  [
    "a service that leaves root",
    changeOf(taskFixture({ effectiveUid: 33 }), 0),
    "credential_change",
    { "change.root_unexplained": false },
  ],
];

/** After the moment of `accessOf`. */
function later(word: KernelWord): KernelWord {
  return word.kind === "exec" ? { kind: "exec", exec: { ...word.exec, sinceBootUs: 3_000 } } : word;
}

function accessOf(ref: ProcessRef, path = "/etc/shadow"): KernelWord {
  return { kind: "file", sinceBootUs: 2_000, ...ref, path, watch: "credentials", written: false };
}

function changeOf(task: ReturnType<typeof taskFixture>, beforeUid = 1_000): KernelWord {
  return { kind: "change", task, beforeUid, uidChanged: true, capabilitiesGained: false, namespaces: [] };
}

describe("an event is made of", () => {
  for (const [sentence, word, category, fields] of ROWS)
    test(sentence, () => {
      const { hear, take } = setUp();
      hear(word);
      const drafts = take();
      expect(drafts.map(({ logsource }) => logsource.category)).toEqual([category]);
      expect(drafts[0]?.fields).toMatchObject(fields);
    });
});

describe("who opened a file is", () => {
  const SSHD: ProcessRef = { pid: 400, startedAtTicks: 1_400 };
  const CHILD: ProcessRef = { pid: 600, startedAtTicks: 1_600 };
  const GRANDCHILD: ProcessRef = { pid: 601, startedAtTicks: 1_601 };
  const GONE_BEFORE: ProcessRef = { pid: 500, startedAtTicks: 500 };
  const GONE = { pid: 500, startedAtTicks: 0 };
  const rows: readonly [sentence: string, words: readonly KernelWord[], fields: Fields][] = [
    [
      "who executed something and was gone before anybody could look",
      [execOf(500, ["gcc", "x"]), { kind: "exit", ref: { pid: 500, startedAtTicks: 500 } }, accessOf(GONE)],
      { "process.command_line": "gcc x", "process.executable": "/usr/bin/gcc", "process.pid": 500 },
    ],
    [
      "the newest of that number",
      [
        execOf(500, ["gcc", "x"]),
        { kind: "exit", ref: { pid: 500, startedAtTicks: 500 } },
        execOf(500, ["gcc", "y"], { ref: { pid: 500, startedAtTicks: 777 } }),
        accessOf(GONE),
      ],
      { "process.command_line": "gcc y" },
    ],
    [
      "the one that had opened it before it became another program",
      [
        execOf(500, ["gcc", "x"], { ref: GONE_BEFORE }),
        later(execOf(500, ["sudo"], { ref: GONE_BEFORE })),
        accessOf(GONE),
      ],
      { "process.command_line": "gcc x" },
    ],
    [
      "of before the sensor, although it became another program since",
      [later(execOf(400, ["true"], { ref: SSHD })), accessOf(SSHD)],
      { "process.command_line": "make" },
    ],
    [
      "what a child is that has executed nothing: the one that forked it",
      [{ kind: "fork", ref: CHILD, parent: SSHD }, accessOf({ ...CHILD, startedAtTicks: 0 })],
      { "process.command_line": "make", "process.executable": "/usr/bin/make", "process.pid": 600 },
    ],
    [
      "also over two forks",
      [
        { kind: "fork", ref: CHILD, parent: SSHD },
        { kind: "fork", ref: GRANDCHILD, parent: CHILD },
        { kind: "exit", ref: CHILD },
        accessOf(GRANDCHILD),
      ],
      { "process.command_line": "make", "process.parent.pid": 600, "process.parent.command_line": "make" },
    ],
    ["a number where nobody knows more, and nobody vouches for it", [accessOf(GONE)], { "access.vouched": false }],
  ];
  for (const [sentence, words, fields] of rows)
    test(sentence, () => {
      const { hear, take } = setUp();
      for (const word of words) hear(word);
      expect(take().at(-1)?.fields).toMatchObject(fields);
    });

  test("told once for the same program, arguments and file, whatever its number", () => {
    const { hear, take, events } = setUp();
    for (let pid = 1_000; pid < 1_500; pid++) {
      hear(execOf(pid, ["gcc"]));
      hear(accessOf({ pid, startedAtTicks: pid }));
    }
    hear(accessOf({ pid: 1_000, startedAtTicks: 1_000 }, "/etc/gshadow"));
    expect(take().map(({ action }) => action)).toEqual(["process-started", "file-opened", "file-opened"]);
    expect(events.counts().lost).toBe(0);
  });
});

describe("a storm", () => {
  test("of the same program, arguments, starter and user is one event and a number", () => {
    const { hear, take, events } = setUp();
    for (let pid = 1_000; pid < 4_000; pid++) hear(execOf(pid, ["gcc", "-c"]));
    expect(take()).toHaveLength(1);
    expect(events.counts()).toMatchObject({ alike: 2_999, lost: 0, told: 1 });
  });

  test("is told again ten seconds later", () => {
    const { hear, take, clock } = setUp();
    hear(execOf(1_000, ["gcc"]));
    clock.advance(10_000);
    hear(execOf(1_001, ["gcc"]));
    expect(take()).toHaveLength(2);
  });

  test.each([
    ["other arguments", execOf(1_001, ["gcc", "-x"])],
    ["another file", execOf(1_001, ["gcc"], { inode: 78 })],
    ["another user", execOf(1_001, ["gcc"], { effectiveUid: 0 })],
    ["another starter", execOf(1_001, ["gcc"], { parent: { pid: 401, startedAtTicks: 1 } })],
  ])("does not hide %s", (_what, other) => {
    const { hear, take } = setUp();
    hear(execOf(1_000, ["gcc"]));
    hear(other);
    expect(take()).toHaveLength(2);
  });

  test("of different ones is bounded, counted, and left to the scan", () => {
    const { hear, events } = setUp();
    for (let pid = 1_000; pid < 6_000; pid++) hear(execOf(pid, ["gcc", String(pid)]));
    expect(events.counts()).toMatchObject({ alike: 0, lost: 3_000 });
    expect(events.waiting).toBe(2_000);
    expect(events.wasTold({ pid: 1_000, startedAtTicks: 1_000 }, 77)).toBe(true);
    expect(events.wasTold({ pid: 5_999, startedAtTicks: 5_999 }, 77)).toBe(false);
  });

  test("is taken in parts, the oldest first", () => {
    const { hear, take } = setUp();
    for (let pid = 1_000; pid < 1_010; pid++) hear(execOf(pid, ["gcc", String(pid)]));
    expect(take(4).map(({ process }) => process?.pid)).toEqual([1_000, 1_001, 1_002, 1_003]);
    expect(take(100)).toHaveLength(6);
  });
});

test("a process that has executed something else since is not told by what it was", () => {
  const { hear, events } = setUp();
  hear(execOf(1_000, ["gcc"]));
  expect(events.wasTold({ pid: 1_000, startedAtTicks: 1_000 }, 78)).toBe(false);
});

describe("who stands above a process", () => {
  test("is followed over those that are gone, by exec and by fork", () => {
    const { processes } = setUp();
    const ref = (pid: number) => ({ pid, startedAtTicks: pid });
    processes.started(ref(20), ref(10));
    processes.executed(execFixture({ task: taskFixture({ ref: ref(30), parent: ref(20) }) }));
    processes.ended(ref(20), 0);
    expect(processes.ancestorsOf(taskFixture({ ref: ref(40), parent: ref(30) })).map(({ pid }) => pid)).toEqual([
      30, 20, 10,
    ]);
  });

  test("is kept ten seconds after its end", () => {
    const { processes, clock } = setUp();
    processes.executed(execFixture());
    const { ref } = taskFixture();
    processes.ended(ref, clock.nowMs());
    expect([processes.isKnown(ref), processes.isAlive(ref)]).toEqual([true, false]);
    clock.advance(9_999);
    processes.forget(clock.nowMs());
    expect(processes.described(ref)?.argv).toEqual(["bash", "-i"]);
    clock.advance(1);
    processes.forget(clock.nowMs());
    expect(processes.isKnown(ref)).toBe(false);
  });

  test("a child runs what its parent ran until it executes something", () => {
    const { processes } = setUp();
    processes.executed(execFixture());
    processes.started({ pid: 501, startedAtTicks: 1_501 }, taskFixture().ref);
    expect(processes.reportedInode({ pid: 501, startedAtTicks: 1_501 })).toBe(77);
  });
});
