import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseConfig } from "../config/load.ts";
import { KEY_NAMES } from "../config/schema.ts";
import { configJsonSchema } from "../config/schema_json.ts";
import { exampleConfig, renderConfigDocs } from "./docs_config.ts";

const ROOT = join(import.meta.dir, "..", "..");
const MEND = "bun src/tools/docs_config.ts --all && bun run format";
const textOf = (name: string): string => readFileSync(join(ROOT, name), "utf8");

describe("config.example.json", () => {
  const path = join(ROOT, "config.example.json");

  test("is strict JSON, complete, and parsed without any problem", () => {
    const text = textOf("config.example.json");
    const strict: Record<string, unknown> = JSON.parse(text);
    expect(Object.keys(strict), MEND).toEqual(["$schema", ...KEY_NAMES]);
    expect(parseConfig(text, { nowMs: Date.UTC(2100, 0, 1), ruleNames: [] }).problems).toEqual([]);
  });

  test("holds the defaults of the table", () => {
    expect(JSON.parse(textOf("config.example.json")), MEND).toEqual({ ...exampleConfig() });
  });

  test("names a schema that lies where it says", () => {
    const { $schema }: { readonly $schema: string } = JSON.parse(textOf("config.example.json"));
    expect(existsSync(join(dirname(path), $schema))).toBe(true);
    expect(JSON.parse(textOf($schema)), MEND).toEqual(JSON.parse(JSON.stringify(configJsonSchema())));
  });
});

describe("docs/config.md", () => {
  test("is what the table says", () => {
    expect(textOf("docs/config.md") === renderConfigDocs(), "stale; run: bun run docs").toBe(true);
  });

  test.each(KEY_NAMES.map((name) => [name]))("%s is on the page", (name) => {
    expect(renderConfigDocs()).toContain(name);
  });
});
