// From what the operator wants to what the kernel compares, and to the bytes that say so.
import { describe, expect, test } from "bun:test";
import type { KernelProgramFile } from "../context/kernel_programs.ts";
import { NOON_MS } from "../core/nouns.fixture.ts";
import type { ResponseKind } from "../core/nouns.ts";
import { neverTouchFixture, policyFixture } from "../decision/policy.fixture.ts";
import type { Policy } from "../decision/policy.ts";
import { answerFrame, exemptFrame, kernelDevice, networksFrame, settingsFrame, sparedFrame } from "./kernel_frames.ts";
import { MODE, PROGRAM, SPARED } from "./kernel_numbers.ts";
import { createKernelOrders } from "./kernel_orders.ts";
import { compileKernelPolicy, EXEMPT_MAX, type KernelPolicy, lettersOf } from "./kernel_policy.ts";

const ID = "5b8d1f1e-2f5c-4f0e-9a39-6a2b7f7f1c01";
const BASH: KernelProgramFile = {
  device: 2_049,
  inode: 10,
  classes: ["shell", "interpreter", "verified"],
  family: "shell",
  path: "/usr/bin/bash",
  ownerUid: 0,
  mode: 0o755,
};

function compiled(policy: Partial<Policy> = {}, installed: readonly KernelProgramFile[] = [BASH]): KernelPolicy {
  return compileKernelPolicy({
    policy: policyFixture(policy),
    nowMs: NOON_MS,
    ruleResponse: (): ResponseKind => "kill",
    ruleId: (name) => (name === "reverse_shell" ? ID : undefined),
    installed,
    fileOf: (path) => (path === "/opt/tool" ? { device: 2_049, inode: 33 } : undefined),
    uidOf: (user) => (user === "deploy" ? 1_001 : undefined),
    cgroupOfUnit: (unit) => (unit === "db.service" ? 900n : undefined),
    pools: ["198.51.100.7"],
    blocked: [{ network: "203.0.113.0/24", untilNs: 5n }],
    daemonPid: 700,
    mayHold: true,
    guardOn: false,
    watches: [],
    deepSyscalls: false,
  });
}

const MODES: readonly [sentence: string, policy: Partial<Policy>, modes: readonly number[], hold: boolean][] = [
  ["kills where a kill would follow, and holds", {}, [MODE.enforce, MODE.enforce, MODE.enforce], true],
  ["only watches in monitor mode, and holds nothing", { mode: "monitor" }, [MODE.watch, MODE.watch, MODE.watch], false],
  ["only watches while paused", { pausedUntilMs: NOON_MS + 1 }, [MODE.watch, MODE.watch, MODE.watch], false],
  ["kills again when the pause is over", { pausedUntilMs: NOON_MS }, [MODE.enforce, MODE.enforce, MODE.enforce], true],
  [
    "watches for a rule that is set to monitor",
    { rules: new Map([["bind_shell", "monitor"]]) },
    [MODE.enforce, MODE.watch, MODE.enforce],
    true,
  ],
  [
    "is silent about a rule that is off, named by its id",
    { rules: new Map([[ID, "off"]]) },
    [MODE.off, MODE.enforce, MODE.enforce],
    true,
  ],
  [
    "kills nothing for a rule that only alerts or disconnects",
    {
      rules: new Map<string, ResponseKind>([
        ["reverse_shell", "alert"],
        ["bind_shell", "disconnect"],
        ["miner_confirmed", "off"],
      ]),
    },
    [MODE.off, MODE.off, MODE.off],
    false,
  ],
];

describe("the mode of a rule", () => {
  for (const [sentence, policy, modes, hold] of MODES)
    test(sentence, () => {
      const { settings } = compiled(policy);
      expect(settings.rules.slice(1, 4)).toEqual([...modes]);
      expect(settings.hold).toBe(hold);
    });

  test("pools are named only where their rule would act", () => {
    expect(compiled().poolNetworks).toEqual(["198.51.100.7"]);
    expect(compiled({ rules: new Map([["miner_confirmed", "off"]]) }).poolNetworks).toEqual([]);
  });
});

const REASON = "normal here";
const EXEMPT: readonly [
  sentence: string,
  entry: Policy["exceptions"][number],
  expected: KernelPolicy["exempt"][number] | undefined,
  mapped?: true,
][] = [
  [
    "compares file, user and peer",
    { rule: "reverse_shell", exe: "/opt/tool", user: "deploy", peer: "10.1.0.0/16", reason: REASON },
    { rules: 2, file: { device: 2_049, inode: 33 }, uid: 1_001, network: "10.1.0.0/16" },
    true,
  ],
  [
    "compares a peer of IPv6",
    { rule: "reverse_shell", peer: "2001:db8::/32", reason: REASON },
    { rules: 2, network: "2001:db8::/32" },
  ],
  ["takes the rule by its id in any case", { rule: ID.toUpperCase(), reason: REASON }, { rules: 2 }],
  [
    "matches wider for what the kernel cannot compare",
    { rule: "bind_shell", args: "-v", parent: "/opt/tool", reason: REASON },
    { rules: 4 },
  ],
  [
    "matches wider for a file that is not there",
    { rule: "bind_shell", exe: "/opt/gone", reason: REASON },
    { rules: 4 },
  ],
  ["matches wider for a user nobody knows", { rule: "bind_shell", user: "who", reason: REASON }, { rules: 4 }],
  ["takes a number for a user", { rule: "bind_shell", user: "0", reason: REASON }, { rules: 4, uid: 0 }],
  ["says nothing about other rules", { rule: "port_scan", reason: REASON }, undefined],
  ["says nothing about files", { rule: "reverse_shell", file: "/etc/x", reason: REASON }, undefined],
  ["ends two days after its last day", { rule: "reverse_shell", until: "2026-03-11", reason: REASON }, undefined],
  ["still holds on its last day", { rule: "reverse_shell", until: "2026-03-14", reason: REASON }, { rules: 2 }],
];

describe("an exception in the kernel", () => {
  for (const [sentence, entry, expected, mapped] of EXEMPT)
    test(sentence, () => {
      const wanted = [
        expected,
        mapped === undefined ? undefined : { ...expected, rules: expected?.rules ?? 0, mapped },
      ].filter((one) => one !== undefined);
      expect(compiled({ exceptions: [entry] }).exempt).toEqual(wanted);
    });

  test("more than the kernel holds become one that asks about everything of their rules", () => {
    const exceptions = Array.from({ length: EXEMPT_MAX + 1 }, (_, index) => ({
      rule: index === 0 ? "bind_shell" : "reverse_shell",
      peer: `10.0.0.${index}`,
      reason: REASON,
    }));
    expect(compiled({ exceptions }).exempt).toEqual([{ rules: 6 }]);
  });
});

test("files: what they are, who is trusted, who is spared", () => {
  const { programs } = compiled({
    trustedExecutables: [{ path: "/usr/bin/bash", device: 2_049, inode: 10 }],
    neverTouch: neverTouchFixture({ executables: new Set(["/opt/tool", "/opt/gone"]) }),
  });
  const bits = PROGRAM.known | PROGRAM.shell | PROGRAM.interpreter | PROGRAM.verified | PROGRAM.exempt;
  expect(programs).toEqual([
    { device: 2_049, inode: 10, program: bits, codeLetters: lettersOf("c"), valueLetters: lettersOf("oO") },
    { device: 2_049, inode: 33, program: PROGRAM.known | PROGRAM.spared, codeLetters: 0n, valueLetters: 0n },
  ]);
});

test("whom to spare: users, units by their group, our own processes once each", () => {
  const own = { pid: 700, startedAtTicks: 1 };
  const { spared } = compiled({
    neverTouch: neverTouchFixture({
      userIds: new Set([0]),
      units: new Set(["db.service", "gone.service"]),
      processes: [own, own],
    }),
  });
  expect(spared).toEqual([
    { kind: SPARED.uid, id: 0n },
    { kind: SPARED.cgroup, id: 900n },
    { kind: SPARED.process, id: 700n },
  ]);
});

describe("what is sent", () => {
  const types = (frames: readonly Uint8Array[]) => frames.map((frame) => frame[2]);

  test("all of it at first, nothing while nothing changes, then only what changed, settings last", () => {
    const frames: Uint8Array[] = [];
    const orders = createKernelOrders((frame) => frames.push(frame) > 0);
    expect(orders.apply(compiled())).toBe(true);
    const programs = types(frames).filter((type) => type === 130).length;
    expect(programs).toBeGreaterThan(0);
    expect(types(frames).slice(-5)).toEqual([131, 132, 134, 134, 129]);
    frames.length = 0;
    expect(orders.apply(compiled())).toBe(false);
    expect(frames).toEqual([]);
    expect(orders.apply(compiled({ exceptions: [{ rule: "reverse_shell", reason: REASON }] }))).toBe(true);
    expect(types(frames)).toEqual([131, 129]);
    expect(orders.generation()).toBe(2);
  });

  test("a file that is trusted no more is a file like any other again", () => {
    const frames: Uint8Array[] = [];
    const orders = createKernelOrders((frame) => frames.push(frame) > 0);
    const file = { path: "/opt/tool", device: 2_049, inode: 33 };
    orders.apply(compiled({ trustedExecutables: [file] }));
    frames.length = 0;
    orders.apply(compiled());
    const bytes = frames.find((frame) => frame[2] === 130);
    const view = new DataView(bytes?.buffer ?? new ArrayBuffer(64));
    expect([view.getUint32(16, true), view.getBigUint64(24, true), view.getUint32(36, true)]).toEqual([
      1,
      33n,
      PROGRAM.known,
    ]);
  });

  test("a sensor that took nothing is told everything the next time", () => {
    let takes = false;
    const frames: Uint8Array[] = [];
    const orders = createKernelOrders((frame) => takes && frames.push(frame) > 0);
    orders.apply(compiled());
    takes = true;
    expect(orders.apply(compiled())).toBe(true);
    expect(types(frames)).toContain(129);
  });

  test("what is in a frame stands where wire.h has it", () => {
    const settings = settingsFrame({ ...compiled().settings, generation: 3 });
    expect([...settings.slice(0, 3)]).toEqual([48, 0, 129]);
    expect([...settings.slice(16, 29)]).toEqual([3, 0, 0, 0, 0, 2, 2, 2, 2, 0, 0, 0, 1]);
    const exempt = new DataView(exemptFrame([{ rules: 2, network: "10.1.0.0/16" }]).buffer);
    expect(exempt.getUint32(24 + 12, true)).toBe(0xffffffff);
    const mapped = exemptFrame([{ rules: 2, network: "10.1.0.0/16", mapped: true }]);
    expect([...mapped.slice(24 + 20, 24 + 40)]).toEqual([6, 112, 0, 0, ...Array(10).fill(0), 255, 255, 10, 1, 0, 0]);
    expect([exempt.getUint8(24 + 20), exempt.getUint8(24 + 21), exempt.getUint32(24 + 24)]).toEqual([
      4, 16, 0x0a010000,
    ]);
    const spared = new DataView(sparedFrame([{ kind: SPARED.uid, id: 5n }]).buffer);
    expect([spared.getUint16(0, true), spared.getBigUint64(32, true)]).toEqual([40, 5n]);
    const network = new DataView(networksFrame(3, [{ network: "2001:db8::/32" }, { network: "no network" }]).buffer);
    expect([network.getUint32(16, true), network.getUint32(20, true), network.getUint32(40)]).toEqual([
      1, 3, 0x20010db8,
    ]);
    const answer = new DataView(answerFrame(9n, "connection", "stop", 0).buffer);
    expect([answer.getBigUint64(16, true), answer.getUint8(24), answer.getUint8(25)]).toEqual([9n, 1, 1]);
  });

  test.each([
    [2_049, (8 << 20) | 1],
    [64_768, (253 << 20) | 0],
    [1_048_832, (1 << 20) | 256],
  ])("device %i of stat is %i of the kernel", (device, expected) => expect(kernelDevice(device)).toBe(expected));
});
