/**
 * Takes notices and tells them: filters by LOG_LEVELS, folds repeats, bounds storms, and fans out. Never throws.
 * A kill is told always, at once, and to every output. `tick` is called about once a second.
 */
import type { Clock } from "../core/clock.ts";
import type { OutputStatus } from "../core/control.ts";
import type { Notice } from "../core/notice.ts";
import type { Severity } from "../core/nouns.ts";
import { type Fault, fail, messageOf, type Result } from "../core/result.ts";
import { type LocalTime, localTime } from "./local_time.ts";
import type { Output } from "./output.ts";

export interface NotifierOptions {
  readonly outputs: readonly Output[];
  readonly clock: Clock;
  /** LOG_LEVELS. Filters text logs and the journal; never a kill. */
  readonly levels: ReadonlySet<Severity>;
  /** Notices of one severity told singly in a minute; the rest are counted. Default 120. */
  readonly perMinuteMax?: number;
  readonly time?: LocalTime;
}

export interface NotifierStatus {
  /** Sorted as given. */
  readonly outputs: readonly OutputStatus[];
  /** Repeats counted instead of told, since start. */
  readonly folded: number;
  /** Notices over the bound of a minute, since start. */
  readonly suppressed: number;
}

export interface Notifier {
  notify(notice: Notice): void;
  /** Tells due counts and summaries, and lets outputs do their housekeeping. */
  tick(): void;
  setLevels(levels: ReadonlySet<Severity>): void;
  status(): NotifierStatus;
  /** Tells every count that is still held back, then closes the outputs. */
  close(): void;
}

const PER_MINUTE_MAX = 120;
const MINUTE_MS = 60_000;
/** A repeat is counted and the count told after a minute, then ten, then hourly. */
const COUNT_AFTER_MS: readonly number[] = [MINUTE_MS, 10 * MINUTE_MS, 60 * MINUTE_MS];
const FOLD_KEYS_MAX = 2_000;

interface Fold {
  /** The latest of them; its count of the alert is the newest. */
  notice: Notice;
  sinceMs: number;
  repeats: number;
  step: number;
  dueAtMonotonicMs: number;
}

interface Minute {
  startedAtMonotonicMs: number;
  told: Record<Severity, number>;
  suppressed: Record<Severity, number>;
}

interface Counter {
  readonly output: Output;
  sent: number;
  failed: number;
  lastFault: string | undefined;
  /** Its failure was told and its recovery was not yet. */
  failing: boolean;
  /** An output that fails and recovers all the time is told about once a minute. */
  toldAtMonotonicMs: number;
}

interface State {
  readonly options: NotifierOptions;
  readonly time: LocalTime;
  readonly counters: readonly Counter[];
  readonly folds: Map<string, Fold>;
  levels: ReadonlySet<Severity>;
  minute: Minute;
  folded: number;
  suppressed: number;
}

export function createNotifier(options: NotifierOptions): Notifier {
  const state: State = {
    options,
    time: options.time ?? localTime(options.clock),
    counters: options.outputs.map((output) => ({
      output,
      sent: 0,
      failed: 0,
      lastFault: undefined,
      failing: false,
      toldAtMonotonicMs: Number.NEGATIVE_INFINITY,
    })),
    folds: new Map(),
    levels: options.levels,
    minute: newMinute(options.clock.monotonicMs()),
    folded: 0,
    suppressed: 0,
  };
  return {
    notify: (notice) => notify(state, notice),
    tick: () => tick(state),
    setLevels: (levels) => {
      state.levels = levels;
    },
    status: () => ({ outputs: state.counters.map(statusOf), folded: state.folded, suppressed: state.suppressed }),
    close: () => close(state),
  };
}

function notify(state: State, notice: Notice): void {
  if (notice.kind === "kill") {
    fanOut(state, notice);
    return;
  }
  if (folds(state, notice)) return;
  tellWithinBound(state, notice);
}

/** True when the notice repeats one that was told: it is counted and told with its count later. */
function folds(state: State, notice: Notice): boolean {
  if (notice.foldKey === undefined) return false;
  const key = `${notice.kind}|${notice.severity}|${notice.foldKey}`;
  const known = state.folds.get(key);
  if (known !== undefined) {
    known.notice = notice;
    known.repeats++;
    state.folded++;
    return true;
  }
  if (state.folds.size >= FOLD_KEYS_MAX) evictOldest(state);
  state.folds.set(key, {
    notice,
    sinceMs: notice.atMs,
    repeats: 0,
    step: 0,
    dueAtMonotonicMs: state.options.clock.monotonicMs() + intervalMs(0),
  });
  return false;
}

function intervalMs(step: number): number {
  return COUNT_AFTER_MS[Math.min(step, COUNT_AFTER_MS.length - 1)] ?? MINUTE_MS;
}

function evictOldest(state: State): void {
  for (const [key, fold] of state.folds) {
    state.folds.delete(key);
    if (fold.repeats > 0) tellRepeats(state, fold);
    return;
  }
}

function tick(state: State): void {
  const nowMs = state.options.clock.monotonicMs();
  for (const [key, fold] of state.folds) {
    if (nowMs < fold.dueAtMonotonicMs) continue;
    if (fold.repeats === 0) {
      // Silent for a whole interval: the next one is news again.
      state.folds.delete(key);
      continue;
    }
    tellRepeats(state, fold);
    fold.repeats = 0;
    fold.sinceMs = state.options.clock.nowMs();
    fold.step++;
    fold.dueAtMonotonicMs = nowMs + intervalMs(fold.step);
  }
  endMinute(state);
  for (const counter of state.counters) attempt(() => counter.output.maintain());
}

function tellRepeats(state: State, fold: Fold): void {
  const times = fold.repeats === 1 ? "once more" : `${fold.repeats} times`;
  const message = `Repeated ${times} since ${state.time.minute(fold.sinceMs)}: ${fold.notice.message}`;
  tellWithinBound(state, { ...fold.notice, message, fields: { ...fold.notice.fields, repeats: String(fold.repeats) } });
}

/** Each severity has its own bound, so that a storm of warnings cannot hide an alert. */
function tellWithinBound(state: State, notice: Notice): void {
  endMinute(state);
  const { minute } = state;
  if (minute.told[notice.severity] >= (state.options.perMinuteMax ?? PER_MINUTE_MAX)) {
    minute.suppressed[notice.severity]++;
    state.suppressed++;
    return;
  }
  minute.told[notice.severity]++;
  fanOut(state, notice);
}

function newMinute(startedAtMonotonicMs: number): Minute {
  const zero = { ALERT: 0, WARNING: 0, INFO: 0, ERROR: 0 };
  return { startedAtMonotonicMs, told: { ...zero }, suppressed: { ...zero } };
}

const SEVERITIES: readonly Severity[] = ["ALERT", "WARNING", "INFO", "ERROR"];

function endMinute(state: State, force = false): void {
  const nowMs = state.options.clock.monotonicMs();
  if (!force && nowMs - state.minute.startedAtMonotonicMs < MINUTE_MS) return;
  const ended = state.minute;
  state.minute = newMinute(nowMs);
  for (const severity of SEVERITIES) {
    const count = ended.suppressed[severity];
    if (count === 0) continue;
    fanOut(state, {
      kind: "health",
      severity,
      atMs: state.options.clock.nowMs(),
      message: `A storm of notices: ${count} more of ${severity} within a minute were not told one by one. All findings are recorded; list them with: sudo algo-monitor alerts --since 10m.`,
      fields: { suppressed: String(count) },
    });
  }
}

function fanOut(state: State, notice: Notice): void {
  const changes = state.counters.map((counter) => deliver(state, counter, notice));
  // Told to the others once per change, not through notify: a dead output must not fold or starve anything.
  for (const change of changes)
    if (change !== undefined) for (const counter of state.counters) deliver(state, counter, change);
}

/** A notice about the output itself where it began or ceased to fail. */
function deliver(state: State, counter: Counter, notice: Notice): Notice | undefined {
  const { output } = counter;
  if (output.filtered && notice.kind !== "kill" && !state.levels.has(notice.severity)) return undefined;
  if (attempt(() => output.accepts(notice)) !== true) return undefined;
  const sent = sendSafely(output, notice);
  if (sent.ok) {
    counter.sent++;
    if (!counter.failing) return undefined;
    counter.failing = false;
    return outputNotice(state, counter, undefined);
  }
  counter.failed++;
  counter.lastFault = sent.fault.message;
  const nowMs = state.options.clock.monotonicMs();
  if (counter.failing || nowMs - counter.toldAtMonotonicMs < MINUTE_MS) return undefined;
  counter.failing = true;
  counter.toldAtMonotonicMs = nowMs;
  return outputNotice(state, counter, sent.fault);
}

function outputNotice(state: State, counter: Counter, fault: Fault | undefined): Notice {
  const remedy = fault?.remedy === undefined ? "" : ` What helps: ${fault.remedy}.`;
  const message =
    fault === undefined
      ? `The output ${counter.output.name} works again; ${counter.failed} notices did not reach it since start.`
      : `The output ${counter.output.name} fails: ${fault.message}. The others go on.${remedy}`;
  return {
    kind: "health",
    severity: fault === undefined ? "INFO" : "ERROR",
    atMs: state.options.clock.nowMs(),
    message,
    fields: { output: counter.output.name },
  };
}

function sendSafely(output: Output, notice: Notice): Result<void> {
  try {
    return output.send(notice);
  } catch (thrown) {
    return fail("io", `${output.name} failed: ${messageOf(thrown)}`, "please report this bug");
  }
}

function statusOf(counter: Counter): OutputStatus {
  const { output, sent, failed, lastFault } = counter;
  const own = output.status === undefined ? undefined : attempt(output.status);
  if (own !== undefined) return { name: output.name, ...own };
  return { name: output.name, sent, failed, ...(lastFault === undefined ? {} : { lastFault }) };
}

function close(state: State): void {
  for (const fold of state.folds.values()) if (fold.repeats > 0) tellRepeats(state, fold);
  state.folds.clear();
  endMinute(state, true);
  for (const counter of state.counters) attempt(() => counter.output.close());
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
