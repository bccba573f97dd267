// Directories that wait to be walked, as bytes in one growing buffer: a stack, so that few wait at a time.
// Trusts its caller for the bounds of what it hands in. Bounded: a push over the limit is refused.

const BYTES_MAX = 32 * 1024 * 1024;
const BYTES_AT_FIRST = 64 * 1024;
const BYTES_KEPT = 1024 * 1024;
const SLASH = 0x2f;

export interface Pending {
  /** Of what the last `pop` gave. */
  readonly length: number;
  readonly key: number;
  readonly tag: number;
  /** A directory, and a name in it where one is given. False: full. */
  push(
    directory: Uint8Array,
    directoryLength: number,
    names: Uint8Array | undefined,
    nameStart: number,
    nameLength: number,
    key: number,
    tag: number,
  ): boolean;
  /** Fills in the path with a NUL behind it; false where none waits. */
  pop(into: Uint8Array): boolean;
  clear(): void;
}

export function createPending(): Pending {
  let bytes = new Uint8Array(BYTES_AT_FIRST);
  let used = 0;
  let lengths: number[] = [];
  let keys: number[] = [];
  let tags: number[] = [];
  let length = 0;
  let key = 0;
  let tag = 0;
  return {
    get length() {
      return length;
    },
    get key() {
      return key;
    },
    get tag() {
      return tag;
    },
    push(directory, directoryLength, names, nameStart, nameLength, ofKey, ofTag) {
      const base = names !== undefined && directoryLength === 1 ? 0 : directoryLength;
      const total = base + (names === undefined ? 0 : 1 + nameLength);
      if (used + total > BYTES_MAX) return false;
      if (used + total > bytes.length) grow(used + total);
      copy(directory, 0, base, bytes, used);
      if (names !== undefined) {
        bytes[used + base] = SLASH;
        copy(names, nameStart, nameLength, bytes, used + base + 1);
      }
      used += total;
      lengths.push(total);
      keys.push(ofKey);
      tags.push(ofTag);
      return true;
    },
    pop(into) {
      const last = lengths.pop();
      if (last === undefined) return false;
      used -= last;
      length = last;
      key = keys.pop() ?? 0;
      tag = tags.pop() ?? 0;
      copy(bytes, used, last, into, 0);
      into[last] = 0;
      return true;
    },
    clear() {
      used = 0;
      lengths = [];
      keys = [];
      tags = [];
      if (bytes.length > BYTES_KEPT) bytes = new Uint8Array(BYTES_AT_FIRST);
    },
  };

  /** Byte by byte: the view that `set` would need is an object for each of some 30 bytes. */
  function copy(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
    for (let i = 0; i < length; i++) to[at + i] = from[start + i] ?? 0;
  }

  function grow(wanted: number): void {
    const larger = new Uint8Array(Math.max(wanted, bytes.length * 2));
    larger.set(bytes.subarray(0, used));
    bytes = larger;
  }
}
