/** One noun per stage. The same words stand in code, database, CLI, logs and docs. */
import type { ProcessRef } from "./process.ts";

export type FieldValue = string | number | boolean | readonly string[] | readonly number[];

/**
 * What is known of an event, by ECS field name (`process.executable`, `destination.ip`, ...).
 * The closed list of names, with type and Sigma alias, is in fields.ts.
 */
export type Fields = Readonly<Record<string, FieldValue>>;

/** Where an event may be judged: Sigma's logsource. */
export interface LogSource {
  readonly category: string;
  readonly product: "linux";
  readonly service?: string;
}

/** A fact: something happened on the host. */
export interface Event {
  readonly id: string;
  readonly atMs: number;
  /** ECS event.action, e.g. `process-started`, `connection-opened`, `shell-wired`. */
  readonly action: string;
  readonly logsource: LogSource;
  readonly fields: Fields;
  /** Whom it is about, where it is about a process. */
  readonly process?: ProcessRef;
  /** Whom a response would concern, named by the detector that derived the event. */
  readonly subject?: Subject;
}

/** An event without id and time: those are given where it enters the pipeline. */
export type EventDraft = Omit<Event, "id" | "atMs">;

/**
 * What a response may act on, as the detector saw it. A detector never acts and never decides;
 * it only says which processes and sockets make up the behaviour.
 */
export interface Subject {
  /** The processes that are the behaviour: the wired interpreter, the miner. Their trees fall with them. */
  readonly actors: readonly ProcessRef[];
  /** Processes that only carry bytes for the actors. Killed unless they also serve somebody else. */
  readonly relays: readonly ProcessRef[];
  /** The shape itself is the proof (a shell whose own input and output are the connection): the kill budget does not limit it. */
  readonly certain?: true;
  /** Sockets that carry the behaviour; destroyed after the kill, or alone by `disconnect`. */
  readonly sockets: readonly SocketRef[];
  /** The kernel acted on it in the very moment, by the policy it was given. */
  readonly stopped?: KernelStop;
}

/** What the kernel did before anybody here could decide. The policy of `generation` is the recorded intent. */
export interface KernelStop {
  readonly action: KernelAction;
  readonly stage: KernelStage;
  readonly generation: number;
  readonly process: ProcessRef;
  /** Parent, grandparent, ...: who started the process, and may start the next. */
  readonly ancestors: readonly ProcessRef[];
  /** The process is dead when we hear of it: this is all that is known of it. */
  readonly evidence?: ProcessEvidence;
}

/** `rehearsed`: it only says what it would have done. `dropped`: bytes were not let through, the process lives. */
export type KernelAction = "killed" | "rehearsed" | "refused" | "dropped";
export type KernelStage = "exec" | "connect" | "receive" | "send" | "held";

export interface SocketRef {
  readonly inode: number;
  readonly cookie: bigint;
  readonly networkNamespace: number;
  readonly protocol: "tcp" | "udp" | "raw";
  readonly localAddress: string;
  readonly localPort: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
}

export type Level = "informational" | "low" | "medium" | "high" | "critical";

/** What a rule asks for; decision says what is done. From mildest to hardest. */
export type ResponseKind = "off" | "monitor" | "alert" | "disconnect" | "kill";

export type Severity = "ALERT" | "WARNING" | "INFO" | "ERROR";

/** critical and high make an ALERT, medium and low a WARNING, informational an INFO. ERROR is kept for our own faults. */
export function severityOf(level: Level): Severity {
  switch (level) {
    case "critical":
    case "high":
      return "ALERT";
    case "medium":
    case "low":
      return "WARNING";
    case "informational":
      return "INFO";
  }
}

export const BASE_SCORE: Readonly<Record<Level, number>> = {
  critical: 90,
  high: 70,
  medium: 50,
  low: 30,
  informational: 10,
};

/** A rule matched an event. */
export interface Finding {
  readonly id: string;
  readonly atMs: number;
  readonly rule: RuleRef;
  readonly level: Level;
  /** 0-100. */
  readonly score: number;
  /** One sentence: what happened, to what. */
  readonly title: string;
  /** Why the rule matched, as sentences of facts. */
  readonly reasons: readonly string[];
  readonly tags: readonly string[];
  readonly response: ResponseKind;
  readonly event: Event;
  /** Findings of equal key are one alert with a count: rule, lineage and target. */
  readonly foldKey: string;
  /** What the rule tells the reader to do next. */
  readonly triage: string;
}

export interface RuleRef {
  /** UUID of the Sigma rule. */
  readonly id: string;
  /** Folder name, e.g. `reverse_shell`. Used in RULES, EXCEPTIONS and ALGO_RULE. */
  readonly name: string;
  readonly version: number;
}

/** What we will do and why, including nothing. */
export type Decision = DecisionBase &
  /** `pardoned`: an exception or trust covers it; it is kept and not told. */
  (
    | { readonly do: "record"; readonly pardoned?: true }
    | { readonly do: "refuse" }
    /** monitor mode or pause: what would have been done, and nothing is touched. */
    | { readonly do: "rehearse"; readonly would: "kill" | "disconnect"; readonly plan: ActionPlan }
    | { readonly do: "disconnect"; readonly plan: ActionPlan }
    | { readonly do: "kill"; readonly plan: ActionPlan }
  );

export interface DecisionBase {
  readonly id: string;
  readonly atMs: number;
  /** Absent for an operator's order. */
  readonly findingId?: string;
  readonly rule: RuleRef;
  /** Who ordered it: `policy`, or the operator's user name. */
  readonly by: string;
  /** Each line one reason, in the order they were weighed. */
  readonly reasons: readonly string[];
}

/** Whom an action concerns, after the never-touch list was applied. */
export interface ActionPlan {
  readonly kill: readonly ProcessRef[];
  /** Those of `kill` whose other children are not the behaviour: they die without the tree below them. */
  readonly aloneWithoutTree?: readonly ProcessRef[];
  readonly sockets: readonly SocketRef[];
  /** Part of the behaviour but left alone, with the reason. */
  readonly spared: readonly { readonly process: ProcessRef; readonly reason: string }[];
  /** Done already, in the kernel; the rest of the plan follows it. */
  readonly stopped?: KernelStop;
  /** The bytes of the connection were withheld from the moment it was opened until this decision. */
  readonly held?: true;
}

/** What became of an action. */
export interface Outcome {
  readonly decisionId: string;
  readonly atMs: number;
  readonly result: "done" | "rehearsed" | "failed" | "partial";
  /** The effect was looked at afterwards and is there. */
  readonly verified: boolean;
  readonly killed: readonly ProcessRef[];
  readonly survived: readonly ProcessRef[];
  readonly socketsDestroyed: number;
  readonly detail: string;
  /** From the decision to the last verified death, milliseconds. */
  readonly tookMs: number;
  /** What was kept of the killed processes: argv, environment names, open files, maps summary. */
  readonly evidence: readonly ProcessEvidence[];
}

export interface ProcessEvidence {
  readonly process: ProcessRef;
  readonly executable: string;
  readonly commandLine: string;
  readonly workingDirectory: string;
  readonly userId: number;
  readonly parentPid: number;
  readonly descriptors: readonly string[];
}
