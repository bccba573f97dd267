// Events -> matches. Pure: sees one event at a time and the rules of its logsource, nothing else. A miss allocates
// nothing but the lower-case form of the fields it looked at.
import type { Event, Finding, LogSource } from "../core/nouns.ts";
import { sees } from "./logsources.ts";
import { renderMessage } from "./message.ts";
import { type Rule, weigh } from "./rules.ts";
import { EventView } from "./sigma/view.ts";

export interface Match {
  readonly rule: Rule;
  /** One sentence: what happened, to what. Control characters escaped. */
  readonly title: string;
  /** Sentences of facts. */
  readonly reasons: readonly string[];
  /** 0-100. */
  readonly score: number;
  /** Equal for matches that are one alert. */
  readonly foldKey: string;
}

export interface Engine {
  /** In the order of rule names. */
  evaluate(event: Event): Match[];
  readonly rules: readonly Rule[];
}

export function createEngine(rules: readonly Rule[]): Engine {
  const view = new EventView();
  const bySource = new Map<string, readonly Rule[]>();
  const rulesFor = (logsource: LogSource): readonly Rule[] => {
    const key = `${logsource.category}/${logsource.service ?? ""}`;
    const known = bySource.get(key);
    if (known !== undefined) return known;
    const found = rules.filter((rule) => sees(rule.logsource, logsource));
    if (bySource.size < LOGSOURCES_MAX) bySource.set(key, found);
    return found;
  };
  return {
    rules,
    evaluate: (event) => {
      view.load(event.fields);
      let matches = NO_MATCHES;
      for (const rule of rulesFor(event.logsource)) {
        if (!rule.test(view)) continue;
        if (matches === NO_MATCHES) matches = [];
        matches.push(matchOf(rule, event, view));
      }
      return matches === NO_MATCHES ? [] : matches;
    },
  };
}

const NO_MATCHES: Match[] = [];
/** Categories are a closed list of ours; this only bounds a caller's mistake. */
const LOGSOURCES_MAX = 256;

function matchOf(rule: Rule, event: Event, view: EventView): Match {
  return { rule, title: renderMessage(rule, event.fields), foldKey: foldKeyOf(rule, event), ...weigh(rule, view) };
}

function foldKeyOf(rule: Rule, event: Event): string {
  return JSON.stringify([rule.ref.id, ...rule.foldBy.map((name) => event.fields[name] ?? null)]);
}

/** The record that decision and store see. `id` and `atMs` come from the caller, who has the clock. */
export function findingOf(match: Match, event: Event, id: string, atMs: number): Finding {
  const { rule, title, reasons, score, foldKey } = match;
  const { ref, level, tags, response, triage } = rule;
  return { id, atMs, rule: ref, level, score, title, reasons, tags, response, event, foldKey, triage };
}
