// The bytes of our table: one batch that the kernel takes whole, and answers of which nothing is believed unread.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseAttributes, parseMessages } from "./netlink.ts";
import {
  MESSAGE,
  type NftElement,
  type NftRange,
  parseCounters,
  parseElements,
  RULES,
  removalBatch,
  replacementBatch,
} from "./nft_messages.ts";
import { holds } from "./nftables.ts";

const SEED = 27;
const NO_COUNTERS = { packets: 0n, bytes: 0n };
const ONE: NftRange = { family: 4, first: 0xcb007107n, last: 0xcb007107n, timeoutMs: 60_000 };
const NETWORK: NftRange = { family: 6, first: 0x20010db8n << 96n, last: (0x20010db9n << 96n) - 1n, timeoutMs: 5_000 };
const LAST: NftRange = { family: 4, first: 0xffffffffn, last: 0xffffffffn, timeoutMs: 1_000 };

/** What the messages of a batch order, without its edges. */
function orders(batch: readonly Uint8Array[]) {
  const { messages, malformed } = parseMessages(new Uint8Array(Buffer.concat([...batch])));
  expect(malformed).toBe(0);
  return messages.slice(1, -1).map(({ type, body }) => ({ type: type & 0xff, body }));
}

function elementsOf(ranges: readonly NftRange[]): readonly NftElement[] {
  return orders(replacementBatch(ranges, NO_COUNTERS))
    .filter(({ type }) => type === MESSAGE.newElements)
    .flatMap(({ body }) => parseElements(body));
}

describe("a batch", () => {
  test("makes what it takes away, so that it may be missing, and then the whole table anew", () => {
    expect(orders(removalBatch()).map(({ type }) => type)).toEqual([MESSAGE.newTable, MESSAGE.deleteTable]);
    const types = orders(replacementBatch([ONE], NO_COUNTERS)).map(({ type }) => type);
    expect(types.slice(0, 3)).toEqual([MESSAGE.newTable, MESSAGE.deleteTable, MESSAGE.newTable]);
    expect(types.filter((type) => type === MESSAGE.newSet)).toHaveLength(2);
    expect(types.filter((type) => type === MESSAGE.newRule)).toHaveLength(RULES);
    expect(types.at(-1)).toBe(MESSAGE.newElements);
  });

  test("asks for one acknowledgement, at its last message", () => {
    const batch = replacementBatch([ONE, NETWORK], NO_COUNTERS);
    const flags = batch.map((message) => new DataView(message.buffer, message.byteOffset).getUint16(6, true));
    expect(flags.map((flag) => (flag & 4) !== 0).indexOf(true)).toBe(batch.length - 2);
    expect(batch.every(({ byteLength }) => byteLength % 4 === 0)).toBe(true);
  });

  test("of the most that blocks can be splits what one attribute cannot hold", () => {
    const ranges = Array.from({ length: 1_024 }, (_, at): NftRange => {
      const first = NETWORK.first + BigInt(at * 16);
      return { family: 6, first, last: first, timeoutMs: 1_000 };
    });
    const batch = replacementBatch(ranges, NO_COUNTERS);
    expect(Math.max(...batch.map(({ byteLength }) => byteLength))).toBeLessThan(65_536);
    expect(elementsOf(ranges)).toHaveLength(2_048);
  });

  test("goes on counting where the table before it ended", () => {
    const rules = orders(replacementBatch([ONE], { packets: 7n, bytes: 420n })).filter(
      ({ type }) => type === MESSAGE.newRule,
    );
    const counted = rules.map(({ body }) => parseCounters(body));
    expect(counted.reduce((sum, one) => sum + (one?.packets ?? 0n), 0n)).toBe(7n);
    expect(counted.reduce((sum, one) => sum + (one?.bytes ?? 0n), 0n)).toBe(420n);
  });
});

const READ: readonly [sentence: string, ranges: readonly NftRange[], elements: readonly NftElement[]][] = [
  [
    "an address is where it begins and where the next begins",
    [ONE],
    [
      { value: 0xcb007107n, isEnd: false },
      { value: 0xcb007108n, isEnd: true },
    ],
  ],
  [
    "so is a network of the other family",
    [NETWORK],
    [
      { value: 0x20010db8n << 96n, isEnd: false },
      { value: 0x20010db9n << 96n, isEnd: true },
    ],
  ],
  ["the last address has no next one", [LAST], [{ value: 0xffffffffn, isEnd: false }]],
];

test.each(READ)("%s", (_sentence, ranges, elements) => {
  expect(elementsOf(ranges)).toEqual([...elements]);
});

const whole = { rules: RULES, counters: NO_COUNTERS };
const first = { value: ONE.first, isEnd: false };
const end = { value: ONE.last + 1n, isEnd: true };
const HOLDS: readonly [sentence: string, table: Parameters<typeof holds>[0], does: boolean][] = [
  ["no table does not", undefined, false],
  ["the whole table does", { ...whole, elements4: [first, end], elements6: [] }, true],
  [
    "the whole table with an end of the kernel's own at the first address does",
    { ...whole, elements4: [{ value: 0n, isEnd: true }, first, end], elements6: [] },
    true,
  ],
  ["a table that lost a rule does not", { ...whole, rules: RULES - 1, elements4: [first, end], elements6: [] }, false],
  ["one that lost an address does not", { ...whole, elements4: [], elements6: [] }, false],
  ["one that refuses more does not", { ...whole, elements4: [first, end], elements6: [first] }, false],
];

test.each(HOLDS)("%s hold the blocks", (_sentence, table, does) => {
  expect(holds(table, [ONE])).toBe(does);
});

test("whatever the kernel answers, nothing is thrown and no element is longer than an address", () => {
  const element = orders(replacementBatch([ONE, NETWORK], NO_COUNTERS)).at(-1)?.body ?? new Uint8Array();
  const damaged = fc
    .tuple(
      fc.nat(element.byteLength),
      fc.array(fc.tuple(fc.nat(element.byteLength - 1), fc.nat(255)), { maxLength: 8 }),
    )
    .map(([length, changes]) => {
      const bytes = element.slice(0, length);
      for (const [at, value] of changes) if (at < length) bytes[at] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 256 }), damaged), (bytes) => {
      parseAttributes(bytes, 0);
      parseCounters(bytes);
      for (const { value } of parseElements(bytes)) expect(value < 1n << 128n).toBe(true);
    }),
    { seed: SEED, numRuns: 2_000 },
  );
});
