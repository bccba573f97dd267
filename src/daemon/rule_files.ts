/** Reads the rule files of both directories; parsing them is detection's. Bounded in number and size. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Paths } from "../core/paths.ts";
import { messageOf } from "../core/result.ts";
import { loadRules, type Rule, type RuleFile, RULES_MAX, type RuleProblem } from "../detection/rules.ts";

const FILE_BYTES_MAX = 256 * 1024;
const DEPTH_MAX = 6;

export interface LoadedRules {
  readonly rules: readonly Rule[];
  readonly problems: readonly RuleProblem[];
}

/** The product's rules, with the site's own over them. */
export function readRules(paths: Pick<Paths, "rulesDirectory" | "siteRulesDirectory">): LoadedRules {
  const problems: RuleProblem[] = [];
  const files: RuleFile[] = [
    ...filesBelow(paths.rulesDirectory, "own", problems),
    ...filesBelow(paths.siteRulesDirectory, "site", problems),
  ];
  const loaded = loadRules(files);
  return { rules: loaded.rules, problems: [...problems, ...loaded.problems] };
}

function filesBelow(root: string, origin: RuleFile["origin"], problems: RuleProblem[]): RuleFile[] {
  const found: RuleFile[] = [];
  walk(root, 0);
  return found;

  function walk(directory: string, depth: number): void {
    for (const name of namesIn(directory, depth === 0 && origin === "own" ? problems : [])) {
      const path = join(directory, name);
      if (found.length >= RULES_MAX) return;
      try {
        const stat = statSync(path);
        if (stat.isDirectory()) {
          if (depth < DEPTH_MAX) walk(path, depth + 1);
        } else if (/\.ya?ml$/.test(name)) {
          if (stat.size > FILE_BYTES_MAX) throw new Error(`larger than ${FILE_BYTES_MAX} bytes`);
          found.push({ path, text: readFileSync(path, "utf8"), origin });
        }
      } catch (thrown) {
        problems.push({ file: path, line: 1, column: 1, message: `cannot be read: ${messageOf(thrown)}` });
      }
    }
  }
}

function namesIn(directory: string, problems: RuleProblem[]): readonly string[] {
  try {
    return readdirSync(directory).toSorted();
  } catch (thrown) {
    problems.push({ file: directory, line: 1, column: 1, message: `cannot be listed: ${messageOf(thrown)}` });
    return [];
  }
}
