/** `rules list` and `rules show`: the rules as the daemon loads them, read from the rule folders. */
import { Command } from "commander";
import { ok } from "../core/result.ts";
import type { LoadedRules } from "../daemon/rule_files.ts";
import type { Rule } from "../detection/rules.ts";
import { type Answered, type JsonOption, paintOf, present, withJson } from "./action.ts";
import { type Asked, refuse } from "./client.ts";
import { EXIT } from "./exit.ts";
import { pairs, plural, printable, table } from "./text.ts";
import type { Cli } from "./world.ts";

interface RulesOptions extends JsonOption {
  readonly dir?: string;
}

export function rulesCommand(cli: Cli): Command {
  const command = new Command("rules")
    .summary("what is recognised")
    .description("Lists and shows the rules: ours and the site's own, as the daemon loads them.");
  const list = new Command("list")
    .summary("all rules")
    .description(
      "Lists every rule with its level and response. Refused rules are named with place and reason, and the exit code is 3.",
    );
  const show = new Command("show")
    .summary("one rule")
    .description("Shows one rule: what it means, what it does, when it is normal, what to do next.")
    .argument("<rule>", "name or id");
  for (const child of [list, show]) {
    child.option("--dir <folder>", "read rules from this folder instead of the installed ones (no root needed)");
    command.addCommand(withJson(child));
  }
  list.action(async (options: RulesOptions) => present(cli, options, await listRules(cli, options)));
  show.action(async (name: string, options: RulesOptions) => present(cli, options, await showRule(cli, name, options)));
  return command;
}

async function listRules(cli: Cli, options: RulesOptions): Promise<Answered> {
  const { describeRuleProblem } = await import("../detection/rules.ts");
  const loaded = await load(cli, options);
  if (!loaded.ok) return loaded;
  const { rules, problems } = loaded.value;
  const rows = rules.map((rule) => [
    rule.ref.name,
    rule.level,
    rule.response,
    rule.origin,
    rule.fed ? "" : "no source yet",
    printable(rule.title, 200),
  ]);
  const refused = problems.map((problem) => `  ${printable(describeRuleProblem(problem))}\n`);
  const complaint =
    refused.length === 0 ? "" : `\n${paintOf(cli)(plural(refused.length, "problem"), "red")}:\n${refused.join("")}`;
  return ok({
    json: { rules: rules.map(ruleJson), problems },
    text: `${table(["RULE", "LEVEL", "RESPONSE", "ORIGIN", "NOTE", "WHAT"], rows, cli.columns)}${plural(rules.length, "rule")}.\n${complaint}`,
    exit: refused.length === 0 ? EXIT.ok : EXIT.invalid,
  });
}

async function showRule(cli: Cli, name: string, options: RulesOptions): Promise<Answered> {
  const loaded = await load(cli, options);
  if (!loaded.ok) return loaded;
  const rule = loaded.value.rules.find(({ ref }) => ref.name === name || ref.id.toLowerCase() === name.toLowerCase());
  if (rule === undefined)
    return refuse(
      "gone",
      EXIT.notFound,
      `there is no rule ${JSON.stringify(name)}`,
      "see all of them: sudo algo-monitor rules list",
    );
  return ok({ json: ruleJson(rule), text: ruleText(cli, rule) });
}

const TOLD = [
  ...(["title", "description", "level", "response", "tags", "falsePositives", "references", "logsource"] as const),
  ...(["triage", "foldBy", "origin", "file", "fed"] as const),
] as const;

function ruleJson(rule: Rule): unknown {
  return { ...rule.ref, ...Object.fromEntries(TOLD.map((key) => [key, rule[key]])) };
}

function ruleText(cli: Cli, rule: Rule): string {
  const paint = paintOf(cli);
  const { category, product, service } = rule.logsource;
  const rows = [
    ["id", rule.ref.id],
    ["version", String(rule.ref.version)],
    ["level", rule.level],
    ["response", rule.response],
    ["judges", [product, service, category].filter((part) => part !== undefined).join(" / ")],
    ["tags", rule.tags.join(", ")],
    ["file", rule.file],
  ] as const;
  const normal = rule.falsePositives.map((line) => `  - ${printable(line)}\n`).join("");
  return `${paint(rule.ref.name, "bold")}: ${printable(rule.title)}\n\n${pairs(rows.map(([name, value]) => [name, printable(value)]))}\n${printable(rule.description.trim().replaceAll("\n", " "))}\n\nWhen it is normal:\n${normal}\nWhat to do next:\n  ${printable(rule.triage)}\n`;
}

/** The rule engine is loaded by those who list rules only. */
async function load(cli: Cli, options: RulesOptions): Promise<Asked<LoadedRules>> {
  const { rulesOf } = await import("./rule_files.ts");
  return rulesOf(cli.paths, options.dir);
}
