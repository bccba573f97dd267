/**
 * Sockets that were not there in an earlier sweep, with the processes that hold them; one memory for all detectors that
 * look at connections. Waits a sweep for an owner that the process scan had not met yet. Costs about 40 bytes a socket.
 */
import type { Process } from "../../core/process.ts";
import type { InternetSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";

export interface NewSocket {
  readonly socket: InternetSocket;
  /** Oldest first, at most 16; empty where no process holds it. */
  readonly owners: readonly Process[];
}

export interface NewSocketsSeen {
  /** With a remote end. */
  readonly connections: readonly NewSocket[];
  /** TCP that listens; UDP without a remote end that was there in three sweeps (a resolver opens many for an instant). */
  readonly listeners: readonly NewSocket[];
}

export interface NewSockets {
  /** The same answer for the same view, whoever asks first. */
  of(view: HostView): NewSocketsSeen;
}

const OWNERS_MAX = 16;
const WAITING_MAX = 1_000;
const UDP_SWEEPS = 2;
const OWNERLESS_SWEEPS = 1;
/** A value of `known` is the sweep it was last seen in, times eight, plus how many sweeps it has waited; seven is told. */
const TOLD = 7;

export function createNewSockets(): NewSockets {
  const known = new Map<number, number>();
  let ownerless = new Map<number, InternetSocket>();
  let sweep = 0;
  let last: { readonly view: HostView; readonly seen: NewSocketsSeen } | undefined;
  return { of };

  function of(view: HostView): NewSocketsSeen {
    if (last?.view !== view) last = { view, seen: look(view) };
    return last.seen;
  }

  function look(view: HostView): NewSocketsSeen {
    sweep++;
    const connections: NewSocket[] = [];
    const listeners: NewSocket[] = [];
    const stillOwnerless = new Map<number, InternetSocket>();
    let alive = 0;
    for (const socket of view.internetSockets()) {
      const isConnection = socket.remote !== undefined;
      if (!isConnection && socket.state !== "listen" && !(socket.protocol === "udp" && socket.state === "bound"))
        continue;
      alive++;
      const key = keyOf(socket);
      const waited = (known.get(key) ?? 0) % 8;
      if (waited === TOLD) {
        known.set(key, sweep * 8 + TOLD);
        continue;
      }
      const owners = ownersOf(view, socket);
      const isDatagram = !isConnection && socket.protocol === "udp";
      const waits = isDatagram ? waited < UDP_SWEEPS : owners.length === 0 && waited < OWNERLESS_SWEEPS;
      known.set(key, sweep * 8 + (waits ? waited + 1 : TOLD));
      if (!waits) (isConnection ? connections : listeners).push({ socket, owners });
      else if (isConnection && stillOwnerless.size < WAITING_MAX) stillOwnerless.set(key, socket);
    }
    // Gone before anybody was seen to hold it: a connection all the same.
    for (const [key, socket] of ownerless) {
      if (Math.floor((known.get(key) ?? 0) / 8) !== sweep) connections.push({ socket, owners: [] });
    }
    ownerless = stillOwnerless;
    if (known.size > alive) forget();
    return { connections, listeners };
  }

  function forget(): void {
    for (const [key, value] of known) if (Math.floor(value / 8) !== sweep) known.delete(key);
  }
}

/** Cookies count from one and never come back while the host runs; without them the inode must do. */
function keyOf(socket: InternetSocket): number {
  return socket.cookie === 0n ? -socket.inode : Number(socket.cookie);
}

/** Whoever holds it, oldest first: a server before the workers that inherited its listener. */
export function ownersOf(view: HostView, socket: InternetSocket): readonly Process[] {
  const owners = new Set(view.holders(`socket:${socket.inode}`).map((holder) => holder.process));
  return [...owners]
    .sort((left, right) => left.ref.startedAtTicks - right.ref.startedAtTicks || left.ref.pid - right.ref.pid)
    .slice(0, OWNERS_MAX);
}

/** This host opened it; where nobody knows, no listener of ours fits. */
export function isOpenedHere(view: HostView, socket: InternetSocket): boolean {
  if (socket.direction === "connected") return true;
  return socket.direction === "unknown" && view.listenersFor(socket).length === 0;
}
