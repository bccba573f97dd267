import { expect, test } from "bun:test";
import { join } from "node:path";
import { RULES_PAGE, rulesPage } from "./docs_rules.ts";

test("docs/rules.md says what the rules say (else run `bun src/tools/docs_rules.ts`)", async () => {
  expect(await Bun.file(RULES_PAGE).text()).toBe(rulesPage());
});

test("README.md names the rules that kill, all of them and no other", async () => {
  const readme = await Bun.file(join(import.meta.dir, "..", "..", "README.md")).text();
  const sentence = /^Only (.*) kill by default/m.exec(readme)?.[1] ?? "";
  const named = [...sentence.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? "");
  const killing = [...rulesPage().matchAll(/^\| \[?`?(\w+)`?(?:\]\([^)]*\))? \| \w+ \| kill \|/gm)].map(
    (match) => match[1] ?? "",
  );
  expect(killing.length).toBeGreaterThan(0);
  expect(named.sort()).toEqual(killing.sort());
});
