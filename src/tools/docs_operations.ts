// Fills the tables of docs/operations.md that code decides: between `<!-- table: NAME -->` and `<!-- end -->`. The rest
// of the page is written by hand. A kind, field or code that has no words here does not compile or fails the test.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT, EXIT_MEANING } from "../cli/exit.ts";
import { FIELDS } from "../core/fields.ts";
import type { NoticeKind } from "../core/notice.ts";
import { pathsOf } from "../core/paths.ts";
import { DOCUMENT_VERSION, ECS_NAMES, ECS_VERSION } from "../notify/alerts_jsonl.ts";
import { MESSAGE_IDS, PRIORITIES } from "../notify/journald.ts";

export const OPERATIONS_PAGE = join(import.meta.dir, "..", "..", "docs", "operations.md");

const KINDS: Readonly<Record<NoticeKind, string>> = {
  finding: "an alert: something was recognised, and nothing was to be done or may be done about it",
  kill: "processes were killed, or the attempt failed; always logged, whatever LOG_LEVELS says",
  disconnect: "a connection was destroyed, or the attempt failed",
  rehearsal: "enforce would have acted: MODE monitor, a pause, a rule set to monitor, or a spent kill budget",
  refused: "a rule wanted action and nothing was left that may be touched",
  health: "about algo-monitor itself: degradations, outputs, pauses, storms of notices",
  start: "it guards from now on",
  stop: "it stops; this host is not guarded until it starts again",
  config: "problems of configuration and rules, and a new configuration in force",
};

/** Of the journal besides journald's own; docs_operations.test.ts compares it with what is sent. */
export const JOURNAL_FIELDS: Readonly<Record<string, string>> = {
  MESSAGE: "one line: what happened, to what, why, what to do next; control characters escaped",
  PRIORITY: Object.entries(PRIORITIES)
    .map(([severity, priority]) => `${priority} ${severity}`)
    .join(", "),
  MESSAGE_ID: "by kind, see above",
  SYSLOG_IDENTIFIER: "algo-monitor",
  ALGO_SEVERITY: "ALERT, WARNING, INFO, ERROR",
  ALGO_KIND: "the kind, see above",
  ALGO_RULE: "name of the rule",
  ALGO_RULE_ID: "its UUID",
  ALGO_SCORE: "0 to 100",
  ALGO_ALERT: "the alert, for `algo-monitor alerts show`",
  ALGO_COUNT: "how often it was found so far",
  ALGO_ACTION: "record, refuse, rehearse, disconnect or kill",
  ALGO_RESULT: "done, partial or failed; of kills and disconnects only",
  ALGO_PID: "the process it is about",
  ALGO_EXE: "the file that process runs",
  ALGO_TECHNIQUE: "ATT&CK ids, separated by blanks",
};

const FILES: readonly (readonly [key: keyof ReturnType<typeof pathsOf>, what: string])[] = [
  ["home", "0700 root; everything below is root's alone"],
  ["configFile", "the configuration ([config.md](config.md)); yours, kept by upgrades"],
  ["lastGoodConfigFile", "the newest configuration that was usable, for a start after it was spoilt"],
  ["rulesDirectory", "our rules, replaced by each upgrade"],
  ["siteRulesDirectory", "your rules, never touched; one with the id of ours replaces it"],
  ["logsDirectory", "alert.log, warning.log, info.log, error.log, alerts.jsonl, and their rotated parts"],
  ["databaseFile", "SQLite (WAL): events, findings, decisions, outcomes, audit"],
  ["filesDatabaseFile", "SQLite (WAL): what the watched files were like, and what the package manager knows of them"],
  ["sessionsFile", "which logins were told already, and from which networks each user came"],
  ["blocksFile", "which addresses are blocked, by whom, why and until when"],
  ["spoolDirectory", "notices that wait for the webhook"],
  ["runDirectory", "0700, in memory: what is gone after a boot"],
  ["controlSocket", "0600: the command line talks to the daemon here, JSON lines"],
];

export const TABLES: Readonly<Record<string, () => string>> = {
  "message ids": () =>
    table(
      ["kind", "MESSAGE_ID", "means"],
      (Object.keys(KINDS) as NoticeKind[]).map((kind) => [kind, `\`${MESSAGE_IDS[kind]}\``, KINDS[kind]]),
    ),
  "journal fields": () =>
    table(
      ["field", "holds"],
      Object.entries(JOURNAL_FIELDS).map(([name, what]) => [`\`${name}\``, what]),
    ),
  files: () =>
    table(
      ["path", "is"],
      FILES.map(([key, what]) => [`\`${pathsOf({})[key]}\``, what]),
    ),
  "ecs version": () =>
    `ECS ${ECS_VERSION}; the version of our own part is \`algo_monitor.document_version\`, now ${DOCUMENT_VERSION}.`,
  "ecs fields": () =>
    table(
      ["field", "type"],
      FIELDS.map((field) => [`\`${ECS_NAMES.has(field.name) ? "" : "algo_monitor."}${field.name}\``, field.type]),
    ),
  "exit codes": () =>
    table(
      ["code", "means"],
      (Object.keys(EXIT) as (keyof typeof EXIT)[]).map((name) => [String(EXIT[name]), EXIT_MEANING[name]]),
    ),
};

/** The page with every table as code has it now. Throws where a table is unknown, open or missing. */
export function renderOperations(page: string): string {
  const seen = new Set<string>();
  const filled = page.replace(
    /<!-- table: ([\w ]+) -->\n[\s\S]*?<!-- end -->/g,
    (_whole: string, name: string): string => {
      const render = TABLES[name];
      if (render === undefined) throw new Error(`docs/operations.md asks for a table "${name}" that nobody makes`);
      seen.add(name);
      return `<!-- table: ${name} -->\n${render()}\n<!-- end -->`;
    },
  );
  const missing = Object.keys(TABLES).filter((name) => !seen.has(name));
  if (missing.length > 0) throw new Error(`docs/operations.md has no place for: ${missing.join(", ")}`);
  return filled;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

if (import.meta.main) writeFileSync(OPERATIONS_PAGE, renderOperations(readFileSync(OPERATIONS_PAGE, "utf8")));
