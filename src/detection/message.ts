// The one sentence of a finding. Field values are chosen by attackers: control characters, terminal escapes and
// characters that turn the direction of text are shown escaped, and every value is bounded.
import type { Fields } from "../core/nouns.ts";
import { ecsNameOf } from "./logsources.ts";
import type { Rule } from "./rules.ts";
import { textOf } from "./sigma/view.ts";

const VALUE_CHARACTERS_MAX = 300;
/** C0, DEL, C1, zero-width and direction marks, line and paragraph separators, lone surrogates. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Surrogate}/gu;

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

/** One line that no terminal and no log reader can be fooled with. */
export function safeText(text: string): string {
  const bounded = text.length > VALUE_CHARACTERS_MAX ? `${text.slice(0, VALUE_CHARACTERS_MAX)}...` : text;
  return bounded.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}
