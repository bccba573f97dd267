/** What the store promises to the daemon. No method throws; each is cheap enough for the path of a kill. */
import type { Clock } from "../core/clock.ts";
import type { AlertStatus } from "../core/control.ts";
import type { Decision, Event, Finding, Outcome } from "../core/nouns.ts";
import type { Fault, Result } from "../core/result.ts";
import type { PruneReport, Retention } from "./prune.ts";
import type { AuditEntry } from "./statements.ts";

/** An outage is told twice, when it begins and when it ends; everything else once. */
export type FaultPhase = "begins" | "ends" | "once";

export interface StoreOptions {
  /** The database file, e.g. `/opt/.monitor/algo-monitor.db`. */
  readonly path: string;
  /** A tmpfs for the ledger of intents, e.g. `/run/algo-monitor`. */
  readonly runDir: string;
  readonly clock: Clock;
  readonly onFault: (fault: Fault, phase: FaultPhase) => void;
  /** A finding this long after the last of its fold key begins a new alert. Default one hour. */
  readonly foldWindowMs?: number;
  /** Rows that wait in memory during an outage. Default 5,000. */
  readonly pendingRowsMax?: number;
}

export interface Folded {
  /** The id of the alert's first finding; what operators type. */
  readonly alertId: string;
  readonly count: number;
  readonly isNew: boolean;
}

export interface StatusChange {
  /** The full id. */
  readonly id: string;
  readonly previous: AlertStatus;
}

export interface StoreStatus {
  readonly path: string;
  /** Database and journal; 0 where there is none. */
  readonly sizeBytes: number;
  readonly outage?: {
    readonly sinceMs: number;
    readonly reason: string;
    readonly remedy?: string;
    readonly nextRetryInMs: number;
  };
  /** Rows that wait in memory. */
  readonly pending: number;
  /** Since start: rows that found no room in memory during an outage. */
  readonly dropped: number;
  /** Since start: rows the database refused for what they contain; our own bug. */
  readonly rejected: number;
  /** Since start: database files set aside. */
  readonly setAside: number;
}

export interface Store {
  appendEvents(events: readonly Event[]): void;
  recordFinding(finding: Finding): Folded;
  /** When it answers ok, the intent of a kill or disconnect survives SIGKILL. On failure: tell journald and go on. */
  intend(decision: Decision): Result<void>;
  settle(outcome: Outcome): void;
  /** Kills and disconnects that were intended and have no outcome. For start-up. */
  unsettled(): readonly Decision[];
  audit(entry: AuditEntry): void;
  /** `id` is the alert's id, or a unique suffix or prefix of it. */
  setStatus(id: string, status: AlertStatus, by: string): Result<StatusChange>;
  /** Bounded work; `more` asks to be called again soon. Also retries a database in outage. */
  prune(retention: Retention): PruneReport;
  status(): StoreStatus;
  close(): void;
}
