/** `config`: checks, shows, explains and edits the config file. Needs no daemon; one that runs is told of an edit. */

import { Command } from "commander";
import { editConfigFile, setKey, valueFromText } from "../config/edit.ts";
import { readBounded } from "../config/file.ts";
import { type ParsedConfig, parseConfig } from "../config/load.ts";
import { nearest } from "../config/nearest.ts";
import { ALWAYS_DIFFERENT, differencesOf } from "../config/old_service.ts";
import { formatProblem, type Problem } from "../config/problem.ts";
import { KEY_NAMES, keyFacts } from "../config/schema.ts";
import { configJsonSchema, schemaAt } from "../config/schema_json.ts";
import { printable } from "../core/printable.ts";
import { fail, ok } from "../core/result.ts";
import { type Answered, type JsonOption, paintOf, present, withJson } from "./action.ts";
import { type Asked, asCommandFault, askDaemon, refuse } from "./client.ts";
import { EXIT } from "./exit.ts";
import { rulesOf } from "./rule_files.ts";
import { pairs, plural } from "./text.ts";
import type { Cli } from "./world.ts";

export function configCommand(cli: Cli): Command {
  const command = new Command("config")
    .summary("check, show, explain and change the configuration")
    .description("Works on the config file. A running daemon reads the file again by itself when it changes.");
  const check = new Command("check")
    .summary("say everything that is wrong with a config file")
    .description(
      "Names every problem with line, column and remedy. Exits 3 where there is an error; warnings exit 0. Any readable file may be checked without root.",
    )
    .argument("[file]", "instead of the installed config");
  const show = new Command("show")
    .summary("the whole configuration with all defaults")
    .description("Prints what the file means, key by key, and which keys have their default.")
    .argument("[file]", "instead of the installed config");
  const explain = new Command("explain")
    .summary("what a key means, its default, its unit, an example")
    .description("Explains one key, or lists all. Needs no root.")
    .argument("[key]", "for example KILL_BUDGET or KILL_BUDGET.per_minute");
  const schema = new Command("schema")
    .summary("the JSON Schema of the config file")
    .description("Prints the JSON Schema, for editors and other programs. Needs no root.");
  const set = new Command("set")
    .summary("change one value, keeping comments and formatting")
    .description("Changes one value in the file; refuses what the daemon would not take. Comments stay.")
    .argument("<key>", "for example MODE or RULES.reverse_shell")
    .argument("<value>", "JSON, or a plain word");
  const newKeys = new Command("new-keys")
    .summary("keys a config file does not set yet")
    .description("Lists the keys this version reads and the file leaves at their default; shown by an upgrade.")
    .argument("[file]", "instead of the installed config");
  const differences = new Command("differences")
    .summary("what the keys do that the replaced Python service did otherwise")
    .description("One line for each key of that service which the file sets, and what no longer kills by default.")
    .argument("[file]", "instead of the installed config");
  for (const child of [check, show, explain, schema, set, newKeys, differences]) command.addCommand(withJson(child));
  check.action((file: string | undefined, options: JsonOption) => present(cli, options, runCheck(cli, file)));
  show.action((file: string | undefined, options: JsonOption) => present(cli, options, runShow(cli, file)));
  explain.action((key: string | undefined, options: JsonOption) => present(cli, options, runExplain(cli, key)));
  schema.action((options: JsonOption) => present(cli, options, runSchema()));
  set.action(async (key: string, value: string, options: JsonOption) =>
    present(cli, options, await runSet(cli, key, value)),
  );
  newKeys.action((file: string | undefined, options: JsonOption) => present(cli, options, runNewKeys(cli, file)));
  differences.action((file: string | undefined, options: JsonOption) =>
    present(cli, options, runDifferences(cli, file)),
  );
  return command;
}

/** As the control protocol takes it. */
const AUDITED_CHARACTERS_MAX = 1_000;

interface Loaded {
  readonly file: string;
  readonly parsed: ParsedConfig;
}

function load(cli: Cli, given: string | undefined): Asked<Loaded> {
  const file = given ?? cli.paths.configFile;
  const read = readBounded(file);
  if (!read.ok) return { ok: false, fault: asCommandFault(read.fault) };
  const ruleNames = knownRules(cli);
  const context = { nowMs: cli.clock.nowMs(), ...(ruleNames === undefined ? {} : { ruleNames }) };
  return ok({ file, parsed: parseConfig(read.value.bytes, context) });
}

/** Undefined where the rules cannot be read, as without root: then nothing is said about rule names. */
function knownRules(cli: Cli): readonly string[] | undefined {
  const loaded = rulesOf(cli.paths);
  if (!loaded.ok) return undefined;
  const names = loaded.value.rules.flatMap((rule) => [rule.ref.name, rule.ref.id]);
  return names.length === 0 ? undefined : names;
}

function runCheck(cli: Cli, given: string | undefined): Answered {
  const loaded = load(cli, given);
  if (!loaded.ok) return loaded;
  const { file, parsed } = loaded.value;
  const errors = parsed.problems.filter((problem) => problem.severity === "error").length;
  const warnings = parsed.problems.filter((problem) => problem.severity === "warning").length;
  const lines = parsed.problems.map((problem) => problemLine(cli, file, problem));
  return ok({
    json: { file, valid: errors === 0, usable: parsed.usable, errors, warnings, problems: parsed.problems },
    text: `${lines.join("")}${printable(file)} ${verdict(parsed, errors, warnings)}\n`,
    exit: errors === 0 ? EXIT.ok : EXIT.invalid,
  });
}

function verdict(parsed: ParsedConfig, errors: number, warnings: number): string {
  if (!parsed.usable)
    return "cannot be used: nothing of it would be applied, the running or last good configuration stays in force.";
  const also = warnings === 0 ? "" : `, ${plural(warnings, "warning")}`;
  if (errors > 0) return `has ${plural(errors, "error")}${also}: everything else in it is applied.`;
  return `is valid${also}.`;
}

function problemLine(cli: Cli, file: string, problem: Problem): string {
  const colours = { error: "red", warning: "yellow", info: "dim" } as const;
  const label = paintOf(cli)(problem.severity.toUpperCase(), colours[problem.severity]);
  return `${label} ${printable(formatProblem(file, problem))}\n`;
}

function runShow(cli: Cli, given: string | undefined): Answered {
  const loaded = load(cli, given);
  if (!loaded.ok) return loaded;
  const { file, parsed } = loaded.value;
  const remedy = `algo-monitor config check ${file}`;
  if (!parsed.usable)
    return refuse("invalid", EXIT.invalid, `${file} cannot be used: ${parsed.problems[0]?.message ?? ""}`, remedy);
  const rows = Object.entries(parsed.config).map(([name, value]): [string, string] => {
    const origin = parsed.keysSet.includes(name) ? "" : paintOf(cli)("  (default)", "dim");
    return [name, `${printable(JSON.stringify(value))}${origin}`];
  });
  const errors = parsed.problems.filter((problem) => problem.severity === "error").length;
  const note = errors === 0 ? "" : `${plural(errors, "error")} in the file: ${remedy}\n`;
  return ok({
    json: { file, config: parsed.config, keysSet: parsed.keysSet, problems: parsed.problems },
    text: `${printable(file)}\n${pairs(rows)}${note}`,
  });
}

function runExplain(cli: Cli, key: string | undefined): Answered {
  const paint = paintOf(cli);
  if (key === undefined) {
    const rows = KEY_NAMES.map((name): [string, string] => [name, firstSentence(keyFacts(name)?.description ?? "")]);
    return ok({ json: { keys: KEY_NAMES.map(explained) }, text: pairs(rows) });
  }
  const path = key.split(".");
  const [name = ""] = path;
  const facts = keyFacts(name);
  const schema = schemaAt(path);
  if (facts === undefined || schema === undefined) return unknownKey(key, path);
  const rows: [string, string][] = [
    ["default", JSON.stringify(schema.default) ?? "none"],
    ...(facts.unit === "" ? [] : [["unit", facts.unit] satisfies [string, string]]),
    ["example", `"${name}": ${JSON.stringify(facts.example)}`],
    ["since", facts.since],
  ];
  const fields = Object.keys(schema.properties ?? {});
  const more = fields.length === 0 ? "" : `Fields, each explained by ${key}.FIELD: ${fields.join(", ")}\n`;
  const description = schema.description ?? facts.description;
  return ok({
    json: { ...explained(name), path: key, schema },
    text: `${paint(key, "bold")}\n${description}\n${pairs(rows)}${more}`,
  });
}

function explained(name: string): Readonly<Record<string, unknown>> {
  const facts = keyFacts(name);
  if (facts === undefined) return { key: name };
  const { description, unit, example, since } = facts;
  return { key: name, description, default: facts.default, unit, example, since };
}

function unknownKey(key: string, path: readonly string[]): ReturnType<typeof refuse> {
  const [name = "", ...fields] = path;
  if (keyFacts(name) === undefined) {
    const meant = nearest(name, KEY_NAMES);
    const remedy =
      meant === undefined
        ? "see all of them: algo-monitor config explain"
        : `did you mean ${[meant, ...fields].join(".")}?`;
    return refuse("gone", EXIT.notFound, `no config key is called ${printable(key, 100)}`, remedy);
  }
  return refuse(
    "gone",
    EXIT.notFound,
    `${name} has no field ${printable(fields.join("."), 100)}`,
    `see its fields: algo-monitor config explain ${name}`,
  );
}

function firstSentence(text: string): string {
  return /^.*?\.(?=\s|$)/.exec(text)?.[0] ?? text;
}

function runSchema(): Answered {
  const json = configJsonSchema();
  return ok({ json, text: `${JSON.stringify(json, null, 2)}\n` });
}

async function runSet(cli: Cli, key: string, typed: string): Promise<Answered> {
  const file = cli.paths.configFile;
  const path = key.split(".");
  const [name = ""] = path;
  if (keyFacts(name) === undefined) {
    const { fault } = unknownKey(key, path);
    return { ok: false, fault: { ...fault, exit: EXIT.usage } };
  }
  const value = valueFromText(typed);
  if (!value.ok) return { ok: false, fault: asCommandFault(value.fault) };
  let isBroken = false;
  const edit = editConfigFile(file, (text) => {
    const { usable, problems } = parseConfig(text);
    isBroken = !usable;
    const first = problems[0];
    if (isBroken && first !== undefined)
      return fail("invalid", formatProblem(file, first), `mend it first: sudo algo-monitor config check`);
    return setKey(text, path, value.value);
  });
  if (!edit.ok) {
    const fault = asCommandFault(edit.fault);
    return { ok: false, fault: isBroken ? { ...fault, exit: EXIT.invalid } : fault };
  }
  const { changed } = edit.value;
  const shown = printable(JSON.stringify(value.value), 200);
  const told = changed ? await tellDaemon(cli, key, value.value) : undefined;
  const done =
    told === undefined ? `${printable(key)} is ${shown} already.` : `${printable(key)} is ${shown} now. ${told.text}`;
  const problems = problemsOf(cli, key);
  const lines = problems.map((problem) => problemLine(cli, file, problem));
  const json = { file, key, value: value.value, changed, configGeneration: told?.generation ?? null, problems };
  return ok({ json, text: `${printable(file)}: ${done}\n${lines.join("")}` });
}

/** What was written was taken; a rule of that name may still not exist. */
function problemsOf(cli: Cli, key: string): readonly Problem[] {
  const loaded = load(cli, undefined);
  if (!loaded.ok) return [];
  const concerns = (name: string): boolean => name === key || name.startsWith(`${key}.`) || name.startsWith(`${key}[`);
  return loaded.value.parsed.problems.filter((problem) => concerns(problem.key));
}

/** The daemon takes an edit over at once and records who made it; without one the file waits for the next start. */
async function tellDaemon(
  cli: Cli,
  key: string,
  value: unknown,
): Promise<{ readonly text: string; readonly generation?: number }> {
  const shown = JSON.stringify(value).slice(0, AUDITED_CHARACTERS_MAX);
  const asked = await askDaemon(cli, "config_edited", { key: key.slice(0, AUDITED_CHARACTERS_MAX), value: shown });
  if (asked.ok) {
    const generation = asked.value.configGeneration;
    return { text: `Generation ${generation} of the configuration is in force.`, generation };
  }
  if (asked.fault.exit === EXIT.notRunning)
    return { text: "The daemon does not run; it reads the file when it starts." };
  return {
    text: `The daemon reads the file by itself; it did not take the audit entry: ${printable(asked.fault.message)}.`,
  };
}

function runNewKeys(cli: Cli, given: string | undefined): Answered {
  const loaded = load(cli, given);
  if (!loaded.ok) return loaded;
  const { file, parsed } = loaded.value;
  const unset = KEY_NAMES.filter((name) => !parsed.keysSet.includes(name));
  const rows = unset.map((name): [string, string] => [name, firstSentence(keyFacts(name)?.description ?? "")]);
  const head = `${plural(unset.length, "key")} at its default in ${printable(file)}`;
  const text =
    unset.length === 0
      ? `${printable(file)} sets every key.\n`
      : `${head}; more of each: algo-monitor config explain KEY\n${pairs(rows)}`;
  return ok({ json: { file, keys: unset.map(explained) }, text });
}

function runDifferences(cli: Cli, given: string | undefined): Answered {
  const loaded = load(cli, given);
  if (!loaded.ok) return loaded;
  const { file, parsed } = loaded.value;
  const rows = differencesOf(parsed.config, parsed.keysSet);
  const lines = [...ALWAYS_DIFFERENT, ...rows.map((row) => row.text)];
  if (!parsed.usable) lines.unshift(`${printable(file)} cannot be used as it is: algo-monitor config check`);
  return ok({ json: { file, always: ALWAYS_DIFFERENT, differences: rows }, text: `${lines.join("\n")}\n` });
}
