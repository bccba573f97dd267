/** `status`: everything the running daemon knows of itself, as one document. */
import type { StatusReport } from "../core/control.ts";
import { COMMIT, VERSION } from "../core/version.ts";
import { openReader } from "../store/reader.ts";
import type { HandlerParts } from "./handlers.ts";
import { selfUsage } from "./self_usage.ts";

export async function statusReport(parts: HandlerParts): Promise<StatusReport> {
  const { orders, pauses, pipeline, clock } = parts;
  const state = orders.state();
  const pause = pauses.current();
  const { rules, problems } = orders.rules();
  const { pardoned: _pardoned, ...counts } = pipeline.counts;
  return {
    version: VERSION,
    commit: COMMIT,
    pid: process.pid,
    startedAtMs: parts.startedAtMs,
    nowMs: clock.nowMs(),
    mode: orders.mode(),
    ...(pause === undefined ? {} : { pausedUntilMs: pause.untilMs, pausedBy: pause.by, pauseReason: pause.reason }),
    configGeneration: state.generation,
    configProblems: state.problems,
    rules: { loaded: rules.length, refused: new Set(problems.map(({ file }) => file)).size },
    scanners: parts.supervisor.status(),
    budgets: parts.budget.states(state.config.KILL_BUDGET.per_minute, clock.nowMs()),
    degradations: parts.degradations.list(),
    faults: parts.degradations.counts(),
    counts: { ...counts, openAlerts: openAlerts(parts.paths.databaseFile) },
    store: storeStatus(parts),
    outputs: parts.notifier.status().outputs,
    self: await selfUsage(),
  };
}

function storeStatus(parts: HandlerParts): StatusReport["store"] {
  const { path, sizeBytes, pending, dropped, outage } = parts.store.status();
  const failing = outage === undefined ? {} : { outage: { sinceMs: outage.sinceMs, reason: outage.reason } };
  return { path, sizeBytes, pending, dropped, ...failing };
}

function openAlerts(databaseFile: string): number {
  const reader = openReader(databaseFile);
  if (!reader.ok) return 0;
  const counts = reader.value.counts();
  reader.value.close();
  return counts.ok ? counts.value.alertsByStatus.new : 0;
}
