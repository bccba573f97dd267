// Rule files as operators get them wrong, and who wins when two claim one name.
import { describe, expect, test } from "bun:test";
import { describeRuleProblem, loadRules, parseRule, RULES_MAX, ruleNameOf } from "./rules.ts";

const ID = "0a0a0a0a-0000-4000-8000-000000000001";
const RULE = `title: Test
id: ${ID}
level: high
logsource:
  product: linux
  category: process_creation
detection:
  selection:
    CommandLine|contains: evil
  heavy:
    User: root
  condition: selection
algo_monitor:
  version: 3
  fold_by: [Image]
  triage: Look.
  message: "{Image} was evil"
  weights:
    heavy: +20
`;

test("a good rule has everything that the stages after it ask for", () => {
  const parsed = parseRule(RULE, "rules/x/test/rule.yml", "test");
  if (!parsed.ok) throw new Error(parsed.fault.map(describeRuleProblem).join("\n"));
  const { value: rule } = parsed;
  expect(rule.ref).toEqual({ id: ID, name: "test", version: 3 });
  expect([rule.level, rule.response, rule.foldBy, rule.fed]).toEqual(["high", "alert", ["process.executable"], true]);
  expect(rule.unusedSelections).toEqual([]);
  expect(rule.matches({ "process.command_line": "good" })).toBeUndefined();
  expect(rule.matches({ "process.command_line": "evil" })?.score).toBe(70);
  const heavy = rule.matches({ "process.command_line": "evil", "user.name": "root" });
  expect(heavy?.score).toBe(90);
  expect(heavy?.reasons).toEqual(['process.command_line contains "evil": "evil"', 'user.name is "root" (+20)']);
});

const HINTS: readonly [hints: number, score: number][] = [
  [0, 70],
  [1, 75],
  [3, 85],
  [5, 85],
];

test.each(HINTS)("%d hints of the site's lists make a score of %d, and nothing else of a finding", (count, score) => {
  const parsed = parseRule(RULE, "rules/x/test/rule.yml", "test");
  if (!parsed.ok) throw new Error(parsed.fault.map(describeRuleProblem).join("\n"));
  const hints = Array.from({ length: count }, (_, index) => `SUSPICIOUS_PATTERNS p${index}`);
  const match = parsed.value.matches({ "process.command_line": "evil", "process.hints": hints });
  expect(match?.score).toBe(score);
  const told = match?.reasons.filter((reason) => reason.includes("SUSPICIOUS_PATTERNS")) ?? [];
  expect(told).toEqual(hints.slice(0, 3).map((hint) => `the site's list ${hint} names it (+5)`));
  expect(parsed.value.matches({ "process.command_line": "good", "process.hints": hints })).toBeUndefined();
});

test("no hint makes a score of more than 100", () => {
  const parsed = parseRule(RULE.replace("level: high", "level: critical"), "rules/x/test/rule.yml", "test");
  const hints = ["A a", "B b", "C c"];
  const fields = { "process.command_line": "evil", "process.hints": hints };
  expect(parsed.ok && parsed.value.matches(fields)?.score).toBe(100);
});

const REFUSED: readonly [name: string, from: string, to: string, says: string][] = [
  [
    "a key of ours that does not exist",
    "  triage:",
    "  triagge:",
    '13:1: algo_monitor has no key "triagge"; did you mean "triage"?',
  ],
  ["an unknown level", "level: high", "level: severe", '3:8: level "severe" is not known; use one of informational'],
  ["an unknown response", "  version: 3", "  response: shoot", 'response "shoot" is not known'],
  ["an id that is no UUID", ID, "42", 'id "42" is not a UUID'],
  ["no id in our own rules", `id: ${ID}\n`, "", "a rule needs an id"],
  ["no title", "title: Test\n", "", "a rule needs a title"],
  ["no logsource", "logsource:", "logsauce:", "needs a `logsource`"],
  ["an empty logsource", "  product: linux\n  category: process_creation", "  definition: x", "would see everything"],
  ["a weight of an unknown selection", "    heavy: +20", "    heavi: +20", 'no selection "heavi"'],
  ["a weight out of range", "    heavy: +20", "    heavy: 200", "from 1 to 100"],
  [
    "a field that is not carried in the message",
    "{Image} was",
    "{TargetFilename} was",
    'carries the field "TargetFilename"',
  ],
  ["a field that is not carried in fold_by", "[Image]", "[shell.path]", 'carries the field "shell.path"'],
  [
    "a field that is not carried in the detection",
    "CommandLine|",
    "DestinationIp|",
    'carries the field "DestinationIp"',
  ],
  ["a field that is misspelt", "CommandLine|", "ComandLine|", 'did you mean "CommandLine"?'],
  ["a correlation", "detection:", "correlation: {}\ndetection:", "correlation rules are not supported"],
];

describe("refuses, with file, line and column,", () => {
  test.each(REFUSED)("%s", (_name, from, to, says) => {
    expect(RULE).toContain(from);
    const parsed = parseRule(RULE.replace(from, to), "x/rule.yml", "x");
    const told = parsed.ok ? "" : parsed.fault.map(describeRuleProblem).join("\n");
    expect(told).toContain(says.replace(/^13:1: /, ""));
    expect(told).toMatch(/^x\/rule\.yml:\d+:\d+: /);
  });

  test("a rule that is larger than any rule", () => {
    const parsed = parseRule(`${RULE}# ${"x".repeat(300_000)}`, "x/rule.yml", "x");
    expect(parsed.ok ? "" : parsed.fault[0]?.message).toContain("more than");
  });
});

test("a rule of a logsource that nothing feeds loads, with any field, and says so", () => {
  const text = RULE.replace("category: process_creation", "category: dns_query").replace(
    "CommandLine",
    "TargetFilename",
  );
  const parsed = parseRule(text, "x/rule.yml", "x");
  expect(parsed.ok && parsed.value.fed).toBe(false);
});

test("a site's rule needs no key of ours and no id", () => {
  const text =
    "title: T\nlogsource: {category: process_creation}\ndetection:\n  s:\n    Image|endswith: /x\n  condition: s\n";
  const parsed = parseRule(text, "rules.d/mine.yml", "mine", "site");
  expect(parsed.ok && [parsed.value.ref, parsed.value.level, parsed.value.response]).toEqual([
    { id: "mine", name: "mine", version: 1 },
    "medium",
    "alert",
  ]);
});

const own = (path: string, text = RULE) => ({ path, text, origin: "own" as const });
const site = (path: string, text = RULE) => ({ path, text, origin: "site" as const });
const OTHER = RULE.replace("000000000001", "000000000002");

const LOADS: readonly [name: string, files: Parameters<typeof loadRules>[0], kept: string[], problems: number][] = [
  ["a site's rule replaces ours by id", [own("a/rule.yml"), site("mine.yml")], ["mine"], 0],
  ["a site's rule replaces ours by name", [own("a/rule.yml"), site("a.yml", OTHER)], ["a"], 0],
  ["a broken site rule leaves ours in force", [own("a/rule.yml"), site("a.yml", "title: [")], ["a"], 1],
  ["one id twice in one origin keeps the first and tells", [own("a/rule.yml"), own("b/rule.yml")], ["a"], 1],
  ["a broken rule does not keep the others out", [own("a/rule.yml", "{"), own("b/rule.yml")], ["b"], 1],
];

test.each(LOADS)("%s", (_name, files, kept, problems) => {
  const loaded = loadRules(files);
  expect(loaded.rules.map((rule) => rule.ref.name)).toEqual(kept);
  expect(loaded.problems.length).toBe(problems);
});

test("there is a limit to the number of rules, and passing it is told", () => {
  const files = Array.from({ length: RULES_MAX + 2 }, (_, index) => {
    const id = `0a0a0a0a-0000-4000-8000-${String(index).padStart(12, "0")}`;
    const text = `title: T\nid: ${id}\nlogsource: {category: x}\ndetection: {s: {a: b}, condition: s}\n`;
    return own(`r${index}.yml`, text);
  });
  const loaded = loadRules(files);
  expect(loaded.rules.length).toBe(RULES_MAX);
  expect(loaded.problems.map((problem) => problem.message).join()).toContain(`more than ${RULES_MAX} rules`);
});

test("a rule is called by its folder, or by its file", () => {
  expect([ruleNameOf("/r/x/reverse_shell/rule.yml"), ruleNameOf("/d/mine.yaml")]).toEqual(["reverse_shell", "mine"]);
});
