/** `rules list` and `rules show`: the rules as the daemon loads them, and what this host makes of them. */
import { Command } from "commander";
import { nearest } from "../config/nearest.ts";
import { printable } from "../core/printable.ts";
import { ok } from "../core/result.ts";
import type { LoadedRules } from "../daemon/rule_files.ts";
import type { Rule } from "../detection/rules.ts";
import { type Answered, type JsonOption, paintOf, present, withJson } from "./action.ts";
import { type Asked, refuse } from "./client.ts";
import { EXIT } from "./exit.ts";
import type { Moved } from "./rule_facts.ts";
import { plural, table } from "./text.ts";
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
      "Lists every rule with its tactic, level and response; `kill -> alert` is a response that RULES in the config has moved. Refused rules are named with place and reason, and the exit code is 3. `rules` alone does the same.",
    );
  const show = new Command("show")
    .summary("one rule")
    .description(
      "Shows one rule: what it means, what it does, when it is normal, what to do next, how often it was seen here, and what an exception looks like.",
    )
    .argument("<rule>", "name or id");
  for (const child of [list, show])
    child.option("--dir <folder>", "read rules from this folder instead of the installed ones (no root needed)");
  command.addCommand(withJson(list), { isDefault: true });
  command.addCommand(withJson(show));
  list.action(async (options: RulesOptions) => present(cli, options, await listRules(cli, options)));
  show.action(async (name: string, options: RulesOptions) => present(cli, options, await showRule(cli, name, options)));
  return command;
}

async function listRules(cli: Cli, options: RulesOptions): Promise<Answered> {
  const { describeRuleProblem } = await import("../detection/rules.ts");
  const { responseInForce, tacticOf } = await import("./rule_facts.ts");
  const loaded = await load(cli, options);
  if (!loaded.ok) return loaded;
  const moved = await movedHere(cli, options);
  const { rules, problems } = loaded.value;
  const rows = rules.map((rule) => {
    const inForce = responseInForce(rule, moved);
    return [
      rule.ref.name,
      printable(tacticOf(rule), 40) || "-",
      rule.level,
      inForce === rule.response ? rule.response : `${rule.response} -> ${inForce}`,
      [rule.origin === "site" ? "site" : "", rule.fed ? "" : "no source yet"].filter((note) => note !== "").join(", "),
      printable(rule.title, 200),
    ];
  });
  const refused = problems.map((problem) => `  ${printable(describeRuleProblem(problem))}\n`);
  const complaint =
    refused.length === 0 ? "" : `\n${paintOf(cli)(plural(refused.length, "problem"), "red")}:\n${refused.join("")}`;
  const json = { rules: await Promise.all(rules.map((rule) => ruleJson(rule, moved))), problems };
  return ok({
    json,
    text: `${table(["RULE", "TACTIC", "LEVEL", "RESPONSE", "NOTE", "WHAT"], rows, cli.columns)}${plural(rules.length, "rule")}. One in full: algo-monitor rules show RULE\n${complaint}`,
    exit: refused.length === 0 ? EXIT.ok : EXIT.invalid,
  });
}

async function showRule(cli: Cli, name: string, options: RulesOptions): Promise<Answered> {
  const { historyOf, responseInForce } = await import("./rule_facts.ts");
  const { ruleText } = await import("./rule_text.ts");
  const loaded = await load(cli, options);
  if (!loaded.ok) return loaded;
  const { rules } = loaded.value;
  const wanted = name.toLowerCase();
  const rule = rules.find(({ ref }) => ref.name.toLowerCase() === wanted || ref.id.toLowerCase() === wanted);
  if (rule === undefined) return noSuchRule(name, rules);
  const moved = await movedHere(cli, options);
  const history = options.dir === undefined ? await historyOf(cli, rule) : undefined;
  return ok({
    json: { ...(await ruleJson(rule, moved)), ...(history === undefined ? {} : { history }) },
    text: ruleText(cli, rule, responseInForce(rule, moved), history),
  });
}

function noSuchRule(name: string, rules: readonly Rule[]): ReturnType<typeof refuse> {
  const near = nearest(
    name,
    rules.map(({ ref }) => ref.name),
  );
  const meant = near === undefined ? "" : `, did you mean ${near}?`;
  return refuse(
    "gone",
    EXIT.notFound,
    `there is no rule ${JSON.stringify(name)}${meant}`,
    "see all of them: sudo algo-monitor rules list",
  );
}

const TOLD = [
  ...(["title", "description", "level", "response", "tags", "falsePositives", "references", "logsource"] as const),
  ...(["triage", "foldBy", "origin", "file", "fed"] as const),
] as const;

async function ruleJson(rule: Rule, moved: Moved): Promise<Readonly<Record<string, unknown>>> {
  const { responseInForce, tacticOf, techniqueNames } = await import("./rule_facts.ts");
  return {
    ...rule.ref,
    ...Object.fromEntries(TOLD.map((key) => [key, rule[key]])),
    tactic: tacticOf(rule),
    techniques: techniqueNames(rule),
    responseInForce: responseInForce(rule, moved),
  };
}

/** Rules of another folder are judged by nobody here: RULES says nothing of them. */
async function movedHere(cli: Cli, options: RulesOptions): Promise<Moved> {
  const { movedRules } = await import("./rule_facts.ts");
  return options.dir === undefined ? movedRules(cli) : new Map();
}

/** The rule engine is loaded by those who list rules only. */
async function load(cli: Cli, options: RulesOptions): Promise<Asked<LoadedRules>> {
  const { rulesOf } = await import("./rule_files.ts");
  return rulesOf(cli.paths, options.dir);
}
