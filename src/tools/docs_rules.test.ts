import { expect, test } from "bun:test";
import { RULES_PAGE, rulesPage } from "./docs_rules.ts";

test("docs/rules.md says what the rules say (else run `bun src/tools/docs_rules.ts`)", async () => {
  expect(await Bun.file(RULES_PAGE).text()).toBe(rulesPage());
});
