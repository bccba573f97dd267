/**
 * The last sweep as one immutable answer book: process tree, channels and who holds their ends, sockets, units.
 * Building it costs one pass over processes, descriptors and sockets; every question afterwards is a map look-up.
 */
import type { Descriptor, Executable, Process } from "../core/process.ts";
import type { InternetSocket, PacketSocket, UnixSocket } from "../core/socket.ts";
import type { HeldConnection } from "../core/sweep.ts";
import type { Awaited, FileIdentity, Holder, HostView, ProgramFacts, Script, Unit } from "../core/view.ts";

const ANCESTORS_MAX = 64;

export interface ViewParts {
  readonly atMs: number;
  readonly processes: ReadonlyMap<number, Process>;
  readonly descriptors: ReadonlyMap<number, readonly Descriptor[]>;
  readonly internetSockets: ReadonlyMap<number, InternetSocket>;
  readonly ownerlessSockets: readonly InternetSocket[];
  readonly unixSockets: ReadonlyMap<number, UnixSocket>;
  readonly packetSockets: readonly PacketSocket[];
  readonly held: readonly HeldConnection[];
  /** Pids that listen, or were seen to, on the port a connection was accepted on. */
  readonly listenerPids: (socket: InternetSocket) => readonly number[];
  readonly unit: (process: Process) => Unit | undefined;
  readonly program: (process: Process) => ProgramFacts;
  readonly script: (process: Process) => Script;
  readonly awaited: (pid: number) => Awaited;
  readonly ourMountNamespace: number;
  readonly memoryTotalBytes: number;
  readonly userName: (uid: number) => string;
  readonly isTrustedByName: (process: Process) => boolean;
  readonly identity: (executable: Executable) => FileIdentity | undefined;
  readonly hints: (process: Process) => readonly string[];
  readonly nameOf: (address: string) => string | undefined;
}

export function createHostView(parts: ViewParts): HostView {
  const { processes, descriptors } = parts;
  const childrenOf = new Map<number, Process[]>();
  const holdersOf = new Map<string, Holder[]>();
  const awaitedBy = new Map<number, Awaited>();
  for (const process of processes.values()) {
    append(childrenOf, process.parentPid, process);
    for (const descriptor of descriptors.get(process.ref.pid) ?? []) {
      if (descriptor.channel !== "") append(holdersOf, descriptor.channel, { process, descriptor });
    }
  }
  return {
    atMs: parts.atMs,
    processes,
    children: (pid) => childrenOf.get(pid) ?? [],
    ancestors: (process) => ancestorsIn(processes, process),
    descriptors: (process) => descriptors.get(process.ref.pid) ?? [],
    holders: (channel) => holdersOf.get(channel) ?? [],
    internetSocket: (inode) => parts.internetSockets.get(inode),
    internetSockets: () => parts.internetSockets.values(),
    ownerlessSockets: parts.ownerlessSockets,
    heldOf: (socket) => parts.held.find((held) => isSameSocket(held, socket)),
    unixSocket: (inode) => parts.unixSockets.get(inode),
    packetSockets: parts.packetSockets,
    listenersFor,
    unit: parts.unit,
    program: parts.program,
    scriptOf: parts.script,
    awaited,
    ourMountNamespace: parts.ourMountNamespace,
    memoryTotalBytes: parts.memoryTotalBytes,
    userName: parts.userName,
    isTrustedByName: parts.isTrustedByName,
    identityOf: (process) => (process.executable === undefined ? undefined : parts.identity(process.executable)),
    hintsOf: parts.hints,
    nameOf: parts.nameOf,
  };

  function awaited(process: Process): Awaited {
    const known = awaitedBy.get(process.ref.pid) ?? parts.awaited(process.ref.pid);
    awaitedBy.set(process.ref.pid, known);
    return known;
  }

  function listenersFor(socket: InternetSocket): readonly Process[] {
    return parts.listenerPids(socket).flatMap((pid) => processes.get(pid) ?? []);
  }
}

export function ancestorsIn(processes: ReadonlyMap<number, Process>, process: Process): readonly Process[] {
  const chain: Process[] = [];
  let current = processes.get(process.parentPid);
  while (current !== undefined && chain.length < ANCESTORS_MAX && !chain.includes(current)) {
    chain.push(current);
    current = processes.get(current.parentPid);
  }
  return chain;
}

function isSameSocket(held: HeldConnection, { cookie, inode }: InternetSocket): boolean {
  return held.cookie === 0n ? inode !== 0 && held.inode === inode : held.cookie === cookie;
}

export function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
