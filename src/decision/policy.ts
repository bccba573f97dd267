/** What the operator wants, compiled from the config by the daemon. Decision reads nothing else. */
import type { ExceptionEntry } from "../core/exception.ts";
import type { ResponseKind } from "../core/nouns.ts";
import type { ProcessRef } from "../core/process.ts";

export interface Policy {
  readonly generation: number;
  readonly mode: "enforce" | "monitor";
  /** Until then everything is rehearsed as in monitor mode; 0 when not paused. */
  readonly pausedUntilMs: number;
  /** RULES: by name or lower-cased id. */
  readonly rules: ReadonlyMap<string, ResponseKind>;
  readonly exceptions: readonly ExceptionEntry[];
  /** Whether an re2 pattern of EXCEPTIONS is found in a command line. */
  readonly argsMatch: (pattern: string, commandLine: string) => boolean;
  readonly neverTouch: NeverTouch;
  /** Absolute paths of TRUSTED_SYSTEM_PROCESSES as the files they are now; only root-owned ones are here. */
  readonly trustedExecutables: readonly TrustedExecutable[];
  readonly killBudgetPerMinute: number;
}

export interface TrustedExecutable {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
}

export interface NeverTouch {
  readonly executables: ReadonlySet<string>;
  readonly units: ReadonlySet<string>;
  readonly userIds: ReadonlySet<number>;
  /** The daemon and its sensor themselves: what they look like is nobody's finding. */
  readonly ours?: readonly ProcessRef[];
  /** Ourselves, our parents, the session running the CLI. */
  readonly processes: readonly ProcessRef[];
}
