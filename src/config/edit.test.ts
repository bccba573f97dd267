import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { parse } from "jsonc-parser";
import { ok } from "../core/result.ts";
import { addException, addToList, editConfigFile, removeException, removeFromList, setKey } from "./edit.ts";

const folder = mkdtempSync(join(tmpdir(), "algo-config-edit-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SITE = [
  "// our file, please keep",
  "{",
  "    // quiet until Monday",
  '    "MODE": "enforce", // ask Ann',
  '    "MINING_POOLS": [',
  '        "pool.example.org", // seen in March',
  "        /* the big one */",
  '        "203.0.113.0/24"',
  "        // more to come",
  "    ],",
  '    "LOG_LEVELS": ["ALERT", "ERROR"],',
  "}",
  "",
].join("\n");

const ENTRY = { rule: "reverse_shell", exe: "/opt/agent", reason: "ticket 1" };

function textOf(result: ReturnType<typeof setKey>): string {
  if (!result.ok) throw new Error(result.fault.message);
  return result.value.text;
}

describe("setKey", () => {
  const rows: readonly (readonly [string, string, readonly string[], unknown, string])[] = [
    ["replaces a value and nothing else", SITE, ["MODE"], "monitor", SITE.replace('"enforce"', '"monitor"')],
    [
      "sets a value in an object that the file has",
      '{"RETENTION": {"days": 9}}',
      ["RETENTION", "days"],
      8,
      '{"RETENTION": {"days": 8}}',
    ],
    ["keeps a byte order mark", '\uFEFF{"MODE": "enforce"}', ["MODE"], "monitor", '\uFEFF{"MODE": "monitor"}'],
    [
      "keeps the comments of a file without any key",
      "{ // none yet\n}\n",
      ["MODE"],
      "monitor",
      '{ // none yet\n  "MODE": "monitor"\n}\n',
    ],
    ["adds to an empty file object", "{}\n", ["MODE"], "monitor", '{\n  "MODE": "monitor"\n}\n'],
    [
      "adds a nested key after a trailing comma",
      '{\n  "MODE": "enforce", // x\n}\n',
      ["RULES", "bind_shell"],
      "alert",
      '{\n  "MODE": "enforce", // x\n  "RULES": {\n    "bind_shell": "alert"\n  },\n}\n',
    ],
    [
      "writes the line ends and the indentation of the file",
      '{\r\n\t"MODE": "enforce"\r\n}\r\n',
      ["KILL_BUDGET", "per_minute"],
      5,
      '{\r\n\t"MODE": "enforce",\r\n\t"KILL_BUDGET": {\r\n\t\t"per_minute": 5\r\n\t}\r\n}\r\n',
    ],
    ["mends a key that was wrong before", '{"MODE": "mon"}', ["MODE"], "monitor", '{"MODE": "monitor"}'],
  ];
  test.each(rows)("%s", (_name, text, path, value, expected) => {
    expect(textOf(setKey(text, path, value))).toBe(expected);
  });

  const refused: readonly (readonly [string, string, readonly string[], unknown, string])[] = [
    ["refuses an unknown key", "{}", ["MOED"], "enforce", "no config key"],
    ["refuses a bad value", "{}", ["MODE"], "kill", "is not one of"],
    ["refuses a bad field", "{}", ["KILL_BUDGET", "per_hour"], 1, "no such key"],
    ["refuses a path into a scalar", '{"MODE": "enforce"}', ["MODE", "x"], 1, "does not hold an object"],
    ["refuses a file that does not parse", '{"MODE": ', ["MODE"], "enforce", "does not parse"],
    ["refuses a key that stands twice", '{"MODE": "enforce", "MODE": "monitor"}', ["MODE"], "enforce", "repeated"],
    ["refuses a pattern that re2 refuses", "{}", ["SUSPICIOUS_PATTERNS"], ["(?=a)"], "refused as a pattern"],
  ];
  test.each(refused)("%s", (_name, text, path, value, message) => {
    const result = setKey(text, path, value);
    expect(result.ok ? "" : result.fault.message).toContain(message);
  });
});

describe("lists", () => {
  test("an element goes behind the comments of the last one", () => {
    const expected = SITE.replace('"203.0.113.0/24"', '"203.0.113.0/24",').replace(
      "// more to come",
      '// more to come\n        "pool.example.net"',
    );
    expect(textOf(addToList(SITE, ["MINING_POOLS"], "pool.example.net"))).toBe(expected);
  });

  test("a list on one line stays on one line", () => {
    const expected = SITE.replace('"ALERT", "ERROR"', '"ALERT", "ERROR", "INFO"');
    expect(textOf(addToList(SITE, ["LOG_LEVELS"], "INFO"))).toBe(expected);
  });

  test("a removed element takes its line and leaves every comment", () => {
    const result = textOf(removeFromList(SITE, ["MINING_POOLS"], (value) => value === "203.0.113.0/24"));
    expect(result).toContain("// seen in March\n        /* the big one */\n        // more to come\n");
    expect(parse(result).MINING_POOLS).toEqual(["pool.example.org"]);
  });

  test("what stands there already is not added again, whatever the order of its fields", () => {
    const once = textOf(addException("{}", ENTRY));
    const again = addException(once, { reason: "ticket 1", exe: "/opt/agent", rule: "reverse_shell" });
    expect(again.ok && again.value.changed).toBe(false);
    expect(parse(once)).toEqual({ EXCEPTIONS: [ENTRY] });
  });

  test("trusting one more path keeps the default names", () => {
    const list: string[] = parse(
      textOf(addToList("{}", ["TRUSTED_SYSTEM_PROCESSES"], "/opt/agent")),
    ).TRUSTED_SYSTEM_PROCESSES;
    expect(list).toContain("sshd");
    expect(list.at(-1)).toBe("/opt/agent");
  });

  test("adds to a list inside an object", () => {
    expect(parse(textOf(addToList("{}", ["NEVER_TOUCH", "users"], "backup")))).toEqual({
      NEVER_TOUCH: { users: ["backup"] },
    });
  });

  test("an exception is removed by what it says and returned", () => {
    const text =
      '{"EXCEPTIONS": [/* a */ {"rule":"a","exe":"/a","reason":"r"}, // b\n {"rule":"b","exe":"/b","reason":"r"} ]}';
    const result = removeException(text, (entry) => entry.rule === "a");
    if (!result.ok) throw new Error(result.fault.message);
    expect(result.value.removed).toEqual([{ rule: "a", exe: "/a", reason: "r" }]);
    expect(result.value.text).toBe('{"EXCEPTIONS": [/* a */ // b\n {"rule":"b","exe":"/b","reason":"r"} ]}');
  });

  test("an exception that narrows nothing is refused", () => {
    const result = addException("{}", { rule: "reverse_shell", reason: "because" });
    expect(result.ok ? "" : result.fault.message).toContain("narrows nothing");
  });

  test("any sequence of additions and removals keeps all comments and holds what a list would", () => {
    const names = ["a.example", "b.example", "c.example", "d.example"];
    const step = fc.record({ add: fc.boolean(), name: fc.constantFrom(...names) });
    const starts = fc.constantFrom(
      '{"MINING_POOLS": []}',
      '{"MINING_POOLS": [ /* none */ ], }',
      '{\n  "MINING_POOLS": [\n    // none yet\n  ]\n}\n',
      '{"MINING_POOLS": ["a.example" /* 1 */ , // 2\n  "b.example" // 3\n /* 4 */ ]}',
      '{\r\n "MINING_POOLS": [\r\n  "a.example", // one\r\n  "c.example", // two\r\n ],\r\n}',
      '{"MINING_POOLS": ["a.example" // no comma\n , "d.example",] // end\n}',
    );
    const comments = (text: string): string[] =>
      (text.match(/\/\/[^\r\n]*|\/\*.*?\*\//g) ?? []).map((part) => part.trim());
    fc.assert(
      fc.property(starts, fc.array(step, { maxLength: 12 }), (start, steps) => {
        let text: string = start;
        let model: string[] = parse(start).MINING_POOLS;
        for (const { add, name } of steps) {
          const edit = add
            ? addToList(text, ["MINING_POOLS"], name)
            : removeFromList(text, ["MINING_POOLS"], (value) => value === name);
          text = textOf(edit);
          if (!add) model = model.filter((value) => value !== name);
          else if (!model.includes(name)) model = [...model, name];
          expect(parse(text).MINING_POOLS).toEqual(model);
          expect(comments(text)).toEqual(comments(start));
        }
      }),
      { seed: 4711, numRuns: 300 },
    );
  });
});

describe("editConfigFile", () => {
  const monitor = (text: string): ReturnType<typeof setKey> => setKey(text, ["MODE"], "monitor");

  test("keeps the mode of the file and leaves nothing else behind", () => {
    const path = join(folder, "config.json");
    writeFileSync(path, SITE);
    chmodSync(path, 0o640);
    expect(editConfigFile(path, monitor).ok).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o640);
    expect(readFileSync(path, "utf8")).toBe(SITE.replace('"enforce"', '"monitor"'));
    expect([...new Bun.Glob("**").scanSync({ cwd: folder, dot: true })]).toEqual(["config.json"]);
  });

  test("creates a missing file that only its owner may read", () => {
    const path = join(folder, "new.json");
    expect(editConfigFile(path, monitor).ok).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(parse(readFileSync(path, "utf8"))).toEqual({ MODE: "monitor" });
  });

  test("follows a symbolic link and leaves it a link", () => {
    const target = join(folder, "target.json");
    const link = join(folder, "link.json");
    writeFileSync(target, '{"MODE": "enforce"}');
    symlinkSync(target, link);
    expect(editConfigFile(link, monitor).ok).toBe(true);
    expect(readFileSync(target, "utf8")).toBe('{"MODE": "monitor"}');
    expect(statSync(link).ino).toBe(statSync(target).ino);
  });

  test("writes nothing when somebody else wrote meanwhile", () => {
    const path = join(folder, "race.json");
    writeFileSync(path, "{}");
    const result = editConfigFile(path, (text) => {
      writeFileSync(path, '{ "RULES": {} }');
      return monitor(text);
    });
    expect(result.ok ? "" : result.fault.message).toContain("changed by somebody else");
    expect(readFileSync(path, "utf8")).toBe('{ "RULES": {} }');
  });

  test("does not write when nothing changes", () => {
    const path = join(folder, "same.json");
    writeFileSync(path, '{"MODE": "monitor"}');
    const before = statSync(path).ino;
    const result = editConfigFile(path, (text) => ok({ text, changed: false }));
    expect(result.ok).toBe(true);
    expect(statSync(path).ino).toBe(before);
  });
});
