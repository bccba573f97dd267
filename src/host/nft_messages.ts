// The bytes of our nftables table: one batch that replaces it whole, and what the kernel answers when it is read back.
// Trusts no length in an answer; numbers are those of linux/netfilter/nf_tables.h, big-endian as nf_tables wants them.
// Pure; a batch of a thousand ranges is 100 KB.
import { buildMessage, NLM_F, parseAttributes } from "./netlink.ts";

export const TABLE = "algo_monitor";
const SETS = { 4: "blocked4", 6: "blocked6" } as const;
const SUBSYSTEM = 10;
const FAMILY_INET = 1;
const BATCH_BEGIN = 16;
const BATCH_END = 17;
const NLM_F_CREATE = 0x400;
const NLM_F_APPEND = 0x800;
export const MESSAGE = {
  newTable: 0,
  getTable: 1,
  deleteTable: 2,
  newChain: 3,
  newRule: 6,
  getRule: 7,
  newSet: 9,
  newElements: 12,
  getElements: 13,
} as const;
const SET_INTERVAL = 4;
const SET_TIMEOUT = 0x10;
const ELEMENT_END = 1;
const ELEMENTS_A_MESSAGE = 256;
const HEADER_BYTES = 4;
const REGISTER_VERDICT = 0;
const REGISTER_1 = 1;
const VERDICT = { drop: 0, accept: 1, return: -5 } as const;
const META = { interfaceType: 8, family: 15, protocol: 16 } as const;
const LOOPBACK_TYPE = 772; // ARPHRD_LOOPBACK, in the byte order of the host
const TCP = 6;
/** Ahead of whoever accepts at the usual priority of filters. */
const PRIORITY = -10;

type Family = 4 | 6;
/** Of IPv4 and of IPv6: the number the kernel calls it by, and where source and destination lie in its header. */
const HEADERS = {
  4: { number: 2, bytes: 4, source: 12, destination: 16, type: 7 },
  6: { number: 10, bytes: 16, source: 8, destination: 24, type: 8 },
} as const;

/** `first` to `last`, both of them refused, until the kernel forgets it by itself. */
export interface NftRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
  readonly timeoutMs: number;
}

export interface NftCounters {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** Takes the table away where there is one. */
export function removalBatch(): readonly Uint8Array[] {
  const table = text(1, TABLE);
  // Deleting what is not there is an error, creating what is there is none.
  return batch([
    [MESSAGE.newTable, NLM_F_CREATE, [table]],
    [MESSAGE.deleteTable, 0, [table]],
  ]);
}

/** Replaces the table, in one transaction: no packet sees it half made. `counters`: what was counted before. */
export function replacementBatch(ranges: readonly NftRange[], counters: NftCounters): readonly Uint8Array[] {
  const table = text(1, TABLE);
  return batch([
    [MESSAGE.newTable, NLM_F_CREATE, [table]],
    [MESSAGE.deleteTable, 0, [table]],
    [MESSAGE.newTable, NLM_F_CREATE, [table]],
    ...([4, 6] as const).map((family): Order => [MESSAGE.newSet, NLM_F_CREATE, setOf(family)]),
    ...CHAINS.flatMap(({ name, hook, rules }): readonly Order[] => [
      [MESSAGE.newChain, NLM_F_CREATE, chainOf(name, hook)],
      ...rules.map(
        (rule, index): Order => [
          MESSAGE.newRule,
          NLM_F_CREATE | NLM_F_APPEND,
          ruleOf(name, rule, name === "output" && index === 0 ? counters : { packets: 0n, bytes: 0n }),
        ],
      ),
    ]),
    ...([4, 6] as const).flatMap((family) => elementsOf(family, ranges)),
  ]);
}

type Order = readonly [type: number, flags: number, attributes: readonly Uint8Array[]];

/** Numbered from 1; only the last is acknowledged, and whatever fails says so by itself. */
function batch(orders: readonly Order[]): readonly Uint8Array[] {
  const edge = new Uint8Array([0, 0, 0, SUBSYSTEM]);
  return [
    buildMessage(BATCH_BEGIN, NLM_F.request, 0, edge),
    ...orders.map(([type, flags, attributes], index) => {
      const wanted = NLM_F.request | flags | (index === orders.length - 1 ? NLM_F.ack : 0);
      return buildMessage((SUBSYSTEM << 8) | type, wanted, index + 1, bodyOf(attributes));
    }),
    buildMessage(BATCH_END, NLM_F.request, orders.length + 1, edge),
  ];
}

/** A dump of the elements of one set, of the rules of our table, or of all tables. */
export function dumpRequest(what: "elements4" | "elements6" | "rules" | "tables"): {
  readonly type: number;
  readonly body: Uint8Array;
} {
  switch (what) {
    case "elements4":
    case "elements6":
      return {
        type: (SUBSYSTEM << 8) | MESSAGE.getElements,
        body: bodyOf([text(1, TABLE), text(2, SETS[what === "elements4" ? 4 : 6])]),
      };
    case "rules":
      return { type: (SUBSYSTEM << 8) | MESSAGE.getRule, body: bodyOf([text(1, TABLE)]) };
    case "tables":
      return { type: (SUBSYSTEM << 8) | MESSAGE.getTable, body: bodyOf([]) };
  }
}

/** A rule: its counter, where it is one of ours. */
interface Rule {
  readonly family?: Family;
  readonly by?: "source" | "destination";
  readonly protocol?: number;
  readonly ending: "reset" | "prohibit" | "drop" | "leave loopback";
}

/** Who is inside learns at once that it is refused; who is outside learns nothing. */
const REFUSALS: readonly Rule[] = ([4, 6] as const).flatMap((family): readonly Rule[] => [
  { family, by: "destination", protocol: TCP, ending: "reset" },
  { family, by: "destination", ending: "prohibit" },
]);
const DROPS: readonly Rule[] = ([4, 6] as const).map((family) => ({ family, by: "source", ending: "drop" }));
/** Hooks of linux/netfilter.h. Loopback carries the resets that `output` answers with, in the name of who is blocked. */
const CHAINS: readonly { readonly name: string; readonly hook: number; readonly rules: readonly Rule[] }[] = [
  { name: "input", hook: 1, rules: [{ ending: "leave loopback" }, ...DROPS] },
  { name: "forward", hook: 2, rules: [...REFUSALS, ...DROPS] },
  { name: "output", hook: 3, rules: REFUSALS },
];
/** Rules that a whole table has. */
export const RULES = CHAINS.reduce((sum, { rules }) => sum + rules.length, 0);

function setOf(family: Family): readonly Uint8Array[] {
  const { type, bytes } = HEADERS[family];
  return [
    text(1, TABLE),
    text(2, SETS[family]),
    u32(3, SET_INTERVAL | SET_TIMEOUT),
    u32(4, type),
    u32(5, bytes),
    u32(10, family),
  ];
}

function chainOf(name: string, hook: number): readonly Uint8Array[] {
  return [
    text(1, TABLE),
    text(3, name),
    nested(4, [u32(1, hook), u32(2, PRIORITY)]),
    u32(5, VERDICT.accept),
    text(7, "filter"),
  ];
}

function ruleOf(chain: string, rule: Rule, counters: NftCounters): readonly Uint8Array[] {
  return [text(1, TABLE), text(2, chain), nested(4, expressionsOf(rule, counters))];
}

function expressionsOf(rule: Rule, counters: NftCounters): readonly Uint8Array[] {
  const { family, by, protocol } = rule;
  const expressions: Uint8Array[] = [];
  if (family !== undefined && by !== undefined) {
    const { number, bytes } = HEADERS[family];
    expressions.push(meta(META.family), isEqual(new Uint8Array([number])));
    // payload: register, from the network header, where, how much; lookup: set, register
    const at = HEADERS[family][by];
    expressions.push(expression("payload", [u32(1, REGISTER_1), u32(2, 1), u32(3, at), u32(4, bytes)]));
    expressions.push(expression("lookup", [text(1, SETS[family]), u32(2, REGISTER_1), u32(4, family)]));
  }
  if (protocol !== undefined) expressions.push(meta(META.protocol), isEqual(new Uint8Array([protocol])));
  if (rule.ending === "leave loopback") {
    const type = new Uint8Array(new Uint16Array([LOOPBACK_TYPE]).buffer);
    return [meta(META.interfaceType), isEqual(type), verdict(VERDICT.return)];
  }
  return [...expressions, counter(counters), endOf(rule.ending)];
}

function endOf(ending: "reset" | "prohibit" | "drop"): Uint8Array {
  switch (ending) {
    case "reset":
      return expression("reject", [u32(1, 1), attribute(2, new Uint8Array([0]))]);
    case "prohibit": // of either family: "administratively prohibited"
      return expression("reject", [u32(1, 2), attribute(2, new Uint8Array([3]))]);
    case "drop":
      return verdict(VERDICT.drop);
  }
}

function meta(key: number): Uint8Array {
  return expression("meta", [u32(1, REGISTER_1), u32(2, key)]);
}

function isEqual(value: Uint8Array): Uint8Array {
  return expression("cmp", [u32(1, REGISTER_1), u32(2, 0), nested(3, [attribute(1, value)])]);
}

function counter({ packets, bytes }: NftCounters): Uint8Array {
  return expression("counter", [u64(1, bytes), u64(2, packets)]);
}

function verdict(code: number): Uint8Array {
  return expression("immediate", [u32(1, REGISTER_VERDICT), nested(2, [nested(2, [u32(1, code)])])]);
}

function expression(name: string, data: readonly Uint8Array[]): Uint8Array {
  return nested(1, [text(1, name), nested(2, data)]);
}

/** A range is two elements: where it begins, and where the next begins. Only a range up to the last address has no end. */
function elementsOf(family: Family, ranges: readonly NftRange[]): readonly Order[] {
  const { bytes } = HEADERS[family];
  const elements = ranges
    .filter((range) => range.family === family)
    .flatMap(({ first, last, timeoutMs }) => {
      const begin = nested(1, [keyOf(first, bytes), u64(4, BigInt(timeoutMs))]);
      const isLast = last + 1n >= 1n << BigInt(8 * bytes);
      return isLast ? [begin] : [begin, nested(1, [keyOf(last + 1n, bytes), u32(3, ELEMENT_END)])];
    });
  const orders: Order[] = [];
  for (let at = 0; at < elements.length; at += ELEMENTS_A_MESSAGE) {
    const part = elements.slice(at, at + ELEMENTS_A_MESSAGE);
    orders.push([
      MESSAGE.newElements,
      NLM_F_CREATE,
      [text(1, TABLE), text(2, SETS[family]), u32(4, family), nested(3, part)],
    ]);
  }
  return orders;
}

function keyOf(value: bigint, bytes: number): Uint8Array {
  const key = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at++) key[at] = Number((value >> BigInt(8 * (bytes - 1 - at))) & 0xffn);
  return nested(1, [attribute(1, key)]);
}

/** One element that was read back. */
export interface NftElement {
  readonly value: bigint;
  readonly isEnd: boolean;
}

/** Elements of one message of a dump; what does not parse is left out, and so is missed by who compares. */
export function parseElements(body: Uint8Array): readonly NftElement[] {
  const list = parseAttributes(body, HEADER_BYTES).attributes.get(3);
  return list === undefined ? [] : listed(list).flatMap((element) => elementOf(element) ?? []);
}

function elementOf(element: Uint8Array): NftElement | undefined {
  const { attributes } = parseAttributes(element, 0);
  const value = inner(attributes.get(1), 1);
  if (value === undefined || value.byteLength > 16) return undefined;
  const flags = attributes.get(3);
  const isEnd = flags !== undefined && flags.byteLength === 4 && ((flags[3] ?? 0) & ELEMENT_END) !== 0;
  return { value: value.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n), isEnd };
}

/** What the counters of one rule say; undefined for a rule without one. */
export function parseCounters(body: Uint8Array): NftCounters | undefined {
  const expressions = parseAttributes(body, HEADER_BYTES).attributes.get(4);
  if (expressions === undefined) return undefined;
  for (const one of listed(expressions)) {
    const { attributes } = parseAttributes(one, 0);
    const data = attributes.get(2);
    if (data === undefined || nameOf(attributes.get(1)) !== "counter") continue;
    const values = parseAttributes(data, 0).attributes;
    return { bytes: wide(values.get(1)), packets: wide(values.get(2)) };
  }
  return undefined;
}

function wide(bytes: Uint8Array | undefined): bigint {
  if (bytes === undefined || bytes.byteLength !== 8) return 0n;
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, false);
}

function nameOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "" : new TextDecoder().decode(bytes).replace(/\0.*$/s, "");
}

function inner(bytes: Uint8Array | undefined, type: number): Uint8Array | undefined {
  return bytes === undefined ? undefined : parseAttributes(bytes, 0).attributes.get(type);
}

/** Lists repeat one type of attribute, which a map would fold into its last. */
function listed(bytes: Uint8Array): readonly Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: Uint8Array[] = [];
  for (let at = 0; at + 4 <= bytes.byteLength; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.byteLength) break;
    found.push(bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return found;
}

function bodyOf(attributes: readonly Uint8Array[]): Uint8Array {
  return joined([new Uint8Array([FAMILY_INET, 0, 0, 0]), ...attributes]);
}

function nested(type: number, parts: readonly Uint8Array[]): Uint8Array {
  return attribute(type | 0x8000, joined(parts));
}

function text(type: number, value: string): Uint8Array {
  return attribute(type, new TextEncoder().encode(`${value}\0`));
}

function u32(type: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, false);
  return attribute(type, bytes);
}

function u64(type: number, value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, false);
  return attribute(type, bytes);
}

function attribute(type: number, value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array((4 + value.byteLength + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 4 + value.byteLength, true);
  view.setUint16(2, type, true);
  bytes.set(value, 4);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
