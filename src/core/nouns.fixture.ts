/** Real-looking nouns for tests. Each call makes new ones; pass what the test is about. */
import type { Clock } from "./clock.ts";
import type { ActionPlan, Decision, Event, Finding, Outcome, SocketRef } from "./nouns.ts";

export const NOON_MS = Date.UTC(2026, 2, 14, 12, 0, 0);

let serial = 0;

/** 13 characters like a real id, counting up. */
export function fixtureId(): string {
  serial++;
  return `0testid${serial.toString(32).padStart(6, "0")}`;
}

export interface FakeClock extends Clock {
  /** Both clocks go on. */
  advance(ms: number): void;
  /** Only the wall clock jumps. */
  step(ms: number): void;
}

export function fakeClock(startMs: number = NOON_MS): FakeClock {
  let wallMs = startMs;
  let monotonicMs = 1_000;
  return {
    nowMs: () => wallMs,
    monotonicMs: () => monotonicMs,
    advance: (ms) => {
      wallMs += ms;
      monotonicMs += ms;
    },
    step: (ms) => {
      wallMs += ms;
    },
  };
}

export function socketFixture(overrides: Partial<SocketRef> = {}): SocketRef {
  return {
    inode: 48_213,
    cookie: 18_446_744_073_709_551_615n,
    networkNamespace: 4_026_531_840,
    protocol: "tcp",
    localAddress: "192.0.2.10",
    localPort: 51_344,
    remoteAddress: "203.0.113.7",
    remotePort: 4_444,
    ...overrides,
  };
}

export function eventFixture(overrides: Partial<Event> = {}): Event {
  return {
    id: fixtureId(),
    atMs: NOON_MS,
    action: "shell-wired",
    logsource: { product: "linux", service: "algo-monitor", category: "wired_shell" },
    process: { pid: 31_337, startedAtTicks: 912_345 },
    fields: {
      "process.pid": 31_337,
      "process.name": "bash",
      "process.executable": "/usr/bin/bash",
      "process.command_line": "bash -i",
      "process.parent.executable": "/usr/bin/python3.11",
      "process.user.id": 33,
      "user.name": "www-data",
      "destination.ip": "203.0.113.7",
      "destination.port": 4_444,
      "shell.direction": "connected",
    },
    ...overrides,
  };
}

export function findingFixture(overrides: Partial<Finding> = {}): Finding {
  return {
    id: fixtureId(),
    atMs: NOON_MS,
    rule: { id: "5f0d3b0e-8a8e-4f7e-9a53-0d6f0a4f2b11", name: "reverse_shell", version: 2 },
    level: "critical",
    score: 95,
    title: "A shell takes its commands from a remote host: /usr/bin/bash (pid 31337) and 203.0.113.7:4444",
    reasons: ["standard input and output lead to tcp 203.0.113.7:4444", "this host opened the connection"],
    tags: ["attack.execution", "attack.t1059.004", "attack.command-and-control"],
    response: "kill",
    event: eventFixture(),
    foldKey: "reverse_shell|/usr/bin/python3.11>/usr/bin/bash|203.0.113.7",
    triage: "Find how it came in: look at the parent and its logs.",
    ...overrides,
  };
}

export function planFixture(overrides: Partial<ActionPlan> = {}): ActionPlan {
  return {
    kill: [{ pid: 31_337, startedAtTicks: 912_345 }],
    sockets: [socketFixture()],
    spared: [],
    ...overrides,
  };
}

export function killFixture(
  overrides: { readonly id?: string; readonly findingId?: string; readonly atMs?: number } = {},
): Decision {
  return {
    id: fixtureId(),
    atMs: NOON_MS + 5,
    rule: { id: "5f0d3b0e-8a8e-4f7e-9a53-0d6f0a4f2b11", name: "reverse_shell", version: 2 },
    by: "policy",
    reasons: ["the rule asks for kill", "mode is enforce"],
    ...overrides,
    do: "kill",
    plan: planFixture(),
  };
}

export function outcomeFixture(overrides: Partial<Outcome> = {}): Outcome {
  return {
    decisionId: "0testid000000",
    atMs: NOON_MS + 20,
    result: "done",
    verified: true,
    killed: [{ pid: 31_337, startedAtTicks: 912_345 }],
    survived: [],
    socketsDestroyed: 1,
    detail: "",
    tookMs: 12.4,
    evidence: [
      {
        process: { pid: 31_337, startedAtTicks: 912_345 },
        executable: "/usr/bin/bash",
        commandLine: "bash -i",
        workingDirectory: "/var/www",
        userId: 33,
        parentPid: 31_336,
        descriptors: ["0 -> socket:[48213]", "1 -> socket:[48213]"],
      },
    ],
    ...overrides,
  };
}
