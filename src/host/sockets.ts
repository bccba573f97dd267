// Every TCP, UDP, raw, unix and packet socket in all network namespaces of running processes.
// Trusts the kernel's tables: sock_diag first, /proc/<pid>/net where that is refused or not built in (then without cookie and direction).
// Costs about 0.8 ms a namespace that has sockets (the walk of the TCP table), 0.1 ms an empty one, 1 us a socket.
import type { Fault, Result } from "../core/result.ts";
import type { InternetSocket, PacketSocket, UnixSocket } from "../core/socket.ts";
import {
  FAMILY,
  type InetRow,
  inetDumpRequest,
  type Protocol,
  packetDumpRequest,
  parseInetDiag,
  parsePacketDiag,
  parseUnixDiag,
  SOCK_DIAG_BY_FAMILY,
  type TcpCounters,
  unixDumpRequest,
} from "./diag.ts";
import { AT } from "./libc.ts";
import { type DiagSocket, inNetworkNamespace, type Message, openDiagSocket, ownNetworkNamespace } from "./netlink.ts";
import { decodeText, readLarge, readRecord } from "./procfs.ts";
import { type Parsed, parseProcNetInet, parseProcNetPacket, parseProcNetUnix } from "./procnet.ts";

const PROC_NET_BYTES_MAX = 32 * 1024 * 1024;
const PIDS_TRIED_MAX = 4;

/** What is needed of a process to read the network namespace it is in. */
export interface NamespaceMember {
  readonly ref: { readonly pid: number };
  readonly namespaces: { readonly network: number };
}

export interface SocketReaderOptions {
  readonly procRoot?: string;
  readonly namespacesMax?: number;
  /** Internet sockets of all namespaces together; unix and packet sockets have the same bound of their own. */
  readonly socketsMax?: number;
  /** For tests: read /proc/net even where netlink works. */
  readonly withoutNetlink?: boolean;
}

export interface SocketSweep {
  readonly tookMs: number;
  /** Inode 0 is a socket that no process owns (an orphan, a request not yet accepted). */
  readonly internet: readonly InternetSocket[];
  readonly unix: readonly UnixSocket[];
  readonly packet: readonly PacketSocket[];
  /** Raw facts behind `direction` and `traffic`, by inode, of TCP connections. */
  readonly counters: ReadonlyMap<number, TcpCounters>;
  readonly namespaces: number;
  /** Namespaces or tables we could not see, with the reason; at most 16 are kept. */
  readonly faults: readonly Fault[];
  readonly faultCount: number;
  /** Tables read from /proc/net because sock_diag lacks or refuses them: no cookie, no direction. */
  readonly fallbacks: number;
  readonly malformed: number;
  readonly cut: { readonly namespaces: number; readonly sockets: number };
}

export interface SocketReader {
  read(members: Iterable<NamespaceMember>): SocketSweep;
}

interface Collection {
  readonly internet: InternetSocket[];
  readonly unix: UnixSocket[];
  readonly packet: PacketSocket[];
  readonly counters: Map<number, TcpCounters>;
  readonly faults: Fault[];
  faultCount: number;
  fallbacks: number;
  malformed: number;
  cutSockets: number;
}

interface Table {
  readonly family: number;
  readonly protocol: Protocol;
  readonly file: string;
  readonly statistic: string;
}

/** A table that is read in one piece. */
interface WholeTable<T> {
  readonly request: Uint8Array;
  readonly file: string;
  readonly parse: (body: Uint8Array) => T | undefined;
  readonly parseFile: (bytes: Uint8Array, limit: number) => Parsed<T>;
}

const TABLES: readonly Table[] = [
  { family: FAMILY.inet, protocol: "tcp", file: "tcp", statistic: "TCP:" },
  { family: FAMILY.inet6, protocol: "tcp", file: "tcp6", statistic: "TCP6:" },
  { family: FAMILY.inet, protocol: "udp", file: "udp", statistic: "UDP:" },
  { family: FAMILY.inet6, protocol: "udp", file: "udp6", statistic: "UDP6:" },
  { family: FAMILY.inet, protocol: "raw", file: "raw", statistic: "RAW:" },
  { family: FAMILY.inet6, protocol: "raw", file: "raw6", statistic: "RAW6:" },
];

export function createSocketReader(options: SocketReaderOptions = {}): SocketReader {
  const { procRoot = "/proc", namespacesMax = 256, socketsMax = 200_000, withoutNetlink = false } = options;
  return { read };

  function read(members: Iterable<NamespaceMember>): SocketSweep {
    const startMs = performance.now();
    const collection = emptyCollection();
    const own = ownNetworkNamespace();
    const { namespaces, cut } = groupNamespaces(members, own, namespacesMax);
    for (const [inode, pids] of namespaces) readNamespace(inode, inode === own ? ["self"] : pids, collection);
    return {
      tookMs: performance.now() - startMs,
      internet: collection.internet,
      unix: collection.unix,
      packet: collection.packet,
      counters: collection.counters,
      namespaces: namespaces.size,
      faults: collection.faults,
      faultCount: collection.faultCount,
      fallbacks: collection.fallbacks,
      malformed: collection.malformed,
      cut: { namespaces: cut, sockets: collection.cutSockets },
    };
  }

  /** The netlink socket is opened anew each time: one kept open would keep a stopped container's interfaces alive. */
  function readNamespace(inode: number, pids: readonly (number | "self")[], collection: Collection): void {
    let opened: Result<DiagSocket> | undefined;
    let pid: number | "self" = pids[0] ?? "self";
    for (pid of pids) {
      if (withoutNetlink) break;
      opened = pid === "self" ? openDiagSocket() : inNetworkNamespace(pid, inode, openDiagSocket, procRoot);
      if (opened.ok || opened.fault.kind !== "gone") break;
    }
    if (opened !== undefined && !opened.ok) {
      if (opened.fault.kind === "gone") return; // it ended with its last process, between the two sweeps
      addFault(collection, opened.fault);
    }
    const diag = opened?.ok === true ? opened.value : undefined;
    try {
      const used = socketsInUse(procRoot, pid);
      for (const table of TABLES) if (used(table.statistic)) readTable(table, inode, pid, diag, collection);
      readUnix(pid, diag, collection);
      readPacket(inode, pid, diag, collection);
    } finally {
      diag?.close();
    }
  }

  function readTable(
    table: Table,
    inode: number,
    pid: number | "self",
    diag: DiagSocket | undefined,
    collection: Collection,
  ): void {
    let rows: InetRow[] = [];
    const dumped = dumpTwice(diag, inetDumpRequest(table.family, table.protocol), collection, {
      begin: () => {
        rows = [];
      },
      visit: (message) => {
        const row = parseInetDiag(message.body, table.protocol, inode);
        if (row === undefined) collection.malformed++;
        else if (collection.internet.length + rows.length < socketsMax) rows.push(row);
        else collection.cutSockets++;
      },
    });
    if (dumped) {
      for (const row of rows) {
        collection.internet.push(row.socket);
        if (row.counters !== undefined && row.socket.inode !== 0)
          collection.counters.set(row.socket.inode, row.counters);
      }
      return;
    }
    const bytes = readLarge(AT.currentDirectory, `${procRoot}/${pid}/net/${table.file}`, PROC_NET_BYTES_MAX);
    if (typeof bytes === "number") return; // no IPv6 on this host, or the process is gone
    collection.fallbacks++;
    const parsed = parseProcNetInet(bytes, table.protocol, inode, socketsMax - collection.internet.length);
    for (const socket of parsed.sockets) collection.internet.push(socket);
    collection.malformed += parsed.malformed;
    collection.cutSockets += parsed.cut;
  }

  function readUnix(pid: number | "self", diag: DiagSocket | undefined, collection: Collection): void {
    const table = { request: unixDumpRequest(), file: "unix", parse: parseUnixDiag, parseFile: parseProcNetUnix };
    readWhole(table, collection.unix, pid, diag, collection);
  }

  function readPacket(inode: number, pid: number | "self", diag: DiagSocket | undefined, collection: Collection): void {
    const table: WholeTable<PacketSocket> = {
      request: packetDumpRequest(),
      file: "packet",
      parse: (body) => parsePacketDiag(body, inode),
      parseFile: (bytes, limit) => parseProcNetPacket(bytes, inode, limit),
    };
    readWhole(table, collection.packet, pid, diag, collection);
  }

  function readWhole<T>(
    table: WholeTable<T>,
    into: T[],
    pid: number | "self",
    diag: DiagSocket | undefined,
    collection: Collection,
  ): void {
    let rows: T[] = [];
    const dumped = dumpTwice(diag, table.request, collection, {
      begin: () => {
        rows = [];
      },
      visit: (message) => {
        const socket = table.parse(message.body);
        if (socket === undefined) collection.malformed++;
        else if (into.length + rows.length < socketsMax) rows.push(socket);
        else collection.cutSockets++;
      },
    });
    if (dumped) {
      for (const socket of rows) into.push(socket);
      return;
    }
    const bytes = readLarge(AT.currentDirectory, `${procRoot}/${pid}/net/${table.file}`, PROC_NET_BYTES_MAX);
    if (typeof bytes === "number") return;
    collection.fallbacks++;
    const parsed = table.parseFile(bytes, socketsMax - into.length);
    for (const socket of parsed.sockets) into.push(socket);
    collection.malformed += parsed.malformed;
    collection.cutSockets += parsed.cut;
  }
}

/** Which tables hold anything: walking an empty TCP table costs as much as a full one. Unknown counts as used. */
function socketsInUse(procRoot: string, pid: number | "self"): (statistic: string) => boolean {
  let text = "";
  for (const file of ["sockstat", "sockstat6"]) {
    const bytes = readRecord(AT.currentDirectory, `${procRoot}/${pid}/net/${file}`);
    if (typeof bytes !== "number") text += `${decodeText(bytes)}\n`;
  }
  const lines = text.split("\n");
  return (statistic) =>
    !(lines.find((line) => line.startsWith(statistic))?.startsWith(`${statistic} inuse 0`) ?? false);
}

/** A dump during which the table changed is read once more; the second answer stands. False where the kernel refused. */
function dumpTwice(
  diag: DiagSocket | undefined,
  request: Uint8Array,
  collection: Collection,
  handlers: { readonly begin: () => void; readonly visit: (message: Message) => void },
): boolean {
  if (diag === undefined) return false;
  for (let attempt = 0; attempt < 2; attempt++) {
    handlers.begin();
    const report = diag.dump(SOCK_DIAG_BY_FAMILY, request, handlers.visit);
    if (!report.ok) {
      if (report.fault.kind !== "gone" && report.fault.kind !== "unsupported") addFault(collection, report.fault);
      return false; // "gone" is ENOENT: this kernel has no such diag module
    }
    collection.malformed += report.value.malformed;
    if (!report.value.interrupted) break;
  }
  return true;
}

function emptyCollection(): Collection {
  return {
    internet: [],
    unix: [],
    packet: [],
    counters: new Map(),
    faults: [],
    faultCount: 0,
    fallbacks: 0,
    malformed: 0,
    cutSockets: 0,
  };
}

function addFault(collection: Collection, fault: Fault): void {
  collection.faultCount++;
  if (collection.faults.length < 16) collection.faults.push(fault);
}

function groupNamespaces(
  members: Iterable<NamespaceMember>,
  own: number,
  limit: number,
): { namespaces: Map<number, number[]>; cut: number } {
  const namespaces = new Map<number, number[]>([[own, []]]);
  const left = new Set<number>();
  for (const member of members) {
    const inode = member.namespaces.network;
    if (inode === 0) continue;
    const pids = namespaces.get(inode);
    if (pids !== undefined) {
      if (pids.length < PIDS_TRIED_MAX) pids.push(member.ref.pid);
    } else if (namespaces.size < limit) namespaces.set(inode, [member.ref.pid]);
    else left.add(inode);
  }
  return { namespaces, cut: left.size };
}
