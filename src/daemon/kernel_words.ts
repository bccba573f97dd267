/**
 * From a record of sensor/wire.h to what the daemon works with. Trusts nothing beyond the record's own size: what is too
 * short or of no known type is no word, and the caller counts it. Costs 2 us a record.
 */
import { parseDns } from "../core/dns.ts";
import type {
  KernelAsk,
  KernelConnection,
  KernelRule,
  KernelShape,
  KernelTask,
  KernelVerdict,
  KernelWord,
} from "../core/kernel.ts";
import type { KernelAction, KernelStage } from "../core/nouns.ts";
import type { ProcessRef } from "../core/process.ts";
import { unreachable } from "../core/result.ts";
import { addressText } from "../host/addresses.ts";
import { deviceNumber } from "../host/procfs.ts";
import { PROGRAM } from "./kernel_numbers.ts";

const TICK_NS = 10_000_000n;
const NO_LOGIN = 0xffffffff;
const TEXT_MAX = 4_096;

const TYPE = {
  loss: 3,
  exec: 4,
  fork: 5,
  exit: 6,
  connect: 7,
  listen: 8,
  accept: 9,
  dns: 11,
  refused: 12,
  signal: 13,
  file: 14,
  module: 15,
  uring: 16,
  change: 17,
  verdict: 18,
  ask: 19,
  expired: 20,
} as const;

/** Where the fixed part of each ends; tested against the C structures. */
export const FIXED_BYTES: Readonly<Record<keyof typeof TYPE, number>> = {
  loss: 72,
  exec: 288,
  fork: 40,
  exit: 48,
  connect: 240,
  listen: 240,
  accept: 240,
  dns: 32,
  refused: 48,
  signal: 152,
  file: 40,
  module: 184,
  uring: 136,
  change: 136,
  verdict: 304,
  ask: 304,
  expired: 32,
};

const NAMES: ReadonlyMap<number, keyof typeof TYPE> = new Map(
  Object.keys(TYPE).flatMap((name) => (isName(name) ? [[TYPE[name], name] as const] : [])),
);

const SHAPES: readonly KernelShape[] = [
  "pending",
  "direct",
  "foreign",
  "relay-tool",
  "loop",
  "command",
  "echo",
  "receives",
  "condemned",
  "named",
  "pool",
  "stratum",
  "blocked",
  "pending",
  "shell-connects",
  "child",
  "unknown-program",
  "told",
];
const STAGES: readonly KernelStage[] = ["held", "exec", "connect", "receive", "send", "held"];
const ACTIONS: readonly (KernelAction | undefined)[] = [undefined, "killed", "rehearsed", "refused", "dropped"];
const RULES: readonly (KernelRule | undefined)[] = [
  undefined,
  "reverse_shell",
  "bind_shell",
  "miner_confirmed",
  "blocked",
];
const DIRECTIONS: readonly KernelConnection["direction"][] = ["unknown", "connected", "accepted"];
const HELD: readonly KernelAsk["held"][] = ["nothing", "connection", "exec"];
const WATCHES = [undefined, "credentials", "decoy", "process-memory"] as const;
const NAMESPACES = [
  [4, "mount"],
  [8, "network"],
  [16, "user"],
  [32, "pid"],
] as const;
const FAN_MODIFY = 2;
const STATE = { memfd: 1 << 9, deleted: 1 << 10, setuid: 1 << 13 } as const;

/** What the kernel said, in our words; undefined for a type that only the sensor's keeper reads, and for nonsense. */
export function wordOf(record: Uint8Array, bootMs: number): KernelWord | undefined {
  const name = NAMES.get(record[2] ?? 0);
  if (name === undefined || record.byteLength < FIXED_BYTES[name]) return undefined;
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const reader: Reader = { record, view, bootMs };
  switch (name) {
    case "exec":
      return execOf(reader);
    case "fork":
      return { kind: "fork", ref: refAt(reader, 16, 24), parent: maybeRefAt(reader, 20, 32) };
    case "exit":
      return { kind: "exit", ref: refAt(reader, 16, 24) };
    case "connect":
    case "listen":
    case "accept": {
      const connection = connectionAt(reader, 120);
      return connection === undefined ? undefined : { kind: name, task: taskAt(reader), connection };
    }
    case "dns": {
      const message = parseDns(record.subarray(32, 32 + view.getUint16(22, true)));
      return message === undefined ? undefined : { kind: "dns", ref: refAt(reader, 16, 24), message };
    }
    case "refused":
      return { kind: "refused", source: addressAt(reader, 32, view.getUint8(16)), ports: view.getUint32(20, true) };
    case "signal":
      return {
        kind: "signal",
        task: taskAt(reader),
        name: textAt(reader, 136, 16),
        targetPid: view.getUint32(120, true),
        signal: view.getUint32(124, true),
      };
    case "file":
      return fileOf(reader);
    case "module":
      return { kind: "module", task: taskAt(reader), name: textAt(reader, 120, 64) };
    case "uring":
      return { kind: "uring", task: taskAt(reader) };
    case "change":
      return changeOf(reader);
    case "verdict":
      return verdictOf(reader);
    case "ask":
      return askOf(reader);
    case "expired":
      return { kind: "expired", waitedMs: view.getUint32(24, true) / 1_000 };
    case "loss":
      return {
        kind: "loss",
        fromMs: timeAt(reader, 16),
        toMs: timeAt(reader, 24),
        urgent: countAt(reader, 32),
        vital: countAt(reader, 40),
        other: countAt(reader, 48),
        files: countAt(reader, 56),
        unseen: countAt(reader, 64),
      };
    default:
      return unreachable(name);
  }
}

interface Reader {
  readonly record: Uint8Array;
  readonly view: DataView;
  readonly bootMs: number;
}

function execOf(reader: Reader): KernelWord {
  const { view } = reader;
  const lengths = [276, 278, 280, 282].map((at) => view.getUint16(at, true));
  const [words = 0, path = 0, directory = 0, environment = 0] = lengths;
  const flags = view.getUint32(272, true);
  let at = FIXED_BYTES.exec;
  const next = (length: number): number => {
    at += length;
    return at - length;
  };
  return {
    kind: "exec",
    exec: {
      atMs: timeAt(reader, 8),
      sinceBootUs: microsecondsAt(reader, 8),
      task: taskAt(reader),
      argv: wordsAt(reader, next(words), words),
      path: textAt(reader, next(path), path),
      // Leaf first. Where the kernel did not get to the root it is part of a path, and no path is better.
      directory: (flags & 2) === 0 ? `/${wordsAt(reader, next(directory), directory).toReversed().join("/")}` : "",
      argvTruncated: (flags & 1) !== 0,
      incomplete: (flags & 16) !== 0,
      environment: wordsAt(reader, next(environment), environment),
    },
  };
}

function verdictOf(reader: Reader): KernelWord | undefined {
  const { view } = reader;
  const rule = RULES[view.getUint8(296)];
  const action = ACTIONS[view.getUint8(299)];
  if (rule === undefined || action === undefined) return undefined;
  const verdict: KernelVerdict = {
    atMs: timeAt(reader, 8),
    task: taskAt(reader),
    ...concerned(reader),
    generation: view.getUint32(276, true),
    rule,
    shape: SHAPES[view.getUint8(297)] ?? "pending",
    stage: STAGES[view.getUint8(298)] ?? "held",
    action,
    argv: wordsAt(reader, FIXED_BYTES.verdict, view.getUint16(300, true)),
  };
  return { kind: "verdict", verdict };
}

function askOf(reader: Reader): KernelWord {
  const { view } = reader;
  const ask: KernelAsk = {
    atMs: timeAt(reader, 8),
    task: taskAt(reader),
    ...concerned(reader),
    id: view.getBigUint64(288, true),
    shape: SHAPES[view.getUint8(296)] ?? "pending",
    stage: STAGES[view.getUint8(297)] ?? "held",
    held: HELD[view.getUint8(298)] ?? "nothing",
    argv: wordsAt(reader, FIXED_BYTES.ask, view.getUint16(300, true)),
  };
  return { kind: "ask", ask };
}

/** The connection and who holds its other end, as far as there are such. */
function concerned(reader: Reader): Pick<KernelVerdict, "connection" | "holder"> {
  const connection = connectionAt(reader, 120);
  const holder = maybeRefAt(reader, 272, 280);
  return {
    ...(connection === undefined ? {} : { connection }),
    ...(holder === undefined ? {} : { holder }),
  };
}

function fileOf(reader: Reader): KernelWord | undefined {
  const watch = WATCHES[reader.view.getUint32(32, true)];
  if (watch === undefined) return undefined;
  const path = textAt(reader, FIXED_BYTES.file, reader.view.getUint16(36, true));
  const written = (reader.view.getUint32(20, true) & FAN_MODIFY) !== 0;
  return { kind: "file", sinceBootUs: microsecondsAt(reader, 8), ...refAt(reader, 16, 24), path, watch, written };
}

function changeOf(reader: Reader): KernelWord {
  const { view } = reader;
  const what = view.getUint32(124, true);
  const before = view.getBigUint64(128, true);
  const now = view.getBigUint64(104, true);
  return {
    kind: "change",
    task: taskAt(reader),
    beforeUid: view.getUint32(120, true),
    uidChanged: (what & 1) !== 0,
    capabilitiesGained: (what & 2) !== 0 && (now & ~before) !== 0n,
    namespaces: NAMESPACES.filter(([bit]) => (what & bit) !== 0).map(([, name]) => name),
  };
}

function taskAt(reader: Reader): KernelTask {
  const { view, bootMs } = reader;
  const number = (at: number): number => view.getUint32(at, true);
  const parent = maybeRefAt(reader, 20, 32);
  const login = number(52);
  const device = number(84);
  const state = number(116);
  return {
    ref: refAt(reader, 16, 24),
    ...(parent === undefined ? {} : { parent }),
    startedAtMs: Math.round(bootMs + Number(view.getBigUint64(24, true)) / 1e6),
    effectiveUid: number(40),
    uid: number(48),
    gid: number(44),
    loginUid: login === NO_LOGIN ? -1 : login,
    sessionId: number(60),
    terminalDevice: number(64),
    namespaces: { mount: number(68), network: number(72), pid: number(80) },
    device: deviceNumber(device >>> 20, device & 0xfffff),
    inode: Number(view.getBigUint64(88, true)),
    cgroup: view.getBigUint64(96, true),
    isNamed: (number(112) & PROGRAM.known) !== 0,
    marks: {
      memfd: (state & STATE.memfd) !== 0,
      deleted: (state & STATE.deleted) !== 0,
      setuid: (state & STATE.setuid) !== 0,
    },
  };
}

/** Undefined where the record is about no connection. */
function connectionAt(reader: Reader, at: number): KernelConnection | undefined {
  const { view } = reader;
  const family = view.getUint8(at + 20);
  if (family !== 4 && family !== 6) return undefined;
  const opened = view.getBigUint64(at + 80, true);
  const direction = view.getUint8(at + 22);
  return {
    cookie: view.getBigUint64(at, true),
    inode: Number(view.getBigUint64(at + 8, true)),
    networkNamespace: view.getUint32(at + 16, true),
    protocol: view.getUint8(at + 21) === 17 ? "udp" : "tcp",
    direction: DIRECTIONS[direction] ?? "unknown",
    listens: direction === 3,
    local: { address: addressAt(reader, at + 32, family), port: view.getUint16(at + 24, true) },
    remote: { address: addressAt(reader, at + 48, family), port: view.getUint16(at + 26, true) },
    bytesReceived: countAt(reader, at + 64),
    bytesSent: countAt(reader, at + 72),
    openedAtMs: opened === 0n ? 0 : Math.round(reader.bootMs + Number(opened) / 1e6),
  };
}

function refAt({ view }: Reader, pidAt: number, startAt: number): ProcessRef {
  const startedAtTicks = Number(view.getBigUint64(startAt, true) / TICK_NS);
  return { pid: view.getUint32(pidAt, true), startedAtTicks };
}

/** Pid 0: nobody, or nobody of our PID namespace. */
function maybeRefAt(reader: Reader, pidAt: number, startAt: number): ProcessRef | undefined {
  const ref = refAt(reader, pidAt, startAt);
  return ref.pid === 0 ? undefined : ref;
}

function timeAt({ view, bootMs }: Reader, at: number): number {
  return Math.round(bootMs + Number(view.getBigUint64(at, true)) / 1e6);
}

function microsecondsAt({ view }: Reader, at: number): number {
  return Number(view.getBigUint64(at, true) / 1_000n);
}

function countAt({ view }: Reader, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function addressAt({ record }: Reader, at: number, family: number): string {
  return addressText(record.subarray(at, at + (family === 4 ? 4 : 16)));
}

const decoder = new TextDecoder();

/** Up to the first zero byte. */
function textAt({ record }: Reader, at: number, length: number): string {
  const bytes = record.subarray(at, Math.min(record.byteLength, at + Math.min(length, TEXT_MAX)));
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function wordsAt({ record }: Reader, at: number, length: number): readonly string[] {
  const bytes = record.subarray(at, Math.min(record.byteLength, at + Math.min(length, TEXT_MAX)));
  if (bytes.byteLength === 0) return [];
  const text = decoder.decode(bytes);
  return (text.endsWith("\0") ? text.slice(0, -1) : text).split("\0");
}

function isName(name: string): name is keyof typeof TYPE {
  return name in TYPE;
}
