/**
 * Whether an address, a network or a domain may be blocked: never what would cut off who orders it, or the host itself.
 * Pure; what must stay reachable is handed in.
 */
import { type AddressRange, networkRange, rangesMeet } from "../core/blocks.ts";

/** An address that must stay reachable, and what it is. */
export interface Reachable {
  /** An address or a network. What is neither keeps nothing. */
  readonly network: string;
  /** `the default gateway`, `your own session (alice on pts/0)`. */
  readonly what: string;
}

export interface BlockRefusal {
  readonly reason: string;
  readonly remedy: string;
}

/** What nobody may block, whatever the host is. */
const ALWAYS: readonly Reachable[] = [
  { network: "127.0.0.0/8", what: "loopback, over which programs of this host talk to each other" },
  { network: "::1", what: "loopback, over which programs of this host talk to each other" },
  { network: "0.0.0.0", what: "this host itself" },
  { network: "::", what: "this host itself" },
  { network: "ff02::/16", what: "the neighbours on the link, without whom IPv6 finds nobody" },
];

/**
 * A domain names whom it likes: what must stay reachable is left out of its block, and the rest is blocked.
 *
 * @param networks what `target` stands for: itself, or the addresses of a domain.
 */
export function withoutKept(
  target: string,
  networks: readonly string[],
  reachable: readonly Reachable[],
): { readonly networks: readonly string[]; readonly refusals: readonly BlockRefusal[] } {
  const kept = [...ALWAYS, ...reachable].flatMap((one) => {
    const range = networkRange(one.network);
    return range === undefined ? [] : [{ ...one, range }];
  });
  const judged = networks.map((network) => ({ network, refused: refusalOf(target, network, kept) }));
  return {
    networks: judged.flatMap(({ network, refused }) => (refused === undefined ? [network] : [])),
    refusals: judged.flatMap(({ refused }) => refused ?? []),
  };
}

function refusalOf(
  target: string,
  network: string,
  reachable: readonly (Reachable & { readonly range: AddressRange })[],
): BlockRefusal | undefined {
  const range = networkRange(network);
  if (range === undefined) return undefined;
  const kept = reachable.find((one) => rangesMeet(range, one.range));
  if (kept === undefined) return undefined;
  const meant = target === network ? target : `${target} (${network})`;
  if (kept.range.first > range.first || kept.range.last < range.last)
    return {
      reason: `${meant} contains ${kept.network}, ${kept.what}`,
      remedy: "block a smaller network, or single addresses",
    };
  const where = kept.network.includes("/") ? `part of ${kept.network}, ` : "";
  return { reason: `${meant} is ${where}${kept.what}`, remedy: "block the address of who is to be kept out" };
}
