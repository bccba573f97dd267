// Verdicts of pySigma and of another engine's authors over public rules. Skips, with the reason, without the data.
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Fields } from "../../core/nouns.ts";
import { ANY_VOCABULARY, compileDetection } from "./detection.ts";
import { compileExpression, type Test } from "./expression.ts";
import { EventView } from "./view.ts";
import { entryOf, parseYaml } from "./yaml.ts";

const shared = process.env["ALGO_SHARED"] ?? resolve(import.meta.dir, "../../../../shared");
const data = join(shared, "data");
const reason = existsSync(data) ? undefined : `no test data in ${data} (set ALGO_SHARED)`;

interface Row {
  readonly name: string;
  readonly rule: string;
  readonly event: Fields;
  readonly expected: boolean;
}

function rowsOf(file: string, read: (row: Record<string, unknown>) => Row): Row[] {
  const lines = new TextDecoder()
    .decode(Bun.gunzipSync(readFileSync(join(data, file))))
    .trim()
    .split("\n");
  return lines.map((line) => read(JSON.parse(line)));
}

function compiled(text: string, cache: Map<string, Test>): Test {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const { tree, problems } = parseYaml(text);
  expect(problems).toEqual([]);
  const result = compileDetection(entryOf(tree, "detection")?.value, ANY_VOCABULARY, { line: 1, column: 1 });
  expect(result.problems).toEqual([]);
  const made = compileExpression(result.detection?.condition ?? { kind: "any", of: [] });
  cache.set(text, made);
  return made;
}

function wrongOf(rows: readonly Row[]): string[] {
  const cache = new Map<string, Test>();
  const view = new EventView();
  return rows
    .filter((row) => compiled(row.rule, cache)(view.load(row.event)) !== row.expected)
    .map((row) => `${row.name} ${JSON.stringify(row.event)} should be ${row.expected}`);
}

describe.skipIf(reason !== undefined)(`conformance${reason === undefined ? "" : `: skipped, ${reason}`}`, () => {
  test("every verdict of pySigma on public rules is ours too", () => {
    const texts = new Map<string, string>();
    for (const name of readdirSync(join(data, "sigma-rules"))) {
      texts.set(name, readFileSync(join(data, "sigma-rules", name), "utf8"));
    }
    const rows = rowsOf("sigma_conformance_rules.jsonl.gz", (row) => {
      const name = String(row["path"]).split("/").at(-1) ?? "";
      return { name, rule: texts.get(name) ?? "", event: fieldsOf(row["event"]), expected: row["expected"] === true };
    });
    expect(rows.length).toBeGreaterThan(1600);
    expect(wrongOf(rows)).toEqual([]);
  });

  test("every verdict written by the authors of go-sigma-rule-engine is ours too", () => {
    const rows = rowsOf("sigma_upstream_tests.jsonl.gz", (row) => ({
      name: String(row["name"]),
      rule: String(row["rule"]),
      event: fieldsOf(row["event"]),
      expected: row["expected"] === true,
    }));
    expect(rows.length).toBeGreaterThan(40);
    expect(wrongOf(rows)).toEqual([]);
  });
});

function fieldsOf(event: unknown): Fields {
  const fields: Record<string, string | number | boolean> = {};
  if (typeof event !== "object" || event === null) return fields;
  for (const [name, value] of Object.entries(event)) {
    if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") fields[name] = value;
    else if (value !== null) fields[name] = JSON.stringify(value);
  }
  return fields;
}
