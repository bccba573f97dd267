// Whom nobody may block, in sentences.
import { expect, test } from "bun:test";
import { withoutKept } from "./block.ts";

const KEPT = [
  { network: "10.77.0.1", what: "the default gateway" },
  { network: "2001:db8::53", what: "a resolver of names" },
  { network: "198.51.100.20", what: "your own session (alice on pts/0)" },
];

const ROWS: readonly [target: string, networks: readonly string[], reason: string | undefined][] = [
  ["203.0.113.7", ["203.0.113.7"], undefined],
  ["203.0.113.0/24", ["203.0.113.0/24"], undefined],
  ["10.77.0.1", ["10.77.0.1"], "10.77.0.1 is the default gateway"],
  ["10.0.0.0/8", ["10.0.0.0/8"], "10.0.0.0/8 contains 10.77.0.1, the default gateway"],
  ["198.51.100.20", ["198.51.100.20"], "198.51.100.20 is your own session (alice on pts/0)"],
  ["2001:db8::/32", ["2001:db8::/32"], "2001:db8::/32 contains 2001:db8::53, a resolver of names"],
  [
    "127.0.0.1",
    ["127.0.0.1"],
    "127.0.0.1 is part of 127.0.0.0/8, loopback, over which programs of this host talk to each other",
  ],
  ["fe80::/10", ["fe80::/10"], undefined],
  [
    "ff02::1:ff00:1",
    ["ff02::1:ff00:1"],
    "ff02::1:ff00:1 is part of ff02::/16, the neighbours on the link, without whom IPv6 finds nobody",
  ],
  ["c2.example.org", ["203.0.113.7", "10.77.0.1"], "c2.example.org (10.77.0.1) is the default gateway"],
  [
    "0.0.0.0/0",
    ["0.0.0.0/0"],
    "0.0.0.0/0 contains 127.0.0.0/8, loopback, over which programs of this host talk to each other",
  ],
];

test.each(ROWS)("%s -> %p: %p", (target, networks, reason) => {
  expect(withoutKept(target, networks, KEPT).refusals[0]?.reason).toBe(reason);
});

test("a domain that names the gateway as well is blocked without it", () => {
  const { networks, refusals } = withoutKept("c2.example.org", ["203.0.113.7", "10.77.0.1", "127.0.0.1"], KEPT);
  expect([networks, refusals.length]).toEqual([["203.0.113.7"], 2]);
});
