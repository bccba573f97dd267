// Keyed hashes of paths and of metadata: HalfSipHash-1-3 with the state itself as the key (Aumasson and Bernstein, SipHash).
// Keyed, because whoever chooses file names could else choose two with one hash, and hide one behind the other.
// Costs about 30 ns for a name; no object is made.

export interface TreeHash {
  /** The upper 21 bits of the last hash; the lower 32 are what the functions return. */
  readonly high: number;
  /** Of a name in the directory with that key. Unsigned 32 bits. */
  name(directoryLow: number, directoryHigh: number, bytes: Uint8Array, start: number, length: number): number;
  /** Of so many words. Unsigned 32 bits. */
  words(words: Uint32Array, count: number): number;
}

export const HIGH_BITS = 0x1f_ffff;
const TWO_32 = 0x1_0000_0000;
const SLASH = 0x2f;

/** One safe integer of both halves. */
export function joined(low: number, high: number): number {
  return high * TWO_32 + low;
}

export function lowOf(key: number): number {
  return key % TWO_32;
}

export function highOf(key: number): number {
  return Math.floor(key / TWO_32);
}

/** `seed`: four random words, the same for the life of a baseline. */
export function createTreeHash(seed: Uint32Array): TreeHash {
  const [seed0 = 0, seed1 = 0, seed2 = 0, seed3 = 0] = seed;
  let v0 = 0;
  let v1 = 0;
  let v2 = 0;
  let v3 = 0;
  let high = 0;
  return {
    get high() {
      return high;
    },
    name,
    words,
  };

  function name(directoryLow: number, directoryHigh: number, bytes: Uint8Array, start: number, length: number): number {
    begin();
    mix(directoryLow);
    mix(directoryHigh);
    const end = start + length;
    let at = start;
    for (; at + 4 <= end; at += 4)
      mix(byte(bytes, at) | (byte(bytes, at + 1) << 8) | (byte(bytes, at + 2) << 16) | (byte(bytes, at + 3) << 24));
    let last = length << 24;
    for (let shift = 0; at < end; at++, shift += 8) last |= byte(bytes, at) << shift;
    mix(last);
    return finish();
  }

  function words(list: Uint32Array, count: number): number {
    begin();
    for (let at = 0; at < count; at++) mix(list[at] ?? 0);
    mix(count);
    return finish();
  }

  function begin(): void {
    v0 = seed0;
    v1 = seed1;
    v2 = seed2;
    v3 = seed3;
  }

  function mix(word: number): void {
    v3 ^= word;
    round();
    v0 ^= word;
  }

  function finish(): number {
    v2 ^= 0xee;
    round();
    round();
    round();
    high = (v0 ^ v2) & HIGH_BITS;
    return (v1 ^ v3) >>> 0;
  }

  function round(): void {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

/** Key of an absolute path, component by component from the root of the filesystem. */
export function keyOfPath(hash: TreeHash, path: Uint8Array): { readonly key: number; readonly directoryKey: number } {
  let key = 0;
  let directoryKey = 0;
  let start = 0;
  for (let at = 0; at <= path.length; at++) {
    if (at < path.length && path[at] !== SLASH) continue;
    if (at > start) {
      directoryKey = key;
      key = joined(hash.name(lowOf(key), highOf(key), path, start, at - start), hash.high);
    }
    start = at + 1;
  }
  return { key, directoryKey };
}
