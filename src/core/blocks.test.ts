// What an operator writes behind `block`, and what the packet filter is told of it.
import { describe, expect, test } from "bun:test";
import { disjointRanges, longestEnds, networkRange, parseTarget } from "./blocks.ts";

const TARGETS: readonly [written: string, meant: string | undefined][] = [
  ["203.0.113.7", "address 203.0.113.7"],
  [" 203.0.113.7 ", "address 203.0.113.7"],
  ["203.0.113.7/32", "address 203.0.113.7"],
  ["203.0.113.77/24", "network 203.0.113.0/24"],
  ["0.0.0.0/0", "network 0.0.0.0/0"],
  ["2001:DB8::1", "address 2001:db8::1"],
  ["2001:db8::/32", "network 2001:db8::/32"],
  ["::ffff:203.0.113.7", "address 203.0.113.7"],
  ["C2.Example.ORG.", "domain c2.example.org"],
  ["203.0.113", undefined],
  ["203.0.113.256", undefined],
  ["203.0.113.7/33", undefined],
  ["localhost", undefined],
  ["c2..example.org", undefined],
  ["http://c2.example.org/", undefined],
  ["-x.example.org", undefined],
  ["fe80::1%eth0", undefined],
  ["", undefined],
];

describe("a target", () => {
  test.each(TARGETS)("%p is %p", (written, meant) => {
    const parsed = parseTarget(written);
    expect(parsed === undefined ? undefined : `${parsed.kind} ${parsed.target}`).toBe(meant);
  });
});

const OVERLAPS: readonly [sentence: string, ranges: readonly [string, number][], told: readonly string[]][] = [
  [
    "what does not touch stays",
    [
      ["10.0.0.1", 5],
      ["10.0.0.9", 7],
    ],
    ["10.0.0.1-10.0.0.1 until 5", "10.0.0.9-10.0.0.9 until 7"],
  ],
  [
    "an address in a network with a longer block is in the network",
    [
      ["10.0.0.7", 5],
      ["10.0.0.0/24", 9],
    ],
    ["10.0.0.0-10.0.0.255 until 9"],
  ],
  [
    "an address that is blocked for longer stands out",
    [
      ["10.0.0.7", 9],
      ["10.0.0.0/24", 5],
    ],
    ["10.0.0.0-10.0.0.6 until 5", "10.0.0.7-10.0.0.7 until 9", "10.0.0.8-10.0.0.255 until 5"],
  ],
  [
    "neighbours with one end are one",
    [
      ["10.0.0.0/25", 5],
      ["10.0.0.128/25", 5],
    ],
    ["10.0.0.0-10.0.0.255 until 5"],
  ],
  ["the last address has no next one", [["255.255.255.255", 5]], ["255.255.255.255-255.255.255.255 until 5"]],
];

describe("ranges", () => {
  test.each(OVERLAPS)("%s", (_sentence, ranges, told) => {
    const timed = ranges.map(([network, untilMs]) => ({ ...rangeOf(network), untilMs }));
    const text = (value: bigint) => [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join(".");
    expect(
      disjointRanges(timed).map(({ first, last, untilMs }) => `${text(first)}-${text(last)} until ${untilMs}`),
    ).toEqual([...told]);
  });
});

const ENDS: readonly [sentence: string, networks: readonly [string, number][], told: readonly [string, number][]][] = [
  [
    "an address of a network that is blocked for longer ends with the network",
    [
      ["10.0.0.7", 5],
      ["10.0.0.0/24", 9],
    ],
    [
      ["10.0.0.0/24", 9],
      ["10.0.0.7", 9],
    ],
  ],
  [
    "one that is blocked for longer than its network ends alone",
    [
      ["10.0.0.7", 9],
      ["10.0.0.0/24", 5],
      ["10.0.1.1", 3],
    ],
    [
      ["10.0.0.0/24", 5],
      ["10.0.0.7", 9],
      ["10.0.1.1", 3],
    ],
  ],
  [
    "the same one stands once",
    [
      ["10.0.0.7", 9],
      ["10.0.0.7", 5],
      ["10.0.0.7", 7],
    ],
    [["10.0.0.7", 9]],
  ],
  [
    "the two families are apart",
    [
      ["::/8", 9],
      ["0.0.0.0/8", 5],
    ],
    [
      ["0.0.0.0/8", 5],
      ["::/8", 9],
    ],
  ],
  ["what is no network is left out", [["c2.example.org", 9]], []],
];

describe("ends", () => {
  test.each(ENDS)("%s", (_sentence, networks, told) => {
    const timed = networks.map(([network, untilMs]) => ({ network, untilMs }));
    expect(longestEnds(timed).map(({ network, untilMs }) => [network, untilMs])).toEqual(told.map((one) => [...one]));
  });
});

function rangeOf(network: string) {
  const range = networkRange(network);
  if (range === undefined) throw new Error(`${network} is no network`);
  return range;
}
