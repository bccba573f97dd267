/** Addresses, networks and domains that are refused for a time: what operators order, and what the kernel is told. Pure. */
import { addressText, networkBytes, parseAddress } from "./address.ts";

/** A month; longer is a decision for the firewall of the site. */
export const BLOCK_MINUTES_MAX = 31 * 24 * 60;
export const BLOCKS_MAX = 256;
/** Of one domain: the newest. */
export const DOMAIN_ADDRESSES_MAX = 64;
/** Of all blocks together: what the sensor's table takes. */
export const BLOCKED_NETWORKS_MAX = 1_024;

export type BlockKind = "address" | "network" | "domain";

export interface Block {
  /** `203.0.113.7`, `203.0.113.0/24`, `c2.example.org`: canonical, and the key of the block. */
  readonly target: string;
  readonly kind: BlockKind;
  /** Addresses and networks; of a domain those it had since the block began. */
  readonly networks: readonly string[];
  readonly sinceMs: number;
  readonly untilMs: number;
  /** The operator. */
  readonly by: string;
  readonly reason: string;
}

export interface BlockParams {
  /** An address, a network or a domain. */
  readonly target: string;
  /** 1 to BLOCK_MINUTES_MAX. */
  readonly minutes: number;
  readonly reason: string;
}

export interface BlockReport {
  readonly block: Block;
  /** There was one of this target, which it replaces. */
  readonly replaced: boolean;
  /** What refuses it now. */
  readonly means: readonly BlockMeans[];
  /** Connections to it that stood and were cut. */
  readonly cut: number;
  /** What could not be done, as sentences. */
  readonly remarks: readonly string[];
}

/** `packet-filter`: every packet, also of containers behind this host; `sensor`: who connects or sends gets EPERM. */
export type BlockMeans = "packet-filter" | "sensor";

export interface UnblockParams {
  /** Absent: all of them. */
  readonly target?: string;
}

export interface UnblockReport {
  readonly ended: readonly Block[];
  readonly remarks: readonly string[];
}

export interface BlocksReport {
  readonly blocks: readonly ListedBlock[];
  readonly means: readonly BlockMeans[];
  /** Refused by the packet filter since the first of these blocks; absent where it does not work. */
  readonly packets?: number;
  readonly remarks: readonly string[];
}

export interface ListedBlock extends Block {
  /** Why it does not hold at the moment. */
  readonly suspended?: string;
}

export interface BlockTarget {
  readonly target: string;
  readonly kind: BlockKind;
}

const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;

/** What somebody wrote, in canonical form; undefined for what is no address, network or domain. */
export function parseTarget(text: string): BlockTarget | undefined {
  const wanted = text.trim().toLowerCase();
  const network = networkRange(wanted);
  if (network !== undefined) {
    const isAddress = network.first === network.last;
    const base = addressText({ bits: network.family === 4 ? 32 : 128, value: network.first });
    return isAddress ? { target: base, kind: "address" } : { target: `${base}/${network.prefixBits}`, kind: "network" };
  }
  const name = wanted.replace(/\.$/, "");
  const labels = name.split(".");
  // What ends in a number is an address that somebody mistyped (RFC 3696).
  if (name.length > 253 || labels.length < 2 || /^\d+$/.test(labels.at(-1) ?? "")) return undefined;
  return labels.every((label) => LABEL.test(label)) ? { target: name, kind: "domain" } : undefined;
}

export interface AddressRange {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}

/** The addresses of a network; undefined for what is none. Bits behind the prefix are cut off. */
export function networkRange(network: string): (AddressRange & { readonly prefixBits: number }) | undefined {
  const bytes = networkBytes(network);
  const parsed = parseAddress(network.split("/", 1)[0] ?? "");
  if (bytes === undefined || parsed === undefined || network.includes("%")) return undefined;
  const free = BigInt(parsed.bits - bytes.prefixBits);
  const first = (parsed.value >> free) << free;
  return { family: bytes.family, first, last: first + (1n << free) - 1n, prefixBits: bytes.prefixBits };
}

export function rangesMeet(left: AddressRange, right: AddressRange): boolean {
  return left.family === right.family && left.first <= right.last && right.first <= left.last;
}

export interface TimedRange extends AddressRange {
  readonly untilMs: number;
}

export interface TimedNetwork {
  readonly network: string;
  readonly untilMs: number;
}

/**
 * Each network once, until the longest block that covers it is over: a table that asks the narrowest network first would
 * let go an address whose own block ended before that of its network. What is no network is left out.
 */
export function longestEnds(networks: readonly TimedNetwork[]): readonly TimedNetwork[] {
  const found = networks.flatMap((one) => {
    const range = networkRange(one.network);
    return range === undefined ? [] : [{ ...one, range }];
  });
  // Networks lie in each other or apart: whoever covers one comes before it, and is not over yet when it begins.
  found.sort(({ range: left }, { range: right }) => {
    if (left.family !== right.family) return left.family - right.family;
    if (left.first !== right.first) return left.first < right.first ? -1 : 1;
    return left.prefixBits - right.prefixBits;
  });
  const ends: TimedNetwork[] = [];
  let covering: { readonly range: AddressRange; readonly untilMs: number }[] = [];
  let before: AddressRange | undefined;
  for (const { network, range, untilMs } of found) {
    covering = covering.filter((one) => rangesMeet(one.range, range));
    const longest = Math.max(untilMs, ...covering.map((one) => one.untilMs));
    covering.push({ range, untilMs });
    if (before?.family === range.family && before.first === range.first && before.last === range.last) ends.pop();
    before = range;
    ends.push({ network, untilMs: longest });
  }
  return ends;
}

/**
 * Ranges that do not overlap and say the same: a packet filter takes no address twice. Where two overlap, the longer
 * block counts.
 */
export function disjointRanges(ranges: readonly TimedRange[]): readonly TimedRange[] {
  return ([4, 6] as const).flatMap((family) => disjointOf(ranges.filter((range) => range.family === family)));
}

function disjointOf(ranges: readonly TimedRange[]): readonly TimedRange[] {
  const edges = [...new Set(ranges.flatMap(({ first, last }) => [first, last + 1n]))].sort((left, right) =>
    left < right ? -1 : 1,
  );
  const parts: TimedRange[] = [];
  edges.forEach((first, index) => {
    const next = edges[index + 1];
    if (next === undefined) return;
    const covering = ranges.filter((range) => range.first <= first && range.last >= next - 1n);
    const [sample] = covering;
    if (sample === undefined) return;
    const untilMs = Math.max(...covering.map((range) => range.untilMs));
    const before = parts.at(-1);
    if (before !== undefined && before.last + 1n === first && before.untilMs === untilMs)
      parts[parts.length - 1] = { ...before, last: next - 1n };
    else parts.push({ family: sample.family, first, last: next - 1n, untilMs });
  });
  return parts;
}
