import type { ScannerName } from "../core/control.ts";
import type { Fault, Result } from "../core/result.ts";

/** A scheduled source. It never retries and never waits: the supervisor calls it again and counts what went wrong. */
export interface Scanner<Input, Seen> {
  readonly name: ScannerName;
  /** Whether it can run here, or the reason why not. */
  probe(): Result<void>;
  scan(input: Input): ScanResult<Seen>;
}

export interface ScanResult<Seen> {
  readonly seen: Seen;
  /** What it looked at: processes, sockets, files, sessions. */
  readonly items: number;
  /** What could not be seen this time. */
  readonly faults: readonly Fault[];
  readonly tookMs: number;
}
