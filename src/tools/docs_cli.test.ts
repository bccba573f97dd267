import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildProgram, everyCommand, fullName } from "../cli/program.ts";
import { fakeHost } from "../cli/world.fixture.ts";
import { renderCliDocs, SHAPES } from "./docs_cli.ts";

test("docs/cli.md is what the generator writes (bun run docs)", async () => {
  expect(readFileSync(join(import.meta.dir, "..", "..", "docs", "cli.md"), "utf8")).toBe(await renderCliDocs());
});

test("every command with --json has its shape documented, and no shape is of a command that is not there", async () => {
  const host = fakeHost();
  const withJson: string[] = [];
  everyCommand(await buildProgram(host.cli()), (command) => {
    if (command.options.some((option) => option.long === "--json"))
      withJson.push(fullName(command).replace("algo-monitor ", ""));
  });
  await host.close();
  expect(Object.keys(SHAPES).sort()).toEqual(withJson.sort());
});
