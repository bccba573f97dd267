/**
 * Remembers what one dump of the sockets cannot say: which side opened a connection, and who listened on a port that
 * has since been closed. Trusts the kernel's byte counters first, then listeners, then port ranges.
 */
import type { Descriptor } from "../core/process.ts";
import type { Direction, InternetSocket } from "../core/socket.ts";

const LISTENER_MEMORY_MS = 3_600_000;
const LISTENERS_REMEMBERED_MAX = 10_000;
const REMEMBERED_MAX = 200_000;

interface RememberedListener {
  readonly pids: readonly number[];
  readonly seenAtMs: number;
  readonly live: boolean;
}

export interface SocketMemory {
  /** Returns the sockets with their directions settled as far as they can be. */
  observe(
    sockets: readonly InternetSocket[],
    descriptors: ReadonlyMap<number, readonly Descriptor[]>,
    nowMs: number,
  ): ReadonlyMap<number, InternetSocket>;
  listenerPids(socket: InternetSocket): readonly number[];
}

/**
 * @param ephemeralPorts first and last port that the kernel gives to outgoing connections, from
 *   /proc/sys/net/ipv4/ip_local_port_range.
 */
export function createSocketMemory(ephemeralPorts: readonly [first: number, last: number]): SocketMemory {
  const listeners = new Map<string, RememberedListener>();
  const directions = new Map<bigint, Direction>();
  return { observe, listenerPids };

  function observe(
    sockets: readonly InternetSocket[],
    descriptors: ReadonlyMap<number, readonly Descriptor[]>,
    nowMs: number,
  ): ReadonlyMap<number, InternetSocket> {
    rememberListeners(sockets, descriptors, nowMs);
    const settled = new Map<number, InternetSocket>();
    const alive = new Set<bigint>();
    for (const socket of sockets) {
      if (socket.inode === 0) continue;
      if (socket.remote === undefined) {
        settled.set(socket.inode, socket);
        continue;
      }
      const direction = settleDirection(socket);
      if (socket.cookie !== 0n) {
        alive.add(socket.cookie);
        if (direction !== "unknown" && directions.size < REMEMBERED_MAX) directions.set(socket.cookie, direction);
      }
      settled.set(socket.inode, { ...socket, direction });
    }
    for (const cookie of directions.keys()) if (!alive.has(cookie)) directions.delete(cookie);
    return settled;
  }

  function settleDirection(socket: InternetSocket): Direction {
    if (socket.direction !== undefined && socket.direction !== "unknown") return socket.direction;
    const remembered = directions.get(socket.cookie);
    if (remembered !== undefined) return remembered;
    if (socket.protocol === "tcp" && keysFor(socket).some((key) => listeners.has(key))) return "accepted";
    if (socket.state === "syn-sent") return "connected";
    const localIsEphemeral = isEphemeral(socket.local.port);
    if (!localIsEphemeral) return "accepted";
    return isEphemeral(socket.remote?.port ?? 0) ? "unknown" : "connected";
  }

  function isEphemeral(port: number): boolean {
    return port >= ephemeralPorts[0] && port <= ephemeralPorts[1];
  }

  function rememberListeners(
    sockets: readonly InternetSocket[],
    descriptors: ReadonlyMap<number, readonly Descriptor[]>,
    nowMs: number,
  ): void {
    const listening = new Map<string, InternetSocket>();
    for (const socket of sockets) if (socket.state === "listen") listening.set(`socket:${socket.inode}`, socket);
    for (const [key, listener] of listeners) {
      if (nowMs - listener.seenAtMs > LISTENER_MEMORY_MS) listeners.delete(key);
      else if (listener.live) listeners.set(key, { ...listener, live: false });
    }
    for (const [pid, list] of descriptors) {
      for (const descriptor of list) {
        const socket = descriptor.kind === "socket" ? listening.get(descriptor.channel) : undefined;
        if (socket === undefined) continue;
        const key = listenerKey(socket);
        const known = listeners.get(key);
        const pids = known?.live === true ? [...new Set([...known.pids, pid])] : [pid];
        if (known !== undefined || listeners.size < LISTENERS_REMEMBERED_MAX)
          listeners.set(key, { pids, seenAtMs: nowMs, live: true });
      }
    }
  }

  function listenerPids(socket: InternetSocket): readonly number[] {
    return keysFor(socket).flatMap((key) => listeners.get(key)?.pids ?? []);
  }
}

function listenerKey(socket: InternetSocket, address = socket.local.address): string {
  return `${socket.networkNamespace}:${address}:${socket.local.port}`;
}

/** Another program may listen on the same port of another address: only this address and the wildcards count. */
function keysFor(socket: InternetSocket): readonly string[] {
  return [socket.local.address, "0.0.0.0", "::"].map((address) => listenerKey(socket, address));
}
