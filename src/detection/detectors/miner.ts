/**
 * Sees miners: a connection to a mining pool together with sustained work. A port, a name or being busy is only a trait.
 * Keeps, per process, how many sweeps in a row it was busy.
 */
import type { EventDraft } from "../../core/nouns.ts";
import { type Process, processKey } from "../../core/process.ts";
import { connectionFields, processFields, socketRef } from "../../core/render.ts";
import type { InternetSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import { remoteSockets } from "./channels.ts";
import { type Detector, derived } from "./detector.ts";

/** Busy means at least half a core, so that a miner throttled to hide still counts. */
const BUSY_CPU_PERCENT = 50;
const BUSY_SWEEPS = 2;
/** RandomX asks for 2080 MiB of huge pages, or 256 MiB in light mode. */
const RANDOMX_HUGE_PAGES_BYTES = 256 * 1024 * 1024;

/** Ports that public pools use for stratum and hardly anything else does; a trait, never a reason. */
const POOL_PORTS: ReadonlySet<number> = new Set([
  3333, 3334, 4444, 5555, 6666, 7777, 8888, 9999, 14433, 14444, 20580, 45560, 45700,
]);

/** Spelled out in argv by the usual miners. */
const MARKERS: readonly string[] = [
  "stratum+tcp://",
  "stratum+ssl://",
  "stratum+tls://",
  "stratum2+tcp://",
  "--donate-level",
  "--randomx",
  "--coin=",
  "-a rx/",
  "--algo=rx",
  "--cpu-max-threads-hint",
  "--nicehash",
  "--algo cryptonight",
];

/** Matches a peer against the known pools; made by context from the built-in list and MINING_POOLS. */
export interface PoolMatcher {
  /** The entry that names this address, or undefined. */
  byAddress(address: string): string | undefined;
  /** The pool host named in a word of argv such as `stratum+tcp://pool.example:3333`, with its port (0 when absent). */
  byWord(word: string): { readonly name: string; readonly port: number } | undefined;
}

export function createMinerDetector(pools: () => PoolMatcher): Detector {
  let busySweeps = new Map<string, number>();
  return { id: "miner", emits: ["miner"], sweep };

  function sweep(view: HostView): readonly EventDraft[] {
    const next = new Map<string, number>();
    const drafts: EventDraft[] = [];
    for (const process of view.processes.values()) {
      if (process.isKernelThread || process.executable === undefined) continue;
      const sweeps =
        cpuOfTree(view, process) >= BUSY_CPU_PERCENT ? (busySweeps.get(processKey(process.ref)) ?? 0) + 1 : 0;
      if (sweeps > 0) next.set(processKey(process.ref), sweeps);
      const draft = inspect(view, process, sweeps >= BUSY_SWEEPS);
      if (draft !== undefined) drafts.push(draft);
    }
    busySweeps = next;
    return drafts;
  }

  function inspect(view: HostView, process: Process, busy: boolean): EventDraft | undefined {
    const outgoing = remoteSockets(view, process)
      .map((held) => held.socket)
      .filter((socket) => socket.direction !== "accepted" && socket.protocol === "tcp");
    const pool = findPool(process, outgoing, pools());
    const works = busy || process.hugePagesBytes >= RANDOMX_HUGE_PAGES_BYTES;
    if (pool === undefined && !works) return undefined;
    const traits = traitsOf(process, outgoing, busy);
    // Work alone is what servers do; a finding needs something that points to mining.
    const points = traits.some(
      (trait) => trait === "pool-port" || trait === "marker-argv" || trait === "temporary-file" || trait === "deleted",
    );
    if (pool === undefined && !points) return undefined;
    const socket = pool?.socket ?? outgoing[0];
    return derived(
      "miner",
      "miner-seen",
      process,
      {
        ...processFields(view, process),
        ...(socket === undefined ? {} : connectionFields(socket)),
        "miner.pool": pool?.name ?? "",
        "miner.traits": traits,
        "miner.confirmed": pool !== undefined && works,
      },
      { actors: [process.ref], relays: [], sockets: pool === undefined ? [] : [socketRef(pool.socket)] },
    );
  }
}

function findPool(
  process: Process,
  outgoing: readonly InternetSocket[],
  pools: PoolMatcher,
): { readonly name: string; readonly socket: InternetSocket } | undefined {
  for (const socket of outgoing) {
    const name = socket.remote === undefined ? undefined : pools.byAddress(socket.remote.address);
    if (name !== undefined) return { name, socket };
  }
  // A pool named in argv counts when the process really has a connection to the port named there.
  for (const word of outgoing.length === 0 ? [] : process.argv) {
    const named = word.includes(":") ? pools.byWord(word) : undefined;
    const socket =
      named === undefined ? undefined : outgoing.find((candidate) => candidate.remote?.port === named.port);
    if (named !== undefined && socket !== undefined) return { name: named.name, socket };
  }
  return undefined;
}

function traitsOf(process: Process, outgoing: readonly InternetSocket[], busy: boolean): readonly string[] {
  const path = process.executable?.path ?? "";
  const commandLine = process.argv.join(" ").toLowerCase();
  const traits: [boolean, string][] = [
    [busy, "sustained-cpu"],
    [process.hugePagesBytes >= RANDOMX_HUGE_PAGES_BYTES, "huge-pages"],
    [outgoing.some((socket) => POOL_PORTS.has(socket.remote?.port ?? 0)), "pool-port"],
    [MARKERS.some((marker) => commandLine.includes(marker)), "marker-argv"],
    [/^\/(tmp|var\/tmp|dev\/shm)\//.test(path), "temporary-file"],
    [
      process.executable?.memfd === true ||
        (process.executable?.deleted === true && /^\/(tmp|var\/tmp|dev\/shm)\//.test(path)),
      "deleted",
    ],
  ];
  return traits.filter(([present]) => present).map(([, trait]) => trait);
}

/** Some miners keep the connection in a parent and work in its children. */
function cpuOfTree(view: HostView, process: Process): number {
  const sameFile = view
    .children(process.ref.pid)
    .filter((child) => child.executable?.inode === process.executable?.inode);
  return sameFile.reduce((sum, child) => sum + child.cpuPercent, process.cpuPercent);
}
