/** What the kernel sensor says, in the daemon's own nouns: made of its records by daemon/kernel_words.ts. */
import type { DnsMessage } from "./dns.ts";
import type { KernelAction, KernelStage } from "./nouns.ts";
import type { Namespaces, ProcessRef } from "./process.ts";
import type { Direction, Endpoint } from "./socket.ts";

/** Who, at the moment of the record. */
export interface KernelTask {
  readonly ref: ProcessRef;
  /** Absent where the parent is outside of our PID namespace. */
  readonly parent?: ProcessRef;
  readonly startedAtMs: number;
  readonly effectiveUid: number;
  readonly uid: number;
  readonly gid: number;
  /** -1 where no login stands above it. */
  readonly loginUid: number;
  readonly sessionId: number;
  readonly terminalDevice: number;
  readonly namespaces: Namespaces;
  /** Device as stat shows it; on some filesystems another than the kernel's own, see sources/kernel_files.ts. */
  readonly device: number;
  readonly inode: number;
  readonly cgroup: bigint;
  /** The daemon has said what this file is. */
  readonly isNamed: boolean;
  /** It runs a file in memory, a deleted one, one of a directory of everybody; it executed a setuid file. */
  readonly marks: { readonly memfd: boolean; readonly deleted: boolean; readonly setuid: boolean };
}

export interface KernelConnection {
  readonly cookie: bigint;
  readonly inode: number;
  readonly networkNamespace: number;
  readonly protocol: "tcp" | "udp";
  readonly direction: Direction;
  readonly listens: boolean;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** 0 where nobody watched. */
  readonly openedAtMs: number;
}

export interface KernelExec {
  readonly atMs: number;
  readonly sinceBootUs: number;
  readonly task: KernelTask;
  /** As handed to exec; may be relative. */
  readonly path: string;
  readonly directory: string;
  readonly argv: readonly string[];
  readonly argvTruncated: boolean;
  /** Read from /proc after the fact, where BPF is refused: without connection and class, maybe the next program already. */
  readonly incomplete: boolean;
  /** Only what loads code: `LD_PRELOAD=...` and the like. */
  readonly environment: readonly string[];
}

export type KernelRule = "reverse_shell" | "bind_shell" | "miner_confirmed" | "blocked";

/** How it was recognised; as enum shape of sensor/wire.h. */
export type KernelShape =
  | "direct"
  | "foreign"
  | "relay-tool"
  | "loop"
  | "command"
  | "echo"
  | "receives"
  | "condemned"
  | "named"
  | "pool"
  | "stratum"
  | "blocked"
  | "pending"
  | "shell-connects"
  | "child"
  | "unknown-program"
  | "told";

export interface KernelVerdict {
  readonly atMs: number;
  readonly task: KernelTask;
  readonly connection?: KernelConnection;
  /** Who has the other end of its channel; absent where that is itself. */
  readonly holder?: ProcessRef;
  readonly generation: number;
  readonly rule: KernelRule;
  readonly shape: KernelShape;
  readonly stage: KernelStage;
  readonly action: KernelAction;
  readonly argv: readonly string[];
}

export interface KernelAsk {
  readonly atMs: number;
  readonly task: KernelTask;
  readonly connection?: KernelConnection;
  readonly holder?: ProcessRef;
  /** What the answer is addressed to. */
  readonly id: bigint;
  readonly shape: KernelShape;
  readonly stage: KernelStage;
  /** `nothing` waits: the daemon is only told to look. */
  readonly held: "nothing" | "connection" | "exec";
  readonly argv: readonly string[];
}

/** Of a shape, in the words of an alert. */
export const SHAPE_WORDS: Readonly<Record<KernelShape, string>> = {
  direct: "its own input and output are the connection",
  foreign: "a program that nobody installed has the connection as its own input and output",
  "relay-tool": "a shell that reads its commands from a tool which carries the bytes of a connection",
  loop: "its output feeds whoever holds the connection, and what comes from there feeds it",
  command: "code without a file, on whose connection the other side spoke first, starts a program",
  echo: "what was to be executed are bytes that had come over the connection",
  receives: "it receives commands on the connection that is its own input and output",
  condemned: "it was started by what had been stopped before",
  named: "the file is condemned by policy",
  pool: "it connects to a known mining pool",
  stratum: "it logs in to a mining pool",
  blocked: "the address is blocked",
  pending: "a connection of suspicious make",
  "shell-connects": "a shell that opened the connection itself",
  child: "something suspicious with a connection starts an interpreter",
  "unknown-program": "a program that nobody has looked at yet",
  told: "who opened the connection and said nothing is told a command that needs no program",
};

/** One thing the kernel said. */
export type KernelWord =
  | { readonly kind: "exec"; readonly exec: KernelExec }
  | { readonly kind: "fork"; readonly ref: ProcessRef; readonly parent: ProcessRef | undefined }
  | { readonly kind: "exit"; readonly ref: ProcessRef }
  | { readonly kind: "connect" | "listen" | "accept"; readonly task: KernelTask; readonly connection: KernelConnection }
  | { readonly kind: "dns"; readonly ref: ProcessRef; readonly message: DnsMessage }
  | KernelRefused
  | KernelSignal
  | KernelFileAccess
  | { readonly kind: "module"; readonly task: KernelTask; readonly name: string }
  | { readonly kind: "uring"; readonly task: KernelTask }
  | KernelChange
  | { readonly kind: "verdict"; readonly verdict: KernelVerdict }
  | { readonly kind: "ask"; readonly ask: KernelAsk }
  | { readonly kind: "expired"; readonly waitedMs: number }
  | KernelLoss;

export interface KernelRefused {
  readonly kind: "refused";
  readonly source: string;
  readonly ports: number;
}

export interface KernelSignal {
  readonly kind: "signal";
  readonly task: KernelTask;
  readonly name: string;
  readonly targetPid: number;
  readonly signal: number;
}

export type FileWatch = "credentials" | "decoy" | "process-memory";

export interface KernelFileAccess {
  readonly kind: "file";
  /** When it was heard, a moment after it happened. */
  readonly sinceBootUs: number;
  readonly pid: number;
  /** 0 where it was gone before anybody could look. */
  readonly startedAtTicks: number;
  /** As the list of watches names it; of memory as /proc shows it. */
  readonly path: string;
  readonly watch: FileWatch;
  /** False: opened. */
  readonly written: boolean;
}

export interface KernelChange {
  readonly kind: "change";
  readonly task: KernelTask;
  readonly beforeUid: number;
  readonly uidChanged: boolean;
  readonly capabilitiesGained: boolean;
  readonly namespaces: readonly string[];
}

/** Records that found no room: from one report to the next. */
export interface KernelLoss {
  readonly kind: "loss";
  readonly fromMs: number;
  readonly toMs: number;
  readonly urgent: number;
  readonly vital: number;
  readonly other: number;
  readonly files: number;
  /** Events that the programs were not even called for. */
  readonly unseen: number;
}
