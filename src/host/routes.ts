// Addresses that this host cannot do without: its own, its default gateways, its resolvers.
// Trusts the main routing tables of our network namespace and the files that name resolvers; costs six small reads.
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { addressText } from "./addresses.ts";

const LINES_MAX = 10_000;
/** What the C library asks, and whom systemd-resolved and NetworkManager's own cache ask behind 127.0.0.53 and 127.0.0.1. */
const RESOLVER_FILES = [
  "/etc/resolv.conf",
  "/run/systemd/resolve/resolv.conf",
  "/run/NetworkManager/no-stub-resolv.conf",
] as const;

export function ownAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => bare(address)));
}

export function defaultGateways(procRoot = "/proc"): readonly string[] {
  return [...gatewaysOf4(textOf(`${procRoot}/net/route`)), ...gatewaysOf6(textOf(`${procRoot}/net/ipv6_route`))];
}

export function resolvers(): readonly string[] {
  return [...new Set(RESOLVER_FILES.flatMap((path) => resolversOf(textOf(path))))];
}

/** `/proc/net/route`: a default route has no destination and no mask; addresses are in the byte order of the host. */
export function gatewaysOf4(text: string): readonly string[] {
  return linesOf(text).flatMap((line) => {
    const [, destination, gateway, , , , , mask] = line.split(/\s+/);
    if (destination !== "00000000" || mask !== "00000000" || gateway === undefined) return [];
    if (!/^[0-9A-F]{8}$/i.test(gateway) || gateway === "00000000") return [];
    return [addressText(Uint8Array.from(Buffer.from(gateway, "hex").toReversed()))];
  });
}

/** `/proc/net/ipv6_route`: destination, prefix, source, prefix, next hop, ... */
export function gatewaysOf6(text: string): readonly string[] {
  return linesOf(text).flatMap((line) => {
    const [destination, prefix, , , hop] = line.split(/\s+/);
    if (destination === undefined || !/^0{32}$/.test(destination) || prefix !== "00") return [];
    if (hop === undefined || !/^[0-9a-f]{32}$/i.test(hop) || /^0{32}$/.test(hop)) return [];
    return [addressText(Uint8Array.from(Buffer.from(hop, "hex")))];
  });
}

/** resolv.conf(5). */
export function resolversOf(text: string): readonly string[] {
  return linesOf(text).flatMap((line) => {
    const address = /^nameserver\s+(\S+)/.exec(line)?.[1];
    return address === undefined ? [] : [bare(address)];
  });
}

function bare(address: string): string {
  return address.split("%", 1)[0] ?? "";
}

function linesOf(text: string): readonly string[] {
  return text.split("\n", LINES_MAX);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
