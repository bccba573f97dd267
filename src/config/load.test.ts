import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { GARBAGE } from "./garbage.fixture.ts";
import { builtInConfig, PROBLEMS_MAX, parseConfig } from "./load.ts";
import { formatProblem, type Problem } from "./problem.ts";
import { configSchema, KEY_NAMES, keyFacts, keySchema } from "./schema.ts";

const defaults = builtInConfig("enforce");

describe("the key table", () => {
  test.each(KEY_NAMES.map((name) => [name]))("%s: its default and its example are what it accepts", (name) => {
    const facts = keyFacts(name);
    if (facts === undefined) throw new Error("the row has no facts");
    expect(keySchema(name).parse(facts.default)).toEqual(facts.default);
    expect(keySchema(name).safeParse(facts.example).error?.issues ?? []).toEqual([]);
    expect(facts.description).toMatch(/^.{20,}\.$/s);
    expect(facts.since).toMatch(/^\d+\.\d+\.\d+$/);
  });

  test.each(KEY_NAMES.map((name) => [name]))(
    "%s: an empty object means its defaults, where objects are taken",
    (name) => {
      const whole = keyFacts(name)?.default;
      if (typeof whole !== "object" || Array.isArray(whole)) return;
      expect(keySchema(name).parse({})).toEqual(whole);
    },
  );

  test("the configuration is frozen to its depth and the defaults with it", () => {
    expect(Object.isFrozen(defaults.EXCEPTIONS)).toBe(true);
    expect(Object.isFrozen(parseConfig("{}").config.NEVER_TOUCH.units)).toBe(true);
  });
});

describe("garbage", () => {
  test("has at least 50 shapes with names of their own", () => {
    expect(new Set(GARBAGE.map((row) => row.name)).size).toBe(GARBAGE.length);
    expect(GARBAGE.length).toBeGreaterThanOrEqual(60);
  });

  test.each(GARBAGE.map((row) => [row.name, row] as const))("%s", (_name, row) => {
    const parsed = parseConfig(row.text);
    const errors = parsed.problems.filter((problem) => problem.severity === "error");
    expect(errors.length).toBeGreaterThan(0);
    expect(parsed.problems.length).toBeLessThanOrEqual(PROBLEMS_MAX + 1);
    expect(configSchema.safeParse(parsed.config).success).toBe(true);
    for (const problem of errors)
      expect(formatProblem("config.json", problem)).not.toMatch(/[\p{C}]|undefined|\[object/u);
    if (row.expect === "kept-running") {
      expect(parsed.usable).toBe(false);
      expect(parsed.config).toEqual(defaults);
    } else {
      expect(parsed.usable).toBe(true);
      expect(parsed.config.MODE).toBe("monitor");
      expect(parsed.config.KILL_BUDGET.per_minute).toBe(3);
    }
  });
});

describe("messages", () => {
  // Each row: the text, and the whole line an operator reads of its first error.
  const rows: readonly (readonly [string, string, string])[] = [
    [
      "an unknown key names the nearest",
      '{\n  "MOED": "enforce"\n}',
      "c:2:3 MOED: no such key; it is ignored. Did you mean MODE?",
    ],
    [
      "an unknown field names the nearest",
      '{"SCANNERS": {"netwrok": true}}',
      "c:1:15 SCANNERS.netwrok: no such key; it is ignored. Did you mean network?",
    ],
    [
      "a repeated key names the first line",
      '{"RULES": {},\n\n "RULES": {}}',
      "c:3:2 RULES: the key is repeated, first on line 1; the last one holds. Keep one of them.",
    ],
    [
      "what a bad value leaves incomplete goes with it, and is told once",
      '{"NOTIFICATIONS": {"webhook": {"url": "http://example.org/x", "secret": "s"}}}',
      'c:1:39 NOTIFICATIONS.webhook.url: "http://example.org/x" is not an https address; it is ignored. For example https://alerts.example.org/hook; http only to this host itself.',
    ],
    [
      "a value out of bounds names the bound",
      '{"SCAN_INTERVALS": {"processes": 900}}',
      "c:1:34 SCAN_INTERVALS.processes: 900 is too big; its default holds. At most 300.",
    ],
    [
      "a number in quotes is written out",
      '{"SCAN_INTERVALS": {"processes": "5"}}',
      'c:1:34 SCAN_INTERVALS.processes: holds the text "5" instead of a number; its default holds. Write a number without quotes: 5.',
    ],
    [
      "a mistyped monitor is monitor",
      '{"MODE": "montior"}',
      'c:1:10 MODE: "montior" is not one of "enforce", "monitor"; monitor is in force until it is mended. Did you mean "monitor"?',
    ],
    [
      "a mode that means nothing is the default",
      '{"MODE": "on"}',
      'c:1:10 MODE: "on" is not one of "enforce", "monitor"; the default holds. Choose one of them.',
    ],
    [
      "brackets for braces print the right form",
      '{"PROCESS_THRESHOLDS": ["cpu_percent": 80, "threads": 5]}',
      'c:1:24 PROCESS_THRESHOLDS: names with values stand in braces, not in brackets; the file does not parse. Write "PROCESS_THRESHOLDS": {"cpu_percent": 80, "threads": 5}.',
    ],
    [
      "a refused pattern says what re2 said",
      '{"SUSPICIOUS_PATTERNS": ["ok", "a(?=b)"]}',
      'c:1:32 SUSPICIOUS_PATTERNS[1]: "a(?=b)" is refused as a pattern: invalid or unsupported Perl syntax: `(?=`; the entry is dropped. Patterns are RE2: no lookaround, no back-references, repeats up to 1000; a backslash is written twice in JSON.',
    ],
    [
      "an exception without a reason is dropped whole",
      '{"EXCEPTIONS": [{"rule": "a", "exe": "/a"}]}',
      "c:1:17 EXCEPTIONS[0].reason: is missing; the entry is dropped. Add it: a text in double quotes.",
    ],
    [
      "a pool as a URL shows the name alone",
      '{"MINING_POOLS": ["stratum+tcp://pool.example.org:3333"]}',
      'c:1:19 MINING_POOLS[0]: "stratum+tcp://pool.example.org:3333" is not an address, a network or a host name; the entry is dropped. Write only pool.example.org.',
    ],
    ["an empty file", "", "c:1:1 the file is empty. Write {} for all defaults, or copy config.example.json."],
    [
      "a missing comma",
      '{\n  "MODE": "enforce"\n  "RULES": {}\n}',
      'c:3:3 the file does not parse: a comma is missing before "RULES". Separate keys and list elements by commas.',
    ],
  ];
  test.each(rows)("%s", (_name, text, expected) => {
    const first = parseConfig(text).problems.find((problem) => problem.severity === "error");
    expect(first === undefined ? "" : formatProblem("c", first)).toBe(expected);
  });
});

describe("places", () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ["after line and block comments", '// a\n/* b\n c */ {"X": 1}', "3:8"],
    ["after CRLF line ends", '{\r\n"MODE": "enforce",\r\n  "X": 1}', "3:3"],
    ["after lone carriage returns", '{\r\r  "X": 1}', "3:3"],
    ["a tab counts one", '{\n\t\t"X": 1}', "2:3"],
    ["a character outside the basic plane counts one", '{/* 🙂é */ "X": 1}', "1:11"],
    ["a byte order mark counts none", '\uFEFF{"X": 1}', "1:2"],
    ["behind a text with escapes", '{"$schema": "\\u00e9\\n", "X": 1}', "1:25"],
    ["in the last line without an end", '{"MODE": "enforce",\n"X": 1\n}', "2:1"],
  ];
  test.each(rows)("%s", (_name, text, place) => {
    for (const source of [text, new TextEncoder().encode(text)]) {
      const problem = parseConfig(source).problems.find((one) => one.key === "X");
      expect(`${problem?.line}:${problem?.column}`).toBe(place);
    }
  });

  test("a byte that is not UTF-8 is named with its place", () => {
    const bytes = new Uint8Array([...new TextEncoder().encode('{\n"é": "'), 0xe9, 0x22, 0x7d]);
    const problem = parseConfig(bytes).problems[0];
    expect(problem === undefined ? "" : formatProblem("c", problem)).toBe(
      "c:2:7 the file is not UTF-8: byte 0xe9 stands here. Convert it: iconv -f LATIN1 -t UTF-8.",
    );
  });
});

describe("what is applied", () => {
  test("comments, trailing commas and repeated list values are no problem", () => {
    const parsed = parseConfig('// x\n{"MODE": "monitor", /* y */ "LOG_LEVELS": ["ALERT", "ALERT",],}');
    expect(parsed.problems).toEqual([]);
    expect(parsed.config.LOG_LEVELS).toEqual(["ALERT", "ALERT"]);
    expect(parsed.keysSet).toEqual(["MODE", "LOG_LEVELS"]);
  });

  test("a file without MODE enforces, and says so as an INFO", () => {
    const parsed = parseConfig("{}");
    expect(parsed.config).toEqual(defaults);
    expect(parsed.problems.map((problem) => [problem.severity, problem.key])).toEqual([["info", "MODE"]]);
  });

  test("bad elements go alone, their neighbours stay", () => {
    const { config } = parseConfig(
      '{"MINING_POOLS": ["a.example", 5, "b.example", "x y", "c.example"], "RULES": {"a": "off", "b": "of", "c": "kill"}}',
    );
    expect(config.MINING_POOLS).toEqual(["a.example", "b.example", "c.example"]);
    expect(config.RULES).toEqual({ a: "off", c: "kill" });
  });

  test("a list of levels in small letters mutes nothing", () => {
    expect(parseConfig('{"LOG_LEVELS": ["alert", "error"]}').config.LOG_LEVELS).toEqual(defaults.LOG_LEVELS);
    expect(parseConfig('{"LOG_LEVELS": []}').config.LOG_LEVELS).toEqual([]);
  });

  test("a bad exception goes whole: half an exception would be a wider one", () => {
    const entry = (more: string): string => `{"rule": "a", "exe": "/a", "reason": "r"${more}}`;
    const text = `{"EXCEPTIONS": [${entry(', "args": "("')}, ${entry("")}, ${entry(', "pear": "10.0.0.1"')}, ${entry(', "exe": "/b"')}]}`;
    expect(parseConfig(text).config.EXCEPTIONS).toEqual([{ rule: "a", exe: "/a", reason: "r" }]);
  });

  const shared = process.env["ALGO_SHARED"] ?? join(import.meta.dir, "../../../shared");
  const oldFile = join(shared, "data/old-service-config.json");
  test.skipIf(!existsSync(oldFile))(
    "the published config of the replaced service is taken whole; only that MODE is not in it is said",
    () => {
      const parsed = parseConfig(readFileSync(oldFile));
      expect(parsed.usable).toBe(true);
      expect(parsed.problems.map(({ message }) => message)).toEqual(["the key is not set: enforce is in force"]);
      expect(parsed.config.TRUSTED_SYSTEM_PROCESSES).toContain("NetworkManager");
      expect(parsed.config.TRUSTED_PORTS["22"]).toBe("SSH");
      expect(parsed.config.SUSPICIOUS_PATTERNS.length).toBeGreaterThan(20);
    },
  );
});

describe("advice", () => {
  const nowMs = Date.UTC(2027, 5, 1);
  const entry = (fields: string): string =>
    `{"MODE": "enforce", "EXCEPTIONS": [{"rule": "reverse_shell", "reason": "r", ${fields}}]}`;
  const rows: readonly (readonly [string, string, Problem["severity"], string])[] = [
    ["an exception that is over", entry('"exe": "/a", "until": "2027-05-30"'), "info", "is over since 2027-05-30"],
    ["an exception for every bash", entry('"exe": "/usr/bin/bash"'), "warning", "an intruder's too"],
    [
      "a scanner that is off",
      '{"MODE": "enforce", "SCANNERS": {"network": false}}',
      "warning",
      "network scanner is off",
    ],
    ["no log level", '{"MODE": "enforce", "LOG_LEVELS": []}', "warning", "nothing but kills"],
    [
      "a name that never matches",
      '{"MODE": "enforce", "TRUSTED_SYSTEM_PROCESSES": ["bin/x"]}',
      "warning",
      "never match",
    ],
    [
      "a trusted interpreter path",
      '{"MODE": "enforce", "TRUSTED_SYSTEM_PROCESSES": ["/usr/bin/python3.11"]}',
      "warning",
      "exempts",
    ],
    [
      "a rule that does not exist",
      '{"MODE": "enforce", "RULES": {"reverse_shel": "off"}}',
      "warning",
      "no rule is called",
    ],
  ];
  test.each(rows)("%s", (_name, text, severity, message) => {
    const { problems } = parseConfig(text, { nowMs, ruleNames: ["reverse_shell", "bind_shell"] });
    expect(problems.map((problem) => problem.severity)).toEqual([severity]);
    expect(problems[0]?.message).toContain(message);
  });

  const silent: readonly (readonly [string, string])[] = [
    ["an exception that still holds today", entry('"exe": "/a", "until": "2027-06-01"')],
    ["an exception for one command of bash", entry('"exe": "/usr/bin/bash", "args": "^bash /opt/job"')],
    ["a rule by its name in capitals", '{"MODE": "enforce", "RULES": {"REVERSE_SHELL": "off"}}'],
  ];
  test.each(silent)("is silent about %s", (_name, text) => {
    expect(parseConfig(text, { nowMs, ruleNames: ["reverse_shell"] }).problems).toEqual([]);
  });
});

describe("fuzz", () => {
  const good =
    '{"MODE": "monitor", "RULES": {"a": "off"}, "EXCEPTIONS": [{"rule": "a", "exe": "/a", "reason": "r"}], "LOG_LEVELS": ["INFO"]} // x';
  const holds = (source: string | Uint8Array): void => {
    const parsed = parseConfig(source, { nowMs: 0, ruleNames: [] });
    expect(configSchema.safeParse(parsed.config).success).toBe(true);
    expect(parsed.usable || parsed.problems.some((problem) => problem.severity === "error")).toBe(true);
    for (const problem of parsed.problems) expect(problem.line >= 1 && problem.column >= 1).toBe(true);
  };

  test("any bytes give a configuration", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), holds), { seed: 1, numRuns: 500 });
  });

  test("any value under any key gives a configuration", () => {
    const file = fc.dictionary(fc.oneof(fc.constantFrom(...KEY_NAMES), fc.string()), fc.jsonValue({ maxDepth: 4 }));
    fc.assert(
      fc.property(
        file.map((value) => JSON.stringify(value)),
        holds,
      ),
      { seed: 2, numRuns: 500 },
    );
  });

  test("a good file with a piece cut out, doubled or replaced gives a configuration", () => {
    const damage = fc.tuple(fc.nat(good.length), fc.nat(30), fc.string({ unit: "binary", maxLength: 8 }));
    const damaged = damage.map(([at, length, piece]) => good.slice(0, at) + piece + good.slice(at + length));
    fc.assert(fc.property(damaged, holds), { seed: 3, numRuns: 800 });
  });
});
