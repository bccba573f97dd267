/**
 * What the outputs that leave the host share: a minimum level, a cooldown for each alert group, a bound an hour.
 * Nothing is lost silently: what was held back is summed up in one notice. Costs one pass over 500 groups a second.
 */
import type { Clock } from "../core/clock.ts";
import type { Notice } from "../core/notice.ts";
import type { Severity } from "../core/nouns.ts";
import { type LocalTime, localTime } from "./local_time.ts";

export type MinimumLevel = "ALERT" | "WARNING" | "INFO";

export interface RouteSettings {
  readonly minimumLevel: MinimumLevel;
  /** One alert group is told again at the earliest after this. 0: each time. */
  readonly cooldownMs: number;
  readonly perHour: number;
}

export interface RouteOptions {
  readonly clock: Clock;
  /** Asked at each use, so that a reload takes effect; undefined: this output is off. */
  readonly settings: () => RouteSettings | undefined;
  readonly deliver: (notice: Notice) => void;
  readonly time?: LocalTime;
}

export interface Route {
  /** On, and at or above the minimum level. */
  accepts(notice: Notice): boolean;
  /** Delivers it now, or keeps its count for a summary. */
  offer(notice: Notice): void;
  /** Delivers due summaries; about once a second. */
  tick(): void;
  /** Delivers every count that is held, whatever the bounds: for the end. */
  flush(): void;
  /** Notices that were not delivered one by one, since start. */
  readonly heldBack: number;
}

const GROUPS_MAX = 500;
const HOUR_MS = 3_600_000;
const SUMMARY_EVERY_MS = 60_000;
const RULES_NAMED_MAX = 5;
const RULES_COUNTED_MAX = 50;
/** An attacker who makes warnings must not use up the hour before the kill is told. */
const SHARE_OF_WARNINGS = 0.8;
const SHARE_OF_ALERTS = 0.9;
const RANKS: Readonly<Record<Severity, number>> = { INFO: 0, WARNING: 1, ERROR: 2, ALERT: 3 };

/** What goes first when there is no room: 0 INFO, 1 WARNING, 2 ERROR, 3 ALERT, 4 a kill. */
export function rankOf(notice: Notice): number {
  return notice.kind === "kill" ? 4 : RANKS[notice.severity];
}

/** An ERROR is a fault of ours: those who want warnings want it, those who want only alerts do not. */
export function reaches(notice: Notice, minimum: MinimumLevel): boolean {
  if (notice.kind === "kill") return true;
  return RANKS[notice.severity] >= RANKS[minimum];
}

interface Group {
  sentAtMonotonicMs: number;
  sinceMs: number;
  held: number;
  last: Notice;
}

interface Overflow {
  sinceMs: number;
  total: number;
  kills: number;
  /** Rank of the gravest. */
  rank: number;
  readonly bySeverity: Record<Severity, number>;
  readonly byRule: Map<string, number>;
}

interface State {
  readonly options: RouteOptions;
  readonly time: LocalTime;
  /** In the order they were last sent. */
  readonly groups: Map<string, Group>;
  /** Monotonic times of what was delivered in the last hour. */
  delivered: number[];
  overflow: Overflow | undefined;
  summaryAtMonotonicMs: number;
  heldBack: number;
}

export function createRoute(options: RouteOptions): Route {
  const state: State = {
    options,
    time: options.time ?? localTime(options.clock),
    groups: new Map(),
    delivered: [],
    overflow: undefined,
    summaryAtMonotonicMs: Number.NEGATIVE_INFINITY,
    heldBack: 0,
  };
  return {
    accepts: (notice) => {
      const settings = options.settings();
      return settings !== undefined && reaches(notice, settings.minimumLevel);
    },
    offer: (notice) => offer(state, notice),
    tick: () => tick(state),
    flush: () => flush(state),
    get heldBack() {
      return state.heldBack;
    },
  };
}

function offer(state: State, notice: Notice): void {
  const settings = state.options.settings();
  if (settings === undefined) return;
  const key = groupOf(notice);
  if (key === undefined || settings.cooldownMs === 0) {
    deliverWithinHour(state, notice, settings);
    return;
  }
  const known = state.groups.get(key);
  if (known !== undefined && state.options.clock.monotonicMs() - known.sentAtMonotonicMs < settings.cooldownMs) {
    known.held += timesOf(notice);
    known.last = notice;
    state.heldBack++;
    return;
  }
  const held = known?.held ?? 0;
  const told = known === undefined || held === 0 ? notice : summaryOfGroup(state, known, notice, held);
  remember(state, key, notice, settings);
  deliverWithinHour(state, told, settings);
}

/**
 * What counts as the same news: what happened, how it ended and to which group. A kill that failed is no repeat of one
 * that was done, and a kill none of the alert before it.
 */
function groupOf(notice: Notice): string | undefined {
  const group = notice.about?.finding.foldKey ?? notice.foldKey;
  if (group === undefined) return undefined;
  return `${notice.kind}|${notice.severity}|${notice.about?.outcome?.result ?? ""}|${group}`;
}

/** The notifier folds too: one notice may stand for many. */
function timesOf(notice: Notice): number {
  const repeats = Number(notice.fields["repeats"] ?? 1);
  return Number.isSafeInteger(repeats) && repeats > 0 ? repeats : 1;
}

function remember(state: State, key: string, notice: Notice, settings: RouteSettings): void {
  state.groups.delete(key);
  if (state.groups.size >= GROUPS_MAX) evictOldest(state, settings);
  const sentAtMonotonicMs = state.options.clock.monotonicMs();
  state.groups.set(key, { sentAtMonotonicMs, sinceMs: state.options.clock.nowMs(), held: 0, last: notice });
}

function evictOldest(state: State, settings: RouteSettings): void {
  for (const [key, group] of state.groups) {
    state.groups.delete(key);
    if (group.held > 0)
      deliverWithinHour(state, summaryOfGroup(state, group, group.last, group.held - timesOf(group.last)), settings);
    return;
  }
}

/** `latest` with the count of those `before` it that were held back. */
function summaryOfGroup(state: State, group: Group, latest: Notice, before: number): Notice {
  if (before <= 0) return latest;
  const total = before + timesOf(latest);
  const message = `${total} times since ${state.time.minute(group.sinceMs)}, the latest: ${latest.message}`;
  return { ...latest, message, fields: { ...latest.fields, repeats: String(total) } };
}

function tick(state: State): void {
  const settings = state.options.settings();
  if (settings === undefined) {
    state.groups.clear();
    state.overflow = undefined;
    return;
  }
  const nowMs = state.options.clock.monotonicMs();
  const due: [string, Group][] = [];
  for (const [key, group] of state.groups)
    if (nowMs - group.sentAtMonotonicMs >= settings.cooldownMs) due.push([key, group]);
  for (const [key, group] of due) {
    state.groups.delete(key);
    // Silent for a whole cooldown: the next one is news again.
    if (group.held === 0) continue;
    const told = summaryOfGroup(state, group, group.last, group.held - timesOf(group.last));
    remember(state, key, group.last, settings);
    deliverWithinHour(state, told, settings);
  }
  tellOverflow(state, settings);
}

function deliverWithinHour(state: State, notice: Notice, settings: RouteSettings): void {
  tellOverflow(state, settings);
  if (hasRoom(state, rankOf(notice), settings)) deliver(state, notice);
  else overflow(state, notice);
}

function hasRoom(state: State, rank: number, settings: RouteSettings): boolean {
  const hourAgoMs = state.options.clock.monotonicMs() - HOUR_MS;
  if ((state.delivered[0] ?? Number.POSITIVE_INFINITY) <= hourAgoMs)
    state.delivered = state.delivered.filter((atMs) => atMs > hourAgoMs);
  return state.delivered.length < roomFor(rank, settings.perHour);
}

function roomFor(rank: number, perHour: number): number {
  if (rank >= 4) return perHour;
  return Math.ceil(perHour * (rank === RANKS.ALERT ? SHARE_OF_ALERTS : SHARE_OF_WARNINGS));
}

function deliver(state: State, notice: Notice): void {
  state.delivered.push(state.options.clock.monotonicMs());
  state.options.deliver(notice);
}

function overflow(state: State, notice: Notice): void {
  state.overflow ??= {
    sinceMs: state.options.clock.nowMs(),
    total: 0,
    kills: 0,
    rank: 0,
    bySeverity: { ALERT: 0, WARNING: 0, ERROR: 0, INFO: 0 },
    byRule: new Map(),
  };
  const held = state.overflow;
  const times = timesOf(notice);
  state.heldBack++;
  held.total += times;
  held.bySeverity[notice.severity] += times;
  if (notice.kind === "kill") held.kills += times;
  held.rank = Math.max(held.rank, rankOf(notice));
  const rule = notice.about?.finding.rule.name;
  if (rule !== undefined && (held.byRule.has(rule) || held.byRule.size < RULES_COUNTED_MAX))
    held.byRule.set(rule, (held.byRule.get(rule) ?? 0) + times);
}

function tellOverflow(state: State, settings: RouteSettings): void {
  const held = state.overflow;
  if (held === undefined || !hasRoom(state, held.rank, settings)) return;
  const nowMs = state.options.clock.monotonicMs();
  if (nowMs - state.summaryAtMonotonicMs < SUMMARY_EVERY_MS) return;
  state.summaryAtMonotonicMs = nowMs;
  state.overflow = undefined;
  deliver(state, summaryOfOverflow(state, held, settings));
}

function summaryOfOverflow(state: State, held: Overflow, settings: RouteSettings): Notice {
  const severities = (["ALERT", "WARNING", "ERROR", "INFO"] as const).filter((one) => held.bySeverity[one] > 0);
  const rules = [...held.byRule].sort((left, right) => right[1] - left[1]).slice(0, RULES_NAMED_MAX);
  const counts = severities.map((one) => `${held.bySeverity[one]} ${one}`).join(", ");
  const named =
    rules.length === 0 ? "" : `, mostly of ${rules.map(([name, count]) => `${name} (${count})`).join(", ")}`;
  const kills = held.kills === 0 ? "" : `, ${held.kills} of them kills`;
  return {
    kind: "health",
    severity: held.rank >= RANKS.ALERT ? "ALERT" : (severities[0] ?? "WARNING"),
    atMs: state.options.clock.nowMs(),
    message: `${held.total} more notices were held back since ${state.time.minute(held.sinceMs)} (${counts}${kills}${named}), because NOTIFICATIONS.per_hour is ${settings.perHour}. All are recorded; list them with: sudo algo-monitor alerts --since 2h.`,
    fields: { held_back: String(held.total) },
  };
}

function flush(state: State): void {
  const settings = state.options.settings();
  if (settings === undefined) return;
  for (const group of state.groups.values())
    if (group.held > 0) deliver(state, summaryOfGroup(state, group, group.last, group.held - timesOf(group.last)));
  state.groups.clear();
  if (state.overflow !== undefined) deliver(state, summaryOfOverflow(state, state.overflow, settings));
  state.overflow = undefined;
}
