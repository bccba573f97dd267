/** Names that programs of this host looked up, by the addresses they got: what a connection to one of these was meant for. */

const ADDRESSES_MAX = 8_192;

export interface HeardNames {
  learn(name: string, addresses: readonly string[]): void;
  /** The last one that led there. */
  nameOf(address: string): string | undefined;
}

export function createHeardNames(): HeardNames {
  const names = new Map<string, string>();
  return {
    learn(name, addresses) {
      for (const address of addresses) {
        names.delete(address);
        if (names.size >= ADDRESSES_MAX) names.delete(names.keys().next().value ?? "");
        names.set(address, name);
      }
    },
    nameOf: (address) => names.get(address),
  };
}
