// The one sentence of a finding. Field values are chosen by attackers and are shown escaped and bounded.
import type { Fields } from "../core/nouns.ts";
import { ecsNameOf } from "./logsources.ts";
import type { Rule } from "./rules.ts";
import { safeText } from "./safe_text.ts";
import { textOf } from "./sigma/view.ts";

/** The rule's message with its `{field}`s filled in; without a message its title and what ran. */
export function renderMessage(rule: Pick<Rule, "message" | "title">, fields: Fields): string {
  if (rule.message !== "") {
    return rule.message.replace(/\s+/g, " ").replace(/\{([^{}]*)\}/g, (_, name: string) => fieldText(fields, name));
  }
  const what = fields["process.command_line"] === undefined ? "process.executable" : "process.command_line";
  return fields[what] === undefined ? rule.title : `${rule.title}: ${fieldText(fields, what)}`;
}

function fieldText(fields: Fields, name: string): string {
  const value = fields[ecsNameOf(name) ?? name];
  if (value === undefined || value === "") return "(unknown)";
  const text = textOf(value);
  return safeText(typeof text === "string" ? text : text.join(", "));
}
