// What is known of every watched file in 16 bytes: open addressing over one typed array, no object an entry.
// Trusts that keys are spread evenly, as keyed hashes are. Growing copies it once, a third larger.
// Costs about 30 ns a look-up; 20 to 27 bytes an entry.
import { HIGH_BITS, joined } from "./tree_hash.ts";

const WORDS = 4;
const CAPACITY_MIN = 1024;
const LOAD_MAX = 0.8;
const GROWTH = 1.35;
const TWO_32 = 0x1_0000_0000;
const USED = 0x8000_0000;
const PHASE_SHIFT = 21;
/** Phases a round can have; four, so that a round that was broken off is not taken for the one after it. */
const PHASES = 4;
const PHASE_BITS = (PHASES - 1) << PHASE_SHIFT;

export interface TreeTable {
  readonly size: number;
  readonly bytes: number;
  /** Marks the entry as seen in this round. Whether its signature is that one; false too where there is no entry. */
  confirm(low: number, high: number, signatureLow: number, signatureHigh: number): boolean;
  /** Marks an entry as seen in this round, whatever its signature; false where there is none. */
  touch(low: number, high: number): boolean;
  has(low: number, high: number): boolean;
  /** Adds or replaces, as seen in this round. */
  set(low: number, high: number, signatureLow: number, signatureHigh: number): void;
  remove(low: number, high: number): boolean;
  beginRound(): void;
  /** Keys not seen since `beginRound`. */
  unseen(): number[];
}

/** `expected`: entries it will soon have, so that it need not grow on the way. */
export function createTreeTable(expected = 0): TreeTable {
  let capacity = Math.max(CAPACITY_MIN, Math.ceil((expected / LOAD_MAX) * 1.02));
  let slots = new Uint32Array(capacity * WORDS);
  let size = 0;
  let phase = 0;
  return {
    get size() {
      return size;
    },
    get bytes() {
      return slots.byteLength;
    },
    confirm(low, high, signatureLow, signatureHigh) {
      const at = find(low, high);
      if (at < 0) return false;
      slots[at + 1] = (high | phase | USED) >>> 0;
      return slots[at + 2] === signatureLow && slots[at + 3] === signatureHigh;
    },
    touch(low, high) {
      const at = find(low, high);
      if (at >= 0) slots[at + 1] = (high | phase | USED) >>> 0;
      return at >= 0;
    },
    has: (low, high) => find(low, high) >= 0,
    set,
    remove,
    beginRound() {
      phase = (((phase >>> PHASE_SHIFT) + 1) % PHASES) << PHASE_SHIFT;
    },
    unseen() {
      const keys: number[] = [];
      for (let at = 0; at < slots.length; at += WORDS) {
        const word = slots[at + 1] ?? 0;
        if (word !== 0 && (word & PHASE_BITS) !== phase) keys.push(joined(slots[at] ?? 0, word & HIGH_BITS));
      }
      return keys;
    },
  };

  function find(low: number, high: number): number {
    let slot = Math.floor((low / TWO_32) * capacity);
    for (;;) {
      const at = slot * WORDS;
      const word = slots[at + 1] ?? 0;
      if (word === 0) return -1 - at;
      if (slots[at] === low && (word & HIGH_BITS) === high) return at;
      if (++slot === capacity) slot = 0;
    }
  }

  function set(low: number, high: number, signatureLow: number, signatureHigh: number): void {
    let at = find(low, high);
    if (at < 0) {
      if (size + 1 > capacity * LOAD_MAX) {
        grow();
        at = find(low, high);
      }
      at = -1 - at;
      size++;
    }
    put(at, low, (high | phase | USED) >>> 0, signatureLow, signatureHigh);
  }

  function put(at: number, low: number, word: number, signatureLow: number, signatureHigh: number): void {
    slots[at] = low;
    slots[at + 1] = word;
    slots[at + 2] = signatureLow;
    slots[at + 3] = signatureHigh;
  }

  function grow(): void {
    const old = slots;
    capacity = Math.ceil(capacity * GROWTH);
    slots = new Uint32Array(capacity * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      const word = old[at + 1] ?? 0;
      if (word === 0) continue;
      const low = old[at] ?? 0;
      put(-1 - find(low, word & HIGH_BITS), low, word, old[at + 2] ?? 0, old[at + 3] ?? 0);
    }
  }

  /** Moves back what was pushed behind it, so that no search stops at the hole (Knuth, 6.4, algorithm R). */
  function remove(low: number, high: number): boolean {
    let hole = find(low, high);
    if (hole < 0) return false;
    size--;
    let at = hole;
    for (;;) {
      at = at + WORDS === slots.length ? 0 : at + WORDS;
      const word = slots[at + 1] ?? 0;
      if (word === 0) break;
      const home = Math.floor(((slots[at] ?? 0) / TWO_32) * capacity) * WORDS;
      const reachable = hole <= at ? hole < home && home <= at : hole < home || home <= at;
      if (reachable) continue;
      slots.copyWithin(hole, at, at + WORDS);
      hole = at;
    }
    slots.fill(0, hole, hole + WORDS);
    return true;
  }
}
