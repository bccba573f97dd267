/**
 * Opens the database file for writing: checks it, sets aside what cannot be used (never overwritten, never deleted),
 * migrates. Trusts nothing about the file. Costs a full quick_check up to 64 MB; above that the big tables are
 * checked as they are read and written.
 */
import { Database } from "bun:sqlite";
import { chmodSync, lstatSync, renameSync, type Stats, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Fault, FaultKind } from "../core/result.ts";
import { messageOf } from "../core/result.ts";
import { hasVersionTable, migrate, SCHEMA_VERSION, schemaVersion } from "./migrations.ts";
import { prepare, type Statements } from "./statements.ts";

const FULL_CHECK_BYTES_MAX = 64 * 1024 * 1024;
const WAL_BYTES_KEPT = 16 * 1024 * 1024;
/** Readers never block a writer in WAL; only another writer or a checkpoint can, and then not for long. */
const BUSY_TIMEOUT_MS = 200;

export interface OpenDatabase {
  readonly db: Database;
  readonly statements: Statements;
  /** `device:inode`, to notice a file that was replaced under us. */
  readonly identity: string;
}

export interface OpenAttempt {
  /** Absent: the world does not let us; `fault` says why. */
  readonly opened?: OpenDatabase;
  readonly fault?: Fault;
  /** What had to be set aside on the way. */
  readonly setAside: readonly Fault[];
}

/** Why a database error is one of: the file is broken, the row is broken, or the world (disk, permission, lock) is. */
export type DatabaseErrorClass = "corrupt" | "row" | "world";

class Unusable extends Error {
  readonly label: "corrupt" | "newer";
  constructor(label: "corrupt" | "newer", message: string) {
    super(message);
    this.label = label;
  }
}

/** Never throws. Two things can be set aside in one attempt at most (the file, then what replaced it); then it gives up. */
export function openDatabase(path: string, nowMs: number): OpenAttempt {
  const setAside: Fault[] = [];
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      return { opened: tryOpen(path, nowMs), setAside };
    } catch (thrown) {
      const label = unusableLabel(thrown);
      if (label === undefined) return { fault: worldFault(path, thrown), setAside };
      const moved = moveAside(path, label, nowMs);
      if (typeof moved !== "string") return { fault: moved, setAside };
      setAside.push(setAsideFault(path, moved, label, messageOf(thrown)));
    }
  }
  return {
    fault: {
      kind: "io",
      message: `the database ${path} was unusable, and so was its replacement`,
      remedy: "check the disk: sudo dmesg | tail; sudo smartctl -H",
    },
    setAside,
  };
}

function tryOpen(path: string, nowMs: number): OpenDatabase {
  refuseOddFiles(path);
  const db = new Database(path, { create: true, readwrite: true });
  let statements: Statements | undefined;
  try {
    chmodSync(path, 0o600);
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    // Look before touching: what is going to be set aside stays as it was found.
    check(db, path);
    refuseForeign(db);
    // Has an effect only before the first table is made; must come before WAL.
    db.run("PRAGMA auto_vacuum = INCREMENTAL");
    db.run("PRAGMA journal_mode = WAL");
    db.run("PRAGMA synchronous = NORMAL");
    db.run("PRAGMA foreign_keys = ON");
    db.run(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`);
    migrate(db, nowMs);
    statements = prepare(db);
    return { db, statements, identity: identityOf(statSync(path)) };
  } catch (thrown) {
    statements?.finalize();
    closeQuietly(db);
    throw thrown;
  }
}

function refuseForeign(db: Database): void {
  const version = schemaVersion(db);
  if (version > SCHEMA_VERSION) {
    throw new Unusable("newer", `it has version ${version}, this program knows versions up to ${SCHEMA_VERSION}`);
  }
  const tables = Number(db.query("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").values()[0]?.[0] ?? 0);
  // Version 0 with the table of versions is our own first start, cut short.
  if (version === 0 && tables > (hasVersionTable(db) ? 1 : 0))
    throw new Unusable("corrupt", "it is not a database of algo-monitor");
}

/** A FIFO would block the open for ever; a directory or an empty file with a journal would lose the journal. */
function refuseOddFiles(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) {
    const stats = statIfThere(path + suffix);
    if (stats === undefined) continue;
    if (!stats.isFile()) throw new Unusable("corrupt", `${path}${suffix} is not a regular file`);
    if (suffix === "" && stats.size === 0) throw new Unusable("corrupt", "it is empty (0 bytes)");
  }
}

function check(db: Database, path: string): void {
  const bytes = statSync(path).size;
  const targets = bytes <= FULL_CHECK_BYTES_MAX ? [""] : smallTables(db);
  for (const target of targets) {
    const rows = db.query(`PRAGMA quick_check${target === "" ? "(1)" : `(${target})`}`).values();
    const verdict = String(rows[0]?.[0] ?? "no answer");
    if (verdict !== "ok") throw new Unusable("corrupt", `SQLite's check says: ${verdict}`);
  }
}

function smallTables(db: Database): readonly string[] {
  const rows = db
    .query(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('meta', 'findings', 'decisions', 'outcomes', 'audit')",
    )
    .values();
  return rows.map((row) => String(row[0]));
}

export function classify(thrown: unknown): DatabaseErrorClass {
  const code = codeOf(thrown);
  if (code.startsWith("SQLITE_CORRUPT") || code === "SQLITE_NOTADB" || code === "SQLITE_FORMAT") return "corrupt";
  // SQLITE_IOERR_SHORT_READ: the file ends before a page that its header promises.
  if (code === "SQLITE_IOERR_SHORT_READ") return "corrupt";
  if (code === "" || /^SQLITE_(CONSTRAINT|MISMATCH|TOOBIG|RANGE)/.test(code)) return "row";
  return "world";
}

function unusableLabel(thrown: unknown): "corrupt" | "newer" | undefined {
  if (thrown instanceof Unusable) return thrown.label;
  // A sound SQLite file whose tables are not ours (SQLITE_ERROR: no such table, no such column) is as useless as a broken one.
  return classify(thrown) === "corrupt" || codeOf(thrown) === "SQLITE_ERROR" ? "corrupt" : undefined;
}

export function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown && typeof thrown.code === "string" ? thrown.code : "";
}

/** The fault of a world that does not let us read or write, in operator's words. */
export function worldFault(path: string, thrown: unknown): Fault {
  const code = codeOf(thrown);
  const what = `the database ${path} cannot be written`;
  if (code === "SQLITE_FULL" || code === "ENOSPC") {
    return fault(
      "io",
      `${what}: the disk is full`,
      `free space on the file system of ${dirname(path)} (df -h ${dirname(path)})`,
    );
  }
  if (code.startsWith("SQLITE_READONLY") || code === "EROFS" || code === "EACCES" || code === "EPERM") {
    return fault(
      "denied",
      `${what}: the file system or the file is read-only (${messageOf(thrown)})`,
      `findmnt -T ${dirname(path)}; ls -la ${dirname(path)}; lsattr ${path}`,
    );
  }
  if (code === "SQLITE_BUSY" || code === "SQLITE_LOCKED") {
    return fault("timeout", `${what}: another process holds its write lock`, `find it with: sudo fuser -v ${path}`);
  }
  if (code === "SQLITE_CANTOPEN" || code === "ENOENT" || code === "ENOTDIR") {
    return fault(
      "io",
      `${what}: it cannot be opened or created (${messageOf(thrown)})`,
      `make the folder: sudo install -d -m 0700 ${dirname(path)}`,
    );
  }
  return fault(
    "io",
    `${what}: ${messageOf(thrown)}${code === "" ? "" : ` (${code})`}`,
    "check the disk: sudo dmesg | tail",
  );
}

function fault(kind: FaultKind, message: string, remedy: string): Fault {
  return { kind, message, remedy };
}

function setAsideFault(path: string, moved: string, label: "corrupt" | "newer", reason: string): Fault {
  return label === "newer"
    ? fault(
        "unsupported",
        `the database ${path} was written by a newer algo-monitor: ${reason}. It was set aside as ${moved} and a new one was begun`,
        `upgrade again, or keep it: a newer algo-monitor opens it when it is moved back to ${path}`,
      )
    : fault(
        "invalid",
        `the database ${path} is unusable: ${reason}. It was set aside as ${moved} and a new one was begun`,
        `what is left of the history can be read with: sqlite3 ${moved} .recover`,
      );
}

/** Renames the file with its -wal and -shm to the first free name. The new path, or why it could not be moved. */
export function moveAside(path: string, label: "corrupt" | "newer" | "orphan", nowMs: number): string | Fault {
  const base = `${path}.${label}-${stamp(nowMs)}`;
  let target = base;
  for (let number = 2; SUFFIXES.some((suffix) => statIfThere(target + suffix, true) !== undefined); number++) {
    if (number > 1_000)
      return fault(
        "limit",
        `the unusable database ${path} cannot be set aside: a thousand names like ${base} are taken`,
        `remove old ${path}.${label}-* files`,
      );
    target = `${base}-${number}`;
  }
  try {
    // The journal first: a crash in between leaves a database without journal, never a journal beside a foreign database.
    for (const suffix of label === "orphan" ? SUFFIXES.slice(0, 2) : SUFFIXES) {
      if (statIfThere(path + suffix, true) !== undefined) renameSync(path + suffix, target + suffix);
    }
    return target;
  } catch (thrown) {
    return fault(
      "io",
      `the unusable database ${path} cannot be set aside: ${messageOf(thrown)}`,
      `move it away by hand: sudo mv ${path} ${target}`,
    );
  }
}

const SUFFIXES = ["-wal", "-shm", ""];

/** Closes and finalizes everything: a connection left half open would delete its successor's journal when collected. */
export function closeDatabase(opened: OpenDatabase): void {
  opened.statements.finalize();
  closeQuietly(opened.db);
}

function closeQuietly(db: Database): void {
  try {
    db.close(false);
  } catch {
    // Nothing is lost: what was committed is in the file or its journal.
  }
}

/** Undefined where the path leads to nothing. */
export function identityAt(path: string): string | undefined {
  const stats = statIfThere(path);
  return stats === undefined ? undefined : identityOf(stats);
}

function identityOf(stats: Stats): string {
  return `${stats.dev}:${stats.ino}`;
}

function statIfThere(path: string, ofLink = false): Stats | undefined {
  try {
    return ofLink ? lstatSync(path) : statSync(path);
  } catch {
    return undefined;
  }
}

function stamp(nowMs: number): string {
  return new Date(nowMs)
    .toISOString()
    .replace(/[-:]/g, "")
    .replace(/\.\d+Z$/, "Z");
}
