/**
 * Reads every file again, a little in each round, because whoever writes to the disk below the filesystem changes no time.
 * Goes through the keys in order, which are spread evenly, so a part of them is that part of the files.
 */
import type { Baseline, FileRecord } from "../../core/file_record.ts";
import { AT, pointerTo } from "../../host/libc.ts";
import type { DigestReader } from "../../host/tree_digest.ts";
import { highOf, lowOf } from "../../host/tree_hash.ts";
import type { TreeTable } from "../../host/tree_table.ts";
import type { Pace } from "./pace.ts";
import type { Records } from "./records.ts";
import { joinedPath } from "./round.ts";

const BATCH = 200;
const KEY_MAX = 2 ** 53 - 1;
/** The most that a round makes up for: after a long stop no burst follows. */
const STEP_MS_MAX = 3_600_000;

export interface Verification {
  /** Reads what is due; how many files have another content than is remembered. The next walk takes them up. */
  step(options: VerificationStep): Promise<number>;
  /** When all files were last known to have been read. */
  readonly completedAtMs: number | undefined;
  complete(atMs: number): void;
}

export interface VerificationStep {
  readonly nowMs: number;
  readonly elapsedMs: number;
  readonly periodMs: number;
  /** Everything from the beginning, at once. */
  readonly all: boolean;
  readonly bytesMax: number;
  readonly isStopped: () => boolean;
}

export interface VerificationParts {
  readonly baseline: Baseline;
  readonly records: Records;
  readonly table: TreeTable;
  readonly reader: DigestReader;
  readonly pace: Pace;
  /** Called when much was read: gives back what that left behind. */
  readonly collect: () => void;
}

export function createVerification(parts: VerificationParts): Verification {
  const { baseline } = parts;
  let cursor = numberIn(baseline.meta("verify_cursor")) ?? -1;
  let completedAtMs = numberIn(baseline.meta("verified_at_ms"));
  return {
    get completedAtMs() {
      return completedAtMs;
    },
    complete,
    step,
  };

  async function step(options: VerificationStep): Promise<number> {
    if (options.all) cursor = -1;
    const share = Math.min(options.elapsedMs, STEP_MS_MAX) / options.periodMs;
    const until = options.all ? KEY_MAX : Math.min(KEY_MAX, cursor + Math.ceil(KEY_MAX * share));
    let suspects = 0;
    while (!options.isStopped()) {
      const rows = baseline.hashed(cursor, until, BATCH);
      for (const row of rows) {
        if (options.isStopped()) return suspects;
        if (await isOther(row.key, row.sha256, options.bytesMax)) suspects++;
        cursor = row.key;
      }
      if (rows.length === BATCH) {
        parts.collect();
        continue;
      }
      cursor = until;
      break;
    }
    if (cursor >= KEY_MAX) complete(options.nowMs);
    else baseline.setMeta("verify_cursor", String(cursor));
    return suspects;
  }

  function complete(atMs: number): void {
    cursor = -1;
    completedAtMs = atMs;
    baseline.setMeta("verify_cursor", String(cursor));
    baseline.setMeta("verified_at_ms", String(atMs));
  }

  async function isOther(key: number, sha256: string, bytesMax: number): Promise<boolean> {
    const record = parts.records.read(key);
    // It was met with another content meanwhile, and is told already.
    if (record === undefined || record.sha256 !== sha256) return false;
    const found = await read(record, bytesMax);
    if (found === undefined || found === sha256) return false;
    // No signature is zero: the walk takes it for changed and reads it again.
    parts.table.set(lowOf(key), highOf(key), 0, 0);
    return true;
  }

  async function read(record: FileRecord, bytesMax: number): Promise<string | undefined> {
    const directory = parts.records.directoryPath(record.directory);
    if (directory === undefined) return undefined;
    const path = joinedPath(directory, record.name);
    const terminated = new Uint8Array(path.length + 1);
    terminated.set(path);
    const digest = await parts.reader.digest(AT.currentDirectory, pointerTo(terminated), {
      md5: false,
      pace: parts.pace.read,
      expected: record,
      bytesMax,
    });
    return digest.kind === "read" ? digest.sha256 : undefined;
  }
}

export function numberIn(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,16}$/.test(text) ? Number(text) : undefined;
}
