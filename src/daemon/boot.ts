/**
 * Start-up and shut-down, in order, in one place. Each part that cannot start is told with its remedy and the rest
 * guards on; only a host without /proc stops the daemon.
 */
import { existsSync, mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { type ConfigReload, type ConfigState, createConfigSource } from "../config/runtime.ts";
import { createChangeWriter } from "../context/events.ts";
import { systemClock } from "../core/clock.ts";
import type { Notice } from "../core/notice.ts";
import { type Paths, pathsOf } from "../core/paths.ts";
import { messageOf } from "../core/result.ts";
import { COMMIT, VERSION } from "../core/version.ts";
import { createKillBudget } from "../decision/budget.ts";
import type { Policy } from "../decision/policy.ts";
import { createEngine } from "../detection/engine.ts";
import { createJournal } from "../host/journald.ts";
import { createNotifier as createServiceNotifier } from "../host/sd_notify.ts";
import { refOf } from "../host/signals.ts";
import { ancestorsOf } from "../host/system.ts";
import { createUsers } from "../host/users.ts";
import { alertsJsonl } from "../notify/alerts_jsonl.ts";
import { journaldOutput } from "../notify/journald.ts";
import { logFiles } from "../notify/logfiles.ts";
import { noticeOf } from "../notify/messages.ts";
import { createNotifier } from "../notify/notifier.ts";
import { createNetworkScanner } from "../sources/network.ts";
import { createProcessScanner } from "../sources/processes.ts";
import { openStore } from "../store/store.ts";
import { startControlServer } from "./control.ts";
import { createDegradations } from "./degradations.ts";
import { createHandlers } from "./handlers.ts";
import { allDetectors, hostContext } from "./head.ts";
import { createPauses } from "./pauses.ts";
import { createPipeline } from "./pipeline.ts";
import { policyOf, poolMatcherOf, poolNames } from "./policy_of.ts";
import { createPoolResolver } from "./pool_names.ts";
import { readRules } from "./rule_files.ts";
import { settleLeftovers } from "./settle.ts";
import { createSupervisor } from "./supervisor.ts";

const TICK_MS = 1_000;
const PRUNE_EVERY_MS = 60_000;
/** A sweep this overdue means the daemon is stuck: the watchdog is then left to systemd. */
const STUCK_AFTER_MS = 20_000;

export interface DaemonOptions {
  /** Watch only, whatever MODE says. */
  readonly monitor: boolean;
}

/** Runs until SIGTERM or SIGINT; resolves to the exit code. */
export async function runDaemon(options: DaemonOptions): Promise<number> {
  const clock = systemClock;
  const startedAtMs = clock.nowMs();
  const paths = pathsOf(process.env);
  makeDirectories(paths);
  const service = createServiceNotifier();
  const users = createUsers();

  // Config and rules.
  let rules = readRules(paths);
  const source = createConfigSource({
    path: paths.configFile,
    lastGoodPath: paths.lastGoodConfigFile,
    clock,
    ruleNames: () => rules.rules.flatMap((rule) => [rule.ref.name, rule.ref.id]),
  });
  let engine = createEngine(rules.rules);
  const config = () => source.current().config;

  // Store and notify.
  const notifier = createNotifier({
    outputs: [
      journaldOutput({ journal: createJournal() }),
      logFiles({ directory: paths.logsDirectory, clock, rotateAtBytes: config().RETENTION.log_mb * 1024 * 1024, retentionDays: config().RETENTION.log_days }),
      alertsJsonl({ directory: paths.logsDirectory, clock, hostName: hostname(), version: VERSION, rotateAtBytes: config().RETENTION.log_mb * 1024 * 1024, retentionDays: config().RETENTION.log_days }),
    ],
    clock,
    levels: new Set(config().LOG_LEVELS),
  });
  const degradations = createDegradations(clock, (notice) => notifier.notify(notice));
  const store = openStore({
    path: paths.databaseFile,
    runDir: paths.runDirectory,
    clock,
    onFault: (fault, phase) => degradations.phase("store", fault, phase),
  });

  // The head.
  const pauses = createPauses(paths.runDirectory, clock);
  const pools = createPoolResolver(() => poolNames(config().MINING_POOLS));
  const own = [...ancestorsOf(process.pid).filter((ref) => ref.pid > 1), refOf(process.pid)].flatMap((ref) => ref ?? []);
  let policy: Policy = compilePolicy();
  let matcher = poolMatcherOf(config().MINING_POOLS, pools.resolved());
  const context = hostContext({
    clock,
    users,
    trustedProcesses: () => config().TRUSTED_SYSTEM_PROCESSES,
    onFault: (message) => degradations.note("units", message, "systemctl status; it is asked again at the next sweep"),
  });
  const budget = createKillBudget();
  const detectors = allDetectors(() => matcher);
  const pipeline = createPipeline({
    clock,
    context,
    changes: createChangeWriter(),
    detectors,
    engine: () => engine,
    policy: () => policy,
    budget,
    store,
    tell: {
      judged: (about) => notifier.notify(noticeOf(about)),
      fault: (part, message, remedy) => degradations.note(part, message, remedy),
    },
  });

  // What a predecessor left unfinished comes before anything new.
  const settled = await settleLeftovers(store, clock);
  for (const message of settled) health("WARNING", message);

  // Sources.
  const supervisor = createSupervisor({
    clock,
    processes: createProcessScanner(clock, process.pid),
    network: createNetworkScanner(),
    settings: (name) => ({ enabled: config().SCANNERS[name], intervalMs: config().SCAN_INTERVALS[name] * 1000 }),
    judge: async (swept) => {
      policy = compilePolicy();
      await pipeline.run(swept);
    },
    onFault: (part, message, remedy) => degradations.note(part, message, remedy),
  });
  supervisor.start();

  // The door for operators.
  const handlers = createHandlers({
    clock, paths, startedAtMs, source, store, notifier, supervisor, pipeline, budget, pauses, degradations, context,
    pools: () => matcher,
    lastSweep: pipeline.last,
    engine: () => engine,
    policy: () => policy,
    rules: () => rules,
    reload,
    monitorOnly: options.monitor,
  });
  const control = await startControlServer({
    path: paths.controlSocket,
    handlers,
    onFault: (fault) => degradations.note("control socket", fault.message, fault.remedy ?? "the guard goes on; restart the service to get the socket back"),
  });
  if (!control.ok) degradations.note("control socket", control.fault.message, control.fault.remedy ?? "restart the service");

  // Housekeeping.
  const watching = source.watch(applied);
  let prunedAtMs = clock.monotonicMs();
  const timer = setInterval(tick, TICK_MS);
  announceConfig(source.current());
  announceRules();
  health("INFO", `algo-monitor ${VERSION} (${COMMIT}) guards this host in ${effectiveMode()} mode with ${rules.rules.length} rules`, "start");
  service.ready(statusLine());

  const signalName = await untilSignalled(() => reload());

  // Shut-down, in the opposite order.
  service.stopping(`stopping on ${signalName}`);
  clearInterval(timer);
  watching.stop();
  await supervisor.stop();
  if (control.ok) await control.value.stop();
  health("INFO", `algo-monitor stops on ${signalName}; this host is not guarded until it starts again`, "stop");
  notifier.close();
  store.close();
  return 0;

  function compilePolicy(): Policy {
    const state = source.current();
    return policyOf({
      config: state.config,
      generation: state.generation,
      monitorOnly: options.monitor,
      pausedUntilMs: pauses.current()?.untilMs ?? 0,
      own,
      uidOf: users.uidOf,
    });
  }

  function reload(): ConfigReload {
    service.reloading();
    rules = readRules(paths);
    engine = createEngine(rules.rules);
    announceRules();
    const reloaded = source.reload();
    applied(reloaded);
    service.ready(statusLine());
    return reloaded;
  }

  function applied(reloaded: ConfigReload): void {
    announceConfig(reloaded);
    if (!reloaded.changed) return;
    policy = compilePolicy();
    matcher = poolMatcherOf(config().MINING_POOLS, pools.resolved());
    context.relearn();
    notifier.setLevels(new Set(config().LOG_LEVELS));
    health("INFO", `config generation ${reloaded.generation} is in force (${effectiveMode()} mode)`, "config");
  }

  function announceConfig(state: ConfigState): void {
    for (const problem of state.problems) {
      const severity = problem.severity === "error" ? "ERROR" : problem.severity === "warning" ? "WARNING" : "INFO";
      const place = problem.line > 0 ? `config.json:${problem.line}:${problem.column} ` : "";
      health(severity, `${place}${problem.key}${problem.key === "" ? "" : " "}${problem.message} ${problem.remedy}`.trim(), "config", `config ${problem.key} ${problem.message}`);
    }
  }

  function announceRules(): void {
    for (const problem of rules.problems) {
      health("ERROR", `${problem.file}:${problem.line}:${problem.column} ${problem.message}; the rule is not loaded, the others are`, "config", `rule ${problem.file} ${problem.message}`);
    }
    if (rules.rules.length === 0) degradations.note("rules", `no rule could be loaded from ${paths.rulesDirectory}; nothing can be recognised`, "run the installer again, or copy the rules folder of the release there");
  }

  function tick(): void {
    const nowMs = clock.monotonicMs();
    notifier.tick();
    const ended = pauses.expire();
    if (ended) health("WARNING", "the pause is over, protection is on again", "health");
    if (pools.refresh()) matcher = poolMatcherOf(config().MINING_POOLS, pools.resolved());
    if (nowMs - prunedAtMs >= PRUNE_EVERY_MS) {
      prunedAtMs = nowMs;
      const { days, database_mb } = config().RETENTION;
      store.prune({ days, databaseBytesMax: database_mb * 1024 * 1024 });
    }
    if (nowMs - supervisor.lastSweepMonotonicMs() < STUCK_AFTER_MS + longestIntervalMs()) service.watchdog();
    service.status(statusLine());
  }

  function longestIntervalMs(): number {
    return Math.max(...Object.values(config().SCAN_INTERVALS)) * 1000;
  }

  function effectiveMode(): string {
    if (options.monitor) return "monitor";
    return pauses.current() === undefined ? config().MODE : "monitor (paused)";
  }

  function statusLine(): string {
    return `${effectiveMode()}; ${pipeline.counts.kills} killed, ${pipeline.counts.findings.ALERT} alerts since start`;
  }

  function health(severity: Notice["severity"], message: string, kind: Notice["kind"] = "health", foldKey?: string): void {
    notifier.notify({ kind, severity, atMs: clock.nowMs(), message, fields: {}, ...(foldKey === undefined ? {} : { foldKey }) });
  }
}

function makeDirectories(paths: Paths): void {
  for (const directory of [paths.home, paths.logsDirectory, paths.runDirectory, paths.siteRulesDirectory]) {
    try {
      if (!existsSync(directory)) mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (thrown) {
      // Each part that needs it says so itself; this line is for the journal only.
      process.stderr.write(`<3>${directory} cannot be made: ${messageOf(thrown)}\n`);
    }
  }
}

/** SIGHUP reloads, SIGTERM and SIGINT end. */
function untilSignalled(reload: () => void): Promise<string> {
  return new Promise((resolve) => {
    process.on("SIGHUP", reload);
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => resolve(name));
  });
}
