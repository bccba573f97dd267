/**
 * The newest sweep as operators ask for it: processes, one process in full, connections. Judges nothing and touches
 * nothing; costs one pass over the processes or sockets, only when asked.
 */
import { scopeOf } from "../core/address.ts";
import {
  type ConnectionRow,
  type ConnectionsParams,
  type ConnectionsReport,
  type DescriptorRow,
  type ProcessesParams,
  type ProcessesReport,
  type ProcessKind,
  type ProcessOrder,
  type ProcessReport,
  type ProcessRow,
  type ScriptKind,
  type SweptBy,
  VIEW_ROWS_MAX,
} from "../core/control_views.ts";
import { isHiddenPath } from "../core/place.ts";
import type { Descriptor, Process } from "../core/process.ts";
import { fail, ok, type Result } from "../core/result.ts";
import type { InternetSocket } from "../core/socket.ts";
import type { HostView } from "../core/view.ts";

const COMMAND_LINE_MAX = 1_024;
const WHOLE_COMMAND_LINE_MAX = 32_768;
const ANCESTORS_MAX = 32;
const CHILDREN_MAX = 64;
const DESCRIPTORS_MAX = 64;
const OTHERS_MAX = 8;
const HOLDERS_MAX = 16;

export interface Look {
  readonly view: HostView;
  readonly sockets: readonly InternetSocket[];
  readonly sweptBy: SweptBy;
}

export function processesReport({ view, sweptBy }: Look, params: ProcessesParams): ProcessesReport {
  const matching = [...view.processes.values()]
    .filter((process) => params.kernel === true || !process.isKernelThread)
    .filter((process) => params.user === undefined || actsAs(view, process, params.user))
    .filter((process) => params.unknown !== true || isUnknown(kindOf(view, process)));
  const sorted = matching.sort(ORDER[params.sort ?? "pid"]);
  return {
    atMs: view.atMs,
    sweptBy,
    total: view.processes.size,
    matching: matching.length,
    processes: sorted.slice(0, params.limit ?? VIEW_ROWS_MAX).map((process) => processRow(view, process)),
  };
}

const ORDER: Readonly<Record<ProcessOrder, (left: Process, right: Process) => number>> = {
  pid: (left, right) => left.ref.pid - right.ref.pid,
  cpu: (left, right) => right.cpuPercent - left.cpuPercent || left.ref.pid - right.ref.pid,
  memory: (left, right) => right.residentBytes - left.residentBytes || left.ref.pid - right.ref.pid,
  start: (left, right) => right.ref.startedAtTicks - left.ref.startedAtTicks || right.ref.pid - left.ref.pid,
};

function actsAs(view: HostView, process: Process, user: string): boolean {
  return String(process.effectiveUid) === user || view.userName(process.effectiveUid) === user;
}

function isUnknown(kind: ProcessKind): boolean {
  return kind === "unknown" || kind === "container" || kind === "unreadable";
}

/** Asks the package database only about programs that nothing else vouches for. */
function kindOf(view: HostView, process: Process): ProcessKind {
  if (process.isKernelThread) return "kernel";
  if (process.executable === undefined) return process.state === "Z" || process.state === "X" ? "ended" : "unreadable";
  if (view.program(process).verified) return "verified";
  if (view.isTrustedByName(process)) return "trusted";
  if (process.namespaces.mount !== view.ourMountNamespace) return "container";
  const state = view.identityOf(process)?.packageState;
  return state === "matches" || state === "config" ? "packaged" : "unknown";
}

function processRow(view: HostView, process: Process): ProcessRow {
  return {
    pid: process.ref.pid,
    startedAtTicks: process.ref.startedAtTicks,
    parentPid: process.parentPid,
    startedAtMs: process.startedAtMs,
    name: process.name,
    executable: process.executable?.path ?? "",
    commandLine: process.argv.join(" ").slice(0, COMMAND_LINE_MAX),
    user: view.userName(process.effectiveUid),
    uid: process.effectiveUid,
    unit: view.unit(process)?.name ?? "",
    cpuPercent: process.cpuPercent,
    residentBytes: process.residentBytes,
    kind: kindOf(view, process),
    program: view.program(process).name,
    traits: traitsOf(view, process),
    script: scriptKind(view, process),
  };
}

function traitsOf(view: HostView, process: Process): string[] {
  const { executable } = process;
  if (executable === undefined) return [];
  const program = view.program(process);
  const traits: readonly (readonly [string, boolean])[] = [
    ["memfd", executable.memfd],
    ["replaced", executable.replaced === true],
    ["deleted", executable.deleted && !executable.memfd && executable.replaced !== true],
    ["temporary", program.temporary],
    ["hidden", isHiddenPath(executable.path)],
    ["copy", program.isCopy],
    ["writable-by-others", (executable.mode & 0o002) !== 0],
  ];
  return traits.flatMap(([name, present]) => (present ? [name] : []));
}

function scriptKind(view: HostView, process: Process): ScriptKind {
  const script = view.scriptOf(process);
  return script.kind === "file" && !script.verified ? "unverified-file" : script.kind;
}

export function processReport({ view, sockets, sweptBy }: Look, pid: number): Result<ProcessReport> {
  const process = view.processes.get(pid);
  if (process === undefined) return noProcess(pid);
  const script = view.scriptOf(process);
  const children = view.children(pid);
  const { executable, loginUid } = process;
  const identity = process.isKernelThread ? undefined : view.identityOf(process);
  const unit = view.unit(process);
  return ok({
    atMs: view.atMs,
    sweptBy,
    process: processRow(view, process),
    commandLine: process.argv.join(" ").slice(0, WHOLE_COMMAND_LINE_MAX),
    workingDirectory: process.workingDirectory ?? "",
    realUser: view.userName(process.uid),
    loginUser: loginUid < 0 ? "" : view.userName(loginUid),
    state: process.state,
    threads: process.threads,
    fileHandles: process.fileHandles,
    cpuTimeMs: process.cpuTimeMs,
    terminal: process.terminalDevice !== 0,
    cgroup: process.cgroup,
    ...(unit === undefined
      ? {}
      : { unit: { name: unit.name, isMainProcess: unit.mainPid === pid, file: unit.fragmentPath } }),
    ...(executable === undefined
      ? {}
      : {
          file: {
            owner: view.userName(executable.ownerUid),
            mode: (executable.mode & 0o7777).toString(8).padStart(4, "0"),
            device: executable.device,
            inode: executable.inode,
          },
        }),
    ...(identity === undefined
      ? {}
      : {
          identity: {
            sha256: identity.sha256,
            packageName: identity.packageName ?? "",
            packageState: identity.packageState,
          },
        }),
    scriptPath: script.kind === "file" ? script.path : "",
    hints: view.hintsOf(process),
    ancestors: view
      .ancestors(process)
      .slice(0, ANCESTORS_MAX)
      .map((each) => processRow(view, each)),
    children: children.slice(0, CHILDREN_MAX).map((each) => processRow(view, each)),
    childrenTotal: children.length,
    descriptors: descriptorRows(view, process),
    connections: connectionsOf({ view, sockets, sweptBy }, pid),
  });
}

export function noProcess(pid: number): ReturnType<typeof fail> {
  return fail(
    "gone",
    `the last sweep saw no process ${pid}`,
    "it has ended, or began since: try again in a few seconds",
  );
}

function descriptorRows(view: HostView, process: Process): DescriptorRow[] {
  return view
    .descriptors(process)
    .filter((descriptor) => descriptor.fd <= 2 || (descriptor.kind !== "file" && descriptor.kind !== "other"))
    .slice(0, DESCRIPTORS_MAX)
    .map((descriptor) => ({
      fd: descriptor.fd,
      kind: descriptor.kind,
      target: descriptor.target,
      reads: descriptor.reads,
      writes: descriptor.writes,
      others: othersAt(view, process, descriptor),
    }));
}

/** Who else has an end of it. A terminal is shared by everything in it and says little. */
function othersAt(view: HostView, process: Process, descriptor: Descriptor): string[] {
  if (descriptor.channel === "" || descriptor.kind === "terminal") return [];
  const names = new Set<string>();
  for (const holder of view.holders(descriptor.channel)) {
    if (holder.process.ref.pid === process.ref.pid) continue;
    names.add(`${holder.process.name} (${holder.process.ref.pid})`);
    if (names.size >= OTHERS_MAX) break;
  }
  return [...names];
}

function connectionsOf(look: Look, pid: number): readonly ConnectionRow[] {
  return connectionsReport(look, { all: true, pid, limit: DESCRIPTORS_MAX }).connections;
}

export function connectionsReport({ view, sockets, sweptBy }: Look, params: ConnectionsParams): ConnectionsReport {
  const ourNetwork = networkNamespaceOf(view);
  const wanted = params.pid === undefined ? undefined : heldBy(view, params.pid);
  const matching = sockets.filter(
    (socket) => (wanted === undefined || wanted.has(socket.inode)) && fits(socket, params),
  );
  return {
    atMs: view.atMs,
    sweptBy,
    total: sockets.length,
    matching: matching.length,
    connections: matching
      .sort(compareSockets)
      .slice(0, params.limit ?? VIEW_ROWS_MAX)
      .map((socket) => connectionRow(view, socket, ourNetwork)),
  };
}

function fits(socket: InternetSocket, params: ConnectionsParams): boolean {
  const waits = socket.remote === undefined;
  if (params.all !== true && waits !== (params.listening === true)) return false;
  if (params.public !== true) return true;
  return waits ? scopeOfSocket(socket) !== "loopback" : scopeOfSocket(socket) === "public";
}

function scopeOfSocket({ local, remote }: InternetSocket): string {
  if (remote !== undefined) return scopeOf(remote.address);
  return local.address === "0.0.0.0" || local.address === "::" ? "any" : scopeOf(local.address);
}

function heldBy(view: HostView, pid: number): ReadonlySet<number> {
  const process = view.processes.get(pid);
  const inodes = new Set<number>();
  if (process === undefined) return inodes;
  for (const { kind, channel } of view.descriptors(process))
    if (kind === "socket") inodes.add(Number(channel.slice("socket:".length)));
  inodes.delete(0);
  return inodes;
}

function compareSockets(left: InternetSocket, right: InternetSocket): number {
  if (left.protocol !== right.protocol) return left.protocol < right.protocol ? -1 : 1;
  return left.local.port - right.local.port || (left.remote?.port ?? 0) - (right.remote?.port ?? 0);
}

function connectionRow(view: HostView, socket: InternetSocket, ourNetwork: number): ConnectionRow {
  const holders = socket.inode === 0 ? [] : holdersOf(view, socket.inode);
  const first = holders[0];
  return {
    protocol: socket.protocol,
    state: socket.state,
    local: socket.local.address,
    localPort: socket.local.port,
    remote: socket.remote?.address ?? "",
    remotePort: socket.remote?.port ?? 0,
    direction: socket.remote === undefined ? "" : (socket.direction ?? "unknown"),
    scope: scopeOfSocket(socket),
    user: view.userName(first?.effectiveUid ?? socket.uid),
    inode: socket.inode,
    otherNetworkNamespace: ourNetwork !== 0 && socket.networkNamespace !== ourNetwork,
    ...(socket.traffic === undefined
      ? {}
      : { bytesSent: socket.traffic.bytesSent, bytesReceived: socket.traffic.bytesReceived }),
    holders: holders.map((process) => ({
      pid: process.ref.pid,
      name: process.name,
      executable: process.executable?.path ?? "",
    })),
  };
}

function holdersOf(view: HostView, inode: number): readonly Process[] {
  const found = new Map<number, Process>();
  for (const { process } of view.holders(`socket:${inode}`)) {
    found.set(process.ref.pid, process);
    if (found.size >= HOLDERS_MAX) break;
  }
  return [...found.values()];
}

/** Ours is pid 1's; where it was not seen no namespace is called another one. */
function networkNamespaceOf(view: HostView): number {
  return view.processes.get(1)?.namespaces.network ?? 0;
}
