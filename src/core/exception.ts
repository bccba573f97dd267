/**
 * EXCEPTIONS: what an operator declared normal. Builds the narrowest entry for a finding and says whether an entry
 * covers one. Pure; the args pattern is matched by whoever calls (patterns never run on the built-in engine).
 */
import { inNetwork } from "./address.ts";
import { matchesFileGlob } from "./file_glob.ts";
import type { Event, Finding, RuleRef } from "./nouns.ts";

/** One element of EXCEPTIONS, with the keys of the config file. All that are given must hold. */
export interface ExceptionEntry {
  /** Name or id of the rule. */
  readonly rule: string;
  /** Absolute path of the process's executable. */
  readonly exe?: string;
  /** Absolute path of its parent's executable. */
  readonly parent?: string;
  /** User name or numeric uid. */
  readonly user?: string;
  /** An re2 pattern, searched for in the command line. */
  readonly args?: string;
  /** Address or network of the other side. */
  readonly peer?: string;
  /** Absolute path of the file concerned; `*` stands for part of a name, `/**` at the end for all that is below. */
  readonly file?: string;
  /** ISO 8601 date (through the end of that local day) or date-time. */
  readonly until?: string;
  readonly reason: string;
  readonly author?: string;
}

export interface ExceptionContext {
  readonly reason: string;
  readonly author?: string;
  readonly until?: string;
}

/** What an entry is compared with. */
export interface ExceptionFacts {
  readonly rule: Pick<RuleRef, "id" | "name">;
  readonly executable?: string;
  readonly parentExecutable?: string;
  readonly userName?: string;
  readonly userId?: number;
  readonly commandLine?: string;
  readonly peer?: string;
  /** Where the finding is about a file and not about a process. */
  readonly file?: string;
}

/** True where the pattern is found in the command line; false for a pattern that does not compile. */
export type ArgsMatcher = (pattern: string, commandLine: string) => boolean;

const DEFAULT_REASON = "say here why this is normal";

/**
 * The narrowest entry that covers this finding: rule, executable, parent, user, and the peer where there is one; of a
 * finding about a file rule and file, or all files of the directory where so many changed that they are one alert.
 * Narrows nothing (`isNarrowed`) where the finding is about none of these.
 */
export function exceptionFor(finding: Finding, context: ExceptionContext = { reason: DEFAULT_REASON }): ExceptionEntry {
  const facts = exceptionFacts(finding.rule, finding.event);
  const user = facts.userName ?? (facts.userId === undefined ? undefined : String(facts.userId));
  return {
    rule: finding.rule.name,
    ...(isPath(facts.executable) ? { exe: facts.executable } : {}),
    ...(isPath(facts.parentExecutable) ? { parent: facts.parentExecutable } : {}),
    ...(user !== undefined && user !== "" ? { user } : {}),
    ...(facts.peer !== undefined && facts.peer !== "" ? { peer: facts.peer } : {}),
    ...(isPath(facts.file) ? { file: fileGlobOf(facts.file, finding.event) } : {}),
    ...(context.until === undefined ? {} : { until: context.until }),
    reason: context.reason,
    ...(context.author === undefined ? {} : { author: context.author }),
  };
}

/** A config file holds no control characters: what a file's name has of them becomes a star. */
function fileGlobOf(path: string, event: Event): string {
  const fold = event.fields["file.fold"];
  const directory = typeof fold === "string" && fold.length > 1 && fold.endsWith("/") ? fold : undefined;
  const glob = directory !== undefined && path.startsWith(directory) ? `${directory}*` : path;
  return glob.replace(/\p{C}+/gu, "*");
}

export function exceptionFacts(rule: Pick<RuleRef, "id" | "name">, event: Event): ExceptionFacts {
  const textOf = (name: string): string | undefined => {
    const value = event.fields[name];
    return typeof value === "string" ? value : undefined;
  };
  const uid = event.fields["user.id"] ?? event.fields["process.user.id"];
  const executable = textOf("process.executable");
  const facts = {
    executable,
    parentExecutable: textOf("process.parent.executable"),
    userName: textOf("user.name"),
    userId: typeof uid === "number" ? uid : undefined,
    commandLine: textOf("process.command_line"),
    peer: textOf("peer.ip") ?? textOf("destination.ip"),
    file: executable === undefined ? textOf("file.path") : undefined,
  };
  return { rule, ...definedOnly(facts) };
}

/**
 * Whether an entry covers these facts now. A key that the entry names and the facts lack does not hold, an entry
 * without any narrowing key covers nothing, and a date that cannot be read has passed.
 */
export function matchesException(
  entry: ExceptionEntry,
  facts: ExceptionFacts,
  nowMs: number,
  argsMatch: ArgsMatcher,
): boolean {
  if (entry.rule !== facts.rule.name && entry.rule.toLowerCase() !== facts.rule.id.toLowerCase()) return false;
  if (!isNarrowed(entry)) return false;
  if (entry.until !== undefined && !(nowMs < untilMs(entry.until))) return false;
  if (entry.exe !== undefined && entry.exe !== facts.executable) return false;
  if (entry.parent !== undefined && entry.parent !== facts.parentExecutable) return false;
  if (entry.user !== undefined && !isUser(entry.user, facts)) return false;
  if (entry.peer !== undefined && (facts.peer === undefined || !inNetwork(facts.peer, entry.peer))) return false;
  if (entry.file !== undefined && (facts.file === undefined || !matchesFileGlob(entry.file, facts.file))) return false;
  if (entry.args !== undefined && (facts.commandLine === undefined || !argsMatch(entry.args, facts.commandLine)))
    return false;
  return true;
}

function isUser(user: string, facts: ExceptionFacts): boolean {
  return user === facts.userName || (facts.userId !== undefined && user === String(facts.userId));
}

export function isNarrowed(entry: ExceptionEntry): boolean {
  return [entry.exe, entry.parent, entry.user, entry.args, entry.peer, entry.file].some((value) => value !== undefined);
}

/** The first millisecond at which the entry no longer holds; NaN for what is no date. */
export function untilMs(until: string): number {
  const day = /^(\d{4})-(\d{2})-(\d{2})$/.exec(until);
  if (day === null) return /^\d{4}-\d{2}-\d{2}[T ]/.test(until) ? Date.parse(until.replace(" ", "T")) : Number.NaN;
  const [year, month, date] = [Number(day[1]), Number(day[2]), Number(day[3])];
  const start = new Date(year, month - 1, date);
  // `new Date` rolls 2026-02-31 over into March.
  if (start.getMonth() !== month - 1 || start.getDate() !== date) return Number.NaN;
  return new Date(year, month - 1, date + 1).getTime();
}

/** What an operator should know before accepting an entry: each line one reason why it hides more than it seems. */
export function exceptionWarnings(entry: ExceptionEntry): string[] {
  const warnings: string[] = [];
  if (!isNarrowed(entry))
    return ["it names nothing but the rule and would be refused: switch the rule off with RULES instead"];
  const writable = /^\/(tmp|var\/tmp|dev\/shm|run\/user)\//;
  for (const [key, path] of [
    ["exe", entry.exe],
    ["parent", entry.parent],
  ] as const) {
    if (path === undefined) continue;
    if (writable.test(path))
      warnings.push(`${key} is in a folder where anybody can write: whoever puts a file there is excepted too`);
    else if (path.startsWith("/memfd:"))
      warnings.push(`${key} names memory, not a file: any program can choose that name`);
  }
  if (entry.file !== undefined) return [...warnings, ...fileWarnings(entry.file)];
  if (entry.exe === undefined) warnings.push("it names no executable: every program that fits the rest is excepted");
  if (entry.exe !== undefined && INTERPRETER.test(entry.exe) && entry.args === undefined && entry.peer === undefined)
    warnings.push(`${entry.exe} runs whatever it is given: add "args" or "peer" if you can`);
  if (entry.user === undefined) warnings.push("it holds for every user");
  return warnings;
}

function fileWarnings(glob: string): string[] {
  if (glob.includes("*")) return [`it holds for every file that fits ${glob}, also one that is put there tomorrow`];
  return ["it holds for every later change of this file too, an intruder's as well: add --until if this happens once"];
}

const INTERPRETER =
  /\/(ba|da|z|k|a|c|tc|fi)?sh$|\/busybox$|\/(python|perl|ruby|php|lua|node|nodejs|bun|deno|awk|gawk|mawk|tclsh|expect)[\d.]*$/;

function isPath(value: string | undefined): value is string {
  return value?.startsWith("/") === true;
}

function definedOnly<T extends object>(values: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  // The filter removes exactly the undefined ones, which the type then says.
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
