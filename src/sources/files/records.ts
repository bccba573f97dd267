/**
 * What is remembered, with what is still to be written: the baseline itself, in large pieces, as it is read; a change that
 * is told only once the daemon had a round's time to take it over. A crash in between tells it twice rather than never.
 * Bounded: over the limit the oldest are written early or, where the disk does not take them, forgotten (and told again).
 */
import type { Baseline, FileRecord } from "../../core/file_record.ts";

const BATCH = 500;
const WAITING_MAX = 30_000;

export interface Records {
  read(key: number): FileRecord | undefined;
  directoryPath(key: number): Uint8Array | undefined;
  /** To be written soon: nobody is told of it. */
  keep(record: FileRecord): void;
  /** To be written at `commit`. */
  hold(record: FileRecord): void;
  forget(key: number): void;
  /** The directory of a record that is kept or held. */
  directory(key: number, path: () => Uint8Array): void;
  /** Not written yet because they are told first. */
  readonly held: number;
  /** Writes what nobody waits for. */
  flush(): void;
  /** Writes everything. */
  commit(): void;
}

export function createRecords(baseline: Baseline): Records {
  const kept = new Map<number, FileRecord>();
  const held = new Map<number, FileRecord>();
  const directories = new Map<number, Uint8Array>();
  const removed = new Set<number>();
  return {
    read: (key) => (removed.has(key) ? undefined : (held.get(key) ?? kept.get(key) ?? baseline.read(key))),
    directoryPath: (key) => directories.get(key) ?? baseline.directoryPath(key),
    keep(record) {
      removed.delete(record.key);
      held.delete(record.key);
      kept.set(record.key, record);
      if (kept.size >= BATCH) flush();
    },
    hold(record) {
      removed.delete(record.key);
      kept.delete(record.key);
      held.set(record.key, record);
      if (held.size >= WAITING_MAX) commit();
    },
    forget(key) {
      kept.delete(key);
      held.delete(key);
      removed.add(key);
      if (removed.size >= WAITING_MAX) commit();
    },
    directory(key, path) {
      if (!directories.has(key)) directories.set(key, path());
    },
    get held() {
      return held.size + removed.size;
    },
    flush,
    commit,
  };

  function flush(): void {
    if (kept.size === 0 && directories.size === 0) return;
    if (baseline.write({ records: kept.values(), directories, removed: [] }) || kept.size >= WAITING_MAX) {
      kept.clear();
      directories.clear();
    }
  }

  function commit(): void {
    flush();
    if (held.size === 0 && removed.size === 0) return;
    const written = baseline.write({ records: held.values(), directories: [], removed });
    if (!written && held.size < WAITING_MAX && removed.size < WAITING_MAX) return;
    held.clear();
    removed.clear();
  }
}
