/** What the daemon says about itself and its orders, in one place: start and stop, configuration, rules, settled kills. */
import { formatProblem } from "../config/problem.ts";
import type { ConfigReload, ConfigState } from "../config/runtime.ts";
import type { Clock } from "../core/clock.ts";
import type { Notice } from "../core/notice.ts";
import type { Severity } from "../core/nouns.ts";
import { COMMIT, VERSION } from "../core/version.ts";
import type { CrashGuard } from "./crash_guard.ts";
import type { Degradations } from "./degradations.ts";
import type { Orders } from "./orders.ts";

export interface Announcer {
  /** `foldKey`: equal ones are told once and then counted. */
  say(severity: Severity, message: string, kind?: Notice["kind"], foldKey?: string): void;
  /** Problems of the file that was read, and what is in force now. */
  configRead(read: ConfigReload): void;
  configProblems(state: ConfigState): void;
  ruleProblems(): void;
  /** How the daemon before this one ended, and what is switched off because of it. */
  crashes(guard: CrashGuard): void;
  /** Tells of parts whose hour is over; call it about once a second. */
  partsBack(guard: CrashGuard): void;
  started(): void;
  stopping(signalName: string): void;
}

export function createAnnouncer(parts: {
  readonly clock: Clock;
  readonly orders: Orders;
  readonly notify: (notice: Notice) => void;
  readonly degradations: Degradations;
}): Announcer {
  const { clock, orders, degradations } = parts;
  const off = new Set<string>();
  return { say, configRead, configProblems, ruleProblems, crashes, partsBack, started, stopping };

  function say(severity: Severity, message: string, kind: Notice["kind"] = "health", foldKey?: string): void {
    const fold = foldKey === undefined ? {} : { foldKey };
    parts.notify({ kind, severity, atMs: clock.nowMs(), message, fields: {}, ...fold });
  }

  function configRead(read: ConfigReload): void {
    configProblems(read);
    if (!read.changed) return;
    say("INFO", `config generation ${read.generation} is in force (${orders.modeText()} mode)`, "config");
  }

  function configProblems(state: ConfigState): void {
    for (const problem of state.problems) {
      say(
        SEVERITIES[problem.severity],
        formatProblem("config.json", problem),
        "config",
        `config ${problem.key} ${problem.message}`,
      );
    }
  }

  function ruleProblems(): void {
    const { rules, problems } = orders.rules();
    for (const { file, line, column, message, remedy } of problems) {
      const what = `${file}:${line}:${column} ${message}; it is not loaded, the others are`;
      const todo = remedy === undefined ? "" : `. What to do: ${remedy}`;
      say("ERROR", `${what}${todo}`, "config", `rule ${file} ${message}`);
    }
    if (rules.length === 0)
      degradations.note(
        "rules",
        "no rule could be loaded; nothing can be recognised",
        "run the installer again, or copy the rules folder of the release to its place",
      );
  }

  function crashes(guard: CrashGuard): void {
    if (guard.lastCrash !== undefined) {
      const during = guard.lastCrash.part === "" ? "" : ` in the part: ${guard.lastCrash.part}`;
      const often = guard.crashesInLastMinute > 1 ? `, ${guard.crashesInLastMinute} times within a minute` : "";
      say(
        "WARNING",
        `the daemon ended without stopping (crashed or killed)${during}${often}; it guards again. What to do: journalctl -u algo-monitor says how it ended`,
      );
    }
    for (const part of guard.offParts()) {
      off.add(part);
      degradations.phase(
        part,
        {
          kind: "limit",
          message: `${part} crashed the daemon three times within five minutes and is switched off for an hour; the rest guards on`,
          remedy: "please report this with the journal of algo-monitor; an upgrade switches it on again",
        },
        "begins",
      );
    }
  }

  function partsBack(guard: CrashGuard): void {
    for (const part of off) {
      if (guard.isOff(part)) continue;
      off.delete(part);
      degradations.phase(part, { kind: "limit", message: `${part} is switched on again and watched` }, "ends");
    }
  }

  function started(): void {
    const rules = orders.rules().rules.length;
    say(
      "INFO",
      `algo-monitor ${VERSION} (${COMMIT}) guards this host in ${orders.modeText()} mode with ${rules} rules`,
      "start",
    );
  }

  function stopping(signalName: string): void {
    const guardsOn = orders.config().GUARD_ON && orders.mode() === "enforce";
    const rest = guardsOn ? "what is certain is still stopped in the kernel (GUARD_ON), all else" : "this host";
    say("INFO", `algo-monitor stops on ${signalName}; ${rest} is not guarded until it starts again`, "stop");
  }
}

const SEVERITIES = { error: "ERROR", warning: "WARNING", info: "INFO" } as const;
