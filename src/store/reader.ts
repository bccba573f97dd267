/**
 * Reads the store without ever writing to it, while the daemon writes and when it is down. Rows are foreign bytes:
 * one that does not decode is left out and counted. Answers are bounded by `limit`.
 */
import { constants, Database } from "bun:sqlite";
import { statSync } from "node:fs";
import { ALERT_STATUSES, type AlertStatus } from "../core/control.ts";
import type { Decision, Event, Finding, Outcome, Severity } from "../core/nouns.ts";
import { type Fault, fail, messageOf, ok, type Result } from "../core/result.ts";
import {
  ACTIONS,
  ALERT_COLUMNS,
  type Alert,
  type AlertFilter,
  alertOf,
  bounded,
  LIMIT_MAX,
  listAlerts,
  RESULTS,
  SEVERITIES,
} from "./alert_rows.ts";
import { decodeDecision, decodeEvent, decodeFinding, decodeOutcome } from "./codec.ts";
import { classify, codeOf } from "./database.ts";
import { findAlert } from "./find_alert.ts";
import { SCHEMA_VERSION, schemaVersion } from "./migrations.ts";
import { databaseSizeBytes } from "./prune.ts";

export interface AlertDetail {
  readonly alert: Alert;
  /** The first finding, with its event. */
  readonly finding: Finding;
  /** The latest one, where there is more than one and it is still kept. */
  readonly latest?: Finding;
  /** Raw rows still kept; less than `count` once retention has passed. */
  readonly rowsKept: number;
  /** Oldest first, at most 200 (the first 100 and the last 100). */
  readonly decisions: readonly Decision[];
  /** Of these decisions. */
  readonly outcomes: readonly Outcome[];
}

export interface StoredFinding {
  readonly alertId: string;
  readonly finding: Finding;
  /** A process was killed for it. */
  readonly killed: boolean;
}

export interface AuditRow {
  readonly atMs: number;
  readonly who: string;
  readonly uid: number;
  readonly action: string;
  readonly detail: string;
}

export interface Counts {
  readonly events: number;
  readonly alerts: number;
  readonly findings: number;
  readonly alertsByStatus: Readonly<Record<AlertStatus, number>>;
  readonly alertsBySeverity: Readonly<Record<Severity, number>>;
  readonly decisions: Readonly<Record<Decision["do"], number>>;
  readonly outcomes: Readonly<Record<Outcome["result"], number>>;
  readonly sizeBytes: number;
}

export interface TimeFilter {
  readonly sinceMs?: number;
  readonly untilMs?: number;
  /** Default 100, at most 10,000. */
  readonly limit?: number;
}

/** Every method answers a Result: the file can vanish or break between two questions. */
export interface Reader {
  /** Newest first, unless `afterId` is given. */
  alerts(filter?: AlertFilter): Result<readonly Alert[]>;
  /** `id` is an alert's id, a unique suffix or prefix of it, or the id of one of its findings or decisions. */
  alert(id: string): Result<AlertDetail>;
  /** Newest first. */
  decisions(filter?: TimeFilter): Result<readonly Decision[]>;
  /** Newest first. */
  audit(filter?: TimeFilter): Result<readonly AuditRow[]>;
  /** Newest first. */
  events(filter?: TimeFilter): Result<readonly Event[]>;
  /** Past findings of a rule (name or id), newest first: what an exception would have hidden. */
  findSimilar(rule: string, limit?: number): Result<readonly StoredFinding[]>;
  counts(): Result<Counts>;
  /** Rows left out so far because they do not decode. */
  unreadableRows(): number;
  /** Set where the journal could not be read with it (read-only medium): the latest rows may be missing. */
  readonly stale: boolean;
  close(): void;
}

const DECISIONS_SHOWN_EACH_END = 100;
/** The daemon's write never blocks a reader in WAL; its recovery after a crash does, shortly. */
const BUSY_TIMEOUT_MS = 2_000;

export function openReader(path: string): Result<Reader> {
  const there = probe(path);
  if (!there.ok) return there;
  const live = connect(path, false);
  if (live.ok) return ok(makeReader(live.value, path, false));
  // A read-only medium without a -shm beside a -wal: SQLite cannot read the journal, the rest can still be read.
  if (live.fault.kind !== "unsupported" && live.fault.kind !== "invalid") {
    const frozen = connect(path, true);
    if (frozen.ok) return ok(makeReader(frozen.value, path, databaseSizeBytes(path) > statSync(path).size));
  }
  return live;
}

function probe(path: string): Result<void> {
  try {
    const stats = statSync(path);
    if (!stats.isFile())
      return fail(
        "invalid",
        `the database ${path} is not a regular file`,
        "the daemon sets it aside at its next start: sudo systemctl restart algo-monitor",
      );
    if (stats.size === 0)
      return fail(
        "invalid",
        `the database ${path} is empty`,
        "the daemon begins a new one at its next start: sudo systemctl restart algo-monitor",
      );
    return ok(undefined);
  } catch (thrown) {
    return { ok: false, fault: openFault(path, thrown) };
  }
}

function connect(path: string, immutable: boolean): Result<Database> {
  let db: Database | undefined;
  try {
    db = immutable
      ? new Database(
          `file:${encodeURI(path).replaceAll("?", "%3f").replaceAll("#", "%23")}?immutable=1`,
          constants.SQLITE_OPEN_READONLY | constants.SQLITE_OPEN_URI,
        )
      : new Database(path, { readonly: true });
    db.run(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
    db.run("PRAGMA query_only = ON");
    const version = schemaVersion(db);
    if (version > SCHEMA_VERSION) {
      db.close(false);
      return fail(
        "unsupported",
        `the database ${path} has version ${version}, this program knows versions up to ${SCHEMA_VERSION}`,
        "use the algo-monitor that wrote it",
      );
    }
    if (version < SCHEMA_VERSION) {
      db.close(false);
      return fail(
        "invalid",
        `the database ${path} ${version === 0 ? "has none of our tables" : `has the older version ${version}`}`,
        "the daemon brings it up to date at its next start: sudo systemctl restart algo-monitor",
      );
    }
    return ok(db);
  } catch (thrown) {
    db?.close(false);
    return { ok: false, fault: openFault(path, thrown) };
  }
}

function openFault(path: string, thrown: unknown): Fault {
  const code = codeOf(thrown);
  if (code === "EACCES" || code === "EPERM")
    return { kind: "denied", message: `the database ${path} may be read by root only`, remedy: "use sudo" };
  if (code === "ENOENT" || code === "ENOTDIR")
    return {
      kind: "gone",
      message: `there is no database at ${path}`,
      remedy: "it is made when the daemon starts: sudo systemctl start algo-monitor",
    };
  if (classify(thrown) === "corrupt")
    return {
      kind: "invalid",
      message: `the database ${path} is damaged: ${messageOf(thrown)}`,
      remedy: "the daemon sets it aside and begins a new one; look for *.corrupt-* beside it",
    };
  return {
    kind: "io",
    message: `the database ${path} cannot be read: ${messageOf(thrown)}${code === "" ? "" : ` (${code})`}`,
  };
}

function makeReader(db: Database, path: string, stale: boolean): Reader {
  let unreadable = 0;
  function asking<T>(work: () => Result<T>): Result<T> {
    try {
      return work();
    } catch (thrown) {
      return { ok: false, fault: openFault(path, thrown) };
    }
  }
  function decoded<T>(rows: readonly (readonly unknown[])[], decode: (text: string) => T | undefined): T[] {
    const found: T[] = [];
    for (const row of rows) {
      const noun = decode(String(row[0]));
      if (noun === undefined) unreadable++;
      else found.push(noun);
    }
    return found;
  }
  function latest<T>(
    table: "events" | "decisions",
    filter: TimeFilter,
    decode: (text: string) => T | undefined,
  ): Result<readonly T[]> {
    return asking(() =>
      ok(
        decoded(
          db.query(`SELECT json FROM ${table} WHERE ${BETWEEN} ORDER BY seq DESC LIMIT ?3`).values(...between(filter)),
          decode,
        ),
      ),
    );
  }
  return {
    alerts: (filter = {}) => asking(() => ok(listAlerts(db, filter, () => unreadable++))),
    alert: (id) =>
      asking(() => {
        const found = findAlert(db, id);
        return found.ok ? detail(db, found.value, decoded) : found;
      }),
    decisions: (filter = {}) => latest("decisions", filter, decodeDecision),
    events: (filter = {}) => latest("events", filter, decodeEvent),
    audit: (filter = {}) =>
      asking(() =>
        ok(
          db
            .query(`SELECT at_ms, who, uid, action, detail FROM audit WHERE ${BETWEEN} ORDER BY seq DESC LIMIT ?3`)
            .values(...between(filter))
            .map(auditRow),
        ),
      ),
    findSimilar: (rule, limit) => asking(() => ok(similar(db, rule, bounded(limit ?? LIMIT_MAX), () => unreadable++))),
    counts: () => asking(() => ok(count(db, path))),
    unreadableRows: () => unreadable,
    stale,
    close: () => db.close(false),
  };
}

const BETWEEN = "at_ms >= ?1 AND at_ms <= ?2";

function between(filter: TimeFilter): [number, number, number] {
  return [filter.sinceMs ?? Number.MIN_SAFE_INTEGER, filter.untilMs ?? Number.MAX_SAFE_INTEGER, bounded(filter.limit)];
}

type Decoder = <T>(rows: readonly (readonly unknown[])[], decode: (text: string) => T | undefined) => T[];

function detail(db: Database, id: string, decoded: Decoder): Result<AlertDetail> {
  const [row] = db.query(`SELECT ${ALERT_COLUMNS}, json FROM findings WHERE id = ?1`).values(id);
  const alert = row === undefined ? undefined : alertOf(row);
  const [finding] = row === undefined ? [] : decoded([[row[row.length - 1]]], decodeFinding);
  if (alert === undefined || finding === undefined)
    return fail("gone", `alert ${id} is no longer kept`, "see RETENTION in the config");
  const [rows] = db.query("SELECT count(*) FROM finding_rows WHERE alert_id = ?1").values(id);
  const [latest] = decoded(
    db.query("SELECT json FROM finding_rows WHERE alert_id = ?1 AND id <> ?1 ORDER BY seq DESC LIMIT 1").values(id),
    decodeFinding,
  );
  const decisions = decoded(db.query(BOTH_ENDS).values(id, DECISIONS_SHOWN_EACH_END), decodeDecision);
  const outcomes = decisions.flatMap((decision) =>
    decoded(
      db.query("SELECT json FROM outcomes WHERE decision_id = ?1 ORDER BY seq").values(decision.id),
      decodeOutcome,
    ),
  );
  return ok({
    alert,
    finding,
    ...(latest === undefined ? {} : { latest }),
    rowsKept: Number(rows?.[0] ?? 0),
    decisions,
    outcomes,
  });
}

const BOTH_ENDS = `SELECT json FROM decisions WHERE seq IN (SELECT seq FROM decisions WHERE alert_id = ?1 ORDER BY seq LIMIT ?2)
  OR seq IN (SELECT seq FROM decisions WHERE alert_id = ?1 ORDER BY seq DESC LIMIT ?2) ORDER BY seq`;

function similar(db: Database, rule: string, limit: number, onUnreadable: () => void): readonly StoredFinding[] {
  const rows = db
    .query(
      `SELECT r.alert_id, r.json, EXISTS (SELECT 1 FROM decisions d JOIN outcomes o ON o.decision_id = d.id
                                           WHERE d.finding_id = r.id AND d.do = 'kill' AND o.result IN ('done', 'partial'))
         FROM finding_rows r JOIN findings f ON f.id = r.alert_id
        WHERE f.rule_name = ?1 OR f.rule_id = ?1 ORDER BY r.seq DESC LIMIT ?2`,
    )
    .values(rule, limit);
  const found: StoredFinding[] = [];
  for (const [alertId, json, killed] of rows) {
    const finding = decodeFinding(String(json));
    if (finding === undefined) onUnreadable();
    else found.push({ alertId: String(alertId), finding, killed: killed === 1 });
  }
  return found;
}

function auditRow(row: readonly unknown[]): AuditRow {
  const [atMs, who, uid, action, text] = row;
  return { atMs: Number(atMs), who: String(who), uid: Number(uid), action: String(action), detail: String(text) };
}

function count(db: Database, path: string): Counts {
  const total = (table: string) => Number(db.query(`SELECT count(*) FROM ${table}`).values()[0]?.[0] ?? 0);
  function grouped<T extends string>(sql: string, keys: readonly T[]): Record<T, number> {
    const found = new Map(
      db
        .query(sql)
        .values()
        .map((row) => [String(row[0]), Number(row[1])]),
    );
    // Built from the closed list of keys, so each is there.
    return Object.fromEntries(keys.map((key) => [key, found.get(key) ?? 0])) as Record<T, number>;
  }
  return {
    events: total("events"),
    alerts: total("findings"),
    findings: total("finding_rows"),
    alertsByStatus: grouped("SELECT status, count(*) FROM findings GROUP BY status", ALERT_STATUSES),
    alertsBySeverity: grouped("SELECT severity, count(*) FROM findings GROUP BY severity", SEVERITIES),
    decisions: grouped("SELECT do, count(*) FROM decisions GROUP BY do", ACTIONS),
    outcomes: grouped("SELECT result, count(*) FROM outcomes GROUP BY result", RESULTS),
    sizeBytes: databaseSizeBytes(path),
  };
}
