/**
 * Nouns to JSON text and back: the one edge at which rows become typed values again.
 * Trusts nothing it reads: a row of the wrong shape is `undefined`, never half a noun. Bounds what it writes.
 */
import type { Decision, Event, Finding, Outcome } from "../core/nouns.ts";

/** Longer nouns are written again with each of their strings cut; a megabyte of argv is not evidence. */
const NOUN_CHARACTERS_MAX = 131_072;
const CUT_STRING_CHARACTERS_MAX = 2_000;
const CUT_LIST_ITEMS_MAX = 200;

/** Socket cookies are 64 bit numbers, which JSON does not have: they are written as decimal strings. */
export function encode(noun: Event | Finding | Decision | Outcome): string {
  const text = JSON.stringify(noun, plain);
  return text.length <= NOUN_CHARACTERS_MAX ? text : JSON.stringify(noun, shortened);
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

function shortened(_key: string, value: unknown): unknown {
  if (typeof value === "string" && value.length > CUT_STRING_CHARACTERS_MAX) {
    return `${value.slice(0, CUT_STRING_CHARACTERS_MAX)}... (${value.length - CUT_STRING_CHARACTERS_MAX} more characters not kept)`;
  }
  // Lists of process references are never cut: recovery needs all of them.
  if (Array.isArray(value) && value.length > CUT_LIST_ITEMS_MAX && typeof value[0] !== "object") {
    return value.slice(0, CUT_LIST_ITEMS_MAX);
  }
  return plain(_key, value);
}

export function decodeFinding(text: string): Finding | undefined {
  const value = parse(text);
  return isFinding(value) ? value : undefined;
}

export function decodeDecision(text: string): Decision | undefined {
  const value = parse(text);
  return isDecision(value) ? value : undefined;
}

export function decodeOutcome(text: string): Outcome | undefined {
  const value = parse(text);
  return isOutcome(value) ? value : undefined;
}

export function decodeEvent(text: string): Event | undefined {
  const value = parse(text);
  return isEvent(value) ? value : undefined;
}

/** JSON with `cookie` back as bigint; undefined where it does not parse. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text, (key, value) =>
      key === "cookie" && typeof value === "string" && /^\d{1,20}$/.test(value) ? BigInt(value) : value,
    );
  } catch {
    return undefined;
  }
}

type Shape = Record<string, unknown>;

export function isObject(value: unknown): value is Shape {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function isListOf(value: unknown, guard: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(guard);
}

function isProcessRef(value: unknown): boolean {
  return isObject(value) && Number.isInteger(value["pid"]) && Number.isInteger(value["startedAtTicks"]);
}

function isSocketRef(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value["inode"] === "number" &&
    typeof value["cookie"] === "bigint" &&
    typeof value["networkNamespace"] === "number" &&
    typeof value["protocol"] === "string" &&
    typeof value["localAddress"] === "string" &&
    typeof value["localPort"] === "number" &&
    typeof value["remoteAddress"] === "string" &&
    typeof value["remotePort"] === "number"
  );
}

function isRule(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value["id"] === "string" &&
    typeof value["name"] === "string" &&
    typeof value["version"] === "number"
  );
}

function isSubject(value: unknown): boolean {
  return (
    isObject(value) &&
    isListOf(value["actors"], isProcessRef) &&
    isListOf(value["relays"], isProcessRef) &&
    isListOf(value["sockets"], isSocketRef)
  );
}

function isEvent(value: unknown): value is Event {
  return (
    isObject(value) &&
    typeof value["id"] === "string" &&
    typeof value["atMs"] === "number" &&
    typeof value["action"] === "string" &&
    isObject(value["logsource"]) &&
    typeof value["logsource"]["category"] === "string" &&
    isObject(value["fields"]) &&
    (value["process"] === undefined || isProcessRef(value["process"])) &&
    (value["subject"] === undefined || isSubject(value["subject"]))
  );
}

const LEVELS: ReadonlySet<unknown> = new Set(["informational", "low", "medium", "high", "critical"]);
const RESPONSES: ReadonlySet<unknown> = new Set(["off", "monitor", "alert", "disconnect", "kill"]);

function isFinding(value: unknown): value is Finding {
  return (
    isObject(value) &&
    typeof value["id"] === "string" &&
    typeof value["atMs"] === "number" &&
    isRule(value["rule"]) &&
    LEVELS.has(value["level"]) &&
    typeof value["score"] === "number" &&
    typeof value["title"] === "string" &&
    isStrings(value["reasons"]) &&
    isStrings(value["tags"]) &&
    RESPONSES.has(value["response"]) &&
    isEvent(value["event"]) &&
    typeof value["foldKey"] === "string" &&
    typeof value["triage"] === "string"
  );
}

function isPlan(value: unknown): boolean {
  return (
    isObject(value) &&
    isListOf(value["kill"], isProcessRef) &&
    isListOf(value["sockets"], isSocketRef) &&
    isListOf(
      value["spared"],
      (item) => isObject(item) && isProcessRef(item["process"]) && typeof item["reason"] === "string",
    )
  );
}

export function isDecision(value: unknown): value is Decision {
  if (!isObject(value)) return false;
  const base =
    typeof value["id"] === "string" &&
    typeof value["atMs"] === "number" &&
    (value["findingId"] === undefined || typeof value["findingId"] === "string") &&
    isRule(value["rule"]) &&
    typeof value["by"] === "string" &&
    isStrings(value["reasons"]);
  if (!base) return false;
  switch (value["do"]) {
    case "record":
    case "refuse":
      return true;
    case "rehearse":
      return (value["would"] === "kill" || value["would"] === "disconnect") && isPlan(value["plan"]);
    case "disconnect":
    case "kill":
      return isPlan(value["plan"]);
    default:
      return false;
  }
}

function isEvidence(value: unknown): boolean {
  return (
    isObject(value) &&
    isProcessRef(value["process"]) &&
    typeof value["executable"] === "string" &&
    typeof value["commandLine"] === "string" &&
    typeof value["workingDirectory"] === "string" &&
    typeof value["userId"] === "number" &&
    typeof value["parentPid"] === "number" &&
    isStrings(value["descriptors"])
  );
}

const RESULTS: ReadonlySet<unknown> = new Set(["done", "rehearsed", "failed", "partial"]);

export function isOutcome(value: unknown): value is Outcome {
  return (
    isObject(value) &&
    typeof value["decisionId"] === "string" &&
    typeof value["atMs"] === "number" &&
    RESULTS.has(value["result"]) &&
    typeof value["verified"] === "boolean" &&
    isListOf(value["killed"], isProcessRef) &&
    isListOf(value["survived"], isProcessRef) &&
    typeof value["socketsDestroyed"] === "number" &&
    typeof value["detail"] === "string" &&
    typeof value["tookMs"] === "number" &&
    isListOf(value["evidence"], isEvidence)
  );
}
