/** What the daemon and the worker that reads files say to each other. Plain data: it is copied between threads. */
import type { FilesStatus } from "../../core/files.ts";
import type { Fault } from "../../core/result.ts";
import type { FileIdentity, PackageState } from "../../core/view.ts";

export interface FilesSettings {
  /** PROTECTED_DIRECTORIES. */
  readonly directories: readonly string[];
  /** TRUSTED_DIRECTORIES. */
  readonly trustedDirectories: readonly string[];
  /** Absolute paths left out: a file, a directory with all below it, or with a `*` at the end whatever begins so. */
  readonly excluded: readonly string[];
  readonly hashMbMax: number;
  /** 0: as fast as the disk. */
  readonly hashMbPerSecond: number;
  readonly verifyHours: number;
  readonly otherFilesystems: boolean;
  readonly filesMax: number;
}

/** In the order in which they are told. */
export const CHANGES = [
  "created",
  "deleted",
  "type",
  "content",
  "truncated",
  "target",
  "mode",
  "owner",
  "group",
  "inode",
] as const;
export type Change = (typeof CHANGES)[number];

/** A file as one round saw it. */
export interface FileFacts {
  /** st_mode whole. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly inode: number;
  readonly sizeBytes: number;
  readonly modifiedUs: number;
  readonly changedUs: number;
  /** Empty where it was not read. */
  readonly sha256: string;
  readonly target: string;
}

export interface FileChange {
  /** As text: bytes that are no UTF-8, and control characters, stand as \xNN. */
  readonly path: string;
  readonly changes: readonly Change[];
  /** Absent where it was deleted. */
  readonly now?: FileFacts;
  /** Absent where it was created. */
  readonly before?: FileFacts;
  /** A log that grows by design: its content is not compared. */
  readonly log: boolean;
  readonly package: { readonly name?: string; readonly state: PackageState };
  /** Changes of entries of its directory in this round. */
  readonly inDirectory: number;
  /** Who did it. */
  readonly actor?: { readonly pid: number; readonly startedAtTicks: number };
}

export interface IdentityWanted {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}

export type ToWorker =
  | { readonly kind: "open"; readonly databasePath: string; readonly nowMs: number }
  /** Begins one, unless one is running. `verify`: every file is read, whatever its times say. */
  | { readonly kind: "round"; readonly settings: FilesSettings; readonly verify: boolean }
  | { readonly kind: "identify"; readonly wanted: IdentityWanted }
  | { readonly kind: "stop" };

export type FromWorker =
  | { readonly kind: "status"; readonly status: FilesStatus }
  | { readonly kind: "changes"; readonly changes: readonly FileChange[] }
  | { readonly kind: "identified"; readonly wanted: IdentityWanted; readonly identity: FileIdentity | undefined }
  | { readonly kind: "fault"; readonly part: string; readonly fault: Fault }
  | { readonly kind: "baseline"; readonly entries: number; readonly bytes: number; readonly tookMs: number }
  /** `wasHeavy`: much more was read than is the rule, and a new worker is smaller than this one. */
  | { readonly kind: "round-ended"; readonly wasHeavy: boolean }
  | { readonly kind: "stopped" };

const KINDS_TO: readonly ToWorker["kind"][] = ["open", "round", "identify", "stop"];
const KINDS_FROM: readonly FromWorker["kind"][] = [
  "status",
  "changes",
  "identified",
  "fault",
  "baseline",
  "round-ended",
  "stopped",
];

/** Both ends are our own program: the kind is checked, and the rest is what the kind says. */
export function isToWorker(message: unknown): message is ToWorker {
  return isOfKind(message, KINDS_TO);
}

export function isFromWorker(message: unknown): message is FromWorker {
  return isOfKind(message, KINDS_FROM);
}

function isOfKind(message: unknown, kinds: readonly string[]): boolean {
  if (typeof message !== "object" || message === null || !("kind" in message)) return false;
  return typeof message.kind === "string" && kinds.includes(message.kind);
}
