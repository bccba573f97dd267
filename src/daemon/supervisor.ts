/**
 * Runs the scanners when they are due, one sweep at a time, and keeps count of what each costs. A sweep that fails is
 * told and the next one comes; a scanner that keeps failing is switched off for a while while the others go on.
 */
import type { Clock } from "../core/clock.ts";
import type { ScannerName, ScannerStatus } from "../core/control.ts";
import { messageOf } from "../core/result.ts";
import type { ProcessesSeen, SocketsSeen, Swept } from "../core/sweep.ts";
import type { Scanner } from "../sources/scanner.ts";

const COSTS_KEPT = 100;
const FAILURES_IN_A_ROW_MAX = 5;
const SWITCHED_OFF_MS = 60_000;

export interface SupervisorParts {
  readonly clock: Clock;
  readonly processes: Scanner<void, ProcessesSeen>;
  readonly network: Scanner<readonly ProcessesSeen["processes"][number][], SocketsSeen>;
  /** As configured now. */
  readonly settings: (name: ScannerName) => { readonly enabled: boolean; readonly intervalMs: number };
  readonly judge: (swept: Swept) => Promise<void>;
  readonly onFault: (part: string, message: string, remedy: string) => void;
}

export interface Supervisor {
  /** Runs until `stop`. */
  start(): void;
  stop(): Promise<void>;
  /** Resolves after a whole sweep that began after this call. */
  sweepNow(): Promise<void>;
  status(): readonly ScannerStatus[];
  /** When the last whole sweep ended, on the monotonic clock; what the watchdog looks at. */
  lastSweepMonotonicMs(): number;
}

interface Run {
  readonly name: ScannerName;
  dueAtMs: number;
  lastAtMs: number;
  lastTookMs: number;
  costs: number[];
  scans: number;
  overruns: number;
  items: number;
  failuresInARow: number;
  offUntilMs: number;
  lastFailure: string;
}

export function createSupervisor(parts: SupervisorParts): Supervisor {
  const { clock } = parts;
  const runs = { processes: newRun("processes"), network: newRun("network") };
  let stopped = false;
  let busy: Promise<void> | undefined;
  let timer: Timer | undefined;
  let lastSweepMs = clock.monotonicMs();
  let members: ProcessesSeen["processes"] = [];
  return { start: schedule, stop, sweepNow, status, lastSweepMonotonicMs: () => lastSweepMs };

  function schedule(): void {
    if (stopped) return;
    const nextMs = Math.min(...Object.values(runs).map((run) => run.dueAtMs));
    const waitMs = Number.isFinite(nextMs) ? Math.min(1_000, Math.max(0, nextMs - clock.monotonicMs())) : 1_000;
    timer = setTimeout(() => void tick(), waitMs);
  }

  async function tick(): Promise<void> {
    if (busy === undefined) await sweep(false);
    schedule();
  }

  async function sweepNow(): Promise<void> {
    while (busy !== undefined) await busy;
    await sweep(true);
  }

  function sweep(everything: boolean): Promise<void> {
    busy = sweepOnce(everything).finally(() => {
      busy = undefined;
    });
    return busy;
  }

  async function sweepOnce(everything: boolean): Promise<void> {
    const startedMs = clock.monotonicMs();
    const processes = scan(runs.processes, parts.processes, undefined, everything);
    if (processes !== undefined) members = processes.processes;
    const sockets = scan(runs.network, parts.network, members, everything);
    lastSweepMs = clock.monotonicMs();
    if (processes === undefined && sockets === undefined) return;
    const swept: Swept = { ...(processes === undefined ? {} : { processes }), ...(sockets === undefined ? {} : { sockets }) };
    try {
      await parts.judge(swept);
    } catch (thrown) {
      parts.onFault("judgement", `a sweep could not be judged: ${messageOf(thrown)}`, "please report this; the next sweep comes as planned");
    }
    const tookMs = clock.monotonicMs() - startedMs;
    for (const run of Object.values(runs)) {
      const { intervalMs } = parts.settings(run.name);
      if (tookMs <= intervalMs || run.lastAtMs < startedMs) continue;
      run.overruns++;
      parts.onFault(`scanner ${run.name}`, `a sweep took ${Math.round(tookMs)} ms, longer than its interval of ${intervalMs} ms; the next one starts at once`, "raise SCAN_INTERVALS or look for what loads the host");
    }
  }

  function scan<Input, Seen>(run: Run, scanner: Scanner<Input, Seen>, input: Input, everything: boolean): Seen | undefined {
    const nowMs = clock.monotonicMs();
    const { enabled, intervalMs } = parts.settings(run.name);
    // A shortened interval takes effect at once.
    run.dueAtMs = Math.min(run.dueAtMs, run.lastAtMs === 0 ? nowMs : run.lastAtMs + intervalMs);
    if (!enabled) {
      run.dueAtMs = nowMs + intervalMs;
      return undefined;
    }
    if (!everything && (nowMs < run.dueAtMs || nowMs < run.offUntilMs)) return undefined;
    // Planned from the plan, not from now, so that scans do not drift; after an overrun from now.
    run.dueAtMs = Math.max(run.dueAtMs + intervalMs, nowMs + 1);
    if (everything) run.dueAtMs = nowMs + intervalMs;
    run.lastAtMs = nowMs;
    try {
      const result = scanner.scan(input);
      run.scans++;
      run.items = result.items;
      run.lastTookMs = result.tookMs;
      run.costs = [...run.costs.slice(-(COSTS_KEPT - 1)), result.tookMs];
      run.failuresInARow = 0;
      for (const fault of result.faults) parts.onFault(`scanner ${run.name}`, fault.message, fault.remedy ?? "see `algo-monitor doctor`");
      return result.seen;
    } catch (thrown) {
      failed(run, thrown, nowMs);
      return undefined;
    }
  }

  function failed(run: Run, thrown: unknown, nowMs: number): void {
    run.failuresInARow++;
    run.lastFailure = messageOf(thrown);
    if (run.failuresInARow < FAILURES_IN_A_ROW_MAX) {
      parts.onFault(`scanner ${run.name}`, `the ${run.name} scan failed: ${run.lastFailure}`, "it is tried again at the next interval");
      return;
    }
    run.failuresInARow = 0;
    run.offUntilMs = nowMs + SWITCHED_OFF_MS;
    parts.onFault(
      `scanner ${run.name}`,
      `the ${run.name} scanner failed ${FAILURES_IN_A_ROW_MAX} times in a row (${run.lastFailure}) and rests for a minute; the rest guards on`,
      "see `algo-monitor doctor`",
    );
  }

  async function stop(): Promise<void> {
    stopped = true;
    clearTimeout(timer);
    while (busy !== undefined) await busy;
  }

  function status(): readonly ScannerStatus[] {
    const wallOffsetMs = clock.nowMs() - clock.monotonicMs();
    return Object.values(runs).map((run) => {
      const { enabled, intervalMs } = parts.settings(run.name);
      const resting = clock.monotonicMs() < run.offUntilMs;
      return {
        name: run.name,
        enabled,
        intervalMs,
        ...(run.scans === 0 ? {} : { lastAtMs: Math.round(run.lastAtMs + wallOffsetMs), lastTookMs: run.lastTookMs, medianTookMs: median(run.costs) }),
        scans: run.scans,
        overruns: run.overruns,
        items: run.items,
        ...(enabled && !resting ? {} : { skippedReason: enabled ? `failing: ${run.lastFailure}` : "switched off in SCANNERS" }),
      };
    });
  }
}

function newRun(name: ScannerName): Run {
  return {
    name,
    dueAtMs: 0,
    lastAtMs: 0,
    lastTookMs: 0,
    costs: [],
    scans: 0,
    overruns: 0,
    items: 0,
    failuresInARow: 0,
    offUntilMs: 0,
    lastFailure: "",
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
