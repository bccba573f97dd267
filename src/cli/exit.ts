/** Exit codes of every command, as documented in docs/cli.md. */
import type { Fault } from "../core/result.ts";

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  invalid: 3,
  notRunning: 4,
  notPermitted: 5,
  notFound: 6,
  wouldKill: 10,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export const EXIT_MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "done",
  failed: "the command failed; the message says why",
  usage: "wrong usage: unknown command, option or value",
  invalid: "the configuration or a rule is invalid",
  notRunning: "the daemon does not run and the command needs it",
  notPermitted: "not permitted: the command needs root",
  notFound: "what was asked for does not exist",
  wouldKill: "`scan` only: enforce would kill something now",
};

/** A fault and the exit code it ends the command with. */
export interface CommandFault extends Fault {
  readonly exit: ExitCode;
}

/** What a fault that the daemon or the store answered means for the command. */
export function exitOf(fault: Fault): ExitCode {
  switch (fault.kind) {
    case "gone":
      return EXIT.notFound;
    case "denied":
      return EXIT.notPermitted;
    case "invalid":
      return EXIT.usage;
    case "limit":
    case "unsupported":
    case "timeout":
    case "io":
      return EXIT.failed;
  }
}
