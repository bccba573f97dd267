// Which package put a file where it is, and with which digest: a table in files.db, filled from the readers it is handed.
// Trusts the package databases, which are root's; keeps the last good answer where one cannot be read.
// Costs 100 bytes of disk a packaged file; a refresh when nothing changed a few stats, a lookup 10 us.
import type { Database } from "bun:sqlite";
import type { PackageContent, PackagedFile, PackageReader } from "../core/packages.ts";
import { type Fault, messageOf } from "../core/result.ts";

/** Far over any installation (a full TeX Live has 300,000); bounds what a damaged database can make us write. */
const FILES_MAX = 5_000_000;
/** A transaction holds the thread; so many rows are about 5 ms. */
const ROWS_PER_TRANSACTION = 1000;
const SHA256_BYTES = 32;

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS package_managers (name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS packages (
    id INTEGER PRIMARY KEY,
    manager TEXT NOT NULL,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    stamp TEXT NOT NULL,
    UNIQUE (manager, owner)
  ) STRICT;
  -- digest: 16 bytes are MD5, 32 are SHA-256, null is none.
  CREATE TABLE IF NOT EXISTS packaged (
    path TEXT NOT NULL,
    package INTEGER NOT NULL,
    digest BLOB,
    config INTEGER NOT NULL,
    PRIMARY KEY (path, package)
  ) STRICT, WITHOUT ROWID;
`;

export interface Refreshed {
  readonly changed: boolean;
  /** Installed now, of all managers. */
  readonly packages: number;
  readonly faults: readonly Fault[];
}

export interface PackageIndex {
  /** Cheap when nothing changed; otherwise reads the packages whose list changed, giving way between them. Never throws. */
  refresh(): Promise<Refreshed>;
  /** Undefined: no package owns the path, or it is not known yet. Of several owners one with a digest. Never throws. */
  lookup(path: string): PackagedFile | undefined;
  close(): void;
}

/** `database` is not closed. Throws what SQLite throws where the tables cannot be made. */
export function createPackageIndex(database: Database, readers: readonly PackageReader[]): PackageIndex {
  database.run(SCHEMA);
  const statements = prepareAll(database);
  let running: Promise<Refreshed> | undefined;
  let unreadable: Fault | undefined;
  return {
    refresh() {
      running ??= refreshAll(database, statements, readers, unreadable).finally(() => {
        running = undefined;
      });
      unreadable = undefined;
      return running;
    },
    lookup(path) {
      try {
        const row = statements.lookup.get(readers[0]?.canonical(path) ?? path);
        return row === null ? undefined : fileOf(row);
      } catch (thrown) {
        unreadable = {
          kind: "io",
          message: `the index of packaged files cannot be read: ${messageOf(thrown)}`,
          remedy: "look at the disk; until then files of packages are told as if no package owned them",
        };
        return undefined;
      }
    },
    close() {
      for (const statement of Object.values(statements)) statement.finalize();
    },
  };
}

async function refreshAll(
  database: Database,
  statements: Statements,
  readers: readonly PackageReader[],
  unreadable: Fault | undefined,
): Promise<Refreshed> {
  const faults: Fault[] = unreadable === undefined ? [] : [unreadable];
  let changed = false;
  try {
    changed = forgetOthers(database, statements, readers);
    for (const reader of readers) {
      const refreshed = await refreshOne(database, statements, reader);
      changed ||= refreshed.changed;
      faults.push(...refreshed.faults);
    }
    return { changed, packages: statements.count.get()?.count ?? 0, faults };
  } catch (thrown) {
    faults.push({
      kind: "io",
      message: `the index of packaged files cannot be written: ${messageOf(thrown)}`,
      remedy: "make room on the disk; until then files of new packages are told as if no package owned them",
    });
    return { changed, packages: 0, faults };
  }
}

interface Progress {
  readonly changed: boolean;
  readonly faults: readonly Fault[];
}

async function refreshOne(database: Database, statements: Statements, reader: PackageReader): Promise<Progress> {
  // Taken first: what changes while we read is seen the next time.
  const fingerprint = reader.fingerprint();
  if (statements.fingerprint.get(reader.name)?.fingerprint === fingerprint) return { changed: false, faults: [] };
  const listed = await reader.owners();
  if (!listed.ok) return { changed: false, faults: [listed.fault] };
  const known = new Map(statements.packages.all(reader.name).map((row) => [row.owner, row]));
  const stale = [...listed.value].filter(([owner, stamp]) => known.get(owner)?.stamp !== stamp);
  const gone = [...known.values()].filter((row) => !listed.value.has(row.owner));
  const outdated = stale.flatMap(([owner]) => known.get(owner) ?? []);
  removeAll(database, statements, [...gone, ...outdated]);
  const owners = stale.map(([owner]) => owner);
  const faults = await addAll(database, statements, reader, owners, listed.value);
  if (faults.length === 0) statements.setFingerprint.run(reader.name, fingerprint);
  return { changed: gone.length + stale.length > 0, faults };
}

async function addAll(
  database: Database,
  statements: Statements,
  reader: PackageReader,
  owners: readonly string[],
  stamps: ReadonlyMap<string, string>,
): Promise<Fault[]> {
  let files = statements.countFiles.get()?.count ?? 0;
  let waiting: PackageContent[] = [];
  let waitingFiles = 0;
  const write = (): void => {
    database.transaction(() => {
      for (const content of waiting) add(statements, reader.name, content, stamps.get(content.owner) ?? "");
    })();
    waiting = [];
    waitingFiles = 0;
  };
  for await (const read of reader.read(owners)) {
    if (!read.ok) {
      write();
      return [read.fault];
    }
    files += read.value.files.length;
    if (files > FILES_MAX) {
      write();
      return [tooMany(reader.name)];
    }
    waiting.push(read.value);
    waitingFiles += read.value.files.length;
    if (waitingFiles < ROWS_PER_TRANSACTION) continue;
    write();
    await Bun.sleep(0);
    // The collector lags: without this a first reading stands at 80 MB, and with it at 25.
    Bun.gc(true);
  }
  write();
  return [];
}

function add(statements: Statements, manager: string, content: PackageContent, stamp: string): void {
  const id = Number(statements.addPackage.run(manager, content.owner, content.name, stamp).lastInsertRowid);
  for (const file of content.files)
    statements.addFile.run(file.path, id, file.algorithm === "none" ? null : file.digest, file.config ? 1 : 0);
}

function removeAll(database: Database, statements: Statements, rows: readonly PackageRow[]): void {
  if (rows.length === 0) return;
  database.transaction(() => {
    for (const row of rows) statements.removePackage.run(row.id);
    // One pass over the table however many packages went: an index by package would cost more than it saves.
    statements.removeOrphans.run();
  })();
}

/** Of managers that are no longer on this host. */
function forgetOthers(database: Database, statements: Statements, readers: readonly PackageReader[]): boolean {
  const others = statements.managers.all().filter((row) => readers.every((reader) => reader.name !== row.name));
  for (const { name } of others) {
    removeAll(database, statements, statements.packages.all(name));
    statements.removeManager.run(name);
  }
  return others.length > 0;
}

function tooMany(manager: string): Fault {
  return {
    kind: "limit",
    message: `${manager} lists more than ${FILES_MAX} files; the others are told as if no package owned them`,
    remedy: "look whether its database is damaged",
  };
}

interface PackageRow {
  readonly id: number;
  readonly owner: string;
  readonly stamp: string;
}

interface FileRow {
  readonly name: string;
  readonly digest: Uint8Array | null;
  readonly config: number;
}

function fileOf(row: FileRow): PackagedFile {
  const common = { package: row.name, config: row.config === 1 };
  if (row.digest === null) return { ...common, algorithm: "none", digest: "" };
  const algorithm = row.digest.length === SHA256_BYTES ? "sha256" : "md5";
  return { ...common, algorithm, digest: Buffer.from(row.digest).toString("hex") };
}

type Statements = ReturnType<typeof prepareAll>;

function prepareAll(database: Database) {
  return {
    lookup: database.prepare<FileRow, [string]>(
      `SELECT packages.name, digest, config FROM packaged JOIN packages ON packages.id = packaged.package
       WHERE path = ? ORDER BY digest IS NULL, packages.id DESC LIMIT 1`,
    ),
    fingerprint: database.prepare<{ fingerprint: string }, [string]>(
      "SELECT fingerprint FROM package_managers WHERE name = ?",
    ),
    setFingerprint: database.prepare<undefined, [string, string]>(
      "INSERT OR REPLACE INTO package_managers VALUES (?, ?)",
    ),
    managers: database.prepare<{ name: string }, []>("SELECT DISTINCT manager AS name FROM packages"),
    removeManager: database.prepare<undefined, [string]>("DELETE FROM package_managers WHERE name = ?"),
    packages: database.prepare<PackageRow, [string]>("SELECT id, owner, stamp FROM packages WHERE manager = ?"),
    count: database.prepare<{ count: number }, []>("SELECT count(*) AS count FROM packages"),
    countFiles: database.prepare<{ count: number }, []>("SELECT count(*) AS count FROM packaged"),
    addPackage: database.prepare<undefined, [string, string, string, string]>(
      "INSERT INTO packages (manager, owner, name, stamp) VALUES (?, ?, ?, ?)",
    ),
    addFile: database.prepare<undefined, [string, number, string | null, number]>(
      "INSERT OR REPLACE INTO packaged VALUES (?, ?, unhex(?), ?)",
    ),
    removePackage: database.prepare<undefined, [number]>("DELETE FROM packages WHERE id = ?"),
    removeOrphans: database.prepare<undefined, []>(
      "DELETE FROM packaged WHERE package NOT IN (SELECT id FROM packages)",
    ),
  };
}
