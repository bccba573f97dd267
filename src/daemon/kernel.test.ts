// The daemon's head for the sensor: what each word sets in motion, and when the kernel is told what.
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { builtInConfig } from "../config/load.ts";
import { hostFixture } from "../context/host.fixture.ts";
import { askFixture, execFixture, taskFixture, verdictFixture } from "../core/kernel.fixture.ts";
import { fakeClock, NOON_MS } from "../core/nouns.fixture.ts";
import { policyFixture } from "../decision/policy.fixture.ts";
import type { Policy } from "../decision/policy.ts";
import { createUsers } from "../host/users.ts";
import { createKernel } from "./kernel.ts";
import { PROGRAM } from "./kernel_numbers.ts";
import { readRules } from "./rule_files.ts";

function setUp(
  program: { name: string; shell: boolean; verified: boolean } = { name: "bash", shell: true, verified: false },
) {
  const clock = fakeClock();
  const frames: Uint8Array[] = [];
  const sweeps = { soon: 0 };
  const faults: string[] = [];
  let policy: Policy = policyFixture();
  const { view } = hostFixture("");
  const facts = {
    ...program,
    interpreter: program.shell,
    relayTool: false,
    isCopy: !program.verified,
    temporary: false,
  };
  const kernel = createKernel({
    clock,
    users: createUsers(),
    orders: {
      fresh: () => policy,
      rules: () => readRules([{ folder: join(import.meta.dir, "../../rules"), origin: "own" }]),
      config: () => builtInConfig("enforce"),
    },
    context: { withGone: () => ({ ...view, program: () => facts }), expectUnit: () => undefined },
    pools: () => [],
    blocked: () => [],
    lastView: () => view,
    sweepSoon: async () => void sweeps.soon++,
    listenSoon: async () => undefined,
    urgentSweeps: () => ({ count: 0, lastTookMs: 0, medianTookMs: 0 }),
    breathe: () => undefined,
    send: (frame) => frames.push(frame) > 0,
    onFault: (part, message) => void faults.push(`${part}: ${message}`),
  });
  const types = () => frames.map((frame) => frame[2]);
  const setPolicy = (next: Partial<Policy>) => {
    policy = policyFixture(next);
  };
  return { clock, kernel, frames, types, sweeps, faults, setPolicy };
}

describe("a start read from /proc, where BPF is refused", () => {
  test("of a shell makes the scan look at once, and tells the kernel nothing", async () => {
    const { kernel, sweeps, frames } = setUp({ name: "bash", shell: true, verified: true });
    kernel.hear({ kind: "exec", exec: execFixture({ incomplete: true, task: taskFixture({ isNamed: false }) }) });
    await Bun.sleep(20);
    expect(sweeps.soon).toBe(1);
    expect(frames).toEqual([]);
    expect(kernel.report().watches).toBe(false);
  });

  test("of an installed program that runs nobody's code is only told", async () => {
    const { kernel, sweeps } = setUp({ name: "ls", shell: false, verified: true });
    kernel.hear({ kind: "exec", exec: execFixture({ incomplete: true }) });
    await Bun.sleep(20);
    expect(sweeps.soon).toBe(0);
    expect(kernel.takeEvents().length).toBe(1);
  });
});

describe("the kernel is told", () => {
  test("nothing before there is a sensor, and everything when there is one", () => {
    const { kernel, types } = setUp();
    kernel.applyOrders();
    expect(types()).toEqual([]);
    kernel.began();
    expect(new Set(types())).toEqual(new Set([129, 130, 131, 132, 134, 136]));
    expect(kernel.report()).toMatchObject({ watches: true, generation: 1 });
  });

  test("of a change at once, and of nothing where nothing changed", () => {
    const { kernel, frames, types, setPolicy } = setUp();
    kernel.began();
    frames.length = 0;
    kernel.applyOrders();
    expect(types()).toEqual([]);
    setPolicy({ mode: "monitor" });
    kernel.applyOrders();
    expect(types()).toEqual([129]);
    expect([...(frames[0]?.slice(21, 24) ?? [])]).not.toContain(2);
  });

  test("everything again by a sensor that began anew", () => {
    const { kernel, frames, types } = setUp();
    kernel.began();
    frames.length = 0;
    kernel.ended();
    kernel.began();
    expect(types()).toContain(130);
    expect(types().at(-1)).toBe(129);
  });

  test("what a file is that nobody had named, once", () => {
    const { kernel, frames, types } = setUp();
    kernel.began();
    frames.length = 0;
    const exec = execFixture({ task: taskFixture({ isNamed: false, inode: 4_294_000_001 }) });
    kernel.hear({ kind: "exec", exec });
    kernel.hear({ kind: "exec", exec });
    expect(types()).toEqual([130]);
    const view = new DataView(frames[0]?.buffer ?? new ArrayBuffer(64));
    expect(view.getUint32(36, true)).toBe(PROGRAM.known | PROGRAM.shell | PROGRAM.interpreter);
    expect(view.getBigUint64(24, true)).toBe(4_294_000_001n);
  });

  test("that a program of the system is one", () => {
    const { kernel, frames } = setUp({ name: "/usr/lib/git-core/git", shell: false, verified: true });
    kernel.began();
    frames.length = 0;
    kernel.hear({ kind: "exec", exec: execFixture({ task: taskFixture({ isNamed: false, inode: 4_294_000_002 }) }) });
    const view = new DataView(frames[0]?.buffer ?? new ArrayBuffer(64));
    expect(view.getUint32(36, true)).toBe(PROGRAM.known | PROGRAM.verified);
  });
});

describe("the host is looked at at once", () => {
  test.each([
    ["a verdict", { kind: "verdict", verdict: verdictFixture() }],
    ["a question", { kind: "ask", ask: askFixture() }],
    ["a loss", { kind: "loss", fromMs: NOON_MS, toMs: NOON_MS, urgent: 0, vital: 3, other: 0, files: 0, unseen: 0 }],
  ] as const)("for %s", async (_what, word) => {
    const { kernel, sweeps } = setUp();
    kernel.began();
    kernel.hear(word);
    await Bun.sleep(5);
    expect(sweeps.soon).toBeGreaterThan(0);
  });

  test("when the sensor is gone, but not for a program or a fork", async () => {
    const { kernel, sweeps } = setUp();
    kernel.began();
    kernel.hear({ kind: "exec", exec: execFixture() });
    kernel.hear({ kind: "fork", ref: { pid: 1_000, startedAtTicks: 1 }, parent: undefined });
    await Bun.sleep(5);
    expect(sweeps.soon).toBe(0);
    kernel.ended();
    expect(sweeps.soon).toBe(1);
    expect(kernel.report().blindWindows).toEqual([{ fromMs: NOON_MS, lost: 0 }]);
  });
});

test("a loss is said in words, and so are events that found no room", () => {
  const { kernel, faults } = setUp();
  kernel.began();
  kernel.hear({ kind: "loss", fromMs: NOON_MS, toMs: NOON_MS, urgent: 1, vital: 3, other: 0, files: 4, unseen: 2 });
  expect(faults).toEqual([
    "sensor: the kernel sensor lost 1 verdicts or questions, 3 starts, ends or connections, 4 opens or writes of watched files, 2 events that the programs were not called for",
  ]);
  for (let pid = 0; pid < 2_010; pid++)
    kernel.hear({
      kind: "exec",
      exec: execFixture({ argv: [String(pid)], task: taskFixture({ ref: { pid, startedAtTicks: pid } }) }),
    });
  kernel.tick();
  expect(faults[1]).toContain("10 reports of the sensor came faster than they could be judged");
});
