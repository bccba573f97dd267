/** The status in the Prometheus text format 0.0.4: base units, `_total` on counters, HELP and TYPE once a metric. Pure. */
import type { StatusReport } from "../core/control.ts";

type Labels = Readonly<Record<string, string>>;
interface Sample {
  readonly labels?: Labels;
  readonly value: number;
}

interface Metric {
  /** Without the prefix `algo_monitor_`. */
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly samples: readonly Sample[];
}

const UP_HELP = "Whether the daemon runs and answers.";

export function statusMetrics(report: StatusReport): string {
  return render([
    ...processMetrics(report),
    ...scannerMetrics(report),
    ...judgementMetrics(report),
    ...storeMetrics(report),
    ...filesMetrics(report),
  ]);
}

/** What a scrape sees while no daemon runs. */
export function downMetrics(): string {
  return render([{ name: "up", type: "gauge", help: UP_HELP, samples: [{ value: 0 }] }]);
}

function processMetrics(report: StatusReport): Metric[] {
  const paused = report.pausedUntilMs !== undefined && report.pausedUntilMs > report.nowMs;
  const problems = (["error", "warning", "info"] as const).map((severity) => ({
    labels: { severity },
    value: report.configProblems.filter((problem) => problem.severity === severity).length,
  }));
  return [
    gauge("up", UP_HELP, 1),
    {
      name: "build_info",
      type: "gauge",
      help: "Always 1; the labels say which build runs.",
      samples: [{ labels: { version: report.version, commit: report.commit }, value: 1 }],
    },
    gauge("start_time_seconds", "When the daemon started, seconds since 1970.", report.startedAtMs / 1000),
    gauge(
      "enforcing",
      "Whether it kills: MODE is enforce and no pause runs.",
      report.mode === "enforce" && !paused ? 1 : 0,
    ),
    gauge("paused", "Whether a pause runs.", paused ? 1 : 0),
    gauge("config_generation", "How often the configuration was read and applied.", report.configGeneration),
    { name: "config_problems", type: "gauge", help: "Problems of the configuration in force.", samples: problems },
    gauge("rules_loaded", "Rules in force.", report.rules.loaded),
    gauge("rules_refused", "Rules that could not be loaded.", report.rules.refused),
    gauge("resident_memory_bytes", "Memory of the daemon.", report.self.rssBytes),
    gauge("cpu_ratio", "Processor use of the daemon, 1 is one core.", report.self.cpuPercent / 100),
    {
      name: "degraded",
      type: "gauge",
      help: "1 for each part that works less well than it should; no sample when all is well.",
      samples: report.degradations.map((part) => ({ labels: { part: part.part }, value: 1 })),
    },
    counters("faults_total", "Faults since start.", "kind", report.faults),
  ];
}

function scannerMetrics(report: StatusReport): Metric[] {
  const each = (
    name: string,
    type: Metric["type"],
    help: string,
    of: (scanner: StatusReport["scanners"][number]) => number | undefined,
  ): Metric => ({
    name,
    type,
    help,
    samples: report.scanners.flatMap((scanner) => {
      const value = of(scanner);
      return value === undefined ? [] : [{ labels: { scanner: scanner.name }, value }];
    }),
  });
  const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);
  return [
    each("scanner_enabled", "gauge", "Whether the scanner runs.", (scanner) =>
      scanner.enabled && scanner.skippedReason === undefined ? 1 : 0,
    ),
    each("scan_interval_seconds", "gauge", "Time from scan to scan.", (scanner) => seconds(scanner.intervalMs)),
    each("scan_last_timestamp_seconds", "gauge", "When the last scan ended, seconds since 1970.", (scanner) =>
      seconds(scanner.lastAtMs),
    ),
    each("scan_last_duration_seconds", "gauge", "What the last scan took.", (scanner) => seconds(scanner.lastTookMs)),
    each("scan_median_duration_seconds", "gauge", "What a scan takes, median of the last 100.", (scanner) =>
      seconds(scanner.medianTookMs),
    ),
    each(
      "scan_items",
      "gauge",
      "Processes, sockets, files or sessions that the last scan saw.",
      (scanner) => scanner.items,
    ),
    each("scans_total", "counter", "Scans since start.", (scanner) => scanner.scans),
    each(
      "scan_overruns_total",
      "counter",
      "Scans that took longer than their interval.",
      (scanner) => scanner.overruns,
    ),
  ];
}

function judgementMetrics(report: StatusReport): Metric[] {
  const { counts } = report;
  const ofPair = (value: (budget: StatusReport["budgets"][number]) => number): Sample[] =>
    report.budgets.map((budget) => ({
      labels: { rule: budget.rule, executable: budget.executable },
      value: value(budget),
    }));
  const actions = {
    kill: counts.kills,
    disconnect: counts.disconnects,
    rehearse: counts.rehearsed,
    refuse: counts.refused,
  };
  return [
    counter("events_total", "Events since start.", counts.events),
    counters("findings_total", "Findings since start.", "severity", counts.findings),
    counters("decisions_total", "Decisions since start other than to record.", "action", actions),
    counter("actions_failed_total", "Actions that failed or could not be verified.", counts.actionsFailed),
    gauge("open_alerts", "Alerts on record that are new or acknowledged.", counts.openAlerts),
    {
      name: "kill_budget_used",
      type: "gauge",
      help: "Kills of the last minute by rule and executable.",
      samples: ofPair((budget) => budget.used),
    },
    {
      name: "kill_budget_limit",
      type: "gauge",
      help: "Kills a minute before the pair only watches.",
      samples: ofPair((budget) => budget.limit),
    },
    {
      name: "kill_budget_lowered",
      type: "gauge",
      help: "Whether the pair only watches because it passed its budget.",
      samples: ofPair((budget) =>
        budget.loweredUntilMs !== undefined && budget.loweredUntilMs > report.nowMs ? 1 : 0,
      ),
    },
  ];
}

function storeMetrics(report: StatusReport): Metric[] {
  const { store } = report;
  const outputs = (value: (output: StatusReport["outputs"][number]) => number): Sample[] =>
    report.outputs.map((output) => ({ labels: { output: output.name }, value: value(output) }));
  return [
    gauge("store_up", "Whether the database takes rows.", store.outage === undefined ? 1 : 0),
    gauge("store_size_bytes", "Size of the database.", store.sizeBytes),
    gauge("store_pending_rows", "Rows that wait in memory for the database.", store.pending),
    counter("store_dropped_rows_total", "Rows given up because the database took none for too long.", store.dropped),
    {
      name: "notices_sent_total",
      type: "counter",
      help: "Notices delivered.",
      samples: outputs((output) => output.sent),
    },
    {
      name: "notices_failed_total",
      type: "counter",
      help: "Notices that could not be delivered.",
      samples: outputs((output) => output.failed),
    },
  ];
}

function filesMetrics({ files, sessions }: StatusReport): Metric[] {
  const logins = sessions === undefined ? [] : [gauge("sessions", "Logins there are now.", sessions)];
  if (files === undefined) return logins;
  const { lastRound, lastVerifiedAtMs } = files;
  return [
    ...logins,
    gauge(
      "files_watching",
      "Whether files are watched and the first reading is done.",
      files.state === "watching" ? 1 : 0,
    ),
    gauge("files_entries", "Files, directories and links watched.", files.entries),
    gauge("files_bytes", "Size of the files watched.", files.bytes),
    gauge("files_unreadable", "Files that could not be read.", files.unreadable),
    gauge("files_skipped", "Places that are not watched.", files.skippedTotal),
    gauge("files_held_changes", "Changes that wait for the package manager.", files.held),
    gauge("files_database_bytes", "Size of the database of files.", files.databaseBytes),
    ...(lastRound === undefined
      ? []
      : [
          gauge(
            "files_round_timestamp_seconds",
            "When the last round ended, seconds since 1970.",
            lastRound.atMs / 1000,
          ),
          gauge("files_round_duration_seconds", "What the last round took.", lastRound.tookMs / 1000),
          gauge("files_round_changes", "Changes that the last round found.", lastRound.changes),
        ]),
    ...(lastVerifiedAtMs === undefined
      ? []
      : [
          gauge(
            "files_verified_timestamp_seconds",
            "Since when every file was read whole, seconds since 1970.",
            lastVerifiedAtMs / 1000,
          ),
        ]),
  ];
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, type: "gauge", help, samples: [{ value }] };
}

function counter(name: string, help: string, value: number): Metric {
  return { name, type: "counter", help, samples: [{ value }] };
}

function counters(name: string, help: string, label: string, values: Readonly<Record<string, number>>): Metric {
  return {
    name,
    type: "counter",
    help,
    samples: Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value })),
  };
}

function render(metrics: readonly Metric[]): string {
  return metrics.map(renderMetric).join("");
}

function renderMetric(metric: Metric): string {
  const name = `algo_monitor_${metric.name}`;
  const lines = metric.samples.map((sample) => `${name}${renderLabels(sample.labels ?? {})} ${sample.value}\n`);
  return `# HELP ${name} ${metric.help}\n# TYPE ${name} ${metric.type}\n${lines.join("")}`;
}

function renderLabels(labels: Labels): string {
  const inner = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return inner.length === 0 ? "" : `{${inner.join(",")}}`;
}

/** The format knows three escapes; what else could break a line or a reader's UTF-8 becomes U+FFFD. */
function escapeLabel(value: string): string {
  const escaped = value.toWellFormed().replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
  return escaped.replace(/\p{Cc}/gu, "\ufffd");
}
