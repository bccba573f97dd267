/**
 * Reads rule folders, for the daemon and for the commands that show or check rules; judging what is in the files is
 * detection's. Follows links (a site may link its checkout); bounded in number, depth and size.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Paths } from "../core/paths.ts";
import { type Fault, fail, messageOf } from "../core/result.ts";
import {
  loadRules,
  RULE_FILE_BYTES_MAX,
  RULES_MAX,
  type Rule,
  type RuleFile,
  type RuleProblem,
} from "../detection/rules.ts";

const DEPTH_MAX = 6;
/** Files and folders looked at in one root: a rule folder holds four files. */
const ENTRIES_MAX = 40_000;

export interface RuleFolder {
  readonly folder: string;
  readonly origin: RuleFile["origin"];
}

export interface LoadedRules {
  readonly rules: readonly Rule[];
  readonly problems: readonly RuleProblem[];
  /** Whole folders that could not be read; each is among the problems too. */
  readonly unreadable: readonly Fault[];
  /** Of all files that were read: another one after a reload means that the rules changed. */
  readonly fingerprint: string;
}

/** The product's rules and the site's own over them. */
export function ruleFolders(paths: Pick<Paths, "rulesDirectory" | "siteRulesDirectory">): readonly RuleFolder[] {
  return [
    { folder: paths.rulesDirectory, origin: "own" },
    { folder: paths.siteRulesDirectory, origin: "site" },
  ];
}

/** The site's folder need not be there; any other must. What cannot be read is told, the rest is loaded. */
export function readRules(folders: readonly RuleFolder[]): LoadedRules {
  const problems: RuleProblem[] = [];
  const unreadable: Fault[] = [];
  const files: RuleFile[] = [];
  for (const { folder, origin } of folders) {
    if (origin === "site" && isAbsent(folder)) continue;
    const fault = collect(folder, origin, files, problems);
    if (fault === undefined) continue;
    unreadable.push(fault);
    problems.push(problem(folder, fault.message));
  }
  const loaded = loadRules(files);
  return {
    rules: loaded.rules,
    problems: [...problems, ...loaded.problems],
    unreadable,
    fingerprint: fingerprintOf(files),
  };
}

function fingerprintOf(files: readonly RuleFile[]): string {
  const hash = new Bun.CryptoHasher("sha256");
  for (const { path, text } of files) hash.update(`${path}\0${text}\0`);
  return hash.digest("hex");
}

/** Why a sweep with these rules would not recognise everything; undefined where it would. */
export function blindness({ rules, problems }: Pick<LoadedRules, "rules" | "problems">): string | undefined {
  const first = problems[0];
  if (first !== undefined) {
    const more = problems.length === 1 ? "" : ` (and ${problems.length - 1} more)`;
    return `a sweep would not see everything: ${first.file}:${first.line} is refused: ${first.message}${more}`;
  }
  return rules.length === 0 ? "a sweep would see nothing: there is no rule in the rule folders" : undefined;
}

function collect(
  root: string,
  origin: RuleFile["origin"],
  files: RuleFile[],
  problems: RuleProblem[],
): Fault | undefined {
  let entries = 0;
  return walk(root, 0);

  function walk(directory: string, depth: number): Fault | undefined {
    let names: readonly string[];
    try {
      names = readdirSync(directory).toSorted();
    } catch (thrown) {
      return unreadableFault(directory, thrown);
    }
    for (const name of names) {
      const path = join(directory, name);
      if (++entries > ENTRIES_MAX || files.length > RULES_MAX)
        return fail("limit", `${root} holds more than ${RULES_MAX} rules or ${ENTRIES_MAX} files; the rest is not read`)
          .fault;
      const below = visit(path, name, depth);
      if (below !== undefined) return below;
    }
    return undefined;
  }

  function visit(path: string, name: string, depth: number): Fault | undefined {
    try {
      const stat = statSync(path);
      if (stat.isDirectory()) return depth < DEPTH_MAX ? walk(path, depth + 1) : undefined;
      if (!stat.isFile() || !/\.ya?ml$/.test(name)) return undefined;
      if (stat.size > RULE_FILE_BYTES_MAX) problems.push(problem(path, `is larger than ${RULE_FILE_BYTES_MAX} bytes`));
      else files.push({ path, text: readFileSync(path, "utf8"), origin });
    } catch (thrown) {
      // A dangling link named like a rule is a missing rule; anything else beside the rules is none of our business.
      if (/\.ya?ml$/.test(name)) problems.push(problem(path, `cannot be read: ${messageOf(thrown)}`));
    }
    return undefined;
  }
}

function unreadableFault(directory: string, thrown: unknown): Fault {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : "";
  const denied = code === "EACCES" || code === "EPERM";
  return fail(denied ? "denied" : "io", `the rules in ${directory} cannot be read: ${messageOf(thrown)}`).fault;
}

function problem(file: string, message: string): RuleProblem {
  return { file, line: 1, column: 1, message };
}

function isAbsent(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) === undefined;
}
