/** What `processes`, `process`, `connections` and `sessions` answer: the newest sweep, flat and bounded. Survives JSON. */
import type { Session } from "./session.ts";
import type { Direction } from "./socket.ts";
import type { PackageState } from "./view.ts";

/** `daemon`, or `one-shot` where the command looked by itself because no daemon runs. */
export type SweptBy = "daemon" | "one-shot";

/**
 * What is known of the file a process runs: `verified` is root's and in a system directory, `packaged` is what the
 * package database says, `trusted` is named by TRUSTED_SYSTEM_PROCESSES, `container` runs in another mount namespace
 * where none of this can be said, `ended` has no file any more (a zombie), `unreadable` the kernel does not show us,
 * `unknown` is the rest.
 */
export type ProcessKind =
  | "kernel"
  | "verified"
  | "packaged"
  | "trusted"
  | "container"
  | "ended"
  | "unreadable"
  | "unknown";

export const PROCESS_ORDERS = ["pid", "cpu", "memory", "start"] as const;
export type ProcessOrder = (typeof PROCESS_ORDERS)[number];
/** Rows in one answer. */
export const VIEW_ROWS_MAX = 10_000;

export interface ProcessesParams {
  /** Only `unknown`, `container` and `unreadable`. */
  readonly unknown?: boolean;
  /** Kernel threads too. */
  readonly kernel?: boolean;
  /** Account name or number: of those who act as it. */
  readonly user?: string;
  /** Default `pid`; `cpu` and `memory` begin with the most, `start` with the newest. */
  readonly sort?: ProcessOrder;
  /** 1 to VIEW_ROWS_MAX, the default. */
  readonly limit?: number;
}

export interface ProcessesReport {
  readonly atMs: number;
  readonly sweptBy: SweptBy;
  /** On the host, kernel threads included. */
  readonly total: number;
  /** That fit what was asked for; more than there are rows where `limit` cut them. */
  readonly matching: number;
  readonly processes: readonly ProcessRow[];
}

export interface ProcessRow {
  readonly pid: number;
  readonly startedAtTicks: number;
  readonly parentPid: number;
  readonly startedAtMs: number;
  readonly name: string;
  /** Empty where there is none. */
  readonly executable: string;
  /** At most 1,024 characters. */
  readonly commandLine: string;
  /** Whom it acts as. */
  readonly user: string;
  readonly uid: number;
  /** Empty where systemd names none. */
  readonly unit: string;
  /** Since the sweep before; 100 is one core. */
  readonly cpuPercent: number;
  readonly residentBytes: number;
  readonly kind: ProcessKind;
  /** Well-known program that the file is, by inode or build-id: `bash`, `python`; else the path. */
  readonly program: string;
  /** `deleted`, `memfd`, `temporary`, `hidden`, `copy`, `writable-by-others`, `replaced`. */
  readonly traits: readonly string[];
  readonly script: ScriptKind;
}

export type ScriptKind = "none" | "inline" | "stdin" | "file" | "unverified-file";

export interface ProcessParams {
  readonly pid: number;
}

export interface ProcessReport {
  readonly atMs: number;
  readonly sweptBy: SweptBy;
  readonly process: ProcessRow;
  /** At most 32,768 characters. */
  readonly commandLine: string;
  readonly workingDirectory: string;
  readonly realUser: string;
  /** The login above it; empty where there is none. */
  readonly loginUser: string;
  readonly state: string;
  readonly threads: number;
  readonly fileHandles: number;
  readonly cpuTimeMs: number;
  readonly terminal: boolean;
  readonly cgroup: string;
  readonly unit?: { readonly name: string; readonly isMainProcess: boolean; readonly file: string };
  readonly file?: {
    readonly owner: string;
    /** Octal, four digits. */
    readonly mode: string;
    readonly device: number;
    readonly inode: number;
  };
  /** Absent where the content was not read yet or cannot be. */
  readonly identity?: { readonly sha256: string; readonly packageName: string; readonly packageState: PackageState };
  readonly scriptPath: string;
  /** What the site's pattern lists say of it. */
  readonly hints: readonly string[];
  /** Parent first, at most 32. */
  readonly ancestors: readonly ProcessRow[];
  /** At most 64. */
  readonly children: readonly ProcessRow[];
  readonly childrenTotal: number;
  /** 0 to 2, and every other that is no plain file; at most 64. */
  readonly descriptors: readonly DescriptorRow[];
  readonly connections: readonly ConnectionRow[];
}

export interface DescriptorRow {
  readonly fd: number;
  readonly kind: string;
  readonly target: string;
  readonly reads: boolean;
  readonly writes: boolean;
  /** The other processes at the same channel: `bash (4711)`; at most 8. */
  readonly others: readonly string[];
}

export interface ConnectionsParams {
  /** Only what waits for others: listening TCP sockets and bound UDP ones. Default: only what has a remote end. */
  readonly listening?: boolean;
  /** Both, and sockets in any state. */
  readonly all?: boolean;
  readonly pid?: number;
  /** Only with a public address at the other end; with `listening`: only bound to other than loopback. */
  readonly public?: boolean;
  readonly limit?: number;
}

export interface ConnectionsReport {
  readonly atMs: number;
  readonly sweptBy: SweptBy;
  readonly total: number;
  readonly matching: number;
  readonly connections: readonly ConnectionRow[];
}

export interface ConnectionRow {
  readonly protocol: "tcp" | "udp" | "raw";
  readonly state: string;
  readonly local: string;
  readonly localPort: number;
  /** Empty and 0 where there is no remote end. */
  readonly remote: string;
  readonly remotePort: number;
  /** Empty where there is no remote end. */
  readonly direction: Direction | "";
  /** Of the remote end, else of the address bound to: `public`, `private`, `loopback`, `any`, ... */
  readonly scope: string;
  /** Of the first holder, else of the socket. */
  readonly user: string;
  readonly inode: number;
  /** Not ours: a container's, or another one. */
  readonly otherNetworkNamespace: boolean;
  readonly bytesSent?: number;
  readonly bytesReceived?: number;
  /** Who has it open, at most 16; empty for the kernel's own and those that ended. */
  readonly holders: readonly { readonly pid: number; readonly name: string; readonly executable: string }[];
}

export interface SessionsReport {
  readonly atMs: number;
  readonly readBy: SweptBy;
  /** All classes, oldest first. */
  readonly sessions: readonly Session[];
}

/** Of a round or a verification that was asked for. */
export interface FilesStarted {
  /** False where one was under way already, or where files are not watched. */
  readonly started: boolean;
  /** Where `started` is false. */
  readonly reason: string;
}
