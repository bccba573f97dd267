/**
 * Whether an address, a network or a domain may be blocked: never what would cut off who orders it, or the host itself.
 * Pure; what must stay reachable is handed in.
 */
import { networkRange, rangesMeet } from "../core/blocks.ts";

/** An address that must stay reachable, and what it is. */
export interface Reachable {
  /** An address or a network. */
  readonly network: string;
  /** `the default gateway`, `your own session (alice from pts/0)`. */
  readonly what: string;
}

export interface BlockRefusal {
  readonly reason: string;
  readonly remedy: string;
}

/** Everything that nobody may block, whatever the host is. */
const ALWAYS: readonly Reachable[] = [
  { network: "127.0.0.0/8", what: "loopback, over which programs of this host talk to each other" },
  { network: "::1", what: "loopback, over which programs of this host talk to each other" },
  { network: "0.0.0.0", what: "this host itself" },
  { network: "::", what: "this host itself" },
];

/** @param networks what `target` stands for: itself, or the addresses of a domain. */
export function refusalOf(
  target: string,
  networks: readonly string[],
  reachable: readonly Reachable[],
): BlockRefusal | undefined {
  for (const network of networks) {
    const range = networkRange(network);
    if (range === undefined) continue;
    for (const one of [...ALWAYS, ...reachable]) {
      const kept = networkRange(one.network);
      if (kept === undefined || !rangesMeet(range, kept)) continue;
      return refusal(target, network, one, kept.first === range.first && kept.last === range.last);
    }
  }
  return undefined;
}

function refusal(target: string, network: string, kept: Reachable, isSame: boolean): BlockRefusal {
  const meant = target === network ? target : `${target} (${network})`;
  if (isSame && kept.network === network)
    return { reason: `${meant} is ${kept.what}`, remedy: "block the address of who is to be kept out" };
  return {
    reason: `${meant} contains ${kept.network}, ${kept.what}`,
    remedy: "block a smaller network, or single addresses",
  };
}
