// utmp(5): who is on which terminal now (/run/utmp), and every login and logout since (/var/log/wtmp).
// Trusts nothing: programs with group utmp write it for any user, with a host text of their choice. Debian 13 has neither.
// Costs a stat a scan; bytes are read only where the file changed, of wtmp only what is new.
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { fail, messageOf, ok, type Result } from "../core/result.ts";
import type { LogPlace } from "../core/session_memory.ts";
import { addressText, isUnspecified } from "./addresses.ts";
import { AT } from "./libc.ts";
import { readLarge, statFollowing } from "./procfs.ts";

/** glibc's struct utmp on x86-64: 32-bit times, so until 2106 when read unsigned. */
export const UTMP_RECORD_BYTES = 384;
/** More terminals than a host has people. */
const UTMP_BYTES_MAX = 8_192 * UTMP_RECORD_BYTES;
/** Read of wtmp at once; what is over it is skipped and counted. */
const WTMP_RECORDS_MAX = 2_000;

const KINDS: Readonly<Record<number, UtmpRecord["kind"]>> = { 2: "boot", 6: "waiting", 7: "login", 8: "logout" };

export interface UtmpRecord {
  /** `waiting` is a getty. */
  readonly kind: "boot" | "waiting" | "login" | "logout" | "other";
  readonly pid: number;
  /** `pts/0`, `tty1`. */
  readonly terminal: string;
  readonly user: string;
  /** What the writer chose to say: a host name, an address, `:0`, `tmux(4711).%0`. */
  readonly host: string;
  /** Canonical text; empty where there is none. */
  readonly address: string;
  readonly atMs: number;
}

/** Whole records; what is left over at the end is being written just now and is not looked at. */
export function parseUtmp(bytes: Uint8Array): readonly UtmpRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: UtmpRecord[] = [];
  for (let at = 0; at + UTMP_RECORD_BYTES <= bytes.byteLength; at += UTMP_RECORD_BYTES) {
    const pid = view.getInt32(at + 4, true);
    records.push({
      kind: KINDS[view.getInt16(at, true)] ?? "other",
      pid: Math.max(0, pid),
      terminal: textAt(bytes, at + 8, 32),
      user: textAt(bytes, at + 44, 32),
      host: textAt(bytes, at + 76, 256),
      address: addressAt(bytes, at + 348),
      atMs: view.getUint32(at + 340, true) * 1_000 + Math.min(999, Math.floor(view.getUint32(at + 344, true) / 1_000)),
    });
  }
  return records;
}

/** Up to the first NUL; a field that is full has none. */
function textAt(bytes: Uint8Array, at: number, length: number): string {
  const field = bytes.subarray(at, at + length);
  const end = field.indexOf(0);
  return decoder.decode(end < 0 ? field : field.subarray(0, end));
}

const decoder = new TextDecoder();

/** An IPv4 address stands in the first four of sixteen bytes. */
function addressAt(bytes: Uint8Array, at: number): string {
  const address = bytes.subarray(at, at + 16);
  if (isUnspecified(address)) return "";
  return addressText(isUnspecified(address.subarray(4)) ? address.subarray(0, 4) : address);
}

export interface UtmpReader {
  /** The records of kind `login`; the same array as before where the file did not change. */
  read(): readonly UtmpRecord[];
}

export function createUtmpReader(path = "/run/utmp", nowMs: () => number = Date.now): UtmpReader {
  let stamp = "";
  let logins: readonly UtmpRecord[] = [];
  return { read };

  function read(): readonly UtmpRecord[] {
    const stat = statFollowing(AT.currentDirectory, path);
    if (stat === undefined) {
      stamp = "";
      logins = [];
      return logins;
    }
    // Two writes within one tick of the clock look alike: what was changed a moment ago is read once more.
    const isFresh = nowMs() - stat.modifiedSeconds * 1_000 < 2_000;
    const current = `${stat.inode}:${stat.sizeBytes}:${stat.modifiedSeconds}:${stat.modifiedNanoseconds}`;
    if (current === stamp) return logins;
    const bytes = readLarge(AT.currentDirectory, path, UTMP_BYTES_MAX);
    if (typeof bytes === "number") return logins;
    stamp = isFresh ? "" : current;
    logins = parseUtmp(bytes).filter((record) => record.kind === "login" && record.user !== "");
    return logins;
  }
}

export interface WtmpTail {
  /** What was written since the last call. The first call begins at the place given, or at the end of the file. */
  read(): Result<{ readonly records: readonly UtmpRecord[]; readonly skipped: number }>;
  /** Undefined where there is no file. */
  place(): LogPlace | undefined;
  close(): void;
}

/** Follows the file by its descriptor, so that what was written before a rotation is read to its end. */
export function createWtmpTail(path = "/var/log/wtmp", from?: LogPlace): WtmpTail {
  let descriptor: number | undefined;
  let place: LogPlace | undefined;
  let isFirst = true;
  return { read, place: () => place, close };

  function read(): ReturnType<WtmpTail["read"]> {
    const stat = statFollowing(AT.currentDirectory, path);
    const isSame =
      stat !== undefined && place !== undefined && stat.device === place.device && stat.inode === place.inode;
    if (descriptor !== undefined && isSame && stat.sizeBytes === place?.offsetBytes) return NOTHING_NEW;
    const old = descriptor === undefined || isSame ? ok({ records: [], skipped: 0 }) : rest();
    if (!isSame) {
      close();
      const isOpen = stat !== undefined && open();
      isFirst = false;
      if (!isOpen) return old;
    }
    const now = rest();
    if (!old.ok || !now.ok) return old.ok ? now : old;
    return ok({
      records: [...old.value.records, ...now.value.records],
      skipped: old.value.skipped + now.value.skipped,
    });
  }

  function open(): boolean {
    try {
      // Opening a fifo would wait for its writer.
      descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const stats = fstatSync(descriptor);
      if (!stats.isFile()) {
        close();
        return false;
      }
      const { dev: device, ino: inode, size } = stats;
      const isKnown = from?.device === device && from.inode === inode && from.offsetBytes <= size;
      // A file that was there before us begins at its end; one that came later, even while we did not run, at its start.
      const unknownBegin = isFirst && from === undefined ? size : 0;
      place = { device, inode, offsetBytes: isFirst && isKnown ? from.offsetBytes : unknownBegin };
      return true;
    } catch {
      return false;
    }
  }

  /** From our place to the end. */
  function rest(): ReturnType<WtmpTail["read"]> {
    if (descriptor === undefined || place === undefined) return NOTHING_NEW;
    try {
      const { size } = fstatSync(descriptor);
      // Truncated in place: what is there now was written after that.
      const start = size < place.offsetBytes ? 0 : place.offsetBytes;
      const total = Math.floor((size - start) / UTMP_RECORD_BYTES);
      const skipped = Math.max(0, total - WTMP_RECORDS_MAX);
      const bytes = new Uint8Array((total - skipped) * UTMP_RECORD_BYTES);
      const got = readSync(descriptor, bytes, 0, bytes.byteLength, start + skipped * UTMP_RECORD_BYTES);
      const records = parseUtmp(bytes.subarray(0, got));
      place = { ...place, offsetBytes: start + (skipped + records.length) * UTMP_RECORD_BYTES };
      return ok({ records, skipped });
    } catch (thrown) {
      return fail(
        "io",
        `${path} could not be read: ${messageOf(thrown)}`,
        "look at its owner and mode (root:utmp 0664)",
      );
    }
  }

  function close(): void {
    if (descriptor !== undefined) closeSync(descriptor);
    descriptor = undefined;
    place = undefined;
  }
}

const NOTHING_NEW = ok({ records: [], skipped: 0 });
