/** IP addresses and networks as numbers, for exact comparison. IPv4-mapped IPv6 counts as IPv4. Pure. */

export interface Address {
  readonly bits: 32 | 128;
  readonly value: bigint;
}

/** Whether `address` is `network` or lies in it (`10.0.0.1`, `10.0.0.0/8`, `2001:db8::/32`). False for what is no address. */
export function inNetwork(address: string, network: string): boolean {
  const slash = network.indexOf("/");
  const left = parseAddress(address);
  const right = parseAddress(slash === -1 ? network : network.slice(0, slash));
  if (left === undefined || right === undefined || left.bits !== right.bits) return false;
  if (slash === -1) return left.value === right.value;
  const suffix = network.slice(slash + 1);
  if (!/^\d{1,3}$/.test(suffix)) return false;
  const length = Number(suffix) - (right.bits === 32 && network.slice(0, slash).includes(":") ? 96 : 0);
  if (length < 0 || length > right.bits) return false;
  const shift = BigInt(right.bits - length);
  return left.value >> shift === right.value >> shift;
}

/**
 * A network as the kernel compares it: IPv4 in the first four bytes, the rest zero. Undefined for what is neither an
 * address nor a network.
 */
export function networkBytes(
  network: string,
): { readonly family: 4 | 6; readonly prefixBits: number; readonly address: Uint8Array } | undefined {
  const slash = network.indexOf("/");
  const text = slash === -1 ? network : network.slice(0, slash);
  const parsed = parseAddress(text);
  if (parsed === undefined) return undefined;
  const suffix =
    slash === -1 ? String(text.includes(":") && parsed.bits === 32 ? 128 : parsed.bits) : network.slice(slash + 1);
  if (!/^\d{1,3}$/.test(suffix)) return undefined;
  const prefixBits = Number(suffix) - (parsed.bits === 32 && text.includes(":") ? 96 : 0);
  if (prefixBits < 0 || prefixBits > parsed.bits) return undefined;
  const address = new Uint8Array(16);
  const bytes = parsed.bits / 8;
  for (let at = 0; at < bytes; at++) address[at] = Number((parsed.value >> BigInt(8 * (bytes - 1 - at))) & 0xffn);
  return { family: parsed.bits === 32 ? 4 : 6, prefixBits, address };
}

export type Scope = "public" | "private" | "loopback" | "link-local" | "multicast" | "reserved";

/** Who can be at an address. What is no address, and what nobody can be at, is `reserved`. */
export function scopeOf(text: string): Scope {
  const address = parseAddress(text);
  return address === undefined ? "reserved" : scopeOfAddress(address);
}

export function scopeOfAddress(address: Address): Scope {
  const found = SCOPES.find(
    ({ bits, value, length }) =>
      bits === address.bits && address.value >> BigInt(bits - length) === value >> BigInt(bits - length),
  );
  if (found !== undefined) return found.scope;
  // NAT64 carries an IPv4 address in its last 32 bits (RFC 6052).
  if (address.bits === 128 && address.value >> 32n === NAT64_PREFIX)
    return scopeOfAddress({ bits: 32, value: address.value & 0xffffffffn });
  return "public";
}

/** Undefined for what is no address. Scopes (`fe80::1%eth0`) are cut off. */
export function parseAddress(text: string): Address | undefined {
  if (text.length > 100) return undefined;
  const bare = text.split("%", 1)[0] ?? "";
  if (!bare.includes(":")) {
    const value = ipv4(bare);
    return value === undefined ? undefined : { bits: 32, value };
  }
  const value = ipv6(bare);
  if (value === undefined) return undefined;
  return value >> 32n === 0xffffn ? { bits: 32, value: value & 0xffffffffn } : { bits: 128, value };
}

function ipv4(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0n;
  for (const part of parts) {
    // A leading zero is octal to some readers and decimal to others.
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    value = (value << 8n) | BigInt(part);
  }
  return value;
}

function ipv6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? "");
  const tail = halves.length === 2 ? groups(halves[1] ?? "") : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  let value = 0n;
  for (const group of [...head, ...new Array<bigint>(missing).fill(0n), ...tail]) value = (value << 16n) | group;
  return value;
}

function groups(text: string): bigint[] | undefined {
  if (text === "") return [];
  const result: bigint[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (index === parts.length - 1 && part.includes(".")) {
      const value = ipv4(part);
      if (value === undefined) return undefined;
      result.push(value >> 16n, value & 0xffffn);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      result.push(BigInt(`0x${part}`));
    }
  }
  return result;
}

/** `192.0.2.0`, `2001:db8::`. */
export function addressText({ bits, value }: Address): string {
  const size = bits === 32 ? 8n : 16n;
  const parts: string[] = [];
  for (let shift = BigInt(bits) - size; shift >= 0n; shift -= size) {
    const part = (value >> shift) & ((1n << size) - 1n);
    parts.push(part.toString(bits === 32 ? 10 : 16));
  }
  return bits === 32 ? parts.join(".") : shortenedAddress(parts.join(":"));
}

/** The longest run of zeros, the first of equal ones, is left out (RFC 5952). */
export function shortenedAddress(text: string): string {
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?::|$)/g)];
  const [longest] = runs.sort((left, right) => right[0].length - left[0].length);
  return longest === undefined
    ? text
    : `${text.slice(0, longest.index)}::${text.slice(longest.index + longest[0].length)}`;
}

const NAT64_PREFIX = 0x0064_ff9b_0000_0000_0000_0000n;

/**
 * IANA's special-purpose registries (RFC 6890). The networks for documentation count as public: nobody has them at home,
 * and whoever writes them means a stranger.
 */
const SCOPES: readonly (Address & { readonly length: number; readonly scope: Scope })[] = (
  [
    ["127.0.0.0/8", "loopback"],
    ["::1/128", "loopback"],
    ["10.0.0.0/8", "private"],
    ["172.16.0.0/12", "private"],
    ["192.168.0.0/16", "private"],
    ["100.64.0.0/10", "private"],
    ["fc00::/7", "private"],
    ["fec0::/10", "private"],
    ["169.254.0.0/16", "link-local"],
    ["fe80::/10", "link-local"],
    ["224.0.0.0/4", "multicast"],
    ["ff00::/8", "multicast"],
    ["0.0.0.0/8", "reserved"],
    ["192.0.0.0/24", "reserved"],
    ["198.18.0.0/15", "reserved"],
    ["240.0.0.0/4", "reserved"],
    ["::/128", "reserved"],
    ["100::/64", "reserved"],
  ] as const
).flatMap(([network, scope]) => {
  const [text = "", length = "0"] = network.split("/");
  const address = parseAddress(text);
  return address === undefined ? [] : [{ ...address, length: Number(length), scope }];
});
