/** `status`: how the guard is, from the running daemon; what is on record, from the store, when none runs. */

import { Command } from "commander";
import type { BlindWindow, KernelReport, ScannerStatus, SensorReport, StatusReport } from "../core/control.ts";
import { printable } from "../core/printable.ts";
import { ok } from "../core/result.ts";
import type { Counts } from "../store/reader.ts";
import { type Answered, asRoot, type JsonOption, paintOf, withJson } from "./action.ts";
import { type Asked, askDaemon, refuse } from "./client.ts";
import { type CommandFault, EXIT } from "./exit.ts";
import { filesLine } from "./files.ts";
import { withHistory } from "./history.ts";
import { CONTAINER_REACH, containerDetail, containerNamespace } from "./host_place.ts";
import { downMetrics, statusMetrics } from "./status_metrics.ts";
import { bytes, duration, localTime, milliseconds, pairs, plural, relativeTime, table, timeWithHint } from "./text.ts";
import type { Cli } from "./world.ts";

interface StatusOptions extends JsonOption {
  readonly prometheus?: true;
}

export function statusCommand(cli: Cli): Command {
  const command = new Command("status")
    .summary("how the guard is: mode, scans, budgets, what is degraded")
    .description(
      "Says whether algo-monitor runs and in which mode, what its scans see and cost, which kill budgets are used, what is degraded and why, and what is on record. When the daemon does not run it says so, shows what is on record, and exits 4.",
    )
    .option("--prometheus", "print metrics in the Prometheus text format");
  return withJson(command).action((options: StatusOptions) =>
    asRoot(cli, options, "the status of the daemon", () => runStatus(cli, options)),
  );
}

async function runStatus(cli: Cli, options: StatusOptions): Promise<Answered> {
  if (options.json === true && options.prometheus === true)
    return refuse("invalid", EXIT.usage, "--json and --prometheus exclude each other");
  const asked = await askDaemon(cli, "status", {});
  if (!asked.ok) return asked.fault.exit === EXIT.notRunning ? downAnswer(cli, options, asked.fault) : asked;
  const report = asked.value;
  return ok({
    json: { running: true, ...report },
    text: options.prometheus === true ? statusMetrics(report) : statusText(cli, report),
  });
}

async function downAnswer(cli: Cli, options: StatusOptions, fault: CommandFault): Promise<Answered> {
  const counts: Asked<Counts> = await withHistory(cli, (reader) => {
    const found = reader.counts();
    return found.ok ? found : { ok: false, fault: { ...found.fault, exit: EXIT.failed } };
  });
  const { exit, ...rest } = fault;
  const json = {
    running: false,
    fault: rest,
    exit,
    ...(counts.ok ? { stored: counts.value } : { storeFault: counts.fault.message }),
  };
  return ok({ json, text: options.prometheus === true ? downMetrics() : downText(cli, fault, counts), exit });
}

function downText(cli: Cli, fault: CommandFault, counts: Asked<Counts>): string {
  const paint = paintOf(cli);
  const head = `${paint("algo-monitor does not run: this host is not protected.", "red")}\n  ${printable(fault.message)}\n  what to do: ${fault.remedy ?? "sudo systemctl start algo-monitor"}\n`;
  if (!counts.ok) return `${head}\nNothing is on record: ${printable(counts.fault.message)}\n`;
  const { alertsByStatus, alertsBySeverity, decisions, sizeBytes } = counts.value;
  const rows = [
    ["alerts", `${alertsByStatus.new} new, ${alertsByStatus.acknowledged} acknowledged, ${counts.value.alerts} in all`],
    [
      "by severity",
      `${alertsBySeverity.ALERT} ALERT, ${alertsBySeverity.WARNING} WARNING, ${alertsBySeverity.INFO} INFO`,
    ],
    [
      "decisions",
      `${decisions.kill} to kill, ${decisions.disconnect} to disconnect, ${decisions.rehearse} rehearsed, ${decisions.refuse} refused`,
    ],
    ["database", `${printable(cli.paths.databaseFile)}, ${bytes(sizeBytes)}`],
  ] as const;
  return `${head}\nOn record (from the database alone):\n${pairs(rows)}`;
}

function statusText(cli: Cli, report: StatusReport): string {
  return [
    headline(cli, report),
    pairs(summaryRows(cli, report)),
    `\n${scannersText(cli, report)}`,
    problemsText(cli, report),
    budgetsText(cli, report),
    degradationsText(cli, report),
    containerText(cli),
    countedText("Faults since start", report.faults),
    outputsText(cli, report),
  ].join("");
}

function headline(cli: Cli, report: StatusReport): string {
  const paint = paintOf(cli);
  const name = `algo-monitor ${report.version} (${report.commit})`;
  if (report.pausedUntilMs !== undefined && report.pausedUntilMs > report.nowMs) {
    const by = report.pausedBy === undefined ? "" : ` by ${printable(report.pausedBy, 64)}`;
    const why = report.pauseReason === undefined ? "" : ` (${printable(report.pauseReason, 200)})`;
    return `${name} is ${paint("PAUSED", "yellow")}${by} until ${localTime(report.pausedUntilMs)}, ${duration(report.pausedUntilMs - report.nowMs)} left${why}: it watches and stops nothing. sudo algo-monitor resume\n`;
  }
  switch (report.mode) {
    case "enforce":
      return `${name} ${paint("ENFORCES", "green")}: it stops what its rules say must be stopped.\n`;
    case "monitor":
      return `${name} ${paint("MONITORS", "yellow")}: it stops nothing. To enforce: sudo algo-monitor config set MODE enforce\n`;
  }
}

function summaryRows(cli: Cli, report: StatusReport): readonly (readonly [string, string])[] {
  const { counts, store, self, rules } = report;
  const { ALERT, WARNING, INFO, ERROR } = counts.findings;
  const outage =
    store.outage === undefined
      ? ""
      : `; DOWN since ${localTime(store.outage.sinceMs)}: ${printable(store.outage.reason)}`;
  const waiting = store.pending + store.dropped === 0 ? "" : `, ${store.pending} rows waiting, ${store.dropped} lost`;
  return [
    [
      "running",
      `since ${timeWithHint(report.startedAtMs, report.nowMs)}, pid ${report.pid}, ${bytes(self.rssBytes)}, ${self.cpuPercent.toFixed(2)} % of a core`,
    ],
    [
      "config",
      `generation ${report.configGeneration}, ${report.configProblems.length === 0 ? "no problems" : plural(report.configProblems.length, "problem")}`,
    ],
    [
      "rules",
      `${rules.loaded === 0 ? "NONE loaded: nothing is recognised" : `${rules.loaded} loaded`}${rules.refused === 0 ? "" : `, ${rules.refused} refused: sudo algo-monitor rules list`}`,
    ],
    [
      "alerts",
      `${counts.openAlerts} open; findings since start: ${ALERT} ALERT, ${WARNING} WARNING, ${INFO} INFO, ${ERROR} ERROR`,
    ],
    [
      "actions",
      `${plural(counts.kills, "kill")}, ${plural(counts.disconnects, "disconnect")}, ${counts.rehearsed} rehearsed, ${counts.refused} refused, ${counts.actionsFailed} failed`,
    ],
    ...(report.sensor === undefined || report.sensor.state === "kernel"
      ? []
      : ([["sensor", sensorText(report.sensor)]] as const)),
    ...(report.kernel?.watches === true ? kernelRows(report.kernel, report.nowMs) : []),
    ...(report.sensor?.beat === undefined ? [] : ([["opens", opensText(report.sensor.beat)]] as const)),
    ...(report.files === undefined ? [] : ([["files", filesLine(cli, report.files)]] as const)),
    ...(report.sessions === undefined
      ? []
      : ([["sessions", `${plural(report.sessions, "login")} now: sudo algo-monitor sessions`]] as const)),
    ["store", `${printable(store.path)}, ${bytes(store.sizeBytes)}${waiting}${outage}`],
  ];
}

function sensorText({ state, reason = "it starts" }: SensorReport): string {
  return state === "connector"
    ? `hears of starts and ends alone (process connector) and stops nothing; BPF: ${printable(reason)}`
    : `does not watch: ${printable(reason)}`;
}

function kernelRows(kernel: KernelReport, nowMs: number): readonly (readonly [string, string])[] {
  const { verdicts, asks, askedStopped, answerMedianMs, answerP99Ms, holdsExpired, generation } = kernel;
  const answers =
    asks === 0
      ? "asked nothing"
      : `asked ${asks} times (${askedStopped} stopped), answered in ${milliseconds(answerMedianMs)}, 99 % in ${milliseconds(answerP99Ms)}, ${holdsExpired} too late`;
  const work = `policy ${generation}; stopped ${verdicts} in the kernel; ${answers}`;
  const missed = kernel.processesMissed + kernel.connectionsMissed + kernel.eventsLost;
  const blind = kernel.blindWindows.at(-1);
  const rows: (readonly [string, string])[] = [["sensor", work]];
  if (missed > 0)
    rows.push([
      "missed",
      `${plural(kernel.processesMissed, "start")} and ${plural(kernel.connectionsMissed, "connection")} that only a scan found, ${plural(kernel.eventsLost, "report")} lost`,
    ]);
  if (blind !== undefined) rows.push(["blind", blindText(blind, nowMs)]);
  return rows;
}

function opensText({ filesWatched, filesRefused }: NonNullable<SensorReport["beat"]>): string {
  const refused = filesRefused === 0 ? "" : `, ${filesRefused} refused by their file system`;
  return `${plural(filesWatched, "file")} watched for who opens them${refused}`;
}

function blindText({ fromMs, toMs, lost, reconciledAtMs }: BlindWindow, nowMs: number): string {
  const from = `since ${timeWithHint(fromMs, nowMs)}`;
  if (toMs === undefined) return `${from}: the sensor does not run, the scans alone look`;
  const what = lost === 0 ? "the sensor did not run" : `${plural(lost, "report")} lost`;
  const after =
    reconciledAtMs === undefined ? "not yet looked at again" : `looked at again ${localTime(reconciledAtMs)}`;
  return `${timeWithHint(fromMs, nowMs)} for ${duration(toMs - fromMs)}: ${what}; ${after}`;
}

function scannersText(cli: Cli, report: StatusReport): string {
  const rows = report.scanners.map((scanner) => scannerRow(scanner, report.nowMs));
  return table(["SCANNER", "EVERY", "LAST", "TOOK", "MEDIAN", "SCANS", "OVERRUNS", "SAW"], rows, cli.columns);
}

function scannerRow(scanner: ScannerStatus, nowMs: number): string[] {
  const took = (ms: number | undefined): string => (ms === undefined ? "-" : milliseconds(ms));
  return [
    scanner.name,
    duration(scanner.intervalMs),
    scanner.lastAtMs === undefined ? "never" : relativeTime(scanner.lastAtMs, nowMs),
    took(scanner.lastTookMs),
    took(scanner.medianTookMs),
    String(scanner.scans),
    String(scanner.overruns),
    sawText(scanner),
  ];
}

function sawText(scanner: ScannerStatus): string {
  if (scanner.skippedReason !== undefined) return `off: ${printable(scanner.skippedReason, 200)}`;
  return scanner.enabled ? String(scanner.items) : "off";
}

function problemsText(cli: Cli, report: StatusReport): string {
  if (report.configProblems.length === 0) return "";
  const rows = report.configProblems.map((problem) => [
    problem.severity,
    `${problem.line}:${problem.column}`,
    printable(problem.key, 80),
    printable(problem.message, 400),
  ]);
  return `\nConfig problems (sudo algo-monitor config check):\n${table(["SEVERITY", "PLACE", "KEY", "WHAT"], rows, cli.columns)}`;
}

function budgetsText(cli: Cli, report: StatusReport): string {
  if (report.budgets.length === 0) return "";
  const rows = report.budgets.map((budget) => [
    budget.rule,
    `${budget.used}/${budget.limit}`,
    budget.loweredUntilMs === undefined ? "-" : `watches only until ${localTime(budget.loweredUntilMs)}`,
    printable(budget.executable, 400),
  ]);
  return `\nKill budgets in use:\n${table(["RULE", "USED", "LOWERED", "EXECUTABLE"], rows, cli.columns)}`;
}

function degradationsText(cli: Cli, report: StatusReport): string {
  if (report.degradations.length === 0) return "";
  const paint = paintOf(cli);
  const lines = report.degradations.map((part) => {
    const remedy = part.remedy === undefined ? "" : `\n      what to do: ${printable(part.remedy)}`;
    return `  ${printable(part.part)} since ${timeWithHint(part.sinceMs, report.nowMs)}: ${printable(part.reason)}${remedy}\n`;
  });
  return `\n${paint("Degraded:", "yellow")}\n${lines.join("")}`;
}

function containerText(cli: Cli): string {
  const namespace = containerNamespace(cli.procRoot);
  return namespace === undefined ? "" : `\nPid namespace: ${containerDetail(namespace)}; ${CONTAINER_REACH}\n`;
}

function countedText(title: string, counts: Readonly<Record<string, number>>): string {
  const seen = Object.entries(counts).filter(([, count]) => count > 0);
  return seen.length === 0
    ? ""
    : `\n${title}: ${seen.map(([kind, count]) => `${count} ${printable(kind, 64)}`).join(", ")}\n`;
}

function outputsText(cli: Cli, report: StatusReport): string {
  const failing = report.outputs.filter((output) => output.failed > 0);
  if (failing.length === 0) return "";
  const rows = failing.map((output) => [
    output.name,
    String(output.sent),
    String(output.failed),
    printable(output.lastFault ?? "", 400),
  ]);
  return `\nOutputs that lose notices:\n${table(["OUTPUT", "SENT", "LOST", "LAST FAULT"], rows, cli.columns)}`;
}
