/** One process in a few words, for lists and for one alone. Pure. */

import type { ProcessRow } from "../core/control_views.ts";
import { printable } from "../core/printable.ts";

const SCRIPTS: Readonly<Record<ProcessRow["script"], string>> = {
  none: "",
  inline: "inline code",
  stdin: "code from its input",
  file: "script",
  "unverified-file": "unverified script",
};

/** `verified`, `unknown, deleted`, `verified, inline code`. */
export function whatText(row: ProcessRow): string {
  return [row.kind, ...row.traits, SCRIPTS[row.script]].filter((part) => part !== "").join(", ");
}

/** What ran it, as it shows itself; the name in brackets where it shows nothing, as ps does. */
export function commandOf(row: ProcessRow): string {
  if (row.commandLine !== "") return printable(row.commandLine, 1_024);
  return row.executable === "" ? `[${printable(row.name, 64)}]` : printable(row.executable, 1_024);
}
