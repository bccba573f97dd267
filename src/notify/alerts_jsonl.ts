/**
 * logs/alerts.jsonl: one ECS document a line for collectors, UTC, nested objects. LOG_LEVELS does not apply.
 * ECS field reference: https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html
 */
import type { Clock } from "../core/clock.ts";
import { readableReason } from "../core/field_words.ts";
import type { Notice, NoticeSubject } from "../core/notice.ts";
import type { FieldValue } from "../core/nouns.ts";
import { ok } from "../core/result.ts";
import { techniqueIds } from "./journald.ts";
import type { Output } from "./output.ts";
import { type LogBounds, rotatingFile } from "./rotating_file.ts";

export const ECS_VERSION = "8.17.0";
/** Of our own fields below `algo_monitor`. */
export const DOCUMENT_VERSION = 1;
const STRING_CHARACTERS_MAX = 8_192;
const LIST_ITEMS_MAX = 256;

export interface AlertsJsonlOptions {
  /** e.g. `/opt/.monitor/logs`. */
  readonly directory: string;
  readonly clock: Clock;
  readonly hostName: string;
  /** Of this program, for observer.version. */
  readonly version: string;
  /** Asked at each use, so that a reload of the configuration takes effect. */
  readonly bounds?: () => LogBounds;
}

export function alertsJsonl(options: AlertsJsonlOptions): Output {
  const file = rotatingFile({ ...options, name: "alerts.jsonl" });
  return {
    name: "alerts-jsonl",
    filtered: false,
    accepts: (notice) => notice.about !== undefined,
    send: (notice) => {
      if (notice.about === undefined) return ok(undefined);
      return file.append(`${JSON.stringify(ecsDocument(notice, notice.about, options))}\n`);
    },
    maintain: () => file.maintain(),
    close: () => file.close(),
  };
}

export interface EcsObject {
  [key: string]: EcsValue;
}
export type EcsValue = FieldValue | EcsObject | readonly EcsObject[];

export function ecsDocument(
  notice: Notice,
  about: NoticeSubject,
  host: { readonly hostName: string; readonly version: string },
): EcsObject {
  const { finding, decision, outcome } = about;
  const document: EcsObject = {};
  put(document, "@timestamp", isoTime(notice.atMs));
  put(document, "ecs.version", ECS_VERSION);
  put(document, "message", notice.message);
  put(document, "host.name", host.hostName);
  put(document, "host.os.type", "linux");
  put(document, "observer.product", "algo-monitor");
  put(document, "observer.type", "hips");
  put(document, "observer.version", host.version);
  put(document, "event.id", finding.id);
  put(document, "event.kind", "alert");
  put(document, "event.category", categoriesOf(about));
  put(document, "event.type", typesOf(about));
  put(document, "event.action", finding.event.action);
  put(document, "event.outcome", outcomeOf(about));
  put(document, "event.created", isoTime(finding.atMs));
  put(document, "event.severity", finding.score);
  put(document, "event.risk_score", finding.score);
  put(document, "event.reason", finding.reasons.map(readableReason).join("; "));
  put(document, "event.dataset", "algo_monitor.alert");
  put(document, "event.module", "algo_monitor");
  put(document, "rule.id", finding.rule.id);
  put(document, "rule.name", finding.rule.name);
  put(document, "rule.version", String(finding.rule.version));
  put(document, "rule.description", finding.title);
  putThreat(document, finding.tags);
  for (const [name, value] of Object.entries(finding.event.fields))
    put(document, fieldName(name), fieldValue(name, value));
  put(document, "algo_monitor.document_version", DOCUMENT_VERSION);
  put(document, "algo_monitor.alert_id", about.alertId);
  put(document, "algo_monitor.count", about.count);
  put(document, "algo_monitor.severity", notice.severity);
  put(document, "algo_monitor.level", finding.level);
  put(document, "algo_monitor.notice", notice.kind);
  put(document, "algo_monitor.response", finding.response);
  if (decision !== undefined) {
    put(document, "algo_monitor.decision.id", decision.id);
    put(document, "algo_monitor.decision.do", decision.do);
    put(document, "algo_monitor.decision.by", decision.by);
    put(document, "algo_monitor.decision.reasons", decision.reasons);
  }
  if (outcome !== undefined) {
    put(document, "algo_monitor.outcome.result", outcome.result);
    put(document, "algo_monitor.outcome.verified", outcome.verified);
    put(
      document,
      "algo_monitor.outcome.killed_pids",
      outcome.killed.map((process) => process.pid),
    );
    put(
      document,
      "algo_monitor.outcome.survived_pids",
      outcome.survived.map((process) => process.pid),
    );
    put(document, "algo_monitor.outcome.sockets_destroyed", outcome.socketsDestroyed);
    put(document, "algo_monitor.outcome.took_ms", outcome.tookMs);
  }
  return document;
}

function categoriesOf(about: NoticeSubject): readonly string[] {
  const fields = about.finding.event.fields;
  const network = fields["destination.ip"] !== undefined || fields["source.ip"] !== undefined;
  // "intrusion_detection" is what an alert of a HIPS is; the rest says what it was about.
  return [
    "intrusion_detection",
    ...(about.finding.event.process === undefined ? [] : ["process"]),
    ...(network ? ["network"] : []),
  ];
}

function typesOf(about: NoticeSubject): readonly string[] {
  const stopped =
    about.outcome?.result === "done" && (about.decision?.do === "kill" || about.decision?.do === "disconnect");
  return stopped ? ["info", "denied"] : ["info"];
}

/** Of our action: ECS knows success, failure, unknown. */
function outcomeOf(about: NoticeSubject): string {
  switch (about.outcome?.result) {
    case "done":
      return "success";
    case "failed":
    case "partial":
      return "failure";
    case "rehearsed":
    case undefined:
      return "unknown";
  }
}

const TACTICS: Readonly<Record<string, string>> = {
  reconnaissance: "TA0043",
  "resource-development": "TA0042",
  "initial-access": "TA0001",
  execution: "TA0002",
  persistence: "TA0003",
  "privilege-escalation": "TA0004",
  "defense-evasion": "TA0005",
  "credential-access": "TA0006",
  discovery: "TA0007",
  "lateral-movement": "TA0008",
  collection: "TA0009",
  "command-and-control": "TA0011",
  exfiltration: "TA0010",
  impact: "TA0040",
};

function putThreat(document: EcsObject, tags: readonly string[]): void {
  const techniques = techniqueIds(tags);
  const tactics = tags
    .filter((tag) => /^attack\.[a-z_-]+$/i.test(tag))
    .map((tag) => tag.slice("attack.".length).toLowerCase().replaceAll("_", "-"));
  if (techniques.length === 0 && tactics.length === 0) return;
  put(document, "threat.framework", "MITRE ATT&CK");
  const parents = [...new Set(techniques.map((id) => id.slice(0, 5)))];
  const children = techniques.filter((id) => id.includes("."));
  if (parents.length > 0) put(document, "threat.technique.id", parents);
  if (children.length > 0) put(document, "threat.technique.subtechnique.id", children);
  if (tactics.length > 0) put(document, "threat.tactic.name", tactics);
  const ids = tactics.flatMap((tactic) => TACTICS[tactic] ?? []);
  if (ids.length > 0) put(document, "threat.tactic.id", ids);
}

/** ECS has these names; ours below them are no ECS fields and go to our own namespace. */
export const ECS_NAMES: ReadonlySet<string> = new Set([
  "process.pid",
  "process.name",
  "process.executable",
  "process.command_line",
  "process.args",
  "process.working_directory",
  "process.start",
  "process.user.id",
  "process.real_user.id",
  "process.parent.pid",
  "process.parent.name",
  "process.parent.executable",
  "process.parent.command_line",
  "user.name",
  "user.id",
  "network.transport",
  "network.direction",
  "source.ip",
  "source.port",
  "destination.ip",
  "destination.port",
  "destination.domain",
]);

function fieldName(name: string): string {
  return ECS_NAMES.has(name) ? name : `algo_monitor.${name}`;
}

/** ECS wants ids as keywords and times as dates. */
function fieldValue(name: string, value: FieldValue): FieldValue {
  if (typeof value === "number" && name.endsWith("user.id")) return String(value);
  if (typeof value === "number" && name === "process.start") return isoTime(value);
  return value;
}

/** Sets a dotted name as nested objects. A name that passes through a value already there is kept whole beside it. */
export function put(document: EcsObject, dotted: string, value: FieldValue): void {
  const parts = dotted.split(".");
  const last = parts.pop() ?? dotted;
  let place: EcsObject = document;
  for (const part of parts) {
    const next = Object.hasOwn(place, part) ? place[part] : undefined;
    if (next === undefined) {
      const made: EcsObject = {};
      define(place, part, made);
      place = made;
    } else if (isNested(next)) {
      place = next;
    } else {
      define(document, dotted, bounded(value));
      return;
    }
  }
  define(place, Object.hasOwn(place, last) && isNested(place[last]) ? `${last}_value` : last, bounded(value));
}

/** Never through a setter: a field called `__proto__` is data. */
function define(place: EcsObject, key: string, value: EcsValue): void {
  Object.defineProperty(place, key, { value, enumerable: true, configurable: true, writable: true });
}

function isNested(value: EcsValue | undefined): value is EcsObject {
  return typeof value === "object" && !Array.isArray(value);
}

function bounded(value: FieldValue): FieldValue {
  if (typeof value === "string")
    return value.length > STRING_CHARACTERS_MAX ? value.slice(0, STRING_CHARACTERS_MAX) : value;
  if (typeof value === "number" || typeof value === "boolean") return value;
  return typeof value[0] === "string"
    ? value.slice(0, LIST_ITEMS_MAX).map((item) => String(item).slice(0, STRING_CHARACTERS_MAX))
    : value.slice(0, LIST_ITEMS_MAX);
}

function isoTime(atMs: number): string {
  const date = new Date(atMs);
  return Number.isFinite(date.getTime()) ? date.toISOString() : new Date(0).toISOString();
}
