/**
 * The writing SQL, prepared once per connection, and the rows it takes. A row carries its JSON already made, so that
 * one that must wait in memory has a known size and costs nothing more when it is written.
 */
import type { Database, Statement } from "bun:sqlite";
import type { Decision, Event, Finding, Outcome } from "../core/nouns.ts";
import { severityOf } from "../core/nouns.ts";
import { encode } from "./codec.ts";

export interface AuditEntry {
  /** User name of who ordered it. */
  readonly who: string;
  readonly uid: number;
  /** One word of the CLI: `pause`, `trust`, `config-set`, ... */
  readonly action: string;
  readonly detail: string;
}

type Value = string | number | null;

/** One row to write, complete. */
export interface Write {
  readonly table: "events" | "findings" | "decisions" | "outcomes" | "audit";
  readonly values: readonly Value[];
  readonly sizeCharacters: number;
}

export interface Statements {
  readonly byTable: Readonly<Record<Write["table"], readonly Statement[]>>;
  readonly lastOfFoldKey: Statement;
  readonly statusOf: Statement;
  readonly setStatus: Statement;
  readonly unsettled: Statement;
  readonly setMeta: Statement;
  finalize(): void;
}

export function prepare(db: Database): Statements {
  const made: Statement[] = [];
  function make(sql: string): Statement {
    const statement = db.prepare(sql);
    made.push(statement);
    return statement;
  }
  return {
    byTable: {
      events: [
        make(
          "INSERT OR IGNORE INTO events (id, at_ms, action, category, pid, executable, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        ),
      ],
      findings: [make(UPSERT_ALERT), make(INSERT_ROW)],
      decisions: [
        make(
          `INSERT OR IGNORE INTO decisions (id, finding_id, alert_id, at_ms, do, rule_name, by, settled, json)
           VALUES (?1, ?2, coalesce((SELECT alert_id FROM finding_rows WHERE id = ?2), ?2), ?3, ?4, ?5, ?6,
                   ?7 OR EXISTS (SELECT 1 FROM outcomes WHERE decision_id = ?1), ?8)`,
        ),
      ],
      outcomes: [
        make("INSERT OR IGNORE INTO outcomes (decision_id, at_ms, result, verified, json) VALUES (?1, ?2, ?3, ?4, ?5)"),
        make("UPDATE decisions SET settled = 1 WHERE id = ?1"),
      ],
      audit: [make("INSERT INTO audit (at_ms, who, uid, action, detail) VALUES (?1, ?2, ?3, ?4, ?5)")],
    },
    lastOfFoldKey: make(
      "SELECT id, count, last_at_ms, status FROM findings WHERE fold_key = ?1 ORDER BY last_at_ms DESC, seq DESC LIMIT 1",
    ),
    statusOf: make("SELECT status FROM findings WHERE id = ?1"),
    setStatus: make("UPDATE findings SET status = ?2, status_by = ?3, status_at_ms = ?4 WHERE id = ?1"),
    unsettled: make("SELECT json FROM decisions WHERE settled = 0 ORDER BY seq"),
    setMeta: make(
      "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    ),
    finalize: () => {
      for (const statement of made) statement.finalize();
    },
  };
}

const UPSERT_ALERT = `
  INSERT INTO findings (id, fold_key, count, first_at_ms, last_at_ms, rule_id, rule_name, rule_version,
                        level, severity, score, response, executable, pid, title, json)
  VALUES (?1, ?2, 1, ?3, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
  ON CONFLICT (id) DO UPDATE SET
    count = count + 1,
    last_at_ms = max(last_at_ms, excluded.last_at_ms),
    level = iif(excluded.score > score, excluded.level, level),
    severity = iif(excluded.score > score, excluded.severity, severity),
    score = max(score, excluded.score)`;

const INSERT_ROW = `
  INSERT OR IGNORE INTO finding_rows (id, alert_id, at_ms, rule_name, executable, pid, json)
  VALUES (?15, ?1, ?3, ?5, ?11, ?12, ?14)`;

/** Writes one row inside the caller's transaction. Throws what SQLite throws. */
export function apply(statements: Statements, write: Write): void {
  for (const statement of statements.byTable[write.table]) statement.run(...valuesFor(statement, write));
}

/** A statement that names fewer parameters than the row has values takes the leading ones. */
function valuesFor(statement: Statement, write: Write): Value[] {
  return write.values.slice(0, statement.paramsCount);
}

export function eventWrite(event: Event): Write {
  const json = encode(event);
  return row("events", [
    event.id,
    integer(event.atMs),
    event.action,
    event.logsource.category,
    pidOf(event),
    executableOf(event),
    json,
  ]);
}

export function findingWrite(finding: Finding, alertId: string): Write {
  const json = encode(finding);
  return row("findings", [
    alertId,
    finding.foldKey,
    integer(finding.atMs),
    finding.rule.id,
    finding.rule.name,
    integer(finding.rule.version),
    finding.level,
    severityOf(finding.level),
    integer(finding.score),
    finding.response,
    executableOf(finding.event),
    pidOf(finding.event),
    finding.title,
    json,
    finding.id,
  ]);
}

/** Only what touches a process or socket stays unsettled until its outcome is there. */
export function needsSettling(decision: Decision): boolean {
  return decision.do === "kill" || decision.do === "disconnect";
}

export function decisionWrite(decision: Decision): Write {
  return row("decisions", [
    decision.id,
    decision.findingId ?? null,
    integer(decision.atMs),
    decision.do,
    decision.rule.name,
    decision.by,
    needsSettling(decision) ? 0 : 1,
    encode(decision),
  ]);
}

export function outcomeWrite(outcome: Outcome): Write {
  return row("outcomes", [
    outcome.decisionId,
    integer(outcome.atMs),
    outcome.result,
    outcome.verified ? 1 : 0,
    encode(outcome),
  ]);
}

export function auditWrite(entry: AuditEntry, nowMs: number): Write {
  return row("audit", [
    integer(nowMs),
    entry.who.slice(0, 256),
    integer(entry.uid),
    entry.action.slice(0, 64),
    entry.detail.slice(0, 4_096),
  ]);
}

function row(table: Write["table"], values: readonly Value[]): Write {
  let sizeCharacters = 64;
  for (const value of values) if (typeof value === "string") sizeCharacters += value.length;
  return { table, values, sizeCharacters };
}

function executableOf(event: Event): string | null {
  const path = event.fields["process.executable"];
  return typeof path === "string" ? path : null;
}

function pidOf(event: Event): number | null {
  const pid = event.process?.pid ?? event.fields["process.pid"];
  return typeof pid === "number" ? integer(pid) : null;
}

function integer(value: number): number {
  return Number.isFinite(value) ? Math.trunc(value) : 0;
}
