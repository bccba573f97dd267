// What every folder of rules/ promises: it loads, fires on its hits, is silent on its misses and on everyday work, and
// each of its clauses matters.
import { describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { BASE_SCORE, type Event, type Fields } from "../core/nouns.ts";
import { TACTICS, techniqueOf } from "./attack.ts";
import { createEngine } from "./engine.ts";
import { fedBy, sees } from "./logsources.ts";
import { mutantsOf } from "./mutants.fixture.ts";
import { describeRuleProblem, loadRules, parseRule, type Rule } from "./rules.ts";
import { compileExpression } from "./sigma/expression.ts";
import { EventView } from "./sigma/view.ts";

const repository = resolve(import.meta.dir, "../..");
const folder = join(repository, "rules");
const shared = process.env["ALGO_SHARED"] ?? resolve(repository, "../shared");
const data = join(shared, "data");
const noData = existsSync(data) ? "" : `: skipped, no test data in ${data} (set ALGO_SHARED)`;

interface Line {
  readonly name: string;
  readonly logsource: Event["logsource"];
  readonly fields: Fields;
}

const folders = readdirSync(folder).flatMap((tactic) =>
  readdirSync(join(folder, tactic)).map((name) => ({ tactic, name, path: join(folder, tactic, name) })),
);
const files = folders.map(({ path }) => ({
  path: join(path, "rule.yml"),
  text: readFileSync(join(path, "rule.yml"), "utf8"),
  origin: "own" as const,
}));
const loaded = loadRules(files);

function linesOf(path: string, name: string): Line[] {
  const text = readFileSync(join(path, name), "utf8").trim();
  return text.split("\n").map((line): Line => JSON.parse(line));
}

function verdicts(test: ReturnType<typeof compileExpression>, lines: readonly Line[]): boolean[] {
  const view = new EventView();
  return lines.map((line) => test(view.load(line.fields)));
}

test("every rule loads, and their ids are unique", () => {
  expect(loaded.problems.map(describeRuleProblem)).toEqual([]);
  expect(loaded.rules.length).toBe(folders.length);
  expect(folders.length).toBeGreaterThan(15);
});

describe.each(folders)("$tactic/$name", ({ tactic, name, path }) => {
  const rule = loaded.rules.find((candidate) => candidate.ref.name === name);
  const hits = linesOf(path, "hit.jsonl");
  const misses = linesOf(path, "miss.jsonl");

  test("is complete: id, level, message, triage, false positives, ATT&CK", () => {
    const text = readFileSync(join(path, "rule.yml"), "utf8");
    expect(rule?.ref.id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(text).toMatch(/^level: /m);
    expect(text).toMatch(/^ {2}triage: /m);
    expect(rule?.message).not.toBe("");
    expect(rule?.falsePositives.length).toBeGreaterThan(0);
    expect(rule?.description).not.toBe("");
    expect(rule?.fed).toBe(true);
    expect(rule?.unusedSelections).toEqual([]);
    expect(unknownTags(rule)).toEqual([]);
    expect(rule?.tags).toContain(`attack.${tactic}`);
  });

  test("fires on every line of hit.jsonl and on none of miss.jsonl", () => {
    const wrong = [
      ...hits.filter((line) => rule?.matches(line.fields) === undefined).map((line) => `silent on: ${line.name}`),
      ...misses.filter((line) => rule?.matches(line.fields) !== undefined).map((line) => `fires on: ${line.name}`),
    ];
    expect(wrong).toEqual([]);
    expect(hits.length).toBeGreaterThan(0);
    expect(misses.length).toBeGreaterThan(0);
  });

  test("its lines carry only fields of its logsource", () => {
    const carried = new Set(fedBy(rule?.logsource ?? {}).flatMap((source) => source.fields));
    const lines = [...hits, ...misses];
    const foreign = lines.flatMap((line) => Object.keys(line.fields)).filter((field) => !carried.has(field));
    expect([...new Set(foreign)]).toEqual([]);
    expect(lines.filter((line) => !sees(rule?.logsource ?? {}, line.logsource)).map((line) => line.name)).toEqual([]);
  });

  test("says why: reasons, a title without holes, a score of its level or more", () => {
    for (const line of hits) {
      const [match] = rule === undefined ? [] : createEngine([rule]).evaluate(eventOf(line));
      expect(match?.reasons.length).toBeGreaterThan(0);
      expect(match?.title).not.toContain("{");
      expect(match?.title).not.toContain("(unknown)");
      expect(match?.score).toBeGreaterThanOrEqual(BASE_SCORE[rule?.level ?? "critical"]);
    }
  });

  test("needs every clause: each one taken away changes a hit or a miss", () => {
    if (rule === undefined) throw new Error("the rule did not load");
    const lines = [...hits, ...misses];
    const expected = verdicts(rule.test, lines);
    const idle = mutantsOf(rule.condition).filter((mutant) =>
      Bun.deepEquals(verdicts(compileExpression(mutant.expression), lines), expected),
    );
    expect(idle.map((mutant) => mutant.without)).toEqual([]);
  });

  test("needs every weight: each one is true of a hit and false of another", () => {
    const idle = (rule?.weights ?? []).filter((weight) => new Set(verdicts(weight.test, hits)).size < 2);
    expect(idle.map((weight) => weight.name)).toEqual([]);
  });

  test("has a trigger if it kills, and its trigger is sound shell", () => {
    const trigger = join(path, "trigger.sh");
    if (rule?.response === "kill") expect(existsSync(trigger)).toBe(true);
    if (!existsSync(trigger)) return;
    const checked = Bun.spawnSync(["sh", "-n", trigger]);
    expect(checked.stderr.toString()).toBe("");
    expect(readFileSync(trigger, "utf8")).toContain("set -eu");
  });
});

function unknownTags(rule: Rule | undefined): string[] {
  return (rule?.tags ?? []).filter((tag) => {
    const name = tag.replace(/^attack\./, "");
    return !(tag.startsWith("attack.") && (TACTICS.has(name) || techniqueOf(name) !== undefined));
  });
}

function eventOf(line: Pick<Line, "logsource" | "fields">): Event {
  return { id: "e", atMs: 0, action: "test", logsource: line.logsource, fields: line.fields };
}

/** Findings on everyday commands that are tolerated, of all lines, by level. */
const RATE_MAX = { critical: 0, high: 0, medium: 0.001, low: 0.001, informational: 1 } as const;
const BASELINES = [
  "tldr",
  "cheatsheets_cheat",
  "bash_oneliner",
  "ansible_commands",
  "debian_units_cron",
  "shell_scripts",
  "debian_maintainer_scripts",
];

describe.skipIf(noData !== "")(`benign baselines${noData}`, () => {
  const engine = createEngine(loaded.rules);
  test.each(BASELINES)("stay quiet on %s", (baseline) => {
    const found = new Map<string, string[]>();
    const commands = noData === "" ? commandsOf(baseline) : [];
    for (const command of commands) {
      for (const match of engine.evaluate(
        eventOf({ logsource: { product: "linux", category: "process_creation" }, fields: asProcess(command) }),
      )) {
        const lines = found.get(match.rule.level) ?? [];
        found.set(match.rule.level, [...lines, `${match.rule.ref.name}: ${command}`]);
      }
    }
    expect(commands.length).toBeGreaterThan(50);
    for (const [level, rate] of Object.entries(RATE_MAX)) {
      const lines = found.get(level) ?? [];
      expect(lines.length <= Math.ceil(rate * commands.length) ? [] : lines).toEqual([]);
    }
  });

  test("every rule of the public collection loads unmodified", () => {
    const names = readdirSync(join(data, "sigma-rules"));
    const problems = names.flatMap((name) => {
      const parsed = parseRule(
        readFileSync(join(data, "sigma-rules", name), "utf8"),
        name,
        name.replace(".yml", ""),
        "site",
      );
      return parsed.ok ? [] : parsed.fault.map(describeRuleProblem);
    });
    expect(names.length).toBeGreaterThan(50);
    expect(problems).toEqual([]);
  });
});

function commandsOf(baseline: string): string[] {
  const text = new TextDecoder().decode(Bun.gunzipSync(readFileSync(join(data, `${baseline}.jsonl.gz`))));
  return text
    .trim()
    .split("\n")
    .map((line): Record<string, unknown> => JSON.parse(line))
    .filter((row) => row["label"] !== "dual_use" && row["label"] !== "attack_like")
    .flatMap((row) => (typeof row["command"] === "string" ? [row["command"]] : String(row["script"]).split("\n")));
}

/** As a process would show it: the command itself, and run by a shell. */
function asProcess(command: string): Fields {
  const program = command.trim().split(/\s+/)[0] ?? "";
  return {
    "process.executable": program.startsWith("/") ? program : `/usr/bin/${program}`,
    "process.command_line": command,
    "process.executable_temporary": false,
    "process.script.kind": /\s-[a-z]*[ce]\s/.test(command) ? "inline" : "none",
    "process.parent.executable": "/usr/bin/bash",
  };
}
