import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { hostFixture } from "../context/host.fixture.ts";
import { policyFixture } from "../decision/policy.fixture.ts";
import type { Policy } from "../decision/policy.ts";
import type { Detector } from "../detection/detectors/detector.ts";
import { wiredShellDetector } from "../detection/detectors/wired_shell.ts";
import { createEngine } from "../detection/engine.ts";
import { ownProcesses, type RehearsalInput, rehearse } from "./rehearse.ts";
import { readRules } from "./rule_files.ts";

const { rules } = readRules([{ folder: join(import.meta.dir, "../../rules"), origin: "own" }]);

const WIRED = `pid 100 ppid 1 uid 1000 exe /usr/bin/bash
  argv ["bash","-i"]
  fd 0 rw socket:[1]
  fd 1 rw socket:[1]
pid 101 ppid 100 uid 1000 exe /usr/bin/sleep
  argv ["sleep","60"]
tcp 10.0.0.5:40000 -> 203.0.113.7:4444 inode 1 sent 20 1000 received 30 1200`;

function run(policy: Partial<Policy> = {}, over: Partial<RehearsalInput> = {}, host = WIRED) {
  const { view, sockets } = hostFixture(host);
  return rehearse({
    view,
    sockets,
    detectors: [wiredShellDetector],
    engine: createEngine(rules),
    policy: policyFixture(policy),
    caller: 0,
    sweptBy: "one-shot",
    startedMs: performance.now(),
    ...over,
  });
}

describe("a rehearsal", () => {
  test("names who would die with the tree below, why, and by which rule", () => {
    const report = run();
    expect(report.wouldKill.map(({ process, rule, user }) => [process.pid, rule, user])).toEqual([
      [100, "reverse_shell", "alice"],
      [101, "reverse_shell", "alice"],
    ]);
    expect(report).toMatchObject({ processes: 3, sockets: 1, ownSessionConcerned: false });
    expect(report.findings).toMatchObject([{ rule: "reverse_shell", peer: "203.0.113.7:4444" }]);
  });

  const asEnforce: readonly (readonly [name: string, policy: Partial<Policy>])[] = [
    ["in monitor mode", { mode: "monitor" }],
    ["in a pause", { pausedUntilMs: 1e15 }],
  ];
  test.each(asEnforce)("%s says what enforce would do", (_name, policy) => {
    expect(run(policy).wouldKill).toHaveLength(2);
  });

  const calm: readonly (readonly [name: string, policy: Partial<Policy>])[] = [
    ["a rule set to alert", { rules: new Map([["reverse_shell", "alert"]]) }],
    ["an exception", { exceptions: [{ rule: "reverse_shell", exe: "/usr/bin/bash", reason: "x" }] }],
  ];
  test.each(calm)("%s kills nobody", (_name, policy) => {
    expect(run(policy).wouldKill).toEqual([]);
  });

  test("what would only be cut is told as such", () => {
    const report = run({ rules: new Map([["reverse_shell", "disconnect"]]) });
    expect([report.wouldKill, report.wouldDisconnect.map(({ peer }) => peer)]).toEqual([[], ["tcp 203.0.113.7:4444"]]);
  });

  const scanners: readonly (readonly [scanner: "network" | "processes", findings: number])[] = [
    ["network", 1],
    ["processes", 0],
  ];
  test.each(scanners)("of the %s scanner alone has %d findings", (scanner, findings) => {
    expect(run({}, { scanner }).findings).toHaveLength(findings);
  });

  test("twice says the same twice: it remembers nothing", () => {
    const same = { detectors: [wiredShellDetector] };
    const pids = () => run({}, same).wouldKill.map(({ process }) => process.pid);
    expect([pids(), pids()]).toEqual([
      [100, 101],
      [100, 101],
    ]);
  });

  test("a detector that fails is our bug and no clean bill of health", () => {
    const broken: Detector = {
      id: "broken",
      emits: [],
      sweep: () => {
        throw new Error("a bug");
      },
    };
    expect(() => run({}, { detectors: [broken] })).toThrow("the detector broken failed");
  });
});

test("our own are this process and everything above it but pid 1", () => {
  const own = ownProcesses().map(({ pid }) => pid);
  expect(own).toContain(process.pid);
  expect(own).not.toContain(1);
});
