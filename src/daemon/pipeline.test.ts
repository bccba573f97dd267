// From a written-down host to what was recorded, told and done: real detectors, rules and decisions; the hands are noted.
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { createChangeWriter } from "../context/events.ts";
import { hostFixture } from "../context/host.fixture.ts";
import { fakeClock, outcomeFixture } from "../core/nouns.fixture.ts";
import type { Decision, Event, EventDraft, Finding, Outcome } from "../core/nouns.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { createKillBudget } from "../decision/budget.ts";
import { policyFixture } from "../decision/policy.fixture.ts";
import type { Policy } from "../decision/policy.ts";
import type { Detector } from "../detection/detectors/detector.ts";
import { wiredShellDetector } from "../detection/detectors/wired_shell.ts";
import { createEngine } from "../detection/engine.ts";
import { createPipeline, type PipelineParts } from "./pipeline.ts";
import { readRules } from "./rule_files.ts";

const { rules } = readRules([{ folder: join(import.meta.dir, "../../rules"), origin: "own" }]);

/** Shells wired to connections that this host opened to an attacker; each of its own session. */
function shells(...pids: readonly number[]): string {
  return pids
    .map(
      (pid) => `pid ${pid} ppid 1 uid 1000 cgroup /user.slice/user-1000.slice/session-${pid}.scope exe /usr/bin/bash
  argv ["bash","-i"]
  fd 0 rw socket:[${pid}]
  fd 1 rw socket:[${pid}]
  fd 2 rw socket:[${pid}]
tcp 10.0.0.5:4${pid} -> 203.0.${pid - 100}.7:4444 inode ${pid} sent 20 1000 received 30 1200`,
    )
    .join("\n");
}

interface Options {
  readonly host?: string;
  readonly policy?: Partial<Policy>;
  readonly detectors?: readonly Detector[];
  readonly follows?: PipelineParts["follows"];
  readonly intend?: (decision: Decision) => Result<void>;
  readonly kill?: (decision: Decision) => Promise<Outcome>;
}

function setUp(options: Options = {}) {
  const clock = fakeClock();
  /** Everything that happened, in order. */
  const log: string[] = [];
  const stored: { events: Event[]; findings: Finding[]; outcomes: Outcome[] } = {
    events: [],
    findings: [],
    outcomes: [],
  };
  /** When the host was looked at anew. */
  const looks: number[] = [];
  let host = options.host ?? shells(100);
  const kill = options.kill ?? (async (decision) => outcomeFixture({ decisionId: decision.id }));
  const parts: PipelineParts = {
    clock,
    context: {
      update: async () => {
        looks.push(clock.monotonicMs());
        return hostFixture(host).view;
      },
    },
    changes: createChangeWriter(),
    detectors: options.detectors ?? [wiredShellDetector],
    follows: options.follows ?? (() => []),
    engine: () => createEngine(rules),
    policy: () => policyFixture(options.policy),
    budget: createKillBudget(),
    store: {
      appendEvents: (events) => {
        if (log.at(-1) !== "events") log.push("events");
        stored.events.push(...events);
      },
      recordFinding: (finding) => {
        log.push(`finding ${finding.rule.name}`);
        stored.findings.push(finding);
        return { alertId: finding.id, count: 1, isNew: true };
      },
      intend: (decision) => {
        log.push(`intend ${decision.do}`);
        return options.intend?.(decision) ?? ok(undefined);
      },
      settle: (outcome) => {
        log.push(`settle ${outcome.result}`);
        stored.outcomes.push(outcome);
      },
    },
    tell: {
      judged: ({ decision }) => void log.push(`tell ${decision.do}`),
      unrecorded: (decision, fault) => void log.push(`unrecorded ${decision.do}: ${fault.message}`),
      fault: (part, message) => void log.push(`fault ${part}: ${message}`),
    },
    breathe: () => void log.push("breathe"),
    act: {
      kill: (decision) => {
        log.push(`kill ${decision.plan.kill.map(({ pid }) => pid).join(",")}`);
        return kill(decision);
      },
      disconnect: (decision) => {
        log.push("disconnect");
        return outcomeFixture({ decisionId: decision.id, killed: [] });
      },
    },
  };
  const pipeline = createPipeline(parts);
  const sweep = async (next?: string) => {
    host = next ?? host;
    clock.advance(5_000);
    await pipeline.run({ sockets: { internet: hostFixture(host).sockets, unix: [], packet: [] } });
  };
  return { clock, log, looks, stored, pipeline, sweep };
}

const KILL = ["intend kill", "kill 100", "finding reverse_shell", "settle done", "tell kill"];

describe("the order of a kill", () => {
  test("the intent first, then the hand, then finding, outcome and word, and the events last", async () => {
    const { log, sweep, pipeline } = setUp();
    await sweep();
    expect(log).toEqual([...KILL, "events"]);
    expect(pipeline.counts).toMatchObject({ kills: 1, rehearsed: 0, actionsFailed: 0, findings: { ALERT: 1 } });
  });

  test("an intent that no disk takes is told before the hand moves, and holds nothing up", async () => {
    const { log, sweep } = setUp({ intend: () => fail("io", "the disk is full") });
    await sweep();
    expect(log.slice(0, 3)).toEqual(["intend kill", "unrecorded kill: the disk is full", "kill 100"]);
    expect(log).toContain("settle done");
  });

  test("kills come before anything that is only recorded", async () => {
    const exceptions = [{ rule: "reverse_shell", peer: "203.0.0.7", reason: "the first of the two is normal" }];
    const { log, sweep } = setUp({ host: shells(100, 101), policy: { exceptions } });
    await sweep();
    expect(log.filter((line) => line.startsWith("intend"))).toEqual(["intend kill", "intend record"]);
    expect(log[1]).toBe("kill 101");
  });

  test("one that is slow to die delays nobody else", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let first = true;
    const { log, sweep } = setUp({
      host: shells(100, 101),
      kill: async (decision) => {
        const slow = first;
        first = false;
        if (slow) await promise;
        return outcomeFixture({ decisionId: decision.id });
      },
    });
    const swept = sweep();
    await Bun.sleep(5);
    expect(log.filter((line) => line.startsWith("kill"))).toHaveLength(2);
    expect(log.filter((line) => line.startsWith("tell"))).toHaveLength(1);
    resolve();
    await swept;
    expect(log.filter((line) => line.startsWith("tell"))).toHaveLength(2);
  });
});

describe("what goes wrong", () => {
  test("an action that throws is a failed outcome, told, and the others are carried out", async () => {
    let first = true;
    const { log, stored, sweep, pipeline } = setUp({
      host: shells(100, 101),
      kill: async (decision) => {
        if (first) {
          first = false;
          throw new Error("out of order");
        }
        return outcomeFixture({ decisionId: decision.id });
      },
    });
    await sweep();
    expect(stored.outcomes.map(({ result }) => result).sort()).toEqual(["done", "failed"]);
    expect(log.filter((line) => line.startsWith("fault response"))).toHaveLength(1);
    expect(pipeline.counts).toMatchObject({ kills: 1, actionsFailed: 1 });
  });

  test("a detector that throws is told by name, and the others see all the same", async () => {
    const broken: Detector = {
      id: "broken",
      emits: [],
      sweep: () => {
        throw new Error("a bug");
      },
    };
    const { log, sweep } = setUp({ detectors: [broken, wiredShellDetector] });
    await sweep();
    expect(log[0]).toBe("fault detector broken: the detector broken failed on this sweep: a bug");
    expect(log.slice(1, 6)).toEqual(KILL);
  });

  test("a process that survives is killed again at the next sweep", async () => {
    const { log, sweep } = setUp({
      kill: async ({ id }) => outcomeFixture({ decisionId: id, result: "failed", killed: [] }),
    });
    await sweep();
    await sweep();
    expect(log.filter((line) => line === "kill 100")).toHaveLength(2);
  });
});

describe("what is not done", () => {
  const rows: readonly (readonly [name: string, policy: Partial<Policy>, first: readonly string[]])[] = [
    [
      "in monitor mode",
      { mode: "monitor" },
      ["finding reverse_shell", "intend rehearse", "settle rehearsed", "tell rehearse"],
    ],
    [
      "in a pause",
      { pausedUntilMs: 1e15 },
      ["finding reverse_shell", "intend rehearse", "settle rehearsed", "tell rehearse"],
    ],
    [
      "for a rule set to alert",
      { rules: new Map([["reverse_shell", "alert"]]) },
      ["finding reverse_shell", "intend record", "tell record"],
    ],
    [
      "for an exception: on record, and not told",
      { exceptions: [{ rule: "reverse_shell", exe: "/usr/bin/bash", reason: "x" }] },
      ["intend record"],
    ],
    ["for a rule that is off: nothing at all", { rules: new Map([["reverse_shell", "off"]]) }, []],
  ];
  test.each(rows)("%s", async (_name, policy, first) => {
    const { log, sweep } = setUp({ policy });
    await sweep();
    expect(log).toEqual([...first, "events"]);
  });

  test("a lasting rehearsal is told once in ten minutes", async () => {
    const { log, sweep } = setUp({ policy: { mode: "monitor" } });
    for (let minute = 0; minute < 12; minute++) for (let second = 0; second < 12; second++) await sweep();
    expect(log.filter((line) => line === "tell rehearse")).toHaveLength(2);
  });

  test("disconnect only cuts", async () => {
    const { log, sweep, pipeline } = setUp({ policy: { rules: new Map([["reverse_shell", "disconnect"]]) } });
    await sweep();
    expect(log).toEqual([
      "intend disconnect",
      "disconnect",
      "finding reverse_shell",
      "settle done",
      "tell disconnect",
      "events",
    ]);
    expect(pipeline.counts).toMatchObject({ kills: 0, disconnects: 1 });
  });
});

test("the last sweep is what status and scan look at, and a sweep without sockets keeps those of before", async () => {
  const { pipeline, sweep } = setUp();
  expect(pipeline.last()).toBeUndefined();
  await sweep();
  await pipeline.run({});
  expect(pipeline.last()?.sockets).toHaveLength(1);
  expect(pipeline.last()?.view.processes.has(100)).toBe(true);
});

describe("events of other sources", () => {
  const changed: EventDraft = {
    action: "file-modified",
    logsource: { product: "linux", category: "file_change" },
    fields: { "file.path": "/etc/passwd" },
  };

  test("are judged against the view of the last sweep, and the detectors do not run again for them", async () => {
    const { pipeline, sweep, stored, looks, log } = setUp();
    await sweep();
    const before = log.length;
    await pipeline.run({ events: [changed] });
    expect(looks).toHaveLength(1);
    expect(stored.events.at(-1)).toMatchObject(changed);
    expect(log.slice(before)).toEqual([]);
  });

  test("make the host be looked at where nothing was seen of it yet", async () => {
    const { pipeline, looks, stored } = setUp();
    await pipeline.run({ events: [changed] });
    expect(looks).toHaveLength(1);
    expect(stored.events.map(({ action }) => action)).toContain("file-modified");
  });

  test("bring with them what follows from one alone", async () => {
    const hit: EventDraft = { ...changed, action: "indicator-hit" };
    const { pipeline, sweep, stored } = setUp({ follows: (event) => (event === changed ? [hit] : []) });
    await sweep();
    await pipeline.run({ events: [changed] });
    expect(stored.events.slice(-2).map(({ action }) => action)).toEqual(["file-modified", "indicator-hit"]);
  });
});
