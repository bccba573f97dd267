/**
 * The shape of the database, as a numbered list that only ever grows. Each step runs once, in one transaction
 * with the row that says so, so a crash in the middle leaves the previous version whole.
 */
import type { Database } from "bun:sqlite";

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    name: "events, findings with their raw rows, decisions, outcomes, audit",
    sql: `
      CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

      CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        at_ms INTEGER NOT NULL,
        action TEXT NOT NULL,
        category TEXT NOT NULL,
        pid INTEGER,
        executable TEXT,
        json TEXT NOT NULL
      ) STRICT;
      CREATE INDEX events_at ON events (at_ms);

      -- One row is one alert: all findings of one fold key within the folding window.
      CREATE TABLE findings (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        status TEXT NOT NULL DEFAULT 'new' CHECK (status IN ('new', 'acknowledged', 'resolved', 'false-positive')),
        status_by TEXT,
        status_at_ms INTEGER,
        fold_key TEXT NOT NULL,
        count INTEGER NOT NULL,
        first_at_ms INTEGER NOT NULL,
        last_at_ms INTEGER NOT NULL,
        rule_id TEXT NOT NULL,
        rule_name TEXT NOT NULL,
        rule_version INTEGER NOT NULL,
        level TEXT NOT NULL,
        severity TEXT NOT NULL,
        score INTEGER NOT NULL,
        response TEXT NOT NULL,
        executable TEXT,
        pid INTEGER,
        title TEXT NOT NULL,
        json TEXT NOT NULL
      ) STRICT;
      CREATE INDEX findings_fold ON findings (fold_key, last_at_ms);
      CREATE INDEX findings_last ON findings (last_at_ms);
      CREATE INDEX findings_rule ON findings (rule_name, last_at_ms);

      CREATE TABLE finding_rows (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        alert_id TEXT NOT NULL REFERENCES findings (id) ON DELETE CASCADE,
        at_ms INTEGER NOT NULL,
        rule_name TEXT NOT NULL,
        executable TEXT,
        pid INTEGER,
        json TEXT NOT NULL
      ) STRICT;
      CREATE INDEX finding_rows_alert ON finding_rows (alert_id);
      CREATE INDEX finding_rows_at ON finding_rows (at_ms);

      -- No foreign key to findings: an intent must be storable whatever became of its finding.
      CREATE TABLE decisions (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        finding_id TEXT,
        alert_id TEXT,
        at_ms INTEGER NOT NULL,
        do TEXT NOT NULL,
        rule_name TEXT NOT NULL,
        by TEXT NOT NULL,
        settled INTEGER NOT NULL,
        json TEXT NOT NULL
      ) STRICT;
      CREATE INDEX decisions_alert ON decisions (alert_id);
      CREATE INDEX decisions_at ON decisions (at_ms);
      CREATE INDEX decisions_unsettled ON decisions (settled) WHERE settled = 0;

      CREATE TABLE outcomes (
        seq INTEGER PRIMARY KEY,
        decision_id TEXT NOT NULL,
        at_ms INTEGER NOT NULL,
        result TEXT NOT NULL,
        verified INTEGER NOT NULL,
        json TEXT NOT NULL,
        UNIQUE (decision_id, at_ms)
      ) STRICT;

      CREATE TABLE audit (
        seq INTEGER PRIMARY KEY,
        at_ms INTEGER NOT NULL,
        who TEXT NOT NULL,
        uid INTEGER NOT NULL,
        action TEXT NOT NULL,
        detail TEXT NOT NULL
      ) STRICT;
      CREATE INDEX audit_at ON audit (at_ms);
    `,
  },
];

export const SCHEMA_VERSION = MIGRATIONS.length;

export function hasVersionTable(db: Database): boolean {
  return db.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'").get() !== null;
}

/** 0 for a database without our tables. Throws what SQLite throws. */
export function schemaVersion(db: Database): number {
  if (!hasVersionTable(db)) return 0;
  const row: unknown = db.query("SELECT coalesce(max(version), 0) AS version FROM schema_version").get();
  return typeof row === "object" && row !== null && "version" in row ? Number(row.version) : 0;
}

/** Brings the database to the newest version of `migrations`. Throws what SQLite throws. */
export function migrate(db: Database, nowMs: number, migrations: readonly Migration[] = MIGRATIONS): void {
  db.run(
    "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT",
  );
  const from = schemaVersion(db);
  for (const step of migrations) {
    if (step.version <= from) continue;
    db.transaction(() => {
      db.run(step.sql);
      db.run("INSERT INTO schema_version (version, name, at_ms) VALUES (?, ?, ?)", [step.version, step.name, nowMs]);
    }).immediate();
  }
}
