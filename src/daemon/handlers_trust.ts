/**
 * `trust` and `untrust`: the daemon edits the config file for the operator, takes the edit over at once and records who
 * ordered it. An entry is made from the recorded finding, so that it covers exactly what was seen.
 */
import { addException, addToList, editConfigFile, removeException, removeFromList } from "../config/edit.ts";
import type { Caller, Handlers } from "../core/control.ts";
import { type ExceptionEntry, exceptionFacts, exceptionFor, isNarrowed, matchesException } from "../core/exception.ts";
import type { Finding } from "../core/nouns.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { openReader } from "../store/reader.ts";
import type { HandlerParts } from "./handlers.ts";

export function trustHandlers(
  parts: HandlerParts,
  audit: (caller: Caller, action: string, detail: string) => void,
): Pick<Handlers, "trust" | "untrust"> {
  const file = parts.paths.configFile;
  const listKey = ["TRUSTED_SYSTEM_PROCESSES"];
  return {
    trust: async (params, caller) => {
      const { path, alertId, until, reason } = params;
      if (path !== undefined) {
        const edited = editConfigFile(file, (text) => addToList(text, listKey, path));
        return edited.ok ? trusted(caller, edited.value.changed, { path }, `${path}: ${reason}`) : edited;
      }
      const finding = findingOf(alertId ?? "");
      if (!finding.ok) return finding;
      const ending = until === undefined ? {} : { until };
      const facts = exceptionFacts(finding.value.rule, finding.value.event);
      const standing = parts.orders
        .config()
        .EXCEPTIONS.find(
          (one) =>
            one.until === undefined &&
            matchesException(one, facts, parts.clock.nowMs(), parts.orders.policy().argsMatch),
        );
      if (standing !== undefined) return trusted(caller, false, { entry: standing }, "covered already");
      const entry = exceptionFor(finding.value, { reason, author: caller.user, ...ending });
      if (!isNarrowed(entry))
        return fail(
          "invalid",
          `the alert names no program, file, user or address: an exception would silence ${entry.rule} as a whole`,
          `if that is meant: sudo algo-monitor config set RULES.${entry.rule} off`,
        );
      const edited = editConfigFile(file, (text) => addException(text, entry));
      return edited.ok ? trusted(caller, edited.value.changed, { entry }, JSON.stringify(entry)) : edited;
    },
    untrust: async ({ path, alertId }, caller) => {
      if (path !== undefined) {
        const edited = editConfigFile(file, (text) => removeFromList(text, listKey, (value) => value === path));
        return edited.ok ? untrusted(caller, [], edited.value.changed ? [path] : []) : edited;
      }
      const finding = findingOf(alertId ?? "");
      if (!finding.ok) return finding;
      const facts = exceptionFacts(finding.value.rule, finding.value.event);
      const covers = (entry: ExceptionEntry) => {
        // One that has run out is taken back like any other.
        const { until: _until, ...timeless } = entry;
        return matchesException(timeless, facts, parts.clock.nowMs(), parts.orders.policy().argsMatch);
      };
      const edited = editConfigFile(file, (text) => removeException(text, covers));
      return edited.ok ? untrusted(caller, edited.value.removed, []) : edited;
    },
  };

  function findingOf(alertId: string): Result<Finding> {
    const reader = openReader(parts.paths.databaseFile);
    if (!reader.ok) return reader;
    const found = reader.value.alert(alertId);
    reader.value.close();
    return found.ok ? ok(found.value.finding) : found;
  }

  function trusted(caller: Caller, changed: boolean, what: { entry?: ExceptionEntry; path?: string }, detail: string) {
    audit(caller, "trust", detail);
    const { generation } = parts.reload();
    return ok({ changed, file, configGeneration: generation, ...what });
  }

  function untrusted(caller: Caller, removedEntries: readonly ExceptionEntry[], removedPaths: readonly string[]) {
    audit(caller, "untrust", JSON.stringify([...removedEntries, ...removedPaths]));
    const { generation } = parts.reload();
    return ok({ file, removedEntries, removedPaths, configGeneration: generation });
  }
}
