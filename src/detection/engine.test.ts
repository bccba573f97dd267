// Which rules see which events, what a match says, and that hostile values cannot write on the operator's screen.
import { expect, test } from "bun:test";
import type { Event, Fields, LogSource } from "../core/nouns.ts";
import { techniqueOf } from "./attack.ts";
import { createEngine, findingOf } from "./engine.ts";
import { renderMessage } from "./message.ts";
import { loadRules } from "./rules.ts";

function rule(number: number, logsource: string, extra = ""): string {
  const id = `0a0a0a0a-0000-4000-8000-00000000000${number}`;
  const detection = "detection:\n  s:\n    Image|endswith: /x\n  condition: s\n";
  return `title: Rule ${number}\nid: ${id}\nlogsource: ${logsource}\n${detection}${extra}`;
}

function event(fields: Fields, logsource: LogSource = { product: "linux", category: "process_creation" }): Event {
  return { id: "e", atMs: 5, action: "a", logsource, fields };
}

const files = [
  ["process", rule(1, "{product: linux, category: process_creation}")],
  ["everything", rule(2, "{product: linux}")],
  ["connections", rule(3, "{category: network_connection}")],
  ["ours", rule(4, "{service: algo-monitor}")],
  ["windows", rule(5, "{product: windows, category: process_creation}")],
].map(([name, text]) => ({ path: `${name}.yml`, text: text ?? "", origin: "own" as const }));
const { rules, problems } = loadRules(files);
const engine = createEngine(rules);

const SEEN: readonly [name: string, logsource: LogSource, rules: string[]][] = [
  ["a process", { product: "linux", category: "process_creation" }, ["everything", "process"]],
  ["a connection", { product: "linux", category: "network_connection" }, ["connections", "everything"]],
  ["an event of ours", { product: "linux", service: "algo-monitor", category: "miner" }, ["everything", "ours"]],
];

test.each(SEEN)("%s is seen by the rules of its logsource and by no others", (_name, logsource, expected) => {
  expect(problems).toEqual([]);
  const matches = engine.evaluate(event({ "process.executable": "/x" }, logsource));
  expect(matches.map((match) => match.rule.ref.name)).toEqual(expected);
});

test("an event that no rule matches gives an empty list that the caller may keep", () => {
  const first = engine.evaluate(event({ "process.executable": "/y" }));
  first.push(...engine.evaluate(event({ "process.executable": "/x" })));
  expect(engine.evaluate(event({ "process.executable": "/y" }))).toEqual([]);
});

test("matches of one rule fold by its fields and by nothing else", () => {
  const text = rule(6, "{category: process_creation}", "algo_monitor: {fold_by: [Image, User]}\n");
  const folding = createEngine(loadRules([{ path: "f.yml", text, origin: "own" }]).rules);
  const keyOf = (fields: Fields): string | undefined => folding.evaluate(event(fields))[0]?.foldKey;
  const base = { "process.executable": "/x", "user.name": "a" };
  expect(keyOf({ ...base, "process.pid": 1 })).toBe(keyOf({ ...base, "process.pid": 2 }));
  expect(keyOf(base)).not.toBe(keyOf({ ...base, "user.name": "b" }));
  expect(keyOf(base)).not.toBe(keyOf({ "process.executable": "/x" }));
});

test("a finding carries what decision and store need", () => {
  const seen = event({ "process.executable": "/x", "process.command_line": "x -y" });
  const match = engine.evaluate(seen).find((candidate) => candidate.rule.ref.name === "process");
  if (match === undefined) throw new Error("no match");
  const finding = findingOf(match, seen, "id", 7);
  expect([finding.id, finding.atMs, finding.level, finding.score, finding.response]).toEqual([
    "id",
    7,
    "medium",
    50,
    "alert",
  ]);
  expect(finding.title).toBe("Rule 1: x -y");
  expect(finding.reasons).toEqual(['process.executable ends with "/x": "/x"']);
});

const HOSTILE: readonly [name: string, value: string, shown: string][] = [
  ["a new line", "a\nALERT b", "a\\x0aALERT b"],
  ["a terminal escape", "\u001b[2Jx", "\\x1b[2Jx"],
  ["a C1 control", "\u009b2J", "\\x9b2J"],
  ["text that turns its direction", "a\u202egpj.exe", "a\\u202egpj.exe"],
  ["half a character", "a\ud800", "a\\ud800"],
  ["a placeholder", "{process.pid}", "{process.pid}"],
  ["a very long value", "x".repeat(1000), `${"x".repeat(300)}...`],
];

test.each(HOSTILE)("%s in a value is shown, not obeyed", (_name, value, shown) => {
  const message = "<{process.command_line}>";
  expect(renderMessage({ message, title: "T" }, { "process.command_line": value })).toBe(`<${shown}>`);
});

test("a hostile value is escaped in the reasons too", () => {
  const [match] = engine.evaluate(event({ "process.executable": "/\u001b[2J\u202e/x" }));
  expect(match?.reasons).toEqual(['process.executable ends with "/x": "/\\x1b[2J\\u202e/x"']);
});

test("techniques are found by their ids of v18 and of v19", () => {
  expect(["t1562.004", "T1686", "T1070.002", "T1685.006"].map((id) => techniqueOf(id)?.id)).toEqual([
    "T1562.004",
    "T1562.004",
    "T1070.002",
    "T1070.002",
  ]);
  expect(techniqueOf("T9999")).toBeUndefined();
});
