/**
 * One round: every entry against what is remembered of it. What differs is read, compared, remembered, and collected as a
 * change; nobody is told from here. Trusts the table for what did not change, and the kernel's change time (ctime), which
 * no program can set back.
 */
import type { FileRecord } from "../../core/file_record.ts";
import { closeDescriptor, ERRNO, OPEN, pointerTo, readLinkAt } from "../../host/libc.ts";
import { FILE_TYPE } from "../../host/procfs.ts";
import { openExactly } from "../../host/tree.ts";
import type { Digest, DigestReader } from "../../host/tree_digest.ts";
import { highOf, lowOf } from "../../host/tree_hash.ts";
import { textOfPath } from "../../host/tree_names.ts";
import type { TreeTable } from "../../host/tree_table.ts";
import type { TreeEntry } from "../../host/tree_types.ts";
import { changesBetween, differsInDeviceOnly, growthOf, isGrowingLog, isRegular } from "./compare.ts";
import type { Pace } from "./pace.ts";
import type { Change, FileFacts } from "./protocol.ts";
import type { Records } from "./records.ts";

/** As many changes of one round are told; the rest is counted. As many as the daemon's inbox takes. */
const CHANGES_MAX = 20_000;
const ACCOUNT_CHANGES_MAX = 1_000;
/** Of FILES.files_max; the rest is root's. */
const ACCOUNTS_SHARE = 0.9;
const EXECUTABLE_OR_SETUID = 0o6111;
/** After so many rounds a file that is never still is told with what was read of it. */
const RETRIES_MAX = 3;
const RETRIED_MAX = 1000;
/** Times of files are those of the last tick before kernel 6.13: 10 ms at CONFIG_HZ=100. */
const CLOCK_TICK_MS = 20;
const ELOOP = 40;
const ENOTDIR = 20;
const MEGABYTE = 1024 * 1024;
const NO_FACTS = { sha256: "", target: "", growth: 0 };

/** A change as it was seen, before the package database was asked. */
export interface SeenChange {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly directory: number;
  readonly changes: readonly Change[];
  readonly now?: FileFacts;
  readonly before?: FileFacts;
  readonly log: boolean;
  /** Of the content now, where the package database has one to compare with. */
  readonly md5?: string;
}

export interface RoundParts {
  readonly table: TreeTable;
  readonly records: Records;
  readonly reader: DigestReader;
  readonly pace: Pace;
  readonly nowMs: () => number;
  /** Whether the package database knows an MD5 of the file. */
  readonly wantsMd5: (path: string) => boolean;
}

export interface RoundOptions {
  readonly hashMbMax: number;
  readonly filesMax: number;
  /** By tag: entries not known yet are the baseline, not news. */
  readonly quiet: readonly boolean[];
}

export interface Round {
  readonly changes: SeenChange[];
  readonly lost: number;
  readonly overLimit: number;
  readonly unreadable: number;
  differs(entry: TreeEntry): Promise<void> | undefined;
  /** Decides on an entry that the walk did not meet. */
  missing(key: number, isWatched: (path: string) => "watched" | "closed" | "dropped"): void;
}

/** Files that would not hold still, by key, with how often that was so. Lives longer than a round. */
export type Retried = Map<number, number>;

export function createRound(parts: RoundParts, options: RoundOptions, retried: Retried): Round {
  const { table, records } = parts;
  const changes: SeenChange[] = [];
  /** By uid: changes of files that are neither programs nor root's. */
  const ordinary = new Map<number, number>();
  const counts = { lost: 0, overLimit: 0, unreadable: 0 };
  return {
    changes,
    get lost() {
      return counts.lost;
    },
    get overLimit() {
      return counts.overLimit;
    },
    get unreadable() {
      return counts.unreadable;
    },
    differs,
    missing,
  };

  function differs(entry: TreeEntry): Promise<void> | undefined {
    const isKnown = table.has(lowOf(entry.key), highOf(entry.key));
    const before = isKnown ? records.read(entry.key) : undefined;
    if (!isKnown && table.size >= (entry.uid === 0 ? 1 : ACCOUNTS_SHARE) * options.filesMax) {
      counts.overLimit++;
      return undefined;
    }
    const now = recordOf(entry, before);
    const quiet = before === undefined && !isKnown && (options.quiet[entry.tag] ?? false);
    if (!isRegular(now.mode)) {
      settle(entry, before, linked(now, entry), quiet, false);
      return undefined;
    }
    const path = textOfPath(entry.path());
    const log = isGrowingLog(path, now.mode, Math.max(now.growth, before?.growth ?? 0));
    if (log || (before !== undefined && differsInDeviceOnly(before, now))) {
      settle(entry, before, { ...now, sha256: log ? "" : (before?.sha256 ?? "") }, quiet, log);
      return undefined;
    }
    return readAndSettle(entry, before, now, quiet, path);
  }

  async function readAndSettle(
    entry: TreeEntry,
    before: FileRecord | undefined,
    now: FileRecord,
    quiet: boolean,
    path: string,
  ): Promise<void> {
    const startedAtMs = parts.nowMs();
    const md5 = !quiet && parts.wantsMd5(path);
    const digest = await parts.reader.digest(entry.descriptor, entry.at, {
      md5,
      pace: parts.pace.read,
      expected: now,
      bytesMax: options.hashMbMax * MEGABYTE,
    });
    const sha256 = contentOf(digest, now.key);
    if (sha256 === undefined) return;
    settle(entry, before, { ...now, sha256 }, quiet, false, digest.kind === "read" ? digest.md5 : undefined);
    // A second write within one tick of the kernel's clock leaves no trace in the times: read it once more next time.
    if (startedAtMs - now.changedUs / 1000 < CLOCK_TICK_MS) table.set(lowOf(now.key), highOf(now.key), 0, 0);
  }

  /** Undefined: it is looked at again in the next round. */
  function contentOf(digest: Digest, key: number): string | undefined {
    switch (digest.kind) {
      case "read":
        retried.delete(key);
        return digest.sha256;
      case "changing": {
        const times = (retried.get(key) ?? 0) + 1;
        if (retried.size < RETRIED_MAX || retried.has(key)) retried.set(key, times);
        return times >= RETRIES_MAX || !retried.has(key) ? digest.sha256 : undefined;
      }
      case "too-large":
        return "";
      case "unreadable":
        counts.unreadable++;
        return "";
      case "gone":
      case "other":
        return undefined;
    }
  }

  function settle(
    entry: TreeEntry,
    before: FileRecord | undefined,
    now: FileRecord,
    quiet: boolean,
    log: boolean,
    md5?: string,
  ): void {
    const isKnown = table.has(lowOf(entry.key), highOf(entry.key));
    entry.accept();
    records.directory(entry.directoryKey, entry.directoryPath);
    const found = before === undefined ? withoutMemory(isKnown, quiet) : changesBetween(before, now, log);
    if (found.length === 0) {
      records.keep(now);
      return;
    }
    records.hold(now);
    const bytes = entry.path();
    collect({
      path: textOfPath(bytes),
      bytes,
      directory: entry.directoryKey,
      changes: found,
      now: factsOf(now),
      ...(before === undefined ? {} : { before: factsOf(before) }),
      log,
      ...(md5 === undefined ? {} : { md5 }),
    });
  }

  function missing(key: number, isWatched: (path: string) => "watched" | "closed" | "dropped"): void {
    const before = records.read(key);
    const directory = before === undefined ? undefined : records.directoryPath(before.directory);
    if (before === undefined || directory === undefined) {
      drop(key);
      return;
    }
    const bytes = joinedPath(directory, before.name);
    const path = textOfPath(bytes);
    const watched = isWatched(path);
    if (watched === "dropped") drop(key);
    if (watched !== "watched" || exists(bytes)) return;
    drop(key);
    const log = isGrowingLog(path, before.mode, before.growth);
    collect({ path, bytes, directory: before.directory, changes: ["deleted"], before: factsOf(before), log });
  }

  function drop(key: number): void {
    table.remove(lowOf(key), highOf(key));
    records.forget(key);
    retried.delete(key);
  }

  function collect(change: SeenChange): void {
    if (changes.length < CHANGES_MAX && !crowds(change)) changes.push(change);
    else counts.lost++;
  }

  /** An ordinary account must not be able to crowd out what others change, nor to fill the database with its own files. */
  function crowds({ now, before }: SeenChange): boolean {
    const facts = now ?? before;
    if (facts === undefined || facts.uid === 0 || (isRegular(facts.mode) && (facts.mode & EXECUTABLE_OR_SETUID) !== 0))
      return false;
    const told = ordinary.get(facts.uid) ?? 0;
    ordinary.set(facts.uid, told + 1);
    return told >= ACCOUNT_CHANGES_MAX;
  }
}

/** Known without being remembered: the disk did not take it. That it changed is certain, what changed is not. */
function withoutMemory(isKnown: boolean, quiet: boolean): readonly Change[] {
  if (quiet) return [];
  return isKnown ? ["content"] : ["created"];
}

function recordOf(entry: TreeEntry, before: FileRecord | undefined): FileRecord {
  const now: FileRecord = {
    key: entry.key,
    directory: entry.directoryKey,
    name: before?.name ?? entry.name(),
    signature: entry.signature,
    device: entry.device,
    inode: entry.inode,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    sizeBytes: entry.sizeBytes,
    modifiedUs: entry.modifiedUs,
    changedUs: entry.changedUs,
    ...NO_FACTS,
  };
  return before === undefined ? now : { ...now, growth: growthOf(before, now) };
}

const linkBuffer = new Uint8Array(4096);

function linked(record: FileRecord, entry: TreeEntry): FileRecord {
  if ((record.mode & FILE_TYPE.mask) !== FILE_TYPE.link) return record;
  const length = readLinkAt(entry.descriptor, entry.at, linkBuffer);
  return { ...record, target: length < 0 ? "" : textOfPath(linkBuffer.subarray(0, length)) };
}

export function factsOf(record: FileRecord): FileFacts {
  const { mode, uid, gid, inode, sizeBytes, modifiedUs, changedUs, sha256, target } = record;
  return { mode, uid, gid, inode, sizeBytes, modifiedUs, changedUs, sha256, target };
}

export function joinedPath(directory: Uint8Array, name: Uint8Array): Uint8Array {
  const base = directory.length === 1 ? 0 : directory.length;
  const path = new Uint8Array(base + 1 + name.length);
  path.set(directory.subarray(0, base));
  path[base] = 0x2f;
  path.set(name, base + 1);
  return path;
}

/** Whether the path still leads there, without following a link on the way. True also where that cannot be seen. */
function exists(path: Uint8Array): boolean {
  const terminated = new Uint8Array(path.length + 1);
  terminated.set(path);
  const opened = openExactly(pointerTo(terminated), OPEN.path);
  if (opened >= 0) closeDescriptor(opened);
  return opened !== -ERRNO.ENOENT && opened !== -ENOTDIR && opened !== -ELOOP;
}
