/**
 * Addresses of the host names that the site put into MINING_POOLS. Only those are looked up: a server that resolved
 * public mining pools would raise other people's alarms.
 */
import { lookup } from "node:dns/promises";

const REFRESH_EVERY_MS = 600_000;
const NAMES_MAX = 200;
const ADDRESSES_MAX = 64;

export interface PoolResolver {
  resolved(): ReadonlyMap<string, readonly string[]>;
  /** Starts a look-up when one is due or the names changed; true once after new answers arrived. */
  refresh(): boolean;
}

export function createPoolResolver(names: () => readonly string[]): PoolResolver {
  let known = new Map<string, readonly string[]>();
  let asked = "";
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let fresh = false;
  return { resolved: () => known, refresh };

  function refresh(): boolean {
    const wanted = names().slice(0, NAMES_MAX);
    const due = wanted.length > 0 && performance.now() - askedAtMs >= REFRESH_EVERY_MS;
    if (wanted.join(" ") !== asked || due) {
      asked = wanted.join(" ");
      askedAtMs = performance.now();
      void resolveAll(wanted);
    }
    const news = fresh;
    fresh = false;
    return news;
  }

  async function resolveAll(wanted: readonly string[]): Promise<void> {
    const answers = await Promise.all(wanted.map(async (name) => [name, await addressesOf(name)] as const));
    // A name that does not resolve right now keeps its last addresses.
    known = new Map(
      answers.map(([name, addresses]) => [name, addresses.length > 0 ? addresses : (known.get(name) ?? [])]),
    );
    fresh = true;
  }
}

async function addressesOf(name: string): Promise<readonly string[]> {
  try {
    return (await lookup(name, { all: true })).slice(0, ADDRESSES_MAX).map((answer) => answer.address);
  } catch {
    return [];
  }
}
