/** Alerts as rows: which are asked for, and a row as a typed value. A row of foreign words is left out and counted. */
import type { Database } from "bun:sqlite";
import { ALERT_STATUSES, type AlertStatus } from "../core/control.ts";
import type { Decision, Level, Outcome, ResponseKind, RuleRef, Severity } from "../core/nouns.ts";

/** All given filters must hold. */
export interface AlertFilter {
  readonly status?: AlertStatus;
  readonly level?: Level;
  readonly severity?: Severity;
  /** Without INFO. */
  readonly loud?: true;
  /** Name or id of the rule. */
  readonly rule?: string;
  /** Last seen at or after. */
  readonly sinceMs?: number;
  /** Last seen at or before. */
  readonly untilMs?: number;
  /** An absolute path is compared whole; anything else is looked for within the path. */
  readonly executable?: string;
  /** Default 100, at most 10,000. */
  readonly limit?: number;
  /** Only alerts that were recorded after this one, oldest first: for following. Full id. */
  readonly afterId?: string;
}

export interface Alert {
  readonly id: string;
  readonly status: AlertStatus;
  readonly statusBy?: string;
  readonly statusAtMs?: number;
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  readonly rule: RuleRef;
  readonly level: Level;
  readonly severity: Severity;
  readonly score: number;
  readonly response: ResponseKind;
  readonly executable?: string;
  readonly pid?: number;
  readonly title: string;
  /** What was done for the alert at its hardest: kill before disconnect before rehearse, refuse, record. */
  readonly action?: Decision["do"];
}

const LIMIT_DEFAULT = 100;
export const LIMIT_MAX = 10_000;
export function bounded(limit: number | undefined): number {
  if (limit === undefined || Number.isNaN(limit)) return LIMIT_DEFAULT;
  return Math.max(0, Math.min(LIMIT_MAX, Math.trunc(limit)));
}

/** From hardest to mildest; the position is what the query answers. */
export const ACTIONS: readonly Decision["do"][] = ["kill", "disconnect", "rehearse", "refuse", "record"];

export const ALERT_COLUMNS = `id, status, status_by, status_at_ms, count, first_at_ms, last_at_ms, rule_id, rule_name, rule_version,
  level, severity, score, response, executable, pid, title,
  (SELECT min(CASE do WHEN 'kill' THEN 0 WHEN 'disconnect' THEN 1 WHEN 'rehearse' THEN 2 WHEN 'refuse' THEN 3 ELSE 4 END)
     FROM decisions WHERE alert_id = findings.id)`;

export function listAlerts(db: Database, filter: AlertFilter, onUnreadable: () => void): readonly Alert[] {
  const conditions: string[] = ["1"];
  const parameters: (string | number)[] = [];
  function add(sql: string, value: string | number | undefined): void {
    if (value === undefined) return;
    parameters.push(value);
    conditions.push(sql.replaceAll("?", `?${parameters.length}`));
  }
  add("status = ?", filter.status);
  add("level = ?", filter.level);
  add("severity = ?", filter.severity);
  add("severity <> ?", filter.loud === true ? "INFO" : undefined);
  add("(rule_name = ? OR rule_id = ?)", filter.rule);
  add("last_at_ms >= ?", filter.sinceMs);
  add("last_at_ms <= ?", filter.untilMs);
  const path = filter.executable;
  add(path?.startsWith("/") === true ? "executable = ?" : "instr(executable, ?) > 0", path);
  add("seq > coalesce((SELECT seq FROM findings WHERE id = ?), 0)", filter.afterId);
  const order = filter.afterId === undefined ? "last_at_ms DESC, seq DESC" : "seq ASC";
  const sql = `SELECT ${ALERT_COLUMNS} FROM findings WHERE ${conditions.join(" AND ")} ORDER BY ${order} LIMIT ${bounded(filter.limit)}`;
  return present(db.prepare(sql), parameters, onUnreadable);
}

function present(
  statement: ReturnType<Database["prepare"]>,
  parameters: (string | number)[],
  onUnreadable: () => void,
): readonly Alert[] {
  const alerts: Alert[] = [];
  try {
    for (const row of statement.values(...parameters)) {
      const alert = alertOf(row);
      if (alert === undefined) onUnreadable();
      else alerts.push(alert);
    }
  } finally {
    // Ad-hoc SQL: left open it would keep the journal of a closed reader.
    statement.finalize();
  }
  return alerts;
}

const LEVELS: readonly Level[] = ["informational", "low", "medium", "high", "critical"];
export const SEVERITIES: readonly Severity[] = ["ALERT", "WARNING", "INFO", "ERROR"];
const RESPONSES: readonly ResponseKind[] = ["off", "monitor", "alert", "disconnect", "kill"];
export const RESULTS: readonly Outcome["result"][] = ["done", "rehearsed", "failed", "partial"];

function oneOf<T extends string>(allowed: readonly T[], value: unknown): T | undefined {
  return allowed.find((item) => item === value);
}

export function alertOf(row: readonly unknown[]): Alert | undefined {
  const [
    id,
    status,
    by,
    statusAt,
    times,
    first,
    last,
    ruleId,
    ruleName,
    ruleVersion,
    level,
    severity,
    score,
    response,
    executable,
    pid,
    title,
    action,
  ] = row;
  const known = {
    status: oneOf(ALERT_STATUSES, status),
    level: oneOf(LEVELS, level),
    severity: oneOf(SEVERITIES, severity),
    response: oneOf(RESPONSES, response),
  };
  if (
    known.status === undefined ||
    known.level === undefined ||
    known.severity === undefined ||
    known.response === undefined
  )
    return undefined;
  const hardest = typeof action === "number" ? ACTIONS[action] : undefined;
  return {
    id: String(id),
    status: known.status,
    ...(typeof by === "string" ? { statusBy: by } : {}),
    ...(typeof statusAt === "number" ? { statusAtMs: statusAt } : {}),
    count: Number(times),
    firstAtMs: Number(first),
    lastAtMs: Number(last),
    rule: { id: String(ruleId), name: String(ruleName), version: Number(ruleVersion) },
    level: known.level,
    severity: known.severity,
    score: Number(score),
    response: known.response,
    ...(typeof executable === "string" ? { executable } : {}),
    ...(typeof pid === "number" ? { pid } : {}),
    title: String(title),
    ...(hardest === undefined ? {} : { action: hardest }),
  };
}
