/**
 * Lists of known bad addresses, networks, domains and SHA-256 digests as one hash table of 64-bit keys. A wrong answer
 * needs two texts of one 64-bit hash. Costs 16 to 33 bytes an entry, 1-3 us an answer, about 2 us a line to read.
 */
import { type Address, addressText, parseAddress } from "../../core/address.ts";
import { type IndicatorLine, readIndicatorLine } from "./indicator_line.ts";

export interface IndicatorHit {
  readonly type: "ip" | "domain" | "sha256";
  /** As the list means it: the network that holds the address, the parent domain that is listed. */
  readonly value: string;
  /** Path of the list. */
  readonly list: string;
  readonly line: number;
}

export interface IndicatorList {
  readonly file: string;
  readonly entries: number;
  /** Lines that say nothing usable. */
  readonly refused: number;
}

export interface IndicatorSet {
  readonly size: number;
  readonly addresses: number;
  readonly domains: number;
  readonly digests: number;
  readonly lists: readonly IndicatorList[];
  /** `file:line: what is wrong`, the first of each file. */
  readonly remarks: readonly string[];
  address(text: string): IndicatorHit | undefined;
  /** The name or a parent of it. */
  domain(name: string): IndicatorHit | undefined;
  /** Hex, of either case. */
  sha256(hex: string): IndicatorHit | undefined;
}

export interface IndicatorBuilder {
  /** The lines that follow are of this file. */
  begin(file: string): void;
  line(text: string): void;
  finish(): IndicatorSet;
}

/** 6.8 MB of memory. */
export const INDICATORS_MAX = 400_000;
const LISTS_MAX = 256;
const REMARKS_OF_A_FILE_MAX = 5;
const LABELS_MAX = 32;

interface ListCounts {
  readonly file: string;
  entries: number;
  refused: number;
}

export const NO_INDICATORS: IndicatorSet = createIndicatorBuilder().finish();

export function createIndicatorBuilder(entriesMax = INDICATORS_MAX): IndicatorBuilder {
  const table = createTable();
  const lists: ListCounts[] = [];
  const remarks: string[] = [];
  const lengths = { 32: new Set<number>(), 128: new Set<number>() };
  const counts = { network: 0, domain: 0, sha256: 0 };
  let current: ListCounts | undefined;
  let lineNumber = 0;
  return { begin, line, finish };

  function begin(file: string): void {
    lineNumber = 0;
    current = undefined;
    if (lists.length >= LISTS_MAX) return;
    current = { file, entries: 0, refused: 0 };
    lists.push(current);
  }

  function line(text: string): void {
    lineNumber++;
    const list = current;
    if (list === undefined) return;
    const read = readIndicatorLine(text);
    if (read.kind === "nothing") return;
    // The first line of a table names its columns.
    if (read.kind === "bad" && lineNumber === 1 && /[,;\t]/.test(text)) return;
    const reason = read.kind === "bad" ? read.reason : add(read, list);
    if (reason === undefined) return;
    list.refused++;
    if (list.refused <= REMARKS_OF_A_FILE_MAX) remarks.push(`${list.file}:${lineNumber}: ${shown(text)} ${reason}`);
  }

  function add(read: Exclude<IndicatorLine, { kind: "nothing" | "bad" }>, list: ListCounts): string | undefined {
    if (table.size >= entriesMax) return `is over the bound of ${entriesMax} entries and not looked for`;
    if (read.kind === "network") lengths[read.address.bits].add(read.length);
    if (!table.add(keyOf(read), lists.length - 1, lineNumber)) return undefined; // named before
    list.entries++;
    counts[read.kind]++;
    return undefined;
  }

  function finish(): IndicatorSet {
    const narrowFirst = { 32: longestFirst(lengths[32]), 128: longestFirst(lengths[128]) };
    return {
      size: table.size,
      addresses: counts.network,
      domains: counts.domain,
      digests: counts.sha256,
      lists,
      remarks,
      address,
      domain,
      sha256,
    };

    function address(text: string): IndicatorHit | undefined {
      if (counts.network === 0) return undefined;
      const whole = parseAddress(text);
      if (whole === undefined) return undefined;
      for (const length of narrowFirst[whole.bits]) {
        const network = firstOf(whole, length);
        const value = length === whole.bits ? addressText(whole) : `${addressText(network)}/${length}`;
        const hit = hitOf({ kind: "network", address: network, length }, "ip", value);
        if (hit !== undefined) return hit;
      }
      return undefined;
    }

    function domain(name: string): IndicatorHit | undefined {
      if (counts.domain === 0) return undefined;
      let rest = name.toLowerCase().replace(/\.$/, "");
      for (let labels = 0; labels < LABELS_MAX && rest.includes("."); labels++) {
        const hit = hitOf({ kind: "domain", domain: rest }, "domain", rest);
        if (hit !== undefined) return hit;
        rest = rest.slice(rest.indexOf(".") + 1);
      }
      return undefined;
    }

    function sha256(hex: string): IndicatorHit | undefined {
      const digest = hex.toLowerCase();
      return counts.sha256 === 0 ? undefined : hitOf({ kind: "sha256", sha256: digest }, "sha256", digest);
    }

    function hitOf(
      read: Parameters<typeof keyOf>[0],
      type: IndicatorHit["type"],
      value: string,
    ): IndicatorHit | undefined {
      const place = table.find(keyOf(read));
      if (place === undefined) return undefined;
      return { type, value, list: lists[place.list]?.file ?? "", line: place.line };
    }
  }
}

function longestFirst(lengths: ReadonlySet<number>): readonly number[] {
  return [...lengths].sort((left, right) => right - left);
}

function firstOf({ bits, value }: Address, length: number): Address {
  const shift = BigInt(bits - length);
  return { bits, value: (value >> shift) << shift };
}

function keyOf(read: Exclude<IndicatorLine, { kind: "nothing" | "bad" }>): string {
  switch (read.kind) {
    case "network":
      return `${read.address.bits}/${read.length}/${read.address.value.toString(36)}`;
    case "domain":
      return read.domain;
    case "sha256":
      return read.sha256;
  }
}

/** Lists come from elsewhere: what is shown of them is short and printable. */
function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

interface Table {
  readonly size: number;
  /** False where it is in already; the first place is kept. */
  add(text: string, list: number, line: number): boolean;
  find(text: string): { readonly list: number; readonly line: number } | undefined;
}

/** Open addressing, at most 80 % full. A slot of line 0 is free: lines count from one. */
function createTable(): Table {
  let slots = newSlots(1024);
  let size = 0;
  return {
    get size() {
      return size;
    },
    add,
    find,
  };

  function add(text: string, list: number, line: number): boolean {
    if (size >= slots.lines.length * 0.8) grow();
    const hash = hashOf(text);
    const at = slotOf(hash.high, hash.low);
    if (slots.lines[at] !== 0) return false;
    put(at, hash.high, hash.low, line, list);
    size++;
    return true;
  }

  function find(text: string): { readonly list: number; readonly line: number } | undefined {
    const hash = hashOf(text);
    const at = slotOf(hash.high, hash.low);
    const line = slots.lines[at] ?? 0;
    return line === 0 ? undefined : { list: slots.lists[at] ?? 0, line };
  }

  /** Where this key is, or the free slot where it would be. */
  function slotOf(high: number, low: number): number {
    const mask = slots.lines.length - 1;
    let at = low & mask;
    while (slots.lines[at] !== 0 && (slots.high[at] !== high || slots.low[at] !== low)) at = (at + 1) & mask;
    return at;
  }

  function put(at: number, high: number, low: number, line: number, list: number): void {
    slots.high[at] = high;
    slots.low[at] = low;
    slots.lines[at] = line;
    slots.lists[at] = list;
  }

  function grow(): void {
    const old = slots;
    slots = newSlots(old.lines.length * 2);
    for (const [index, line] of old.lines.entries()) {
      if (line === 0) continue;
      const [high = 0, low = 0] = [old.high[index], old.low[index]];
      put(slotOf(high, low), high, low, line, old.lists[index] ?? 0);
    }
  }
}

function newSlots(capacity: number): {
  readonly high: Uint32Array;
  readonly low: Uint32Array;
  readonly lines: Uint32Array;
  readonly lists: Uint8Array;
} {
  return {
    high: new Uint32Array(capacity),
    low: new Uint32Array(capacity),
    lines: new Uint32Array(capacity),
    lists: new Uint8Array(capacity),
  };
}

/** 64 bits in two lanes, each mixed as MurmurHash3 mixes its blocks and its end; the constants are Murmur's. */
function hashOf(text: string): { readonly high: number; readonly low: number } {
  let high = 0x9747_b28c ^ text.length;
  let low = 0x3c6e_f372;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    high = Math.imul(rotated(high ^ Math.imul(code, 0xcc9e_2d51), 13), 5) + 0xe654_6b64;
    low = Math.imul(rotated(low ^ Math.imul(code + high, 0x1b87_3593), 15), 9) + 0x38b3_4ae5;
  }
  return { high: finished(high ^ low), low: finished(low + Math.imul(high, 31)) };
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function finished(value: number): number {
  const half = Math.imul(value ^ (value >>> 16), 0x85eb_ca6b);
  const whole = Math.imul(half ^ (half >>> 13), 0xc2b2_ae35);
  return (whole ^ (whole >>> 16)) >>> 0;
}
