/**
 * Addresses of blocked domains. Asks the C library, whose answer is that of every other program here; one name after the
 * other, so that a resolver that does not answer holds one thread at most.
 */
import { lookup } from "node:dns/promises";
import { DOMAIN_ADDRESSES_MAX } from "../core/blocks.ts";

/** Whoever orders a block waits that long for an answer. */
const ANSWER_MS_MAX = 5_000;

/** None where there is no such name, or nobody answers. */
export type Resolve = (name: string) => Promise<readonly string[]>;

export interface BlockNames {
  now(name: string): Promise<readonly string[]>;
  /** Asks again for each name; a round that is not over yet is not joined by another. */
  follow(names: readonly string[], onAddresses: (name: string, addresses: readonly string[]) => void): Promise<void>;
}

export function createBlockNames(resolve: Resolve = addressesOf): BlockNames {
  let isFollowing = false;
  return { now, follow };

  async function now(name: string): Promise<readonly string[]> {
    let timer: Timer | undefined;
    const late = new Promise<readonly string[]>((done) => {
      timer = setTimeout(() => done([]), ANSWER_MS_MAX);
    });
    try {
      return await Promise.race([resolve(name), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async function follow(
    names: readonly string[],
    onAddresses: (name: string, addresses: readonly string[]) => void,
  ): Promise<void> {
    if (isFollowing) return;
    isFollowing = true;
    try {
      for (const name of names) onAddresses(name, await resolve(name));
    } finally {
      isFollowing = false;
    }
  }
}

async function addressesOf(name: string): Promise<readonly string[]> {
  try {
    return (await lookup(name, { all: true })).slice(0, DOMAIN_ADDRESSES_MAX).map(({ address }) => address);
  } catch {
    return [];
  }
}
