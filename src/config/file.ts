/**
 * Reading and replacing the config file. Reads at most the size bound, only regular files, only from a trusted owner.
 * A write is a new file, synced, renamed over the old one: readers see the old or the new text, never a half.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { type FaultKind, fail, messageOf, ok, type Result } from "../core/result.ts";
import { CONFIG_SIZE_BYTES_MAX } from "./encoding.ts";

/** Changes whenever the file was written, replaced, or given to somebody else. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly changedMs: number;
  readonly mode: number;
  readonly ownerUid: number;
  readonly groupId: number;
}

export interface ReadFile {
  readonly bytes: Uint8Array;
  readonly identity: FileIdentity;
}

/** At most one byte more than is ever accepted, so that "too large" is seen and memory stays bounded. */
export function readBounded(path: string): Result<ReadFile> {
  let descriptor: number | undefined;
  try {
    // O_NONBLOCK: a fifo in the place of the file must not hang the daemon (open(2)).
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const stats = fstatSync(descriptor);
    if (!stats.isFile()) return fail("invalid", `${path} is not a regular file`, "Put a file there.");
    const bytes = new Uint8Array(CONFIG_SIZE_BYTES_MAX + 1);
    let length = 0;
    while (length < bytes.length) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return ok({ bytes: bytes.slice(0, length), identity: identityOf(stats) });
  } catch (thrown) {
    return fail(faultKind(thrown), `${path} cannot be read: ${reasonOf(thrown)}`, remedyOf(thrown));
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Undefined where there is nothing, or nothing one may look at. Links are followed. */
export function identify(path: string): FileIdentity | undefined {
  try {
    return identityOf(statSync(path));
  } catch {
    return undefined;
  }
}

export function sameIdentity(left: FileIdentity | undefined, right: FileIdentity | undefined): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Why the file must not be obeyed; undefined where only its owner can have written it. */
export function mistrust(identity: FileIdentity, ownerUid: number): string | undefined {
  if (identity.ownerUid !== ownerUid) return `it belongs to uid ${identity.ownerUid}, not to ${nameOfUid(ownerUid)}`;
  if ((identity.mode & 0o002) !== 0) return "everybody may write to it";
  // The owner's own group (root's is 0) adds nobody where it is private; any other group adds somebody.
  if ((identity.mode & 0o020) !== 0 && identity.groupId !== 0) return `group ${identity.groupId} may write to it`;
  return undefined;
}

export interface WriteOptions {
  /** Permission bits of a file that does not exist yet, or of every write where `keepMode` is false. */
  readonly mode: number;
  /** Take mode and owner of the file that is replaced. */
  readonly keepMode: boolean;
  /** Refuse if the file is no longer this one: somebody else wrote meanwhile. */
  readonly expected?: FileIdentity;
}

/** Replaces the file at once. A symbolic link stays, what it leads to is replaced. */
export function writeAtomically(path: string, text: string, options: WriteOptions): Result<FileIdentity> {
  let temporary: string | undefined;
  let descriptor: number | undefined;
  try {
    const target = resolveLink(path);
    const before = identify(target);
    temporary = join(dirname(target), `.${process.pid}-${crypto.randomUUID().slice(0, 8)}.tmp`);
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
    descriptor = openSync(temporary, flags, 0o600);
    writeAll(descriptor, new TextEncoder().encode(text));
    if (options.keepMode && before !== undefined) keepOwner(descriptor, before);
    else fchmodSync(descriptor, options.mode);
    fsyncSync(descriptor);
    if (options.expected !== undefined && !sameIdentity(identify(path), options.expected)) {
      return fail("io", `${path} was changed by somebody else meanwhile, nothing was written`, "Try again.");
    }
    const identity = identityAfterRename(descriptor, temporary, target);
    temporary = undefined;
    syncFolder(dirname(target));
    return ok(identity);
  } catch (thrown) {
    return fail(faultKind(thrown), `${path} cannot be written: ${reasonOf(thrown)}`, remedyOf(thrown));
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
    if (temporary !== undefined) removeQuietly(temporary);
  }
}

function identityAfterRename(descriptor: number, temporary: string, target: string): FileIdentity {
  renameSync(temporary, target);
  return identityOf(fstatSync(descriptor));
}

function keepOwner(descriptor: number, before: FileIdentity): void {
  fchownSync(descriptor, before.ownerUid, before.groupId);
  fchmodSync(descriptor, before.mode & 0o7777);
}

function resolveLink(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  let offset = 0;
  while (offset < bytes.length) offset += writeSync(descriptor, bytes, offset, bytes.length - offset);
}

/** The rename itself must survive a power cut; some file systems cannot sync a folder, and then it did its best. */
function syncFolder(path: string): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    fsyncSync(descriptor);
  } catch {
    // EINVAL on file systems without it
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function removeQuietly(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // it was never made
  }
}

function identityOf(stats: Stats): FileIdentity {
  return {
    device: stats.dev,
    inode: stats.ino,
    sizeBytes: stats.size,
    modifiedMs: stats.mtimeMs,
    changedMs: stats.ctimeMs,
    mode: stats.mode,
    ownerUid: stats.uid,
    groupId: stats.gid,
  };
}

function nameOfUid(uid: number): string {
  return uid === 0 ? "root" : `uid ${uid}`;
}

function errorCode(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
}

function faultKind(thrown: unknown): FaultKind {
  const code = errorCode(thrown);
  if (code === "ENOENT" || code === "ENOTDIR") return "gone";
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return "denied";
  return "io";
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file or folder",
  ENOTDIR: "a part of the path is no folder",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  EISDIR: "it is a folder",
  ELOOP: "its symbolic links lead in a circle",
};

function reasonOf(thrown: unknown): string {
  return REASONS[errorCode(thrown)] ?? messageOf(thrown);
}

function remedyOf(thrown: unknown): string {
  switch (errorCode(thrown)) {
    case "EACCES":
    case "EPERM":
      return "Run the command with sudo.";
    case "ENOENT":
    case "ENOTDIR":
      return "Check the path; the installer puts a file at /opt/.monitor/config.json.";
    case "ENOSPC":
      return "Free some space and try again.";
    default:
      return "";
  }
}
