/** IP addresses and networks as numbers, for exact comparison. IPv4-mapped IPv6 counts as IPv4. Pure. */

interface Address {
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
