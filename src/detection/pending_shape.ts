/**
 * Whether what hangs on a connection may still become a shell on it, or has become whatever it is. Asked while the bytes
 * of the connection are withheld: each "may" makes somebody wait, so what is settled is said to be. Pure.
 */
import type { Process, ProcessRef } from "../core/process.ts";
import type { InternetSocket } from "../core/socket.ts";
import type { HostView } from "../core/view.ts";
import { DUBIOUS, originOf } from "./detectors/origin.ts";
import { findWiring, holderWaits, type Wired } from "./detectors/wired_shell.ts";

/** More than a banner: who sent so much speaks first, and nobody commands it by that connection yet. */
const BANNER_BYTES_MAX = 16;
/** As the rules have it: so long a silence is one. */
const SILENCE_MS = 100;
const STARTING_MS = 400;
const RELATIVES_MAX = 256;

export interface Asked {
  readonly socket: InternetSocket | undefined;
  readonly processes: readonly ProcessRef[];
  /** How long ago the connection was opened; undefined where nobody watched. */
  readonly ageMs: number | undefined;
}

export function mayBecomeShell(view: HostView, { socket, processes, ageMs }: Asked): boolean {
  if (socket?.remote === undefined) return false;
  if (socket.state === "syn-sent" || socket.state === "syn-received") return true;
  const holders = holdersOf(view, socket);
  const relatives = relativesOf(view, processes, holders);
  const wired = relatives.flatMap((process) => {
    const found = findWiring(view, process);
    return found !== undefined && isOn(found, socket) ? [found] : [];
  });
  const saidNothing = (socket.traffic?.bytesSent ?? 0) <= BANNER_BYTES_MAX;
  if (wired.length > 0) return wired.some((one) => isOpen(view, one, saidNothing, ageMs));
  if (!saidNothing) return false;
  return (
    holders.some((holder) => DUBIOUS.has(originOf(view, holder)) && !view.awaited(holder).known) ||
    relatives.some((process) => isStarting(view, process))
  );
}

/** What is wired already and whom no rule named: only what its carrier waits for can still say more. */
function isOpen(view: HostView, wired: Wired, saidNothing: boolean, ageMs: number | undefined): boolean {
  const waits = holderWaits(view, wired);
  if (waits === "unknown") return true;
  return waits === "remote" && saidNothing && ageMs !== undefined && ageMs < SILENCE_MS;
}

/** A child that runs what its parent ran, or a shell that has not come to its first read. */
function isStarting(view: HostView, process: Process): boolean {
  const isYoung = view.atMs - process.startedAtMs < STARTING_MS;
  return isYoung && view.program(process).interpreter && !view.awaited(process).known;
}

function isOn({ source, sink }: Wired, socket: InternetSocket): boolean {
  return source.socket.inode === socket.inode || sink.socket.inode === socket.inode;
}

function holdersOf(view: HostView, socket: InternetSocket): readonly Process[] {
  return [...new Set(view.holders(`socket:${socket.inode}`).map(({ process }) => process))].slice(0, RELATIVES_MAX);
}

/** Who was asked about, who holds the connection, everything below these, and the rest of their sessions. */
function relativesOf(view: HostView, asked: readonly ProcessRef[], holders: readonly Process[]): readonly Process[] {
  const named = asked.flatMap((ref) => view.processes.get(ref.pid) ?? []);
  const found = new Set<Process>([...named, ...holders]);
  const sessions = new Set([...found].map(({ sessionId }) => sessionId).filter((session) => session > 1));
  for (const process of view.processes.values()) {
    if (found.size >= RELATIVES_MAX) break;
    if (sessions.has(process.sessionId)) found.add(process);
  }
  for (const process of found) {
    if (found.size >= RELATIVES_MAX) break;
    for (const child of view.children(process.ref.pid)) found.add(child);
  }
  return [...found];
}
