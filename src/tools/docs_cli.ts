/** Writes docs/cli.md from the command tree, the exit codes and the types of what `--json` prints. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { EXIT, EXIT_MEANING } from "../cli/exit.ts";
import { buildProgram, everyCommand, fullName } from "../cli/program.ts";
import { realCli } from "../cli/world.ts";

const ROOT = join(import.meta.dir, "..", "..");

/** What `--json` prints, by command. Names in it that are types are explained below the commands. */
export const SHAPES: Readonly<Record<string, string>> = {
  status:
    "`{running: true, ...StatusReport}`, or `{running: false, fault, exit, stored: Counts}` when the daemon does not run",
  alerts: "`{alerts: Alert[]}`; with `--follow` one `Alert` a line",
  "alerts show": "`AlertDetail`",
  "alerts ack": "`{settled: AlertStatusReport[]}`",
  "alerts resolve": "`{settled: AlertStatusReport[]}`",
  "alerts false-positive": "`{settled: AlertStatusReport[]}`",
  scan: "`RehearsalReport`; of `filesystem` `{joined, round, entries, changes: [{action, path, changes}]}`, of `sessions` `SessionsReport`, of `host` `{measures: [{resource, device, used, limit, unit}], sustainedSeconds}`",
  doctor:
    "`{healthy, root, checks: [{name, purpose, state, detail, remedy?}]}`; `state` is `works`, `degraded`, `fails` or `unknown`",
  processes: "`ProcessesReport`; with a PID `ProcessReport`",
  connections: "`ConnectionsReport`",
  sessions: "`SessionsReport`",
  "files status": "`FilesStatus`",
  "files verify": "`FilesStarted`",
  "rules list":
    "`{rules: [Rule], problems: [{file, line, column, message, remedy?}]}`; a Rule has id, name, version, title, description, level, response, tags, falsePositives, references, logsource, triage, foldBy, origin, file, fed, tactic, techniques: [{id, name}], responseInForce",
  "rules show":
    "one Rule, as in `rules list`, and `history?: {findings, alerts, openAlerts, lastAtMs?, exception?, changedBy?: {who, atMs}}` where the store can be read",
  trust:
    "`{...TrustReport, hidden, warnings}`; with `--dry-run`, or when the answer was no, `{changed: false, entry? | path?, hidden, warnings}`; `hidden` is `{looked, findings, alerts, killed, oldestMs?}`",
  untrust: "`UntrustReport`",
  pause: "`{pausedUntil, pausedUntilMs}`; the first in ISO 8601",
  resume: "`ResumeReport`",
  block: "`BlockReport`",
  unblock: "`UnblockReport`",
  blocks: "`BlocksReport`",
  reload: "`ReloadReport`",
  selftest: "`{passed, marker, checks: SelftestCheck[]}`",
  version: "`{version, commit, schema, bun}`; `schema` is the number of the database's shape",
  "config check": "`{file, valid, usable, errors, warnings, problems: ConfigProblem[]}`",
  "config show": "`{file, config, keysSet, problems: ConfigProblem[]}`; `config` by the schema of `config schema`",
  "config explain":
    "`{key, description, default, unit, example, since, read, path, schema}`; without a key `{keys: [...]}` of the first seven; `read` is false where this version keeps the key and does not use it",
  "config schema": "the JSON Schema of the config file",
  "config set":
    "`{file, key, value, changed, configGeneration, problems: ConfigProblem[]}`; `configGeneration` is null where no daemon took it over, `problems` are those of this key",
  "config differences": "`{file, always: string[], differences: [{key, did, does, killed, entries?, text}]}`",
  "config new-keys":
    "`{file, keys: [{key, description, default, unit, example, since, read}]}`, the keys the file does not set",
};

const TYPE_FILES = [
  "core/blocks.ts",
  "core/control.ts",
  "core/control_views.ts",
  "core/exception.ts",
  "core/files.ts",
  "core/session.ts",
  "store/alert_rows.ts",
  "store/reader.ts",
  "core/nouns.ts",
  "core/process.ts",
] as const;
/** Explained with all types they name. */
const ROOT_TYPES = [
  "StatusReport",
  "Counts",
  "Alert",
  "AlertDetail",
  "AlertStatusReport",
  "RehearsalReport",
  "ProcessesReport",
  "ProcessReport",
  "ConnectionsReport",
  "SessionsReport",
  "FilesStatus",
  "FilesStarted",
  "TrustReport",
  "UntrustReport",
  "ResumeReport",
  "ReloadReport",
  "SelftestCheck",
] as const;

export async function renderCliDocs(): Promise<string> {
  // Never run, only walked: the parts of the daemon are not loaded.
  const nothing = (): Promise<never> => Promise.reject(new Error("documentation runs no command"));
  const program = await buildProgram(realCli({ runDaemon: nothing, rehearseOnce: nothing, lookOnce: nothing }));
  const sections: string[] = [];
  everyCommand(program, (command) => {
    if (command.parent !== null) sections.push(section(command));
  });
  const codes = Object.entries(EXIT).map(([name, code]) => `| ${code} | ${EXIT_MEANING[name as keyof typeof EXIT]} |`);
  return `${HEAD}
## Exit codes

| code | meaning |
|---|---|
${codes.join("\n")}

## Commands

${sections.join("\n")}
## Types

As TypeScript. Times are milliseconds since 1970 unless the name says otherwise; a \`bigint\` is printed as text.

\`\`\`ts
${typeTexts().join("\n\n")}
\`\`\`
`;
}

const HEAD = `<!-- Generated by src/tools/docs_cli.ts. Do not edit: bun run docs -->
# The command line

\`algo-monitor <command> [options]\`. Every command explains itself with \`--help\`.

- **Root.** Without it these work: \`version\`, \`help\`, \`doctor\` (as far as it can), \`completion\`, \`config check FILE\`, \`config explain\`, \`config schema\`, \`rules ... --dir FOLDER\`. Every other command exits 5 and names sudo.
- **The daemon.** \`alerts\`, \`alerts show\`, \`rules\`, \`config\` and \`trust --dry-run\` read files alone. \`status\`, \`scan\`, \`processes\`, \`connections\` and \`sessions\` do what they can without it and say so; \`files\` needs it. Commands that change something need it (exit 4), because it writes the audit trail.
- **\`--json\`** prints one JSON document to standard output. A fault is \`{"fault": {"kind", "message", "remedy"?}, "exit"}\`; \`kind\` is one of gone, denied, invalid, limit, unsupported, timeout, io. People read the same on standard error. New keys may appear, present ones keep their meaning.
- **Text** is for people and may change. Colour only on a terminal and without NO_COLOR. Control characters in data are shown as escapes (\`\\x1b\`, \`\\n\`, \`\\x07\`, \`\\u{202e}\`).
`;

function section(command: Command): string {
  const name = fullName(command).split(" ").slice(1).join(" ");
  const usage = `${fullName(command)} ${command.usage()}`.trim();
  const rows = [
    ...command.registeredArguments.map(
      (argument) => [argument.name(), withChoices(argument.description, argument.argChoices)] as const,
    ),
    ...command.options.map(
      (option) =>
        [option.flags, withDefault(withChoices(option.description, option.argChoices), option.defaultValue)] as const,
    ),
  ];
  const table =
    rows.length === 0
      ? ""
      : `\n| | |\n|---|---|\n${rows.map(([left, right]) => `| \`${cell(left)}\` | ${cell(right)} |`).join("\n")}\n`;
  const shape = SHAPES[name];
  return `### ${name}\n\n    ${usage}\n\n${command.description()}\n${table}${shape === undefined ? "" : `\n\`--json\`: ${shape}.\n`}`;
}

function withChoices(text: string, choices: readonly string[] | undefined): string {
  return choices === undefined ? text : `${text}: ${choices.join(", ")}`;
}

function withDefault(text: string, value: unknown): string {
  return typeof value === "string" ? `${text} (default ${value})` : text;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

/** The declarations of the root types and, breadth first, of every type they name that our files declare. */
function typeTexts(): string[] {
  const declared = declarations();
  const queue: string[] = [...ROOT_TYPES];
  const seen = new Set<string>();
  const texts: string[] = [];
  for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
    if (seen.has(name)) continue;
    seen.add(name);
    const text = declared.get(name);
    if (text === undefined) continue;
    texts.push(text);
    for (const [word] of text.matchAll(/\b[A-Z]\w+\b/g)) if (declared.has(word)) queue.push(word);
  }
  const missing = ROOT_TYPES.filter((name) => !declared.has(name));
  if (missing.length > 0) throw new Error(`no declaration found of ${missing.join(", ")}`);
  return texts;
}

function declarations(): Map<string, string> {
  const found = new Map<string, string>();
  for (const file of TYPE_FILES) {
    const text = readFileSync(join(ROOT, "src", file), "utf8");
    for (const match of text.matchAll(
      /^((?:\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?)export (interface (\w+)[\s\S]*?\n\}|type (\w+) =[\s\S]*?;)$/gm,
    )) {
      const name = match[3] ?? match[4] ?? "";
      // `readonly` says nothing about JSON.
      if (!found.has(name)) found.set(name, `${match[1] ?? ""}${(match[2] ?? "").replaceAll("readonly ", "")}`);
    }
  }
  return found;
}

if (import.meta.main) await Bun.write(join(ROOT, "docs", "cli.md"), await renderCliDocs());
