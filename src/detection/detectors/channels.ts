/**
 * Follows bytes between processes: from a descriptor through pipes, fifos, socket pairs and terminals, over processes
 * that pass them on, to the internet sockets at the far end. Pure; bounded in depth and in visited processes.
 */
import type { Descriptor, Process } from "../../core/process.ts";
import type { InternetSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import { DUBIOUS, originOf } from "./origin.ts";

const HOPS_MAX = 32;
const VISITED_MAX = 256;
const HOLDERS_MAX = 64;

/** Bytes can get from `socket`, held by `holder`, over `hops`, to the process asked about (or the other way). */
export interface Reach {
  readonly socket: InternetSocket;
  readonly holder: Process;
  /** The descriptor by which the holder has the socket. */
  readonly socketFd: number;
  /** Processes between the asked one and the holder, holder last; empty when the asked process holds the socket. */
  readonly hops: readonly Process[];
  /** Kinds of channel passed, in order. */
  readonly through: readonly string[];
}

export type Flow = "source" | "sink";

/** Where the bytes that `process` reads from (source) or writes to (sink) `fd` come from or end up. */
export function reachFrom(view: HostView, process: Process, fd: number, flow: Flow): readonly Reach[] {
  const start = view.descriptors(process).find((descriptor) => descriptor.fd === fd);
  if (start === undefined) return [];
  const found: Reach[] = [];
  const visited = new Set<number>([process.ref.pid]);
  let frontier: { process: Process; descriptor: Descriptor; hops: readonly Process[]; through: readonly string[] }[] = [
    { process, descriptor: start, hops: [], through: [] },
  ];
  for (let depth = 0; depth < HOPS_MAX && frontier.length > 0; depth++) {
    const next: typeof frontier = [];
    for (const at of frontier) {
      const socket = remoteSocket(view, at.descriptor);
      if (socket !== undefined) {
        found.push({ socket, holder: at.process, socketFd: at.descriptor.fd, hops: at.hops, through: at.through });
        continue;
      }
      for (const holder of otherEnd(view, at.process, at.descriptor, flow)) {
        if (visited.has(holder.ref.pid) || visited.size >= VISITED_MAX) continue;
        visited.add(holder.ref.pid);
        const hops = [...at.hops, holder];
        const through = [...at.through, at.descriptor.kind === "socket" ? "socketpair" : at.descriptor.kind];
        for (const held of remoteSockets(view, holder)) {
          found.push({ socket: held.socket, holder, socketFd: held.fd, hops, through });
        }
        for (const onward of passesOn(view, holder, flow)) {
          // Sockets on those descriptors were just collected; only other channels lead further.
          if (remoteSocket(view, onward) === undefined)
            next.push({ process: holder, descriptor: onward, hops, through });
        }
      }
    }
    frontier = next;
  }
  return found;
}

export interface HeldSocket {
  readonly fd: number;
  readonly socket: InternetSocket;
}

/** Answers of one view: a server with hundreds of connections is asked about for each of its children. */
const heldSockets = new WeakMap<HostView, Map<number, readonly HeldSocket[]>>();

/** The internet sockets with a remote end that a process holds, each once, lowest descriptor first. */
export function remoteSockets(view: HostView, process: Process): readonly HeldSocket[] {
  const known = heldSockets.get(view) ?? new Map<number, readonly HeldSocket[]>();
  heldSockets.set(view, known);
  const held = known.get(process.ref.pid) ?? findRemoteSockets(view, process);
  known.set(process.ref.pid, held);
  return held;
}

function findRemoteSockets(view: HostView, process: Process): readonly HeldSocket[] {
  const held = new Map<number, HeldSocket>();
  for (const descriptor of view.descriptors(process)) {
    const socket = remoteSocket(view, descriptor);
    if (socket !== undefined && !held.has(socket.inode)) held.set(socket.inode, { fd: descriptor.fd, socket });
  }
  return [...held.values()];
}

export function remoteSocket(view: HostView, descriptor: Descriptor): InternetSocket | undefined {
  if (descriptor.kind !== "socket") return undefined;
  const socket = view.internetSocket(inodeOf(descriptor.channel));
  return socket?.remote === undefined ? undefined : socket;
}

export function inodeOf(channel: string): number {
  return Number(channel.slice(channel.indexOf(":") + 1));
}

/**
 * What a process in the middle may pass bytes on to: its standard input or output, any fifo it opened by name
 * (`cat /tmp/f` reads on descriptor 3), and every pipe, pair or terminal of a process that nobody vouches for.
 */
function passesOn(view: HostView, process: Process, flow: Flow): readonly Descriptor[] {
  const standard = flow === "source" ? 0 : 1;
  const everything = DUBIOUS.has(originOf(view, process));
  return view.descriptors(process).filter((held) => {
    if (held.channel === "") return false;
    const fits = flow === "source" ? held.reads : held.writes;
    return held.fd === standard || (fits && (held.kind === "fifo" || everything));
  });
}

function otherEnd(view: HostView, process: Process, descriptor: Descriptor, flow: Flow): readonly Process[] {
  switch (descriptor.kind) {
    case "pipe":
    case "fifo":
      return holdersOf(view, descriptor.channel, process, (held) => (flow === "source" ? held.writes : held.reads));
    case "terminal":
      return holdersOf(view, descriptor.channel, process, (held) => held.kind === "terminal-master");
    case "socket": {
      const own = view.unixSocket(inodeOf(descriptor.channel));
      if (own === undefined || own.peerInode === 0) return [];
      const holders = holdersOf(view, `socket:${own.peerInode}`, process, () => true);
      // A named socket leads to somebody's service (the journal, the bus): only what nobody vouches for is followed there.
      const isNamed = own.path !== "" || (view.unixSocket(own.peerInode)?.path ?? "") !== "";
      return isNamed ? holders.filter((holder) => DUBIOUS.has(originOf(view, holder))) : holders;
    }
    case "terminal-master":
    case "file":
    case "other":
      return [];
  }
}

/** Those that hold a connection come first, so that a crowd of bystanders cannot push them over the bound. */
function holdersOf(
  view: HostView,
  channel: string,
  except: Process,
  fits: (descriptor: Descriptor) => boolean,
): readonly Process[] {
  const found = new Set<Process>();
  for (const holder of view.holders(channel)) {
    if (holder.process.ref.pid !== except.ref.pid && fits(holder.descriptor)) found.add(holder.process);
  }
  if (found.size <= HOLDERS_MAX) return [...found];
  const connected = [...found].filter((process) => remoteSockets(view, process).length > 0);
  return [...new Set([...connected, ...found])].slice(0, HOLDERS_MAX);
}
