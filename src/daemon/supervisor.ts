/**
 * Runs the scanners when they are due, one sweep at a time, and keeps count of what each costs. A sweep that fails is
 * told and the next one comes; a scanner that keeps failing rests for a while and the others go on.
 * Trusts the monotonic clock alone. A scan runs to its end on the one thread: what stops a hung one is the watchdog.
 */
import type { Clock } from "../core/clock.ts";
import type { ScannerName, ScannerStatus } from "../core/control.ts";
import type { EventDraft } from "../core/nouns.ts";
import { messageOf } from "../core/result.ts";
import type { HeldConnection, ProcessesSeen, SocketsSeen, Swept } from "../core/sweep.ts";
import type { Scanner } from "../sources/scanner.ts";

const COSTS_KEPT = 100;
const FAILURES_IN_A_ROW_MAX = 5;
const REST_MS = 60_000;
const URGENT_WINDOW_MS = 1_000;
const URGENT_SHARE = 0.4;
const URGENT_REST_MS_MAX = 100;
const URGENT_COSTS_MAX = 1_000;
/** At the latest after this the settings are looked at again, and whoever watches us sees that we live. */
const ROUND_EVERY_MS_MAX = 1_000;

export interface SupervisorParts {
  readonly clock: Clock;
  readonly processes: Scanner<void, ProcessesSeen>;
  readonly network: Scanner<readonly ProcessesSeen["processes"][number][], SocketsSeen>;
  /** Those that say what happened instead of what there is. Each name once. */
  readonly others: readonly Scanner<void, readonly EventDraft[]>[];
  /** What sources that are no scanners have left since the last sweep. */
  readonly takeWaiting: () => readonly EventDraft[];
  /** Connections whose bytes are withheld while we look. */
  readonly held?: () => readonly HeldConnection[];
  /** As configured now. */
  readonly settings: (name: ScannerName) => ScannerSettings;
  readonly judge: (swept: Swept) => Promise<void>;
  readonly onFault: (part: string, message: string, remedy: string) => void;
}

export interface ScannerSettings {
  readonly enabled: boolean;
  readonly intervalMs: number;
  /** Why it is not, where that is not the configuration's doing. */
  readonly offBecause?: string;
}

export interface Supervisor {
  /** Runs until `stop`. */
  start(): void;
  stop(): Promise<void>;
  /** One round: whatever is due. `start` calls it; how long until the next is the answer, milliseconds. */
  round(): Promise<number>;
  /** Resolves after a whole sweep that began after this call. */
  sweepNow(): Promise<void>;
  /**
   * Processes and sockets alone, as soon as the sweep under way is over; resolves when that was judged. Whoever asks
   * meanwhile shares it. What is due comes along, so that a storm of such requests puts no regular sweep off.
   */
  sweepSoon(): Promise<void>;
  /** Judges what waits, without a look at the host unless one is due. */
  listenSoon(): Promise<void>;
  urgentSweeps(): UrgentSweeps;
  status(): readonly ScannerStatus[];
  /** When a round last began or ended, on the monotonic clock. Older than a few seconds: something hangs. */
  lastRoundMonotonicMs(): number;
}

export interface UrgentSweeps {
  readonly count: number;
  readonly lastTookMs: number;
  readonly medianTookMs: number;
}

interface Run {
  readonly name: ScannerName;
  /** Undefined before the first one. */
  lastAtMs: number | undefined;
  /** When the next one was planned, by the interval of that time. */
  plannedAtMs: number;
  restsUntilMs: number;
  lastTookMs: number;
  costs: readonly number[];
  scans: number;
  overruns: number;
  items: number;
  failuresInARow: number;
  lastFailure: string;
}

interface State {
  readonly parts: SupervisorParts;
  readonly runs: readonly Run[];
  members: ProcessesSeen["processes"];
  busy: Promise<void> | undefined;
  /** Wanted and not yet begun. */
  soon: Promise<void> | undefined;
  urgentCosts: readonly { readonly endedMs: number; readonly tookMs: number }[];
  urgentCount: number;
  stopped: boolean;
  timer: Timer | undefined;
  lastRoundMs: number;
}

export function createSupervisor(parts: SupervisorParts): Supervisor {
  const state: State = {
    parts,
    runs: [parts.processes, parts.network, ...parts.others].map(({ name }) => newRun(name)),
    members: [],
    busy: undefined,
    soon: undefined,
    urgentCosts: [],
    urgentCount: 0,
    stopped: false,
    timer: undefined,
    lastRoundMs: parts.clock.monotonicMs(),
  };
  return {
    start: () => schedule(state, 0),
    stop: () => stop(state),
    round: () => round(state),
    sweepNow: () => sweepNow(state),
    sweepSoon: () => sweepSoon(state),
    listenSoon: () => listenSoon(state),
    urgentSweeps: () => ({
      count: state.urgentCount,
      lastTookMs: state.urgentCosts.at(-1)?.tookMs ?? 0,
      medianTookMs: median(state.urgentCosts.map(({ tookMs }) => tookMs)),
    }),
    status: () => state.runs.map((run) => statusOf(state, run)),
    lastRoundMonotonicMs: () => state.lastRoundMs,
  };
}

function schedule(state: State, waitMs: number): void {
  if (state.stopped) return;
  state.timer = setTimeout(() => void round(state).then((nextMs) => schedule(state, nextMs)), waitMs);
}

async function round(state: State): Promise<number> {
  if (state.busy === undefined) await sweep(state, "due");
  else await state.busy;
  const nowMs = state.parts.clock.monotonicMs();
  const nextMs = Math.min(...state.runs.map((run) => dueAtMs(state, run)));
  return Math.min(ROUND_EVERY_MS_MAX, Math.max(0, nextMs - nowMs));
}

async function sweepNow(state: State): Promise<void> {
  while (state.busy !== undefined) await state.busy;
  await sweep(state, "all");
}

function sweepSoon(state: State): Promise<void> {
  state.soon ??= beginUrgent(state);
  return state.soon;
}

async function beginUrgent(state: State): Promise<void> {
  // Whoever asks in the same turn of the event loop shares it.
  await Promise.resolve();
  const restMs = urgentRestMs(state);
  if (restMs > 0) await Bun.sleep(restMs);
  while (state.busy !== undefined) await state.busy;
  state.soon = undefined;
  if (!state.stopped) await sweep(state, "urgent");
}

/** Looks out of turn may take this share of the thread; beyond it they are spaced out. */
function urgentRestMs(state: State): number {
  const sinceMs = state.parts.clock.monotonicMs() - URGENT_WINDOW_MS;
  const recent = state.urgentCosts.filter((cost) => cost.endedMs >= sinceMs);
  const spentMs = recent.reduce((sum, cost) => sum + cost.tookMs, 0);
  return spentMs < URGENT_WINDOW_MS * URGENT_SHARE ? 0 : Math.min(URGENT_REST_MS_MAX, 2 * (recent.at(-1)?.tookMs ?? 0));
}

async function listenSoon(state: State): Promise<void> {
  while (state.busy !== undefined) await state.busy;
  if (!state.stopped) await sweep(state, "due");
}

async function stop(state: State): Promise<void> {
  state.stopped = true;
  clearTimeout(state.timer);
  while (state.busy !== undefined) await state.busy;
}

/** `due`: what its interval says. `urgent`: processes and sockets as well. `all`: everything. */
type Which = "due" | "urgent" | "all";

function sweep(state: State, which: Which): Promise<void> {
  state.lastRoundMs = state.parts.clock.monotonicMs();
  state.busy = sweepOnce(state, which).finally(() => {
    state.busy = undefined;
    state.lastRoundMs = state.parts.clock.monotonicMs();
  });
  return state.busy;
}

async function sweepOnce(state: State, which: Which): Promise<void> {
  const { parts } = state;
  const startedMs = parts.clock.monotonicMs();
  const isOutOfTurn = which === "urgent" && ![parts.processes, parts.network].some(({ name }) => isDue(state, name));
  const processes = scan(state, parts.processes, undefined, which);
  if (processes !== undefined) state.members = processes.processes;
  const sockets = scan(state, parts.network, state.members, which);
  const forOthers = which === "all" ? "all" : "due";
  const events = [
    ...parts.others.flatMap((scanner) => scan(state, scanner, undefined, forOthers) ?? []),
    ...parts.takeWaiting(),
  ];
  const held = parts.held?.() ?? [];
  if (processes !== undefined || sockets !== undefined || events.length > 0) {
    await judge(state, {
      ...(held.length === 0 ? {} : { held }),
      ...(isOutOfTurn ? { urgent: true } : {}),
      ...(processes === undefined ? {} : { processes }),
      ...(sockets === undefined ? {} : { sockets }),
      ...(events.length === 0 ? {} : { events }),
    });
  }
  if (isOutOfTurn) {
    const endedMs = parts.clock.monotonicMs();
    state.urgentCount++;
    state.urgentCosts = [...state.urgentCosts.slice(1 - URGENT_COSTS_MAX), { endedMs, tookMs: endedMs - startedMs }];
  } else tellOverruns(state, startedMs);
}

async function judge(state: State, swept: Swept): Promise<void> {
  try {
    await state.parts.judge(swept);
  } catch (thrown) {
    state.parts.onFault(
      "judgement",
      `a sweep could not be judged: ${messageOf(thrown)}`,
      "please report this; the next sweep comes as planned",
    );
  }
}

function tellOverruns(state: State, startedMs: number): void {
  const tookMs = state.parts.clock.monotonicMs() - startedMs;
  for (const run of state.runs) {
    const { intervalMs } = state.parts.settings(run.name);
    if (tookMs <= intervalMs || run.lastAtMs === undefined || run.lastAtMs < startedMs) continue;
    run.overruns++;
    state.parts.onFault(
      `scanner ${run.name}`,
      `a sweep took ${Math.round(tookMs)} ms, longer than its interval of ${intervalMs} ms; the next one starts at once`,
      "raise SCAN_INTERVALS or look for what loads the host",
    );
  }
}

/** Infinite where it is switched off. A shortened interval takes effect at once, a lengthened one after the next scan. */
function dueAtMs(state: State, run: Run): number {
  const { enabled, intervalMs } = state.parts.settings(run.name);
  if (!enabled) return Number.POSITIVE_INFINITY;
  const planned =
    run.lastAtMs === undefined ? Number.NEGATIVE_INFINITY : Math.min(run.plannedAtMs, run.lastAtMs + intervalMs);
  return Math.max(planned, run.restsUntilMs);
}

function scan<Input, Seen>(state: State, scanner: Scanner<Input, Seen>, input: Input, which: Which): Seen | undefined {
  const { clock, settings, onFault } = state.parts;
  const run = runOf(state, scanner.name);
  const nowMs = clock.monotonicMs();
  const { enabled, intervalMs } = settings(run.name);
  const isDue = nowMs >= dueAtMs(state, run);
  if (!enabled || (which === "due" && !isDue) || (which === "urgent" && nowMs < run.restsUntilMs)) return undefined;
  // A look out of turn leaves the plan as it is: what needs time between two sweeps gets it.
  if (isDue || which === "all") {
    // Planned from the plan, not from now, so that scans do not drift; after an overrun or a rest from now.
    const fromPlan = which === "all" || run.lastAtMs === undefined ? nowMs : run.plannedAtMs;
    run.plannedAtMs = Math.max(fromPlan + intervalMs, nowMs);
    run.lastAtMs = nowMs;
  }
  try {
    const result = scanner.scan(input);
    run.scans++;
    run.items = result.items;
    run.lastTookMs = result.tookMs;
    run.costs = [...run.costs.slice(-(COSTS_KEPT - 1)), result.tookMs];
    run.failuresInARow = 0;
    run.restsUntilMs = Number.NEGATIVE_INFINITY;
    for (const fault of result.faults)
      onFault(`scanner ${run.name}`, fault.message, fault.remedy ?? "see `algo-monitor doctor`");
    return result.seen;
  } catch (thrown) {
    failed(state, run, thrown, nowMs);
    return undefined;
  }
}

function isDue(state: State, name: ScannerName): boolean {
  return state.parts.clock.monotonicMs() >= dueAtMs(state, runOf(state, name));
}

function failed(state: State, run: Run, thrown: unknown, nowMs: number): void {
  const { onFault } = state.parts;
  run.failuresInARow++;
  run.lastFailure = messageOf(thrown);
  if (run.failuresInARow < FAILURES_IN_A_ROW_MAX) {
    onFault(
      `scanner ${run.name}`,
      `the ${run.name} scan failed: ${run.lastFailure}`,
      "it is tried again at the next interval",
    );
    return;
  }
  run.failuresInARow = 0;
  run.restsUntilMs = nowMs + REST_MS;
  run.plannedAtMs = run.restsUntilMs;
  onFault(
    `scanner ${run.name}`,
    `the ${run.name} scanner failed ${FAILURES_IN_A_ROW_MAX} times in a row (${run.lastFailure}) and rests for a minute; the rest guards on`,
    "see `algo-monitor doctor`",
  );
}

function statusOf(state: State, run: Run): ScannerStatus {
  const { clock } = state.parts;
  const { enabled, intervalMs, offBecause } = state.parts.settings(run.name);
  const resting = clock.monotonicMs() < run.restsUntilMs;
  const lastAtMs = clock.nowMs() - clock.monotonicMs() + (run.lastAtMs ?? 0);
  const last = { lastAtMs: Math.round(lastAtMs), lastTookMs: run.lastTookMs, medianTookMs: median(run.costs) };
  const skipped = enabled ? `failing: ${run.lastFailure}` : (offBecause ?? "switched off in SCANNERS");
  return {
    name: run.name,
    enabled,
    intervalMs,
    ...(run.scans === 0 ? {} : last),
    scans: run.scans,
    overruns: run.overruns,
    items: run.items,
    ...(enabled && !resting ? {} : { skippedReason: skipped }),
  };
}

function runOf(state: State, name: ScannerName): Run {
  const run = state.runs.find((candidate) => candidate.name === name);
  if (run === undefined) throw new Error(`the supervisor was not given the scanner ${name}`);
  return run;
}

function newRun(name: ScannerName): Run {
  return {
    name,
    lastAtMs: undefined,
    plannedAtMs: Number.NEGATIVE_INFINITY,
    restsUntilMs: Number.NEGATIVE_INFINITY,
    lastTookMs: 0,
    costs: [],
    scans: 0,
    overruns: 0,
    items: 0,
    failuresInARow: 0,
    lastFailure: "",
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
