/** Reads the text of rule folders; bounded in number, depth and size. What is in them is judged by detection/. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { messageOf, ok } from "../core/result.ts";
import { RULE_FILE_BYTES_MAX, type RuleFile } from "../detection/rules.ts";
import { type Asked, notRoot, refuse } from "./client.ts";
import { EXIT } from "./exit.ts";

export interface RuleFolder {
  readonly folder: string;
  readonly origin: RuleFile["origin"];
}

const FILES_MAX = 10_000;
const DEPTH_MAX = 6;

/** The site's folder need not be there; ours, or the one that was asked for, must. */
export function ruleFiles(folders: readonly RuleFolder[]): Asked<RuleFile[]> {
  const files: RuleFile[] = [];
  for (const { folder, origin } of folders) {
    try {
      if (origin === "site" && statSync(folder, { throwIfNoEntry: false }) === undefined) continue;
      for (const path of walk(folder, DEPTH_MAX)) {
        if (files.length >= FILES_MAX)
          return refuse("limit", EXIT.failed, `more than ${FILES_MAX} rule files in ${folder}`);
        files.push({ path, text: readText(path), origin });
      }
    } catch (thrown) {
      const code = thrown instanceof Error && "code" in thrown ? thrown.code : "";
      if (code === "EACCES" || code === "EPERM") return notRoot(`reading ${folder}`);
      const remedy = "is algo-monitor installed? rules of another folder: algo-monitor rules list --dir FOLDER";
      return refuse("io", EXIT.failed, `the rules in ${folder} cannot be read: ${messageOf(thrown)}`, remedy);
    }
  }
  return ok(files);
}

/** A file over the bound is handed on just long enough for the parser to refuse it by size. */
function readText(path: string): string {
  return readFileSync(path, "utf8").slice(0, RULE_FILE_BYTES_MAX + 1);
}

function walk(folder: string, depth: number): string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((left, right) => (left.name < right.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return depth > 0 ? walk(path, depth - 1) : [];
    return entry.isFile() && /\.ya?ml$/.test(entry.name) ? [path] : [];
  });
}
