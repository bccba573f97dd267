// IP addresses from the kernel's bytes to canonical text.
// Trusts nothing; costs under a microsecond. Format of IPv6 text: RFC 5952.

/** Canonical text of 4 or 16 bytes in network order; IPv4-mapped IPv6 becomes IPv4. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.byteLength === 4) return ipv4Text(bytes, 0);
  if (bytes.byteLength !== 16) return "";
  if (isMapped(bytes)) return ipv4Text(bytes, 12);
  const groups: number[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  const { start, length } = longestZeroRun(groups);
  if (length < 2) return groups.map(hex).join(":");
  return `${groups.slice(0, start).map(hex).join(":")}::${groups
    .slice(start + length)
    .map(hex)
    .join(":")}`;
}

/** 0.0.0.0, ::, or the mapped form of the first. */
export function isUnspecified(bytes: Uint8Array): boolean {
  const from = bytes.byteLength === 16 && isMapped(bytes) ? 12 : 0;
  for (let index = from; index < bytes.byteLength; index++) if (bytes[index] !== 0) return false;
  return true;
}

function isMapped(bytes: Uint8Array): boolean {
  for (let index = 0; index < 10; index++) if (bytes[index] !== 0) return false;
  return bytes[10] === 0xff && bytes[11] === 0xff;
}

function ipv4Text(bytes: Uint8Array, at: number): string {
  return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
}

function hex(group: number): string {
  return group.toString(16);
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = -1;
  for (let index = 0; index <= groups.length; index++) {
    if (groups[index] === 0) {
      if (start < 0) start = index;
    } else if (start >= 0) {
      if (index - start > best.length) best = { start, length: index - start };
      start = -1;
    }
  }
  return best;
}
