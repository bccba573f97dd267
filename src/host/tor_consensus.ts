// Addresses and ports of the relays that a tor on this host knows, from its cached consensus.
// Trusts tor's file for what it says and no more: bounded, what does not parse is left out. Format: dir-spec.txt, 3.4.
// Costs one stat a file a minute; about 1.5 MB while 9,000 relays are kept, nothing where there is no tor.
import type { Endpoint } from "../core/socket.ts";
import { readLines, stampOf } from "./line_files.ts";

const LOOK_EVERY_MS = 60_000;
const FILE_BYTES_MAX = 16 * 1024 * 1024;
const RELAYS_MAX = 50_000;
const FILES: readonly string[] = ["/var/lib/tor/cached-microdesc-consensus", "/var/lib/tor/cached-consensus"];

export interface TorConsensus {
  isRelay(remote: Endpoint): boolean;
  readonly relays: number;
  /** Resolves to true when a consensus was read anew. */
  refresh(): Promise<boolean>;
}

export function createTorConsensus(
  files: readonly string[] = FILES,
  monotonicMs: () => number = () => performance.now(),
): TorConsensus {
  let relays: ReadonlySet<string> = new Set();
  let stamps = files.map(() => "").join(" ");
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let isReading = false;
  return {
    isRelay: ({ address, port }) => relays.size > 0 && relays.has(`${address} ${port}`),
    get relays() {
      return relays.size;
    },
    refresh,
  };

  async function refresh(): Promise<boolean> {
    if (isReading || monotonicMs() - lookedAtMs < LOOK_EVERY_MS) return false;
    isReading = true;
    try {
      lookedAtMs = monotonicMs();
      const now = (await Promise.all(files.map(stampOf))).map((stamp) => stamp ?? "").join(" ");
      if (now === stamps) return false;
      const found = new Set<string>();
      for (const file of files) {
        await readLines(file, FILE_BYTES_MAX, (line) => {
          const relay = relayOf(line);
          if (relay !== undefined && found.size < RELAYS_MAX) found.add(relay);
        });
      }
      relays = found;
      stamps = now;
      return true;
    } finally {
      isReading = false;
    }
  }
}

/** `r nick identity [digest] date time IP ORPort DirPort` and `a [IPv6]:port`. */
export function relayOf(line: string): string | undefined {
  if (line.startsWith("r ")) {
    const words = line.split(" ");
    const [address = "", port = ""] = words.slice(-3);
    return words.length >= 8 && /^\d+\.\d+\.\d+\.\d+$/.test(address) && isPort(port) ? `${address} ${port}` : undefined;
  }
  const found = /^a \[([0-9a-f:.]+)\]:(\d{1,5})$/.exec(line);
  return found === null || !isPort(found[2] ?? "") ? undefined : `${found[1]} ${Number(found[2])}`;
}

function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;
}
