/**
 * What leaves the host: one notice as one JSON document with ECS names, at most 32 KB. The same for webhook and command.
 * An alert is the document of logs/alerts.jsonl with an id, so receivers need one parser. Pure.
 */
import type { Notice, NoticeKind } from "../core/notice.ts";
import type { Severity } from "../core/nouns.ts";
import { printable } from "../core/printable.ts";
import { ECS_VERSION, type EcsObject, ecsDocument, put } from "./alerts_jsonl.ts";

/** Of `algo_monitor.envelope`; grows when a field changes its meaning or goes away. */
export const ENVELOPE_VERSION = 1;
export const ENVELOPE_BYTES_MAX = 32_768;
const MESSAGE_CHARACTERS_MAX = 4_096;
/** A document that is too long is written again with shorter texts and lists. */
const CUTS: readonly { readonly characters: number; readonly items: number }[] = [
  { characters: 8_192, items: 256 },
  { characters: 1_024, items: 32 },
  { characters: 128, items: 8 },
];

export interface EnvelopeHost {
  readonly hostName: string;
  /** Of this program. */
  readonly version: string;
}

/** JSON on one line. `id` stays the same when it is sent again. */
export function envelopeOf(notice: Notice, id: string, host: EnvelopeHost): string {
  const document = notice.about === undefined ? bareDocument(notice, host) : ecsDocument(notice, notice.about, host);
  put(document, "message", printable(notice.message, MESSAGE_CHARACTERS_MAX));
  put(document, "algo_monitor.envelope", ENVELOPE_VERSION);
  put(document, "algo_monitor.message_id", id);
  if (notice.about !== undefined) put(document, "algo_monitor.what_to_do", notice.about.finding.triage);
  for (const [name, value] of Object.entries(notice.fields)) put(document, `algo_monitor.notice_fields.${name}`, value);
  return bounded(document) ?? bounded(stub(notice, id, host)) ?? "{}";
}

/** Start and stop, faults of our own, summaries: no alert, so without one's fields. */
function bareDocument(notice: Notice, host: EnvelopeHost): EcsObject {
  const document: EcsObject = {};
  put(document, "@timestamp", new Date(notice.atMs).toISOString());
  put(document, "ecs.version", ECS_VERSION);
  put(document, "host.name", host.hostName);
  put(document, "host.os.type", "linux");
  put(document, "observer.product", "algo-monitor");
  put(document, "observer.type", "hips");
  put(document, "observer.version", host.version);
  put(document, "event.kind", "event");
  put(document, "event.category", [notice.kind === "config" ? "configuration" : "host"]);
  put(document, "event.type", [eventType(notice.kind, notice.severity)]);
  put(document, "event.dataset", "algo_monitor.notice");
  put(document, "event.module", "algo_monitor");
  put(document, "algo_monitor.severity", notice.severity);
  put(document, "algo_monitor.notice", notice.kind);
  return document;
}

/** For a finding with thousands of fields, which no detector of ours makes. */
function stub(notice: Notice, id: string, host: EnvelopeHost): EcsObject {
  const document = bareDocument(notice, host);
  put(document, "message", printable(notice.message, MESSAGE_CHARACTERS_MAX));
  put(document, "algo_monitor.envelope", ENVELOPE_VERSION);
  put(document, "algo_monitor.message_id", id);
  if (notice.about === undefined) return document;
  put(document, "rule.id", notice.about.finding.rule.id);
  put(document, "rule.name", notice.about.finding.rule.name);
  put(document, "algo_monitor.alert_id", notice.about.alertId);
  return document;
}

function eventType(kind: NoticeKind, severity: Severity): string {
  if (kind === "start") return "start";
  if (kind === "stop") return "end";
  if (kind === "config") return "change";
  return severity === "ERROR" ? "error" : "info";
}

function bounded(document: EcsObject): string | undefined {
  for (const { characters, items } of CUTS) {
    const text = JSON.stringify(document, (_key, value: unknown) => {
      if (typeof value === "string" && value.length > characters) return value.slice(0, characters).toWellFormed();
      return Array.isArray(value) && value.length > items ? value.slice(0, items) : value;
    });
    if (Buffer.byteLength(text) <= ENVELOPE_BYTES_MAX) return text;
  }
  return undefined;
}
