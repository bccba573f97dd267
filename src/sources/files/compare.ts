/** What differs between two looks at one file. Pure. */
import type { FileRecord } from "../../core/file_record.ts";
import { FILE_TYPE } from "../../host/procfs.ts";
import { CHANGES, type Change } from "./protocol.ts";

/** Rounds a file must have done nothing but grow before it counts as a log. */
const GROWTH_OF_A_LOG = 5;
const GROWTH_MAX = 9;
/** Where a file that keeps growing is a log or a database. Elsewhere (/etc, /root) growing is a change like any other. */
const GROWING_PLACES = /^\/(var|srv|opt)\/(?!spool\/(cron|at)\/)/;
const LOG_PLACES = /^\/var\/log\//;
const LOG_NAMES = /\.(log|journal)(\.\d+)?$|\.journal~$/;

export function isRegular(mode: number): boolean {
  return (mode & FILE_TYPE.mask) === FILE_TYPE.regular;
}

/** A regular file, not a program, that grows by design. */
export function isGrowingLog(path: string, mode: number, growth: number): boolean {
  if (!isRegular(mode) || (mode & 0o111) !== 0) return false;
  return LOG_PLACES.test(path) || LOG_NAMES.test(path) || (growth >= GROWTH_OF_A_LOG && GROWING_PLACES.test(path));
}

/** Nothing but the number of its device is another: a device may be numbered anew at each start of the host. */
export function differsInDeviceOnly(before: FileRecord, now: FileRecord): boolean {
  return (
    before.device !== now.device &&
    before.inode === now.inode &&
    before.mode === now.mode &&
    before.uid === now.uid &&
    before.gid === now.gid &&
    before.sizeBytes === now.sizeBytes &&
    before.modifiedUs === now.modifiedUs &&
    before.changedUs === now.changedUs
  );
}

export function growthOf(before: FileRecord, now: FileRecord): number {
  const grew = isRegular(now.mode) && before.inode === now.inode && now.sizeBytes > before.sizeBytes;
  if (grew) return Math.min(GROWTH_MAX, before.growth + 1);
  // A log that is emptied stays one; any other change begins the count anew.
  return before.growth >= GROWTH_OF_A_LOG && now.sizeBytes <= before.sizeBytes ? before.growth : 0;
}

/** None: only times changed, or a log grew. Another inode is told only where nothing else explains it. */
export function changesBetween(before: FileRecord, now: FileRecord, log: boolean): readonly Change[] {
  const found = new Set<Change>();
  const isSameType = (before.mode & FILE_TYPE.mask) === (now.mode & FILE_TYPE.mask);
  if (!isSameType) found.add("type");
  if (before.uid !== now.uid) found.add("owner");
  if (before.gid !== now.gid) found.add("group");
  if (isSameType && (before.mode & 0o7777) !== (now.mode & 0o7777)) found.add("mode");
  if (isSameType && before.target !== now.target) found.add("target");
  if (isSameType && isRegular(now.mode)) {
    if (log && before.inode === now.inode && now.sizeBytes < before.sizeBytes) found.add("truncated");
    if (!log && contentDiffers(before, now)) found.add("content");
    if (before.inode !== now.inode && (log || found.size === 0)) found.add("inode");
  }
  return CHANGES.filter((change) => found.has(change));
}

function contentDiffers(before: FileRecord, now: FileRecord): boolean {
  if (before.sha256 !== "" && now.sha256 !== "") return before.sha256 !== now.sha256;
  return before.sizeBytes !== now.sizeBytes || before.modifiedUs !== now.modifiedUs;
}
