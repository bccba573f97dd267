/**
 * Keeps the database within its age and size, a bounded step at a time. Oldest events go first, then raw finding
 * rows, then whole alerts; an intent without outcome is never removed.
 */
import type { Database } from "bun:sqlite";
import { statSync } from "node:fs";

export interface Retention {
  readonly days: number;
  /** Of the database file, bytes; the journal comes on top (at most 16 MiB, more only while a reader holds it). */
  readonly databaseBytesMax: number;
}

export interface PruneReport {
  readonly deletedRows: number;
  /** There is more to delete: call again soon. */
  readonly more: boolean;
  readonly sizeBytes: number;
}

const ROWS_PER_STEP_MAX = 2_000;
const PAGES_PER_STEP_MAX = 2_000;
const DAY_MS = 86_400_000;

/** Steps in the order in which history is given up. The parameter is the cutoff, exclusive. */
const BY_AGE: readonly string[] = [
  "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)",
  "DELETE FROM finding_rows WHERE seq IN (SELECT seq FROM finding_rows WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)",
  // Only those whose raw rows are gone: a cascade over a hundred thousand rows is not bounded work.
  `DELETE FROM findings WHERE seq IN (SELECT seq FROM findings WHERE last_at_ms < ?1
     AND NOT EXISTS (SELECT 1 FROM finding_rows WHERE alert_id = findings.id) ORDER BY last_at_ms LIMIT ?2)`,
  "DELETE FROM outcomes WHERE decision_id IN (SELECT id FROM decisions WHERE at_ms < ?1 AND settled = 1 ORDER BY at_ms LIMIT ?2)",
  "DELETE FROM decisions WHERE seq IN (SELECT seq FROM decisions WHERE at_ms < ?1 AND settled = 1 ORDER BY at_ms LIMIT ?2)",
  "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at_ms < ?1 ORDER BY at_ms LIMIT ?2)",
];

/** Without a cutoff: the oldest of the first table that has any. Audit is small and kept by age alone. */
const BY_SIZE: readonly string[] = BY_AGE.slice(0, 5);
const END_OF_TIME_MS = Number.MAX_SAFE_INTEGER;

/** Throws what SQLite throws. */
export function pruneDatabase(db: Database, path: string, retention: Retention, nowMs: number): PruneReport {
  let deletedRows = 0;
  let more = false;
  const cutoffMs = Math.trunc(nowMs - retention.days * DAY_MS);
  for (const sql of BY_AGE) {
    const changes = run(db, sql, cutoffMs);
    deletedRows += changes;
    if (changes >= ROWS_PER_STEP_MAX) more = true;
  }
  if (usedBytes(db) > retention.databaseBytesMax) {
    const bySize = oldestOfFirstTable(db);
    deletedRows += bySize;
    more ||= bySize > 0;
  }
  if (freePages(db) > 0) db.query(`PRAGMA incremental_vacuum(${PAGES_PER_STEP_MAX})`).all();
  db.query("PRAGMA wal_checkpoint(PASSIVE)").all();
  return { deletedRows, more, sizeBytes: databaseSizeBytes(path) };
}

function oldestOfFirstTable(db: Database): number {
  for (const sql of BY_SIZE) {
    const changes = run(db, sql, END_OF_TIME_MS);
    if (changes > 0) return changes;
  }
  return 0;
}

function run(db: Database, sql: string, cutoffMs: number): number {
  return db.query(sql).run(cutoffMs, ROWS_PER_STEP_MAX).changes;
}

function usedBytes(db: Database): number {
  return (pragma(db, "page_count") - freePages(db)) * pragma(db, "page_size");
}

function freePages(db: Database): number {
  return pragma(db, "freelist_count");
}

function pragma(db: Database, name: "page_count" | "freelist_count" | "page_size"): number {
  return Number(db.query(`PRAGMA ${name}`).values()[0]?.[0] ?? 0);
}

/** Database and journal on disk; 0 where there is none. */
export function databaseSizeBytes(path: string): number {
  let bytes = 0;
  for (const file of [path, `${path}-wal`]) {
    try {
      bytes += statSync(file).size;
    } catch {
      // Not there: nothing to count.
    }
  }
  return bytes;
}
