import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseConfig } from "./load.ts";
import { differencesOf, OLD_KEYS } from "./old_service.ts";
import { KEY_NAMES } from "./schema.ts";

const ROOT = join(import.meta.dir, "../..");
const OLD_CONFIG = readFileSync(join(ROOT, "test/host/programs/old_service/config.json"), "utf8");

describe("keys of the replaced service", () => {
  test("every key of the old file has its row, every row a key of ours", () => {
    const parsed = parseConfig(OLD_CONFIG);
    expect(OLD_KEYS.map((row): string => row.key).sort()).toEqual([...parsed.keysSet].sort());
    for (const { key } of OLD_KEYS) expect(KEY_NAMES).toContain(key);
  });

  test("the old file is valid as it is", () => {
    expect(parseConfig(OLD_CONFIG).problems.filter((problem) => problem.severity === "error")).toEqual([]);
  });

  test("differences are told for what the file sets, with its number of entries", () => {
    const { config, keysSet } = parseConfig('{"SUSPICIOUS_PATTERNS": ["a", "b"], "TRUSTED_PORTS": {"22": "SSH"}}');
    expect(differencesOf(config, keysSet).map(({ key, entries }) => [key, entries])).toEqual([
      ["SUSPICIOUS_PATTERNS", 2],
      ["TRUSTED_PORTS", 1],
    ]);
    expect(differencesOf(config, keysSet)[0]?.text).toStartWith("SUSPICIOUS_PATTERNS (2): no longer kills; warns once");
  });

  test("the thresholds in brackets, as the old README has them, do not parse, and the right form is printed", () => {
    const parsed = parseConfig('{\n  "PROCESS_THRESHOLDS": ["cpu_percent": 80, "threads": 500]\n}');
    expect(parsed.usable).toBe(false);
    expect(parsed.problems[0]).toMatchObject({
      line: 2,
      key: "PROCESS_THRESHOLDS",
      remedy: 'Write "PROCESS_THRESHOLDS": {"cpu_percent": 80, "threads": 500}.',
    });
  });

  test("docs/migration.md has each row in these words", () => {
    const page = readFileSync(join(ROOT, "docs/migration.md"), "utf8");
    for (const { key, did, does } of OLD_KEYS)
      expect(page).toContain(`| \`${key}\` | ${did.replaceAll("|", "\\|")} | ${does} |`);
  });
});
