// The budget stops our own mistakes and never an attacker's next shell: what is one incident, what spends, what recovers.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createKillBudget, type Incident, peerNetwork } from "./budget.ts";

const MINUTE_MS = 60_000;
const incident = (lineage: string, peer: string, over: Partial<Incident> = {}): Incident => ({
  rule: "reverse_shell",
  executable: "/usr/bin/bash (1:2)",
  lineage,
  peer,
  ...over,
});

const NETWORKS: readonly [address: string, network: string][] = [
  ["203.0.113.7", "203.0.113"],
  ["203.0.113.250", "203.0.113"],
  ["127.0.0.1", "loopback"],
  ["127.8.9.1", "loopback"],
  ["::1", "loopback"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8::7", "2001:db8:0:0"],
  ["fe80::1", "fe80:0:0:0"],
  ["::ffff:0:1", "0:0:0:0"],
  ["", ""],
];

test.each(NETWORKS)("the network of %p is %p", (address, network) => {
  expect(peerNetwork(address)).toBe(network);
});

type Step = readonly [atMs: number, incident: Incident, says: "counted" | "repeat" | "spent"];
const ROWS: readonly [sentence: string, limit: number, steps: readonly Step[]][] = [
  [
    "a retry loop of one lineage is one kill",
    1,
    [
      [0, incident("a", "192.0.2.1"), "counted"],
      [5_000, incident("a", "198.51.100.1"), "repeat"],
      [9_000, incident("a", ""), "repeat"],
    ],
  ],
  [
    "an attacker with many lineages and one network is one kill",
    1,
    [
      [0, incident("a", "192.0.2.1"), "counted"],
      [5_000, incident("b", "192.0.2.99"), "repeat"],
    ],
  ],
  [
    "all of loopback is one peer",
    1,
    [
      [0, incident("a", "127.0.0.1"), "counted"],
      [1, incident("b", "127.4.4.4"), "repeat"],
      [2, incident("c", "::1"), "repeat"],
    ],
  ],
  [
    "no peer is nobody's peer",
    2,
    [
      [0, incident("a", ""), "counted"],
      [1, incident("b", ""), "counted"],
      [2, incident("c", ""), "spent"],
    ],
  ],
  [
    "unrelated lineages and peers spend it",
    2,
    [
      [0, incident("a", "192.0.2.1"), "counted"],
      [1, incident("b", "198.51.100.1"), "counted"],
      [2, incident("c", "203.0.113.1"), "spent"],
    ],
  ],
  [
    "what was counted may still be killed again after the rest is spent",
    1,
    [
      [0, incident("a", "192.0.2.1"), "counted"],
      [1, incident("b", "198.51.100.1"), "spent"],
      [2, incident("a", "192.0.2.1"), "repeat"],
    ],
  ],
  [
    "another executable has a budget of its own",
    1,
    [
      [0, incident("a", "192.0.2.1"), "counted"],
      [1, incident("b", "198.51.100.1", { executable: "/usr/bin/dash (1:3)" }), "counted"],
    ],
  ],
  [
    "another rule has a budget of its own",
    1,
    [
      [0, incident("a", "192.0.2.1"), "counted"],
      [1, incident("b", "198.51.100.1", { rule: "bind_shell" }), "counted"],
    ],
  ],
  [
    "a lowered pair stays lowered after its minute",
    1,
    [
      [0, incident("a", "192.0.2.1"), "counted"],
      [1, incident("b", "198.51.100.1"), "spent"],
      [MINUTE_MS + 5, incident("b", "198.51.100.1"), "spent"],
    ],
  ],
  [
    "a lowered pair recovers after five minutes",
    1,
    [
      [0, incident("a", "192.0.2.1"), "counted"],
      [1, incident("b", "198.51.100.1"), "spent"],
      [5 * MINUTE_MS + 2, incident("b", "198.51.100.1"), "counted"],
    ],
  ],
  [
    "a minute later the same pair counts anew",
    1,
    [
      [0, incident("a", "192.0.2.1"), "counted"],
      [MINUTE_MS, incident("b", "198.51.100.1"), "counted"],
    ],
  ],
  ["a limit of nothing lowers at once", 0, [[0, incident("a", "192.0.2.1"), "spent"]]],
];

describe("spending", () => {
  test.each(ROWS)("%s", (_sentence, limit, steps) => {
    const budget = createKillBudget();
    expect(steps.map(([atMs, what]) => budget.spend(what, limit, atMs))).toEqual(steps.map(([, , says]) => says));
  });

  test("a thousand decoys of one login do not spend what the next shell from elsewhere needs", () => {
    const budget = createKillBudget();
    for (let decoy = 0; decoy < 1_000; decoy++)
      budget.spend(incident("session-7.scope", `10.${decoy % 250}.${decoy % 7}.1`), 10, decoy);
    expect(budget.spend(incident("php-fpm.service", "203.0.113.7"), 10, 1_001)).toBe("counted");
  });

  test("nor do a thousand decoys that call their own host from anywhere", () => {
    const budget = createKillBudget();
    for (let decoy = 0; decoy < 1_000; decoy++) budget.spend(incident(`session ${decoy}`, "127.0.0.1"), 10, decoy);
    expect(budget.spend(incident("php-fpm.service", "203.0.113.7"), 10, 1_001)).toBe("counted");
  });

  test("never counts more than its limit within a minute, whatever comes in whatever order", () => {
    const step = fc.record({ lineage: fc.nat(30), network: fc.nat(30), gapMs: fc.nat(20_000) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 5 }), (steps, limit) => {
        const budget = createKillBudget();
        const counted: number[] = [];
        let nowMs = 0;
        for (const { lineage, network, gapMs } of steps) {
          nowMs += gapMs;
          if (budget.spend(incident(`l${lineage}`, `10.0.${network}.1`), limit, nowMs) === "counted")
            counted.push(nowMs);
        }
        for (const atMs of counted)
          expect(counted.filter((other) => other > atMs - MINUTE_MS && other <= atMs).length).toBeLessThanOrEqual(
            limit,
          );
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

describe("what the kernel did", () => {
  const incident: Incident = {
    rule: "reverse_shell",
    executable: "/usr/bin/bash",
    lineage: "a.service",
    peer: "203.0.113.7",
  };

  test("is remembered as a repeat for a minute and spends nothing", () => {
    const budget = createKillBudget();
    expect(budget.note(incident, 0)).toBe(false);
    expect(budget.note({ ...incident, peer: "198.51.100.1" }, 1)).toBe(true);
    expect(budget.note({ ...incident, lineage: "b.service" }, 2)).toBe(true);
    expect(budget.note({ ...incident, lineage: "c.service", peer: "198.51.100.1" }, 3)).toBe(false);
    expect(budget.note(incident, 60_001)).toBe(false);
    expect(budget.states(10, 60_001).map(({ used }) => used)).toEqual([0]);
  });

  test("leaves the whole budget to the scan, whose kill of the same is a repeat", () => {
    const budget = createKillBudget();
    for (let at = 0; at < 100; at++) budget.note({ ...incident, lineage: `${at}`, peer: `10.0.${at}.1` }, at);
    expect(budget.spend({ ...incident, lineage: "5", peer: "" }, 1, 200)).toBe("repeat");
    expect(budget.spend({ ...incident, lineage: "new", peer: "" }, 1, 200)).toBe("counted");
    expect(budget.spend({ ...incident, lineage: "newer", peer: "" }, 1, 200)).toBe("spent");
  });
});

describe("the state that operators see", () => {
  test("counts the last minute and says until when a pair is lowered", () => {
    const budget = createKillBudget();
    budget.spend(incident("a", "192.0.2.1"), 1, 0);
    expect(budget.states(1, 10)).toEqual([
      { rule: "reverse_shell", executable: "/usr/bin/bash (1:2)", used: 1, limit: 1 },
    ]);
    budget.spend(incident("b", "198.51.100.1"), 1, 20);
    expect(budget.states(1, 30)[0]?.loweredUntilMs).toBe(20 + 5 * MINUTE_MS);
    expect(budget.states(1, 20 + 5 * MINUTE_MS)[0]?.loweredUntilMs).toBeUndefined();
  });

  test("is bounded: an attacker's endless executables push out the oldest pair", () => {
    const budget = createKillBudget();
    for (let file = 0; file < 1_500; file++) budget.spend(incident("a", "", { executable: `/tmp/${file}` }), 10, file);
    expect(budget.states(10, 1_500).length).toBe(1_000);
  });
});
