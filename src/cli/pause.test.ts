import { expect, test } from "bun:test";
import { reloadText } from "./pause.ts";

const RELOADS: readonly [sentence: string, changed: boolean, rulesChanged: boolean, out: string][] = [
  ["all as it was", false, false, "Nothing changed: generation 3 of the configuration stays in force, no problems.\n"],
  [
    "other rules and the same configuration",
    false,
    true,
    "Read again: the rules changed, generation 3 of the configuration stays in force, no problems.\n",
  ],
  ["another configuration", true, false, "Read again: generation 3 of the configuration is in force, no problems.\n"],
  [
    "another configuration and other rules",
    true,
    true,
    "Read again: the rules changed, generation 3 of the configuration is in force, no problems.\n",
  ],
];

test.each(RELOADS)("reload says what came of it: %s", (_sentence, changed, rulesChanged, out) => {
  expect(reloadText({ changed, rulesChanged, configGeneration: 3, problems: [] })).toBe(out);
});
