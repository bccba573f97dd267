/** What operators can ask of the running daemon: one table, reached by the control socket now and by HTTP later. */
import type { Clock } from "../core/clock.ts";
import type { Caller, Handlers, SelftestCheck, SelftestParams, SelftestReport, StatusReport } from "../core/control.ts";
import { type ExceptionEntry, exceptionFacts, exceptionFor, matchesException } from "../core/exception.ts";
import type { Finding } from "../core/nouns.ts";
import type { Paths } from "../core/paths.ts";
import { fail, ok, type Result } from "../core/result.ts";
import type { Context } from "../context/context.ts";
import type { InternetSocket } from "../core/socket.ts";
import { COMMIT, VERSION } from "../core/version.ts";
import type { HostView } from "../core/view.ts";
import { addException, addToList, editConfigFile, removeException, removeFromList } from "../config/edit.ts";
import type { ConfigReload, ConfigSource } from "../config/runtime.ts";
import type { KillBudget } from "../decision/budget.ts";
import type { Policy } from "../decision/policy.ts";
import type { Engine } from "../detection/engine.ts";
import type { PoolMatcher } from "../detection/detectors/miner.ts";
import type { Notifier } from "../notify/notifier.ts";
import { openReader } from "../store/reader.ts";
import type { Store } from "../store/types.ts";
import type { Degradations } from "./degradations.ts";
import { allDetectors } from "./head.ts";
import type { Pauses } from "./pauses.ts";
import type { Pipeline } from "./pipeline.ts";
import { rehearse } from "./rehearse.ts";
import type { LoadedRules } from "./rule_files.ts";
import { selfUsage } from "./self_usage.ts";
import type { Supervisor } from "./supervisor.ts";

export interface HandlerParts {
  readonly clock: Clock;
  readonly paths: Paths;
  readonly startedAtMs: number;
  readonly source: ConfigSource;
  readonly store: Store;
  readonly notifier: Notifier;
  readonly supervisor: Supervisor;
  readonly pipeline: Pipeline;
  readonly budget: KillBudget;
  readonly pauses: Pauses;
  readonly degradations: Degradations;
  readonly context: Context;
  readonly pools: () => PoolMatcher;
  readonly engine: () => Engine;
  readonly policy: () => Policy;
  readonly rules: () => LoadedRules;
  readonly reload: () => ConfigReload;
  readonly monitorOnly: boolean;
  /** The newest sweep. */
  readonly lastSweep: () => { readonly view: HostView; readonly sockets: readonly InternetSocket[] } | undefined;
}

export function createHandlers(parts: HandlerParts): Handlers {
  const { clock, paths, source, store, pauses } = parts;
  return {
    version: async () => ok({ version: VERSION, commit: COMMIT }),
    status: async () => ok(await statusOf(parts)),
    reload: async (_params, caller) => {
      audit(caller, "reload", "");
      const reloaded = parts.reload();
      return ok({ changed: reloaded.changed, configGeneration: reloaded.generation, problems: reloaded.problems });
    },
    pause: async ({ minutes, reason }, caller) => {
      const untilMs = clock.nowMs() + minutes * 60_000;
      pauses.begin({ untilMs, by: caller.user, reason });
      audit(caller, "pause", `${minutes} minutes: ${reason}`);
      health(`${caller.user} paused protection for ${minutes} minutes (${reason}): everything is recorded, nothing is stopped; end it with: sudo algo-monitor resume`);
      return ok({ pausedUntilMs: untilMs });
    },
    resume: async (_params, caller) => {
      const wasPaused = pauses.end();
      audit(caller, "resume", wasPaused ? "" : "was not paused");
      if (wasPaused) health(`${caller.user} ended the pause, protection is on again`);
      return ok({ wasPaused, mode: parts.monitorOnly ? "monitor" : source.current().config.MODE });
    },
    scan: async ({ scanner }, caller) => {
      const startedMs = clock.monotonicMs();
      await parts.supervisor.sweepNow();
      const last = parts.lastSweep();
      if (last === undefined) return fail("timeout", "no sweep has succeeded yet", "look at `algo-monitor status`");
      return ok(
        rehearse({
          ...last,
          detectors: allDetectors(parts.pools),
          engine: parts.engine(),
          policy: parts.policy(),
          caller: caller.pid,
          sweptBy: "daemon",
          startedMs,
          ...(scanner === undefined ? {} : { scanner }),
        }),
      );
    },
    trust: async (params, caller) => {
      if (params.path !== undefined) {
        const { path } = params;
        const edited = editConfigFile(paths.configFile, (text) => addToList(text, ["TRUSTED_SYSTEM_PROCESSES"], path));
        return edited.ok ? trusted(caller, edited.value.changed, { path }, `${path}: ${params.reason}`) : edited;
      }
      const finding = findingOf(params.alertId ?? "");
      if (!finding.ok) return finding;
      const entry = exceptionFor(finding.value, { reason: params.reason, author: caller.user, ...(params.until === undefined ? {} : { until: params.until }) });
      const edited = editConfigFile(paths.configFile, (text) => addException(text, entry));
      return edited.ok ? trusted(caller, edited.value.changed, { entry }, JSON.stringify(entry)) : edited;
    },
    untrust: async (params, caller) => {
      if (params.path !== undefined) {
        const { path } = params;
        const edited = editConfigFile(paths.configFile, (text) => removeFromList(text, ["TRUSTED_SYSTEM_PROCESSES"], (value) => value === path));
        return edited.ok ? untrusted(caller, [], edited.value.changed ? [path] : []) : edited;
      }
      const finding = findingOf(params.alertId ?? "");
      if (!finding.ok) return finding;
      const facts = exceptionFacts(finding.value.rule, finding.value.event);
      const covers = (entry: ExceptionEntry) => matchesException(entry, facts, clock.nowMs(), parts.policy().argsMatch);
      const edited = editConfigFile(paths.configFile, (text) => removeException(text, covers));
      return edited.ok ? untrusted(caller, edited.value.removed, []) : edited;
    },
    set_alert_status: async ({ id, status }, caller) => {
      const changed = store.setStatus(id, status, caller.user);
      if (!changed.ok) return changed;
      audit(caller, "alert-status", `${changed.value.id}: ${changed.value.previous} -> ${status}`);
      return ok({ ...changed.value, status });
    },
    selftest: async (params, caller) => {
      audit(caller, "selftest", params.marker);
      return ok(await selftest(parts, params));
    },
  };

  function findingOf(alertId: string): Result<Finding> {
    const reader = openReader(paths.databaseFile);
    if (!reader.ok) return reader;
    const found = reader.value.alert(alertId);
    reader.value.close();
    return found.ok ? ok(found.value.finding) : found;
  }

  function trusted(caller: Caller, changed: boolean, what: { entry?: ExceptionEntry; path?: string }, detail: string) {
    audit(caller, "trust", detail);
    const { generation } = parts.reload();
    return ok({ changed, file: paths.configFile, configGeneration: generation, ...what });
  }

  function untrusted(caller: Caller, removedEntries: readonly ExceptionEntry[], removedPaths: readonly string[]) {
    audit(caller, "untrust", JSON.stringify([...removedEntries, ...removedPaths]));
    const { generation } = parts.reload();
    return ok({ file: paths.configFile, removedEntries, removedPaths, configGeneration: generation });
  }

  function audit(caller: Caller, action: string, detail: string): void {
    store.audit({ who: caller.user, uid: caller.uid, action, detail });
  }

  function health(message: string): void {
    parts.notifier.notify({ kind: "health", severity: "WARNING", atMs: clock.nowMs(), message, fields: {} });
  }
}

async function statusOf(parts: HandlerParts): Promise<StatusReport> {
  const { source, pauses, pipeline, store, clock } = parts;
  const state = source.current();
  const pause = pauses.current();
  const { loaded, refused } = { loaded: parts.rules().rules.length, refused: new Set(parts.rules().problems.map((problem) => problem.file)).size };
  const { pardoned: _pardoned, ...counts } = pipeline.counts;
  const stored = store.status();
  return {
    version: VERSION,
    commit: COMMIT,
    pid: process.pid,
    startedAtMs: parts.startedAtMs,
    nowMs: clock.nowMs(),
    mode: parts.monitorOnly ? "monitor" : state.config.MODE,
    ...(pause === undefined ? {} : { pausedUntilMs: pause.untilMs, pausedBy: pause.by, pauseReason: pause.reason }),
    configGeneration: state.generation,
    configProblems: state.problems,
    rules: { loaded, refused },
    scanners: parts.supervisor.status(),
    budgets: parts.budget.states(state.config.KILL_BUDGET.per_minute, clock.nowMs()),
    degradations: parts.degradations.list(),
    faults: parts.degradations.counts(),
    counts: { ...counts, openAlerts: openAlerts(parts.paths.databaseFile) },
    store: {
      path: stored.path,
      sizeBytes: stored.sizeBytes,
      pending: stored.pending,
      dropped: stored.dropped,
      ...(stored.outage === undefined ? {} : { outage: { sinceMs: stored.outage.sinceMs, reason: stored.outage.reason } }),
    },
    outputs: parts.notifier.status().outputs,
    self: await selfUsage(),
  };
}

function openAlerts(databaseFile: string): number {
  const reader = openReader(databaseFile);
  if (!reader.ok) return 0;
  const counts = reader.value.counts();
  reader.value.close();
  return counts.ok ? counts.value.alertsByStatus.new : 0;
}

/** Sweeps until the asking process and its connection were seen, or the time is up. */
async function selftest(parts: HandlerParts, params: SelftestParams): Promise<SelftestReport> {
  const { clock } = parts;
  const startedMs = clock.monotonicMs();
  const passed = new Map<string, SelftestCheck>();
  while (passed.size < 2 && clock.monotonicMs() - startedMs < params.waitMs) {
    await Bun.sleep(250);
    const last = parts.lastSweep();
    if (last === undefined) continue;
    const tookMs = clock.monotonicMs() - startedMs;
    const seen = last.view.processes.get(params.process.pid);
    if (seen?.ref.startedAtTicks === params.process.startedAtTicks && !passed.has("process")) {
      passed.set("process", { name: "process", passed: true, tookMs, detail: `pid ${params.process.pid} (${seen.executable?.path ?? seen.name}) was seen by the process scanner` });
    }
    const connection = last.sockets.find((socket) => socket.remote?.port === params.port && socket.direction === "connected");
    if (connection !== undefined && !passed.has("connection")) {
      passed.set("connection", { name: "connection", passed: true, tookMs, detail: `the connection to 127.0.0.1:${params.port} was seen by the network scanner` });
    }
  }
  const tookMs = clock.monotonicMs() - startedMs;
  const outage = parts.store.status().outage;
  const missing = (name: string): SelftestCheck => ({ name, passed: false, tookMs, detail: "not seen within the time; look at `algo-monitor status` and `algo-monitor doctor`" });
  return {
    checks: [
      passed.get("process") ?? missing("process"),
      passed.get("connection") ?? missing("connection"),
      { name: "record", passed: outage === undefined, tookMs, detail: outage === undefined ? "the database takes records" : `the database is not writable: ${outage.reason}` },
    ],
  };
}
