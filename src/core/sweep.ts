/** What the scanners hand on: one sweep of processes, one of sockets. */
import type { EventDraft } from "./nouns.ts";
import type { Descriptor, Process } from "./process.ts";
import type { InternetSocket, PacketSocket, UnixSocket } from "./socket.ts";

export interface ProcessesSeen {
  readonly atMs: number;
  readonly processes: readonly Process[];
  /** By pid. */
  readonly descriptors: ReadonlyMap<number, readonly Descriptor[]>;
}

export interface SocketsSeen {
  readonly internet: readonly InternetSocket[];
  readonly unix: readonly UnixSocket[];
  readonly packet: readonly PacketSocket[];
}

/** A connection whose incoming bytes are withheld until somebody has looked at who holds it. */
export interface HeldConnection {
  /** As in sock_diag, unique for the life of the socket; 0 where it has none yet, and then the inode names it. */
  readonly cookie: bigint;
  readonly inode: number;
  /** 0 where nobody knows. */
  readonly openedAtMs: number;
}

/** Whatever was due this time. */
export interface Swept {
  readonly processes?: ProcessesSeen;
  readonly sockets?: SocketsSeen;
  /** What the other sources say happened since the last sweep: files, sessions, units, the host's own load. */
  readonly events?: readonly EventDraft[];
  /** Withheld at this moment. */
  readonly held?: readonly HeldConnection[];
  /** A look out of turn: judged by what needs no memory of the sweeps before. */
  readonly urgent?: true;
}
