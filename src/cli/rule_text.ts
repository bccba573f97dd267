/** One rule as an operator reads it: what it means, what it does here, when it is normal, what to do. Pure. */
import type { ResponseKind } from "../core/nouns.ts";
import { severityOf } from "../core/nouns.ts";
import { printable } from "../core/printable.ts";
import { unreachable } from "../core/result.ts";
import type { Rule } from "../detection/rules.ts";
import { paintOf } from "./action.ts";
import { type RuleHistory, tacticOf, techniqueNames } from "./rule_facts.ts";
import { pairs, plural, timeWithHint } from "./text.ts";
import type { Cli } from "./world.ts";

export function ruleText(cli: Cli, rule: Rule, inForce: ResponseKind, history: RuleHistory | undefined): string {
  const paint = paintOf(cli);
  const section = (title: string, body: string): string => `\n${paint(title, "bold")}\n${body}`;
  const paragraph = printable(rule.description.trim().replace(/\s*\n\s*/g, " "));
  return [
    `${paint(rule.ref.name, "bold")}: ${printable(rule.title)}\n\n`,
    pairs(rowsOf(cli, rule, inForce, history).map(([name, value]) => [name, printable(value)])),
    section("What it means", `  ${paragraph}\n`),
    section("When it is normal", rule.falsePositives.map((line) => `  - ${printable(line)}\n`).join("")),
    section("What to do next", `  ${printable(rule.triage)}\n`),
    section("If it is normal here", exceptionText(rule, history)),
  ].join("");
}

function rowsOf(
  cli: Cli,
  rule: Rule,
  inForce: ResponseKind,
  history: RuleHistory | undefined,
): readonly (readonly [string, string])[] {
  const { category, product, service } = rule.logsource;
  const techniques = techniqueNames(rule).map(({ id, name }) => `${id} ${name}`);
  return [
    ["level", `${rule.level} (${severityOf(rule.level)})`],
    ["response", responseText(cli, rule, inForce, history)],
    ["tactic", tacticOf(rule)],
    ["ATT&CK", techniques.join("; ")],
    [
      "judges",
      `${[product, service, category].filter((part) => part !== undefined).join(" / ")}${rule.fed ? "" : " (nothing makes these events yet)"}`,
    ],
    [
      "one alert for each",
      rule.foldBy.length === 0 ? "host: all of it is one alert with a count" : rule.foldBy.join(" + "),
    ],
    ["seen here", history === undefined ? "" : seenText(cli, history)],
    ["id", `${rule.ref.id}, version ${rule.ref.version}${rule.origin === "site" ? ", the site's own" : ""}`],
    ["file", rule.file],
  ].filter((row): row is [string, string] => row[1] !== "");
}

function responseText(cli: Cli, rule: Rule, inForce: ResponseKind, history: RuleHistory | undefined): string {
  if (inForce === rule.response) return `${inForce}: ${meaning(inForce)}`;
  const { changedBy } = history ?? {};
  const who =
    changedBy === undefined ? "" : `, set by ${changedBy.who} ${timeWithHint(changedBy.atMs, cli.clock.nowMs())}`;
  return `${inForce}: ${meaning(inForce)} (RULES in ${cli.paths.configFile}${who}; the rule itself asks for ${rule.response})`;
}

function meaning(response: ResponseKind): string {
  switch (response) {
    case "off":
      return "switched off";
    case "monitor":
      return "told, never acted upon";
    case "alert":
      return "told";
    case "disconnect":
      return "told, and its connection is cut";
    case "kill":
      return "told, and its processes are killed";
    default:
      return unreachable(response);
  }
}

function seenText(cli: Cli, history: RuleHistory): string {
  const { findings, alerts, openAlerts, lastAtMs } = history;
  if (alerts === 0) return "never on record";
  const last = lastAtMs === undefined ? "" : `, last ${timeWithHint(lastAtMs, cli.clock.nowMs())}`;
  return `${plural(findings, "time")} in ${plural(alerts, "alert")} (${openAlerts} new)${last}`;
}

function exceptionText(rule: Rule, history: RuleHistory | undefined): string {
  const entry = history?.exception ?? {
    rule: rule.ref.name,
    exe: "/path/of/the/program",
    user: "who-runs-it",
    reason: "say here why this is normal",
  };
  const which = history?.exception === undefined ? "An example" : "For the newest one here";
  return [
    "  trust one alert:    sudo algo-monitor trust ALERT\n",
    `  or in EXCEPTIONS:   ${printable(JSON.stringify(entry))}\n`,
    `                      (${which}; all that is given must hold.)\n`,
    `  other response:     sudo algo-monitor config set RULES.${rule.ref.name} alert\n`,
  ].join("");
}
