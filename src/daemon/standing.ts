/**
 * A state that lasts (a terminal relay, a rehearsed kill in monitor mode) is seen by every sweep. It is news when it
 * appears, when the decision about it changes, when something is to be done, and every ten minutes.
 */
import type { Event } from "../core/nouns.ts";
import { processKey } from "../core/process.ts";
import type { Judged } from "./judge.ts";

const REPEAT_AFTER_MS = 600_000;
const REMEMBERED_MAX = 50_000;
/** The first sweep tells of everything there is. */
const COMMON_BURST = 5_000;
const COMMON_PER_SECOND = 30;
const COMMON: ReadonlySet<string> = new Set([
  "process_creation",
  "process_termination",
  "network_connection",
  "network_listener",
  "network_end",
  "dns_query",
]);

export interface Standing {
  isNews(judged: Judged, nowMs: number): boolean;
  /**
   * Events of a lasting state are stored once per ten minutes. Of what a host does all the time (programs, connections,
   * names) a crowd fills no disk: what a finding is about is kept with the finding, the rest by rate.
   */
  freshEvents(events: readonly Event[], nowMs: number): readonly Event[];
}

interface Told {
  readonly atMs: number;
  readonly does: string;
}

export function createStanding(): Standing {
  const findings = new Map<string, Told>();
  const events = new Map<string, Told>();
  let common = COMMON_BURST;
  let commonAtMs = 0;
  return { isNews, freshEvents };

  function isNews({ finding, decision }: Judged, nowMs: number): boolean {
    const lasting = decision.do !== "kill" && decision.do !== "disconnect";
    const key = `${finding.rule.id} ${identityOf(finding.event)}`;
    return remember(findings, key, decision.do, nowMs) || !lasting;
  }

  function freshEvents(all: readonly Event[], nowMs: number): readonly Event[] {
    return all.filter((event) => {
      if (event.logsource.service !== undefined) return remember(events, identityOf(event), event.action, nowMs);
      return !COMMON.has(event.logsource.category) || mayKeep(nowMs);
    });
  }

  function mayKeep(nowMs: number): boolean {
    const seconds = Math.max(0, nowMs - commonAtMs) / 1_000;
    common = Math.min(COMMON_BURST, common + seconds * COMMON_PER_SECOND);
    commonAtMs = nowMs;
    if (common < 1) return false;
    common--;
    return true;
  }

  function remember(memory: Map<string, Told>, key: string, does: string, nowMs: number): boolean {
    const told = memory.get(key);
    const age = told === undefined ? Number.POSITIVE_INFINITY : nowMs - told.atMs;
    // A clock set back makes a negative age: news again, rather than silence.
    if (told?.does === does && age >= 0 && age < REPEAT_AFTER_MS) return false;
    memory.delete(key);
    if (memory.size >= REMEMBERED_MAX) memory.delete(memory.keys().next().value ?? "");
    memory.set(key, { atMs: nowMs, does });
    return true;
  }
}

function identityOf(event: Event): string {
  const sockets = event.subject?.sockets.map((socket) => socket.inode).join(",") ?? "";
  return `${event.logsource.category} ${event.action} ${event.process === undefined ? event.id : processKey(event.process)} ${sockets}`;
}
