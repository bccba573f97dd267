/** The rules as the daemon reads them, or why a command cannot have them. */
import type { Paths } from "../core/paths.ts";
import { ok } from "../core/result.ts";
import { type LoadedRules, type RuleFolder, readRules, ruleFolders } from "../daemon/rule_files.ts";
import { type Asked, asCommandFault, notRoot, refuse } from "./client.ts";
import { EXIT } from "./exit.ts";

/** `folder` instead of the installed ones. A rule that is refused is no fault here: it is among the problems. */
export function rulesOf(paths: Paths, folder?: string): Asked<LoadedRules> {
  const folders: readonly RuleFolder[] = folder === undefined ? ruleFolders(paths) : [{ folder, origin: "own" }];
  const loaded = readRules(folders);
  const fault = loaded.unreadable[0];
  if (fault === undefined) return ok(loaded);
  if (fault.kind === "denied") return notRoot("reading the rules");
  if (fault.kind === "limit") return { ok: false, fault: asCommandFault(fault) };
  const remedy = "is algo-monitor installed? rules of another folder: algo-monitor rules list --dir FOLDER";
  return refuse(fault.kind, EXIT.failed, fault.message, remedy);
}
