/** What changed between two sweeps, as Events with ECS fields: processes starting and ending, connections, listeners. */
import type { EventDraft, Fields } from "../core/nouns.ts";
import { type Process, type ProcessRef, processKey } from "../core/process.ts";
import { connectionFields, processFields } from "../core/render.ts";
import type { InternetSocket } from "../core/socket.ts";
import type { HostView } from "../core/view.ts";

/** An owner of a socket; a socket shared by many is told with its first few. */
const OWNERS_MAX = 4;

export interface ChangeWriter {
  /** Events since the last call; the first call tells of everything there is. */
  changes(view: HostView, sockets: readonly InternetSocket[]): Iterable<EventDraft>;
}

/** What somebody told of in the very moment is not told again by the scan. */
export interface ToldAlready {
  wasTold(ref: ProcessRef, inode: number): boolean;
  wasConnectionTold(cookie: bigint): boolean;
}

const NOTHING_TOLD: ToldAlready = { wasTold: () => false, wasConnectionTold: () => false };

export function createChangeWriter(told: ToldAlready = NOTHING_TOLD): ChangeWriter {
  let processes = new Map<string, { inode: number; process: Process }>();
  let connections = new Map<string, InternetSocket>();
  return { changes };

  /** Made one by one, so that thousands never are in memory together; what was seen is taken over at the end. */
  function* changes(view: HostView, sockets: readonly InternetSocket[]): Generator<EventDraft> {
    yield* processChanges(view);
    yield* socketChanges(view, sockets);
  }

  function* processChanges(view: HostView): Generator<EventDraft> {
    const next: typeof processes = new Map();
    for (const process of view.processes.values()) {
      if (process.isKernelThread) continue;
      const key = processKey(process.ref);
      const inode = process.executable?.inode ?? 0;
      const known = processes.get(key);
      next.set(key, { inode, process });
      // A zombie shows no executable: that is its end, not another program.
      if (known !== undefined && (known.inode === inode || inode === 0)) continue;
      if (told.wasTold(process.ref, inode)) continue;
      yield {
        action: known === undefined ? "process-started" : "process-executed",
        logsource: { product: "linux", category: "process_creation" },
        fields: processFields(view, process),
        process: process.ref,
      };
    }
    for (const [key, { process }] of processes) {
      if (next.has(key)) continue;
      yield {
        action: "process-ended",
        logsource: { product: "linux", category: "process_termination" },
        fields: {
          "process.pid": process.ref.pid,
          "process.name": process.name,
          "process.executable": process.executable?.path ?? "",
        },
        process: process.ref,
      };
    }
    processes = next;
  }

  function* socketChanges(view: HostView, sockets: readonly InternetSocket[]): Generator<EventDraft> {
    const next = new Map<string, InternetSocket>();
    for (const socket of sockets) {
      if (socket.inode === 0 || (socket.remote === undefined && socket.state !== "listen")) continue;
      const key = socket.cookie === 0n ? `i${socket.inode}` : `c${socket.cookie}`;
      next.set(key, socket);
      if (!connections.has(key) && !told.wasConnectionTold(socket.cookie))
        yield* opened(view, view.internetSocket(socket.inode) ?? socket);
    }
    for (const [key, socket] of connections) {
      if (!next.has(key))
        yield socketDraft(socket, socket.state === "listen" ? "listener-closed" : "connection-closed", "network_end");
    }
    connections = next;
  }
}

function opened(view: HostView, socket: InternetSocket): EventDraft[] {
  const listening = socket.state === "listen";
  const draft = socketDraft(
    socket,
    listening ? "listener-opened" : "connection-opened",
    listening ? "network_listener" : "network_connection",
  );
  const owners = [...new Set(view.holders(`socket:${socket.inode}`).map((holder) => holder.process))].slice(
    0,
    OWNERS_MAX,
  );
  if (owners.length === 0) return [draft];
  return owners.map((owner) => ({
    ...draft,
    fields: { ...processFields(view, owner), ...draft.fields },
    process: owner.ref,
  }));
}

function socketDraft(socket: InternetSocket, action: string, category: string): EventDraft {
  const fields: Fields =
    socket.remote === undefined
      ? { "network.transport": socket.protocol, "source.ip": socket.local.address, "source.port": socket.local.port }
      : connectionFields(socket);
  return { action, logsource: { product: "linux", category }, fields };
}
