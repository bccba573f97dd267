/** What is legal in a config but probably not meant. Each function reads one key's value; none refuses anything. */
import { untilMs } from "../core/exception.ts";
import { nearest } from "./nearest.ts";
import { excerpt, type Path } from "./problem.ts";

export interface Advice {
  readonly severity: "warning" | "info";
  readonly path: Path;
  readonly message: string;
  readonly remedy: string;
}

export interface AdviceContext {
  /** Wall clock, milliseconds since 1970; without it nothing is said about dates. */
  readonly nowMs?: number;
  /** Names and ids of all loaded rules; without them nothing is said about names. */
  readonly ruleNames?: readonly string[];
}

export function adviseScanners(scanners: Readonly<Record<"processes" | "network", boolean>>): readonly Advice[] {
  const off = (["processes", "network"] as const).filter((name) => !scanners[name]);
  return off.map((name) => ({
    severity: "warning",
    path: [name],
    message: `the ${name} scanner is off: remote shells and miners are not recognised`,
    remedy: "Set it to true, or use MODE monitor to see without acting.",
  }));
}

export function adviseLogLevels(levels: readonly string[]): readonly Advice[] {
  if (levels.length > 0) return [];
  return [
    {
      severity: "warning",
      path: [],
      message: "nothing but kills will be written to the log files and journald",
      remedy: 'Name at least "ALERT" and "ERROR".',
    },
  ];
}

export function adviseRules(rules: Readonly<Record<string, string>>, context: AdviceContext): readonly Advice[] {
  return Object.keys(rules).flatMap((name) => unknownRule(name, [name], context));
}

interface ExceptionFields {
  readonly rule: string;
  readonly exe?: string;
  readonly parent?: string;
  readonly user?: string;
  readonly args?: string;
  readonly peer?: string;
  readonly until?: string;
}

export function adviseExceptions(entries: readonly ExceptionFields[], context: AdviceContext): readonly Advice[] {
  return entries.flatMap((entry, index) => {
    const advice: Advice[] = [...unknownRule(entry.rule, [index, "rule"], context)];
    const overMs = entry.until === undefined ? undefined : untilMs(entry.until);
    if (overMs !== undefined && context.nowMs !== undefined && context.nowMs >= overMs) {
      advice.push({
        severity: "info",
        path: [index, "until"],
        message: `this exception is over since ${entry.until ?? ""} and no longer holds`,
        remedy: "Remove the entry, or give it a new date.",
      });
    }
    const alone = [entry.parent, entry.user, entry.args, entry.peer].every((field) => field === undefined);
    if (alone && entry.exe !== undefined && isInterpreter(entry.exe)) {
      advice.push({
        severity: "warning",
        path: [index, "exe"],
        message: `every ${entry.exe} is exempt from ${excerpt(entry.rule)}, an intruder's too`,
        remedy: "Add args, parent, user or peer.",
      });
    }
    return advice;
  });
}

export function adviseTrustedProcesses(names: readonly string[]): readonly Advice[] {
  return names.flatMap((name, index): readonly Advice[] => {
    if (name.includes("/") && !name.startsWith("/")) {
      return [
        {
          severity: "warning",
          path: [index],
          message: `${excerpt(name)} is neither a name nor an absolute path and will never match`,
          remedy: "Write the program's name, or its path from / on.",
        },
      ];
    }
    if (name.startsWith("/") && isInterpreter(name)) {
      return [
        {
          severity: "warning",
          path: [index],
          message: `this path exempts whatever ${excerpt(name)} runs, an intruder's shell too`,
          remedy: "Write an entry in EXCEPTIONS with args, parent, user or peer instead.",
        },
      ];
    }
    return [];
  });
}

const INTERPRETERS = new Set(
  (
    "sh ash bash dash zsh ksh mksh fish csh tcsh busybox python perl ruby php lua luajit node nodejs bun deno awk " +
    "gawk mawk tclsh expect java nc ncat netcat socat telnet openssl"
  ).split(" "),
);

/** By name: good enough to warn, never used to decide. */
function isInterpreter(path: string): boolean {
  const name = path.slice(path.lastIndexOf("/") + 1).replace(/[\d.]+$/, "");
  return INTERPRETERS.has(name);
}

function unknownRule(name: string, path: Path, context: AdviceContext): readonly Advice[] {
  const known = context.ruleNames;
  if (known === undefined || known.some((rule) => rule.toLowerCase() === name.toLowerCase())) return [];
  const meant = nearest(name, known);
  return [
    {
      severity: "warning",
      path,
      message: `no rule is called ${excerpt(name)}`,
      remedy: meant === undefined ? "`algo-monitor rules list` prints the names." : `Did you mean ${meant}?`,
    },
  ];
}
