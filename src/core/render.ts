/** Facts of processes and connections as ECS fields. The same for events of sources and of detectors. */
import type { Fields, SocketRef } from "./nouns.ts";
import { isHiddenPath } from "./place.ts";
import { type Process, processKey } from "./process.ts";
import type { InternetSocket } from "./socket.ts";
import type { HostView } from "./view.ts";

export function processFields(view: HostView, process: Process): Fields {
  const executable = process.executable;
  const program = view.program(process);
  const unit = view.unit(process);
  const parent = view.processes.get(process.parentPid);
  const hints = view.hintsOf(process);
  return {
    "process.pid": process.ref.pid,
    "process.name": process.name,
    "process.executable": executable?.path ?? "",
    "process.command_line": process.argv.join(" "),
    "process.args": process.argv,
    ...(process.workingDirectory === undefined ? {} : { "process.working_directory": process.workingDirectory }),
    "process.start": process.startedAtMs,
    "process.user.id": process.effectiveUid,
    "process.real_user.id": process.uid,
    "user.id": process.effectiveUid,
    "user.name": view.userName(process.effectiveUid),
    "process.executable_deleted": executable?.deleted ?? false,
    "process.executable_memfd": executable?.memfd ?? false,
    "process.executable_verified": program.verified,
    "process.executable_writable_by_others": executable !== undefined && (executable.mode & 0o002) !== 0,
    "process.executable_hidden": executable !== undefined && isHiddenPath(executable.path),
    "process.executable_temporary": program.temporary,
    "process.kernel_thread": process.isKernelThread,
    "process.program": program.name,
    "process.program_is_copy": program.isCopy,
    "process.script.kind": view.scriptOf(process).kind,
    "process.cpu_percent": process.cpuPercent,
    "process.memory_percent": view.memoryTotalBytes === 0 ? 0 : (100 * process.residentBytes) / view.memoryTotalBytes,
    "process.huge_pages_bytes": process.hugePagesBytes,
    "process.trusted_name": view.isTrustedByName(process),
    ...(hints.length === 0 ? {} : { "process.hints": hints }),
    "process.tty": process.terminalDevice !== 0,
    ...(unit === undefined ? {} : { "process.unit": unit.name }),
    "process.lineage": lineageOf(view, process),
    ...(parent === undefined ? {} : parentFields(view, parent)),
  };
}

function parentFields(view: HostView, parent: Process): Fields {
  const program = view.program(parent);
  return {
    "process.parent.pid": parent.ref.pid,
    "process.parent.name": parent.name,
    "process.parent.executable": parent.executable?.path ?? "",
    "process.parent.command_line": parent.argv.join(" "),
    "process.parent.program": program.name,
    "process.parent.executable_verified": program.verified,
  };
}

/** Source is who opened the connection, as in ECS and Sigma; `Initiated` says whether this host did. */
export function connectionFields(socket: InternetSocket): Fields {
  const remote = socket.remote;
  if (remote === undefined) return {};
  const inbound = socket.direction === "accepted";
  const [source, destination] = inbound ? [remote, socket.local] : [socket.local, remote];
  return {
    "network.transport": socket.protocol,
    "network.direction": inbound ? "ingress" : "egress",
    "network.initiated": !inbound,
    "source.ip": source.address,
    "source.port": source.port,
    "destination.ip": destination.address,
    "destination.port": destination.port,
    "peer.ip": remote.address,
    "peer.port": remote.port,
  };
}

export function socketRef(socket: InternetSocket): SocketRef {
  return {
    inode: socket.inode,
    cookie: socket.cookie,
    networkNamespace: socket.networkNamespace,
    protocol: socket.protocol,
    localAddress: socket.local.address,
    localPort: socket.local.port,
    remoteAddress: socket.remote?.address ?? "",
    remotePort: socket.remote?.port ?? 0,
  };
}

/**
 * What a process cannot leave by forking: its unit (a service, or the scope of one login), else its cgroup, else the
 * topmost ancestor of its session. Folds the repeats of one cause.
 */
export function lineageOf(view: HostView, process: Process): string {
  const unit = view.unit(process);
  if (unit !== undefined) return unit.name;
  if (process.cgroup !== "" && process.cgroup !== "/") return process.cgroup;
  const leader = view.processes.get(process.sessionId) ?? process;
  return `session ${processKey(leader.ref)}`;
}
