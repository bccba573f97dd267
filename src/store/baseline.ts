/**
 * The memory of the watch over files: files.db, a database of its own, so that its transactions never stand before the
 * record of a kill. Trusts nothing about the file: what cannot be used is set aside, never deleted, and a new one begun.
 * Costs about 150 bytes a watched file on disk, 1 MB of memory, 4 us a row written or read.
 */
import { Database } from "bun:sqlite";
import { chmodSync, lstatSync, statSync } from "node:fs";
import type { Baseline, BaselineBatch, FileRecord, VerifyRow } from "../core/file_record.ts";
import { type Fault, messageOf } from "../core/result.ts";
import { classify, codeOf, moveAside, worldFault } from "./database.ts";

const SCHEMA_VERSION = 1;
/** "algf": tells our file from any other SQLite database. */
const APPLICATION_ID = 0x616c6766;
const CACHE_KIB = 256;
const WAL_BYTES_KEPT = 4 * 1024 * 1024;
const FULL_CHECK_BYTES_MAX = 64 * 1024 * 1024;
const BUSY_TIMEOUT_MS = 2000;
/** Few at a time: what all of them take as objects would stay with the heap. */
const LOADED_AT_ONCE = 1000;

const SCHEMA = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE directories (key INTEGER PRIMARY KEY, path BLOB NOT NULL) STRICT;
  -- inode: of any type, because those over 2^63 are no integer here.
  CREATE TABLE entries (
    key INTEGER PRIMARY KEY,
    directory INTEGER NOT NULL,
    name BLOB NOT NULL,
    signature INTEGER NOT NULL,
    device INTEGER NOT NULL,
    inode ANY NOT NULL,
    mode INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    gid INTEGER NOT NULL,
    size ANY NOT NULL,
    modified_us ANY NOT NULL,
    changed_us ANY NOT NULL,
    sha256 BLOB,
    target TEXT,
    growth INTEGER NOT NULL
  ) STRICT;
`;

export interface OpenBaseline {
  readonly baseline: Baseline;
  /** For the tables of others in the same file. */
  readonly database: Database;
  /** False: it lives in memory only; `faults` says why. */
  readonly persistent: boolean;
  /** Writes one that lives in memory only to its file, for whoever opens it next. False where that fails still. */
  readonly persist: () => boolean;
  readonly faults: readonly Fault[];
}

/** Never throws. */
export function openBaseline(path: string, nowMs: number, onFault: (fault: Fault) => void): OpenBaseline {
  const faults: Fault[] = [];
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const database = tryOpen(path);
      return { baseline: baselineOn(database, path, onFault), database, persistent: true, persist: () => true, faults };
    } catch (thrown) {
      if (!(thrown instanceof Foreign) && classify(thrown) !== "corrupt" && codeOf(thrown) !== "SQLITE_ERROR") {
        faults.push(inMemory(worldFault(path, thrown)));
        break;
      }
      const moved = moveAside(path, "corrupt", nowMs);
      if (typeof moved !== "string") {
        faults.push(inMemory(moved));
        break;
      }
      faults.push(setAside(path, moved, messageOf(thrown)));
    }
  }
  const database = new Database(":memory:");
  prepareFile(database);
  const persist = () => writeOut(database, path);
  return { baseline: baselineOn(database, path, onFault), database, persistent: false, persist, faults };
}

/** SQLite takes a target that is missing or empty; anything else in its place is not ours to overwrite. */
function writeOut(database: Database, path: string): boolean {
  try {
    database.run("VACUUM INTO ?", [path]);
    return true;
  } catch {
    return false;
  }
}

class Foreign extends Error {}

function tryOpen(path: string): Database {
  refuseOddFiles(path);
  const database = new Database(path, { create: true, readwrite: true });
  try {
    chmodSync(path, 0o600);
    database.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    if (statSync(path).size <= FULL_CHECK_BYTES_MAX) {
      const verdict = textOf(database, "PRAGMA quick_check(1)");
      if (verdict !== "ok") throw new Foreign(`SQLite's check says: ${verdict}`);
    }
    prepareFile(database);
    return database;
  } catch (thrown) {
    closeQuietly(database);
    throw thrown;
  }
}

function prepareFile(database: Database): void {
  const version = Number(textOf(database, "PRAGMA user_version"));
  const application = Number(textOf(database, "PRAGMA application_id"));
  const tables = Number(textOf(database, "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"));
  const isNew = version === 0 && application === 0 && tables === 0;
  if (!isNew && application !== APPLICATION_ID) throw new Foreign("it is no memory of watched files");
  if (!isNew && version !== SCHEMA_VERSION)
    throw new Foreign(`it has version ${version}, this program knows ${SCHEMA_VERSION}`);
  database.run("PRAGMA journal_mode = WAL");
  database.run("PRAGMA synchronous = NORMAL");
  database.run("PRAGMA temp_store = MEMORY");
  database.run(`PRAGMA cache_size = -${CACHE_KIB}`);
  database.run(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`);
  if (!isNew) return;
  database.transaction(() => {
    database.run(SCHEMA);
    database.run(`PRAGMA application_id = ${APPLICATION_ID}`);
    database.run(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  })();
}

/** A FIFO would block the open for ever. */
function refuseOddFiles(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) {
    const stats = lstatSync(path + suffix, { throwIfNoEntry: false });
    if (stats !== undefined && !stats.isFile()) throw new Foreign(`${path}${suffix} is not a regular file`);
  }
}

function baselineOn(database: Database, path: string, onFault: (fault: Fault) => void): Baseline {
  const statements = prepareAll(database);
  return {
    count: () => told(0, () => Number(textOf(database, "SELECT count(*) FROM entries"))),
    load(each) {
      let after = -1;
      for (;;) {
        const rows = told([], () => statements.load.all(after));
        for (const row of rows) each(row.key, row.signature);
        after = rows.at(-1)?.key ?? after;
        if (rows.length < LOADED_AT_ONCE) return;
      }
    },
    read: (key) => told(undefined, () => recordOf(statements.read.get(key))),
    directoryPath: (key) => told(undefined, () => statements.directory.get(key)?.path),
    meta: (name) => told(undefined, () => statements.meta.get(name)?.value),
    setMeta: (name, value) => told(undefined, () => void statements.setMeta.run(name, value)),
    hashed: (afterKey, toKey, limit) => told([], () => statements.hashed.all(afterKey, toKey, limit).map(verifyRowOf)),
    write: (batch) =>
      told(false, () => {
        database.transaction(() => writeAll(statements, batch))();
        return true;
      }),
    releaseMemory: () => told(undefined, () => void database.run("PRAGMA shrink_memory")),
    sizeBytes: () => [path, `${path}-wal`].reduce((sum, file) => sum + sizeOf(file), 0),
    close() {
      for (const statement of Object.values(statements)) statement.finalize();
      closeQuietly(database);
    },
  };

  function told<T>(otherwise: T, action: () => T): T {
    try {
      return action();
    } catch (thrown) {
      onFault(worldFault(path, thrown));
      return otherwise;
    }
  }
}

interface EntryRow {
  readonly key: number;
  readonly directory: number;
  readonly name: Uint8Array;
  readonly signature: number;
  readonly device: number;
  readonly inode: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly modified_us: number;
  readonly changed_us: number;
  readonly sha256: Uint8Array | null;
  readonly target: string | null;
  readonly growth: number;
}

type Statements = ReturnType<typeof prepareAll>;

function prepareAll(database: Database) {
  return {
    load: database.prepare<{ key: number; signature: number }, [number]>(
      `SELECT key, signature FROM entries WHERE key > ? ORDER BY key LIMIT ${LOADED_AT_ONCE}`,
    ),
    read: database.prepare<EntryRow, [number]>("SELECT * FROM entries WHERE key = ?"),
    directory: database.prepare<{ path: Uint8Array }, [number]>("SELECT path FROM directories WHERE key = ?"),
    meta: database.prepare<{ value: string }, [string]>("SELECT value FROM meta WHERE name = ?"),
    setMeta: database.prepare<undefined, [string, string]>("INSERT OR REPLACE INTO meta VALUES (?, ?)"),
    hashed: database.prepare<{ key: number; sha256: Uint8Array }, [number, number, number]>(
      "SELECT key, sha256 FROM entries WHERE key > ? AND key <= ? AND sha256 IS NOT NULL ORDER BY key LIMIT ?",
    ),
    put: database.prepare<undefined, (number | string | Uint8Array | null)[]>(
      "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    putDirectory: database.prepare<undefined, [number, Uint8Array]>("INSERT OR REPLACE INTO directories VALUES (?, ?)"),
    remove: database.prepare<undefined, [number]>("DELETE FROM entries WHERE key = ?"),
    removeDirectory: database.prepare<undefined, [number]>("DELETE FROM directories WHERE key = ?"),
  };
}

function writeAll(statements: Statements, batch: BaselineBatch): void {
  for (const key of batch.removed) {
    statements.remove.run(key);
    statements.removeDirectory.run(key);
  }
  for (const [key, path] of batch.directories) statements.putDirectory.run(key, path);
  for (const record of batch.records) {
    statements.put.run(
      record.key,
      record.directory,
      record.name,
      record.signature,
      record.device,
      record.inode,
      record.mode,
      record.uid,
      record.gid,
      record.sizeBytes,
      record.modifiedUs,
      record.changedUs,
      record.sha256 === "" ? null : Buffer.from(record.sha256, "hex"),
      record.target === "" ? null : record.target,
      record.growth,
    );
  }
}

function recordOf(row: EntryRow | null): FileRecord | undefined {
  if (row === null) return undefined;
  return {
    key: row.key,
    directory: row.directory,
    name: row.name,
    signature: row.signature,
    device: row.device,
    inode: row.inode,
    mode: row.mode,
    uid: row.uid,
    gid: row.gid,
    sizeBytes: row.size,
    modifiedUs: row.modified_us,
    changedUs: row.changed_us,
    sha256: row.sha256 === null ? "" : Buffer.from(row.sha256).toString("hex"),
    target: row.target ?? "",
    growth: row.growth,
  };
}

function verifyRowOf(row: { readonly key: number; readonly sha256: Uint8Array }): VerifyRow {
  return { key: row.key, sha256: Buffer.from(row.sha256).toString("hex") };
}

function textOf(database: Database, sql: string): string {
  return String(database.query(sql).values()[0]?.[0] ?? "");
}

function setAside(path: string, moved: string, reason: string): Fault {
  return {
    kind: "invalid",
    message: `the memory of watched files ${path} is unusable: ${reason}. It was set aside as ${moved}; what files look like now is taken as the new baseline, and what changed since the last round is not told`,
    remedy: `if nobody can say why, compare programs with their packages: dpkg --verify or rpm -Va; then remove ${moved}`,
  };
}

function inMemory(fault: Fault): Fault {
  return {
    ...fault,
    message: `${fault.message}. Files are watched all the same, and changes made while algo-monitor is not running will not be told`,
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

function closeQuietly(database: Database): void {
  try {
    database.close(false);
  } catch {
    // What was committed is in the file or its journal.
  }
}
