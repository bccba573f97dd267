/** From which networks each user has logged in before: bounded, the least recently seen goes first. No I/O. */
import { parseAddress } from "../core/address.ts";
import { NETWORKS_PER_USER_MAX, USERS_REMEMBERED_MAX, type UserNetworks } from "../core/session_memory.ts";
import { addressText } from "../host/addresses.ts";

export interface NetworkNovelty {
  /** The user came from other networks before, and never from this one. */
  readonly isNew: boolean;
  /** Nobody saw this user come from another host before. */
  readonly isFirst: boolean;
}

export interface NetworksSeen {
  /** Remembers it, and says what it was until now. */
  learn(user: string, network: string, atMs: number): NetworkNovelty;
  /** Least recently seen first. */
  all(): readonly UserNetworks[];
}

export function createNetworksSeen(known: readonly UserNetworks[] = []): NetworksSeen {
  const users = new Map<string, Map<string, number>>();
  for (const { user, networks } of known)
    users.set(user, new Map(networks.map(({ network, lastAtMs }) => [network, lastAtMs])));
  return { learn, all };

  function learn(user: string, network: string, atMs: number): NetworkNovelty {
    const networks = users.get(user) ?? new Map<string, number>();
    // The first login says nothing: there is no "as always" to differ from. Nor does one more network of somebody who
    // comes from everywhere, such as an account that many people share.
    const hasHabits = networks.size > 0 && networks.size < NETWORKS_PER_USER_MAX;
    const novelty = { isNew: hasHabits && !networks.has(network), isFirst: networks.size === 0 };
    networks.delete(network);
    networks.set(network, atMs);
    dropOldest(networks, NETWORKS_PER_USER_MAX);
    users.delete(user);
    users.set(user, networks);
    dropOldest(users, USERS_REMEMBERED_MAX);
    return novelty;
  }

  function all(): readonly UserNetworks[] {
    return [...users].map(([user, networks]) => ({
      user,
      networks: [...networks].map(([network, lastAtMs]) => ({ network, lastAtMs })),
    }));
  }
}

function dropOldest(map: Map<string, unknown>, sizeMax: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= sizeMax) return;
    map.delete(oldest);
  }
}

/** `192.0.2.0/24`, `2001:db8::/64`; undefined for what is no address. */
export function networkOf(text: string): string | undefined {
  const address = parseAddress(text);
  if (address === undefined) return undefined;
  const bytes = new Uint8Array(address.bits / 8);
  const kept = address.bits === 32 ? 3 : 8;
  for (let at = 0; at < kept; at++) bytes[at] = Number((address.value >> BigInt(address.bits - 8 * (at + 1))) & 0xffn);
  return `${addressText(bytes)}/${kept * 8}`;
}
