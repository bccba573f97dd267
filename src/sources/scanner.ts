import type { Fault, Result } from "../core/result.ts";

/** A scheduled source. It never retries and never waits: the supervisor calls it again and counts what went wrong. */
export interface Scanner<Input, Seen> {
  readonly name: "processes" | "network";
  /** Whether it can run here, or the reason why not. */
  probe(): Result<void>;
  scan(input: Input): ScanResult<Seen>;
}

export interface ScanResult<Seen> {
  readonly seen: Seen;
  /** Processes or sockets. */
  readonly items: number;
  /** What could not be seen this time. */
  readonly faults: readonly Fault[];
  readonly tookMs: number;
}
