/** `status`: everything the running daemon knows of itself, as one document. */
import type { ScannerStatus, StatusReport } from "../core/control.ts";
import type { FilesStatus } from "../core/files.ts";
import { COMMIT, VERSION } from "../core/version.ts";
import { isLogin } from "../sources/logins.ts";
import { openReader } from "../store/reader.ts";
import type { HandlerParts } from "./handlers.ts";
import { selfUsage } from "./self_usage.ts";

export async function statusReport(parts: HandlerParts): Promise<StatusReport> {
  const { orders, pauses, pipeline, clock } = parts;
  const state = orders.state();
  const pause = pauses.current();
  const files = parts.eyes.files();
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
    scanners: parts.supervisor.status().map((scanner) => withFiles(scanner, files)),
    files,
    sessions: parts.eyes.sessions().filter(isLogin).length,
    budgets: parts.budget.states(state.config.KILL_BUDGET.per_minute, clock.nowMs()),
    degradations: [...parts.degradations.list(), ...memoryOnly(files, parts.startedAtMs)],
    faults: parts.degradations.counts(),
    counts: { ...counts, openAlerts: openAlerts(parts.paths.databaseFile) },
    store: storeStatus(parts),
    outputs: parts.notifier.status().outputs,
    sensor: parts.sensor.status(),
    kernel: parts.kernel.report(),
    self: await selfUsage(),
  };
}

/** The scanner only begins a round; what it costs is the worker's word. */
function withFiles(scanner: ScannerStatus, { entries, lastRound }: FilesStatus): ScannerStatus {
  if (scanner.name !== "filesystem") return scanner;
  return {
    ...scanner,
    items: entries,
    ...(lastRound === undefined ? {} : { lastTookMs: lastRound.tookMs, medianTookMs: lastRound.tookMs }),
  };
}

/** Lasts until the worker has found a place on the disk; it tries each round. */
function memoryOnly({ inMemoryOnly, databasePath }: FilesStatus, sinceMs: number): StatusReport["degradations"] {
  if (inMemoryOnly !== true) return [];
  const reason = `${databasePath} cannot be used: what files were like is kept in memory and forgotten with the daemon`;
  return [{ part: "files database", sinceMs, reason, remedy: "make room on its disk; it is tried again each round" }];
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
