/**
 * A host written down as text, for tests: processes, descriptors, sockets and units in the words of `/proc` and `ss`.
 * Goes through the real program catalogue, script reader, socket memory and view; only /proc and systemd are left out.
 * Each reader below says its words; an unknown one throws with its line.
 */
import { baseName, isSystemPath, isTemporaryPath } from "../core/place.ts";
import type { Descriptor, DescriptorKind, Executable, Process } from "../core/process.ts";
import type { Direction, Endpoint, InternetSocket, PacketSocket, TrafficFacts, UnixSocket } from "../core/socket.ts";
import type { HeldConnection } from "../core/sweep.ts";
import type { Awaited, FileIdentity, HostView, ProgramFacts, Script, Unit } from "../core/view.ts";
import { NOTHING_KNOWN } from "../host/awaited.ts";
import { createHostView } from "./host_view.ts";
import { createProgramCatalogue } from "./programs.ts";
import { scriptSource } from "./scripts.ts";
import { createSocketMemory, type SocketMemory } from "./sockets.ts";

export const OUR_MOUNTS = 4_026_531_841;
const BOOT_MS = Date.UTC(2026, 2, 14, 12, 0, 0);
const PORTS = [32_768, 60_999] as const;
const DEVICE = 2049;

export interface HostFixture {
  readonly view: HostView;
  readonly sockets: readonly InternetSocket[];
  readonly descriptors: ReadonlyMap<number, readonly Descriptor[]>;
  /** The process of this pid; throws where there is none. */
  process(pid: number): Process;
}

export interface HostFixtureOptions {
  readonly atMs?: number;
  /** Shared by several sweeps of one host. */
  readonly memory?: SocketMemory;
  /** Whom TRUSTED_SYSTEM_PROCESSES names. */
  readonly trusted?: readonly number[];
  /** Script files that are root's own, besides those in system directories. */
  readonly verifiedScripts?: readonly string[];
  /** By the executable's path. */
  readonly identities?: ReadonlyMap<string, FileIdentity>;
  /** By pid. */
  readonly hints?: ReadonlyMap<number, readonly string[]>;
  /** Address to the name it was looked up by. */
  readonly names?: ReadonlyMap<string, string>;
}

interface Draft {
  process: Process;
  descriptors: Descriptor[];
  awaited: Awaited | undefined;
}

interface Parsed {
  readonly drafts: Map<number, Draft>;
  readonly sockets: InternetSocket[];
  readonly unix: Map<number, UnixSocket>;
  readonly packet: PacketSocket[];
  readonly held: HeldConnection[];
  readonly units: Map<string, Unit>;
  readonly files: FileTable;
}

const PID_1 = `pid 1 ppid 0 uid 0 cgroup /init.scope exe /usr/lib/systemd/systemd\n  argv ["/sbin/init"]`;

export function hostFixture(text: string, options: HostFixtureOptions = {}): HostFixture {
  const atMs = options.atMs ?? BOOT_MS;
  const parsed = parse(`${PID_1}\n${text}`, atMs);
  const processes = new Map([...parsed.drafts].map(([pid, draft]) => [pid, draft.process]));
  const descriptors = new Map([...parsed.drafts].map(([pid, draft]) => [pid, draft.descriptors]));
  const catalogue = createProgramCatalogue();
  catalogue.learn(parsed.files.installed(), new Set([DEVICE]));
  const memory = options.memory ?? createSocketMemory(PORTS);
  const view = createHostView({
    atMs,
    processes,
    descriptors,
    internetSockets: memory.observe(parsed.sockets, descriptors, atMs),
    ownerlessSockets: parsed.sockets.filter((socket) => socket.inode === 0),
    unixSockets: parsed.unix,
    packetSockets: parsed.packet,
    held: parsed.held,
    listenerPids: memory.listenerPids,
    unit: (process) => parsed.units.get(baseName(process.cgroup)),
    program,
    script,
    awaited: (pid) => parsed.drafts.get(pid)?.awaited ?? NOTHING_KNOWN,
    ourMountNamespace: OUR_MOUNTS,
    memoryTotalBytes: 2 ** 32,
    userName: (uid) => ({ 0: "root", 33: "www-data", 1000: "alice" })[uid] ?? String(uid),
    isTrustedByName: (process) => options.trusted?.includes(process.ref.pid) ?? false,
    identity: (executable) => options.identities?.get(executable.path),
    hints: (process) => options.hints?.get(process.ref.pid) ?? [],
    nameOf: (address) => options.names?.get(address),
  });
  return { view, sockets: parsed.sockets, descriptors, process: processOf };

  function processOf(pid: number): Process {
    const process = processes.get(pid);
    if (process === undefined) throw new Error(`the fixture has no pid ${pid}`);
    return process;
  }

  function program(process: Process): ProgramFacts & { family: string } {
    const unknown: Executable = { path: "", device: 0, inode: 0, ownerUid: -1, mode: 0, deleted: false, memfd: false };
    return catalogue.recognise(process.executable ?? unknown, process.namespaces.mount === OUR_MOUNTS);
  }

  function script(process: Process): Script {
    const { family, interpreter, relayTool } = program(process);
    const source = scriptSource(family, process.argv);
    if (!interpreter && !relayTool) return { kind: "none" };
    if (source.kind !== "file") return source;
    const verified = isSystemPath(source.path) || (options.verifiedScripts?.includes(source.path) ?? false);
    return { ...source, verified, temporary: isTemporaryPath(source.path) };
  }
}

function parse(text: string, atMs: number): Parsed {
  const files = createFileTable();
  const parsed: Parsed = {
    drafts: new Map(),
    sockets: [],
    unix: new Map(),
    packet: [],
    held: [],
    units: new Map(),
    files,
  };
  let cgroup = "/user.slice/user-1000.slice/session-3.scope";
  let current: Draft | undefined;
  for (const line of text.split("\n").map((raw) => raw.trim())) {
    const [word = "", ...rest] = line.split(" ");
    if (line === "" || word.startsWith("#")) continue;
    if (word === "unit") cgroup = addUnit(parsed, rest);
    else if (word === "cgroup") cgroup = rest.join(" ");
    else if (word === "tcp" || word === "udp") parsed.sockets.push(readSocket(word, rest));
    else if (word === "packet") parsed.packet.push(readPacket(rest));
    else if (word === "held") parsed.held.push(readHeld(rest, atMs));
    else if (word === "pair") addPair(parsed, rest);
    else if (word === "unix") addUnixListener(parsed, rest);
    else if (word === "pid") {
      current = { process: readProcess(line, cgroup, files, atMs), descriptors: [], awaited: undefined };
      parsed.drafts.set(current.process.ref.pid, current);
    } else if (current === undefined || !addToProcess(current, word, rest, files))
      throw new Error(`not a host: ${line}`);
  }
  return parsed;
}

/** `packet raw|datagram ETHERTYPE inode N` */
function readPacket([kind, protocol, , inode]: readonly string[]): PacketSocket {
  return {
    inode: Number(inode),
    kind: kind === "raw" ? "raw" : "datagram",
    protocol: Number(protocol),
    networkNamespace: 4_026_531_840,
  };
}

/** `argv JSON`, `fd N r|w|rw TARGET`, `blocked FD...`, `loops FD...`: below the `pid` line that they belong to. */
function addToProcess(draft: Draft, word: string, rest: readonly string[], files: FileTable): boolean {
  switch (word) {
    case "argv": {
      const argv: readonly string[] = JSON.parse(rest.join(" "));
      draft.process = { ...draft.process, argv };
      return true;
    }
    case "fd":
      draft.descriptors.push(readDescriptor(rest, files));
      return true;
    case "blocked":
      draft.awaited = { descriptors: new Set(rest.map(Number)), loop: new Set(), known: true };
      return true;
    case "loops":
      draft.awaited = { descriptors: new Set(), loop: new Set(rest.map(Number)), known: true };
      return true;
    default:
      return false;
  }
}

/** `pid N ppid N uid N [key value]... exe PATH[ (deleted)]`; `age` in milliseconds, `build NAME` makes it a copy of NAME. */
function readProcess(line: string, cgroup: string, files: FileTable, atMs: number): Process {
  const [head = "", path = ""] = line.split(/ exe (.*)/);
  const words = head.split(" ");
  const value = (key: string): string | undefined => {
    const at = words.indexOf(key);
    return at < 0 ? undefined : words[at + 1];
  };
  const number = (key: string, otherwise: number): number => Number(value(key) ?? otherwise);
  const unknown = words.filter((word, index) => index % 2 === 0 && !KEYS.includes(word));
  if (unknown.length > 0) throw new Error(`not a key of a process: ${unknown.join(" ")}`);
  const pid = number("pid", 0);
  const uid = number("uid", 0);
  const ageMs = number("age", 8_000);
  const kernel = path === "" && value("state") !== "Z";
  const executable =
    path === ""
      ? undefined
      : files.executable(path, { uid, owner: value("owner"), mode: value("mode"), build: value("build") });
  return {
    ref: { pid, startedAtTicks: 1_000 + pid },
    parentPid: number("ppid", 1),
    name: value("name") ?? baseName(executable?.path ?? "kworker/0:1").slice(0, 15),
    argv: [],
    argvTruncated: false,
    ...(executable === undefined ? {} : { executable }),
    isKernelThread: kernel,
    state: value("state") ?? "S",
    uid,
    effectiveUid: number("euid", uid),
    gid: uid,
    loginUid: -1,
    cgroup: value("cgroup") ?? cgroup,
    terminalDevice: number("tty", 0),
    sessionId: number("session", pid),
    processGroupId: pid,
    namespaces: { mount: number("mount", OUR_MOUNTS), network: 4_026_531_840, pid: 4_026_531_836 },
    workingDirectory: "/",
    startedAtMs: atMs - ageMs,
    threads: 1,
    fileHandles: 3,
    residentBytes: 4 * 1024 * 1024,
    hugePagesBytes: number("huge", 0),
    tracerPid: number("tracer", 0),
    cpuPercent: number("cpu", 0),
    cpuTimeMs: 10,
    childrenCpuTicks: 0,
    childrenMinorFaults: number("waited", 0),
  };
}

const KEYS = "pid ppid uid euid state tty age cpu huge tracer session cgroup name owner mode build mount waited".split(
  " ",
);

function readDescriptor([fd = "", mode = "", ...target]: readonly string[], files: FileTable): Descriptor {
  const text = target.join(" ");
  const { kind, channel } = descriptorKind(text, files);
  return { fd: Number(fd), kind, channel, target: text, reads: mode.includes("r"), writes: mode.includes("w") };
}

/** As host/descriptor_kinds.ts names them; a fifo is written `fifo PATH`. */
function descriptorKind(target: string, files: FileTable): { readonly kind: DescriptorKind; readonly channel: string } {
  const numbered = /^(pipe|socket):\[(\d+)\]$/.exec(target);
  if (numbered !== null)
    return { kind: numbered[1] === "pipe" ? "pipe" : "socket", channel: `${numbered[1]}:${numbered[2]}` };
  if (target.startsWith("fifo ")) return { kind: "fifo", channel: `fifo:${DEVICE}:${files.inodeOf(target)}` };
  const terminal = /^\/dev\/pts\/(\d+)$/.exec(target);
  if (terminal !== null) return { kind: "terminal", channel: `terminal:${terminal[1]}` };
  const master = /ptmx \(tty-index (\d+)\)$/.exec(target);
  if (master !== null) return { kind: "terminal-master", channel: `terminal:${master[1]}` };
  return { kind: target.startsWith("/") ? "file" : "other", channel: "" };
}

/**
 * `tcp LOCAL ->|<-|-- REMOTE inode N [sent BYTES AGO received BYTES AGO]`, ago in milliseconds; `->` this host opened
 * it, `--` nobody knows. `tcp listen LOCAL inode N`.
 */
function readSocket(protocol: "tcp" | "udp", words: readonly string[]): InternetSocket {
  const after = (key: string, offset = 1): number | undefined => {
    const at = words.indexOf(key);
    return at < 0 ? undefined : Number(words[at + offset]);
  };
  const inode = after("inode");
  if (inode === undefined) throw new Error(`a socket without an inode: ${words.join(" ")}`);
  const common = { inode, protocol, networkNamespace: 4_026_531_840, uid: 0, cookie: BigInt(inode) } as const;
  const [first = "", second = "", third = ""] = words;
  if (first === "listen") return { ...common, state: "listen", local: endpoint(second) };
  const direction = DIRECTIONS[second];
  if (direction === undefined) throw new Error(`neither -> nor <- nor --: ${words.join(" ")}`);
  const traffic: TrafficFacts = {
    bytesSent: after("sent") ?? 0,
    lastSentAgoMs: after("sent", 2) ?? 0,
    bytesReceived: after("received") ?? 0,
    lastReceivedAgoMs: after("received", 2) ?? 0,
  };
  const counted = after("sent") !== undefined ? { traffic } : {};
  return { ...common, state: "established", local: endpoint(first), remote: endpoint(third), direction, ...counted };
}

/** `held INODE age N`: its bytes are withheld; it was opened so many milliseconds ago. */
function readHeld([inode = "", , age = "0"]: readonly string[], atMs: number): HeldConnection {
  return { cookie: BigInt(inode), inode: Number(inode), openedAtMs: atMs - Number(age) };
}

const DIRECTIONS: Readonly<Record<string, Direction>> = { "->": "connected", "<-": "accepted", "--": "unknown" };

function endpoint(text: string): Endpoint {
  const colon = text.lastIndexOf(":");
  return { address: text.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(text.slice(colon + 1)) };
}

/** `pair A B [PATH]`: two connected unix sockets, unnamed or one of them bound to a path. */
function addPair({ unix }: Parsed, [left = "", right = "", path = ""]: readonly string[]): void {
  const [first, second] = [Number(left), Number(right)];
  unix.set(first, { inode: first, peerInode: second, listening: false, path: "" });
  unix.set(second, { inode: second, peerInode: first, listening: false, path });
}

/** `unix listen N PATH`. */
function addUnixListener({ unix }: Parsed, [, inode = "", path = ""]: readonly string[]): void {
  unix.set(Number(inode), { inode: Number(inode), peerInode: 0, listening: true, path });
}

/** `unit NAME main PID [transient]`: the processes below the line are in it. */
function addUnit({ units }: Parsed, [name = "", , main = "0", transient = ""]: readonly string[]): string {
  const fragmentPath = transient === "" ? `/etc/systemd/system/${name}` : `/run/systemd/transient/${name}`;
  units.set(name, { name, mainPid: Number(main), transient: transient === "transient", fragmentPath });
  return `/system.slice/${name}`;
}

interface FileFacts {
  readonly uid: number;
  readonly owner: string | undefined;
  readonly mode: string | undefined;
  readonly build: string | undefined;
}

interface FileTable {
  inodeOf(path: string): number;
  executable(link: string, facts: FileFacts): Executable;
  /** Programs of system directories, and one for each build-id that a copy carries. */
  installed(): readonly { name: string; device: number; inode: number; buildId: string | undefined }[];
}

/** Gives each path one inode; system directories belong to root, everything else to whoever runs it. */
function createFileTable(): FileTable {
  const inodes = new Map<string, number>();
  const copied = new Set<string>();
  return { inodeOf, executable, installed };

  function inodeOf(path: string): number {
    // The same path is the same file in every sweep.
    const inode = inodes.get(path) ?? Bun.hash.crc32(path);
    inodes.set(path, inode);
    return inode;
  }

  function executable(link: string, facts: FileFacts): Executable {
    const deleted = link.endsWith(" (deleted)");
    const path = link.replace(/ \(deleted\)$/, "");
    if (facts.build !== undefined) copied.add(facts.build);
    return {
      path,
      device: DEVICE,
      inode: inodeOf(link),
      ownerUid: Number(facts.owner ?? (isSystemPath(path) ? 0 : facts.uid)),
      mode: Number.parseInt(facts.mode ?? "755", 8),
      deleted,
      memfd: path.startsWith("/memfd:"),
      ...(facts.build === undefined ? {} : { buildId: facts.build }),
    };
  }

  function installed(): ReturnType<FileTable["installed"]> {
    const inPlace = [...inodes].filter(([path]) => isSystemPath(path) && !path.endsWith(" (deleted)"));
    return [
      ...inPlace.map(([path, inode]) => ({ name: baseName(path), device: DEVICE, inode, buildId: undefined })),
      ...[...copied].map((name, index) => ({ name, device: DEVICE, inode: -1 - index, buildId: name })),
    ];
  }
}
