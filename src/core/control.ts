/**
 * What can be asked of a running daemon: one table of methods with the shapes that go in and come out.
 * The control socket speaks it now, the HTTP API later; both hand the caller to the same handlers.
 * Everything here survives JSON: no bigint, no undefined, no Map.
 */
import type { BlockParams, BlockReport, BlocksReport, UnblockParams, UnblockReport } from "./blocks.ts";
import type {
  ConnectionsParams,
  ConnectionsReport,
  FilesStarted,
  ProcessesParams,
  ProcessesReport,
  ProcessParams,
  ProcessReport,
  SessionsReport,
} from "./control_views.ts";
import type { ExceptionEntry } from "./exception.ts";
import type { FilesStatus } from "./files.ts";
import type { Finding, Level, Severity } from "./nouns.ts";
import { severityOf } from "./nouns.ts";
import type { ProcessRef } from "./process.ts";
import type { Result } from "./result.ts";

export type Mode = "enforce" | "monitor";
export type ScannerName = "processes" | "network" | "filesystem" | "sessions" | "host";
export type AlertStatus = "new" | "acknowledged" | "resolved" | "false-positive";

export const SCANNER_NAMES: readonly ScannerName[] = ["processes", "network", "filesystem", "sessions", "host"];
export const ALERT_STATUSES: readonly AlertStatus[] = ["new", "acknowledged", "resolved", "false-positive"];
/** A longer pause is a decision about MODE, not a pause. */
export const PAUSE_MINUTES_MAX = 24 * 60;

/** Who asks. `uid` and `pid` are the kernel's word where it gives it (SO_PEERCRED), `user` is the client's. */
export interface Caller {
  readonly uid: number;
  /** 0 where nobody said. */
  readonly pid: number;
  /** The person behind sudo where known, for the audit trail; never used to permit anything. */
  readonly user: string;
}

export type NoParams = Readonly<Record<never, never>>;

export interface Methods {
  version: { readonly params: NoParams; readonly result: VersionReport };
  status: { readonly params: NoParams; readonly result: StatusReport };
  reload: { readonly params: NoParams; readonly result: ReloadReport };
  pause: { readonly params: PauseParams; readonly result: PauseReport };
  resume: { readonly params: NoParams; readonly result: ResumeReport };
  block: { readonly params: BlockParams; readonly result: BlockReport };
  unblock: { readonly params: UnblockParams; readonly result: UnblockReport };
  blocks: { readonly params: NoParams; readonly result: BlocksReport };
  scan: { readonly params: ScanParams; readonly result: RehearsalReport };
  trust: { readonly params: TrustParams; readonly result: TrustReport };
  untrust: { readonly params: UntrustParams; readonly result: UntrustReport };
  set_alert_status: { readonly params: AlertStatusParams; readonly result: AlertStatusReport };
  selftest: { readonly params: SelftestParams; readonly result: SelftestReport };
  config_edited: { readonly params: ConfigEditedParams; readonly result: ReloadReport };
  processes: { readonly params: ProcessesParams; readonly result: ProcessesReport };
  process: { readonly params: ProcessParams; readonly result: ProcessReport };
  connections: { readonly params: ConnectionsParams; readonly result: ConnectionsReport };
  sessions: { readonly params: NoParams; readonly result: SessionsReport };
  files: { readonly params: NoParams; readonly result: FilesStatus };
  /** A round over the files now. */
  scan_files: { readonly params: NoParams; readonly result: FilesStarted };
  /** Every file is read again, whatever its times say. */
  verify_files: { readonly params: NoParams; readonly result: FilesStarted };
}

export type MethodName = keyof Methods;

/** The one table of handlers; a missing method does not compile. */
export type Handlers = {
  readonly [M in MethodName]: (params: Methods[M]["params"], caller: Caller) => Promise<Result<Methods[M]["result"]>>;
};

export interface PauseParams {
  /** 1 to PAUSE_MINUTES_MAX. */
  readonly minutes: number;
  readonly reason: string;
}

export interface PauseReport {
  readonly pausedUntilMs: number;
}

export interface ResumeReport {
  readonly wasPaused: boolean;
  /** The mode in force now. */
  readonly mode: Mode;
}

export interface ScanParams {
  /** Absent: all of them. */
  readonly scanner?: ScannerName;
}

/** Exactly one of `alertId` and `path` is given. */
export interface TrustParams {
  /** An alert id, or a unique prefix or suffix of one: its narrowest EXCEPTIONS entry is added. */
  readonly alertId?: string;
  /** An absolute path, added to TRUSTED_SYSTEM_PROCESSES. */
  readonly path?: string;
  readonly reason: string;
  /** ISO 8601 date or date-time; only with `alertId`. */
  readonly until?: string;
}

export interface TrustReport {
  readonly changed: boolean;
  readonly file: string;
  /** What stands in the file now: the entry of EXCEPTIONS, or the path in TRUSTED_SYSTEM_PROCESSES. */
  readonly entry?: ExceptionEntry;
  readonly path?: string;
  readonly configGeneration: number;
}

/** Exactly one of `alertId` and `path` is given. */
export interface UntrustParams {
  readonly alertId?: string;
  readonly path?: string;
}

export interface UntrustReport {
  readonly file: string;
  readonly removedEntries: readonly ExceptionEntry[];
  readonly removedPaths: readonly string[];
  readonly configGeneration: number;
}

export interface AlertStatusParams {
  readonly id: string;
  readonly status: AlertStatus;
}

export interface AlertStatusReport {
  /** The full id. */
  readonly id: string;
  readonly previous: AlertStatus;
  readonly status: AlertStatus;
}

/** A command has changed the config file: to be audited and taken over at once. */
export interface ConfigEditedParams {
  /** `MODE`, `KILL_BUDGET.per_minute`. */
  readonly key: string;
  /** The new value as JSON, cut where it is long. */
  readonly value: string;
}

/** "Do you see me?": the asking process is the harmless thing that must be found. */
export interface SelftestParams {
  /** Random word that the daemon writes into its audit trail. */
  readonly marker: string;
  /** The asking process. */
  readonly process: ProcessRef;
  /** A TCP port on 127.0.0.1 that the asking process listens on and is connected to. */
  readonly port: number;
  /** How long the daemon may wait for sweeps that began after the question, milliseconds. */
  readonly waitMs: number;
}

export interface SelftestReport {
  readonly checks: readonly SelftestCheck[];
}

export interface SelftestCheck {
  /** `process`, `connection`, `record`, ... */
  readonly name: string;
  readonly passed: boolean;
  /** What was seen, or what was not and why. */
  readonly detail: string;
  readonly tookMs: number;
}

export interface VersionReport {
  readonly version: string;
  readonly commit: string;
}

export interface ReloadReport {
  /** The configuration. */
  readonly changed: boolean;
  /** A file of a rule was added, changed or removed; it counts from now on, unless it is refused. */
  readonly rulesChanged: boolean;
  readonly configGeneration: number;
  readonly problems: readonly ConfigProblem[];
}

export interface ConfigProblem {
  readonly severity: "error" | "warning" | "info";
  readonly line: number;
  readonly column: number;
  readonly key: string;
  readonly message: string;
  readonly remedy?: string;
}

export interface StatusReport {
  readonly version: string;
  readonly commit: string;
  readonly pid: number;
  readonly startedAtMs: number;
  /** The daemon's clock when it answered. */
  readonly nowMs: number;
  /** As configured; a running pause makes it behave as monitor. */
  readonly mode: Mode;
  readonly pausedUntilMs?: number;
  readonly pausedBy?: string;
  readonly pauseReason?: string;
  readonly configGeneration: number;
  readonly configProblems: readonly ConfigProblem[];
  readonly rules: { readonly loaded: number; readonly refused: number };
  readonly scanners: readonly ScannerStatus[];
  readonly budgets: readonly BudgetStatus[];
  readonly degradations: readonly Degradation[];
  /** Faults since start by kind, of the whole daemon. */
  readonly faults: Readonly<Record<string, number>>;
  readonly counts: StatusCounts;
  readonly store: StoreStatus;
  readonly outputs: readonly OutputStatus[];
  /** Absent where nothing watches files. */
  readonly files?: FilesStatus;
  /** Logins there are now; absent where nobody looks. */
  readonly sessions?: number;
  /** The kernel sensor's process; absent where the daemon knows none. */
  readonly sensor?: SensorReport;
  /** What the kernel sensor led to; absent where the daemon knows none. */
  readonly kernel?: KernelReport;
  readonly self: SelfUsage;
}

/** Since the daemon started. */
export interface SensorReport {
  /** `connector`: it hears of starts and ends alone, and stops nothing. */
  readonly state: "kernel" | "connector" | "starting" | "off";
  /** Why it does not watch from the kernel. */
  readonly reason?: string;
  readonly pid?: number;
  /** What it is attached to, and why not to the rest. */
  readonly hooks: readonly { readonly name: string; readonly answer: string }[];
  /** Its counters of the last second; records and losses by lane: urgent, vital, other, its own. */
  readonly beat?: {
    readonly records: readonly number[];
    readonly lost: readonly number[];
    readonly recursionMisses: number;
    readonly droppedPackets: number;
    readonly processes: number;
    readonly untracked: number;
    readonly filesWatched: number;
    readonly filesRefused: number;
  };
  readonly restarts: number;
  readonly canary: { readonly seen: number; readonly missed: number; readonly lastAtMs?: number };
}

export interface KernelReport {
  readonly watches: boolean;
  /** Of the policy that the kernel has now. */
  readonly generation: number;
  /** Stopped in the kernel, or what it would have stopped. */
  readonly verdicts: number;
  readonly asks: number;
  readonly askedStopped: number;
  readonly askedReleased: number;
  /** From question to answer, of the newest 512; 0 where there was none. */
  readonly answerMedianMs: number;
  readonly answerP99Ms: number;
  /** Let go by the sensor before the daemon had answered. */
  readonly holdsExpired: number;
  readonly eventsTold: number;
  /** Like one that was told within ten seconds, and counted only. */
  readonly eventsAlike: number;
  readonly eventsLost: number;
  /** Looks out of turn, and what one takes. */
  readonly urgentSweeps: number;
  readonly urgentMedianMs: number;
  /** What a scan found and the sensor never reported. */
  readonly processesMissed: number;
  readonly connectionsMissed: number;
  readonly endsMissed: number;
  readonly hiddenProcesses: number;
  /** The newest 32. */
  readonly blindWindows: readonly BlindWindow[];
}

/** A time in which the sensor missed something. */
export interface BlindWindow {
  readonly fromMs: number;
  /** Absent while it lasts. */
  readonly toMs?: number;
  /** Reports that are lost; 0 where it did not run at all. */
  readonly lost: number;
  /** When the whole host had been looked at again; absent while it has not. */
  readonly reconciledAtMs?: number;
}

export interface ScannerStatus {
  readonly name: ScannerName;
  readonly enabled: boolean;
  readonly intervalMs: number;
  /** Absent before the first one. */
  readonly lastAtMs?: number;
  readonly lastTookMs?: number;
  /** Of the last 100. */
  readonly medianTookMs?: number;
  readonly scans: number;
  /** Scans that took longer than their interval. */
  readonly overruns: number;
  /** Processes, sockets, files or sessions that the last one saw. */
  readonly items: number;
  /** Why it does not run, where it does not. */
  readonly skippedReason?: string;
}

export interface BudgetStatus {
  readonly rule: string;
  readonly executable: string;
  /** Kills in the last minute. */
  readonly used: number;
  readonly limit: number;
  /** This pair only watches until then. */
  readonly loweredUntilMs?: number;
}

/** A part that works less well than it should. */
export interface Degradation {
  readonly part: string;
  readonly sinceMs: number;
  readonly reason: string;
  readonly remedy?: string;
}

/** Since start of the daemon. */
export interface StatusCounts {
  readonly events: number;
  readonly findings: Readonly<Record<Severity, number>>;
  readonly kills: number;
  readonly disconnects: number;
  readonly rehearsed: number;
  readonly refused: number;
  readonly actionsFailed: number;
  /** Open alerts in the store, of any age. */
  readonly openAlerts: number;
}

export interface StoreStatus {
  readonly path: string;
  readonly sizeBytes: number;
  /** Rows waiting for the database, and rows given up. */
  readonly pending: number;
  readonly dropped: number;
  readonly outage?: { readonly sinceMs: number; readonly reason: string };
}

export interface OutputStatus {
  readonly name: string;
  readonly sent: number;
  readonly failed: number;
  readonly lastFault?: string;
  /** Of those that leave the host: waiting to be delivered, and summed up instead of sent one by one. */
  readonly waiting?: number;
  readonly heldBack?: number;
}

export interface SelfUsage {
  readonly rssBytes: number;
  /** Of one core, since the previous sample. */
  readonly cpuPercent: number;
}

/** One sweep judged as `enforce` would, with nothing touched. */
export interface RehearsalReport {
  readonly atMs: number;
  /** `daemon`, or `one-shot` where the command swept by itself because no daemon runs. */
  readonly sweptBy: "daemon" | "one-shot";
  readonly processes: number;
  readonly sockets: number;
  readonly findings: readonly FindingSummary[];
  readonly wouldKill: readonly RehearsedVictim[];
  /** Findings whose rule would only cut connections. */
  readonly wouldDisconnect: readonly RehearsedCut[];
  /** The session that runs this command is among those who would die. */
  readonly ownSessionConcerned: boolean;
  readonly tookMs: number;
}

export interface RehearsedVictim {
  readonly process: ProcessRef;
  readonly executable: string;
  readonly commandLine: string;
  readonly user: string;
  readonly rule: string;
  readonly findingId: string;
  readonly reason: string;
  readonly ownSession: boolean;
}

export interface RehearsedCut {
  readonly rule: string;
  readonly findingId: string;
  /** `tcp 10.0.0.1:4444`. */
  readonly peer: string;
}

/** A finding as it travels to operators: flat, bounded, without host references. */
export interface FindingSummary {
  readonly id: string;
  readonly atMs: number;
  readonly rule: string;
  readonly level: Level;
  readonly severity: Severity;
  readonly score: number;
  readonly title: string;
  readonly reasons: readonly string[];
  readonly pid?: number;
  readonly executable?: string;
  readonly commandLine?: string;
  readonly user?: string;
  /** `10.0.0.1:4444`. */
  readonly peer?: string;
}

const COMMAND_LINE_MAX = 4096;

export function summaryOf(finding: Finding): FindingSummary {
  const fields = finding.event.fields;
  const pid = fields["process.pid"] ?? finding.event.process?.pid;
  const executable = fields["process.executable"];
  const commandLine = fields["process.command_line"];
  const user = fields["user.name"];
  const address = fields["peer.ip"] ?? fields["destination.ip"];
  const port = fields["peer.port"] ?? fields["destination.port"];
  return {
    id: finding.id,
    atMs: finding.atMs,
    rule: finding.rule.name,
    level: finding.level,
    severity: severityOf(finding.level),
    score: finding.score,
    title: finding.title,
    reasons: finding.reasons,
    ...(typeof pid === "number" ? { pid } : {}),
    ...(typeof executable === "string" ? { executable } : {}),
    ...(typeof commandLine === "string" ? { commandLine: commandLine.slice(0, COMMAND_LINE_MAX) } : {}),
    ...(typeof user === "string" ? { user } : {}),
    ...(typeof address === "string" ? { peer: endpointText(address, typeof port === "number" ? port : 0) } : {}),
  };
}

/** `10.0.0.1:4444`, `[2001:db8::1]:4444`; without the port where it is 0. */
export function endpointText(address: string, port: number): string {
  if (port === 0) return address;
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
