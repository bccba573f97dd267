/** What the scanners hand on: one sweep of processes, one of sockets. */
import type { EventDraft } from "./nouns.ts";
import type { Descriptor, Process } from "./process.ts";
import type { InternetSocket, UnixSocket } from "./socket.ts";

export interface ProcessesSeen {
  readonly atMs: number;
  readonly processes: readonly Process[];
  /** By pid. */
  readonly descriptors: ReadonlyMap<number, readonly Descriptor[]>;
}

export interface SocketsSeen {
  readonly internet: readonly InternetSocket[];
  readonly unix: readonly UnixSocket[];
}

/** Whatever was due this time. */
export interface Swept {
  readonly processes?: ProcessesSeen;
  readonly sockets?: SocketsSeen;
  /** What the other sources say happened since the last sweep: files, sessions, units, the host's own load. */
  readonly events?: readonly EventDraft[];
}
