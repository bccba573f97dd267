// Rule files -> rules. Trusts nothing in them; each refusal has file, line and column, and the other rules load.
// Reading the files is the caller's: this is pure. Costs about 0.1 ms a rule.
import type { Fields, Level, ResponseKind, RuleRef } from "../core/nouns.ts";
import { BASE_SCORE } from "../core/nouns.ts";
import { ok, type Result } from "../core/result.ts";
import { ecsNameOf, fedBy, namesFor, type RuleLogSource } from "./logsources.ts";
import { type Metadata, type RuleOrigin, readMetadata } from "./metadata.ts";
import { safeText } from "./safe_text.ts";
import { ANY_VOCABULARY, compileDetection, type Vocabulary } from "./sigma/detection.ts";
import { compileExpression, type Expression, explain, type Test } from "./sigma/expression.ts";
import { EventView } from "./sigma/view.ts";
import { entryOf, type Problem, parseYaml, YAML_BYTES_MAX } from "./sigma/yaml.ts";

export interface RuleProblem extends Problem {
  readonly file: string;
}

export interface Weight {
  readonly name: string;
  /** Added to the score where the selection is true, up to 100 in all. */
  readonly points: number;
  readonly test: Test;
  readonly of: Expression;
}

export interface Rule {
  readonly ref: RuleRef;
  readonly title: string;
  readonly description: string;
  readonly level: Level;
  /** As written, e.g. `attack.execution`, `attack.t1059.004`. */
  readonly tags: readonly string[];
  readonly falsePositives: readonly string[];
  readonly references: readonly string[];
  readonly logsource: RuleLogSource;
  /** False where no source or detector makes events of this logsource: it is loaded and can not match yet. */
  readonly fed: boolean;
  readonly response: Exclude<ResponseKind, "off">;
  /** ECS names; findings of one rule with equal values are one alert. */
  readonly foldBy: readonly string[];
  readonly triage: string;
  /** One sentence with `{field}` placeholders; empty where the title is all there is. */
  readonly message: string;
  readonly origin: RuleOrigin;
  readonly file: string;
  readonly condition: Expression;
  readonly selections: ReadonlyMap<string, Expression>;
  readonly unusedSelections: readonly string[];
  readonly weights: readonly Weight[];
  readonly test: Test;
  /** Why it matches and how much it weighs; undefined where it does not. */
  readonly matches: (fields: Fields) => RuleMatch | undefined;
}

export interface RuleMatch {
  /** Sentences of facts. */
  readonly reasons: readonly string[];
  /** 0-100. */
  readonly score: number;
}

export interface RuleFile {
  /** `.../<rule_name>/rule.yml` or `.../<rule_name>.yml`. */
  readonly path: string;
  readonly text: string;
  readonly origin: RuleOrigin;
}

export const RULES_MAX = 5000;

/** `file` is for messages, `name` is how operators call the rule. */
export function parseRule(
  text: string,
  file: string,
  name: string,
  origin: RuleOrigin = "own",
): Result<Rule, readonly RuleProblem[]> {
  const { tree, problems } = parseYaml(text);
  if (tree === undefined) return refused(file, problems);
  const read = readMetadata(tree, name, origin);
  const detectionEntry = entryOf(tree, "detection");
  const vocabulary = vocabularyOf(read.metadata.logsource);
  const compiled = compileDetection(detectionEntry?.value, vocabulary, detectionEntry?.place ?? { line: 1, column: 1 });
  const all: Problem[] = [...read.problems, ...compiled.problems];
  const { detection } = compiled;
  if (detection === undefined || all.length > 0) return refused(file, all);
  const weights: Weight[] = [];
  for (const weight of read.weights) {
    const of = detection.selections.get(weight.name);
    const message = `algo_monitor.weights: there is no selection "${weight.name}"`;
    if (of === undefined) all.push({ ...weight.place, message });
    else weights.push({ name: weight.name, points: weight.points, test: compileExpression(of), of });
  }
  all.push(...unknownFields(read, vocabulary));
  if (all.length > 0) return refused(file, all);
  const weighed = new Set(weights.map((weight) => weight.name));
  const unusedSelections = detection.unused.filter((unused) => !weighed.has(unused));
  return ok(ruleOf(read.metadata, { ...detection, unusedSelections }, weights, file, origin));
}

function ruleOf(
  metadata: Metadata,
  detection: Pick<Rule, "condition" | "selections" | "unusedSelections">,
  weights: readonly Weight[],
  file: string,
  origin: RuleOrigin,
): Rule {
  const { condition, selections, unusedSelections } = detection;
  const test = compileExpression(condition);
  const foldBy = metadata.foldBy.map((name) => ecsNameOf(name) ?? name);
  const fed = fedBy(metadata.logsource).length > 0;
  const rule = { ...metadata, foldBy, fed, condition, selections, unusedSelections, weights, test, file, origin };
  return {
    ...rule,
    matches: (fields) => {
      const view = new EventView().load(fields);
      return test(view) ? weigh(rule, view) : undefined;
    },
  };
}

/** What the site's lists say of a process adds a little to whatever is found of it, and changes nothing else. */
const HINT_POINTS = 5;
const HINTS_POINTS_MAX = 15;

/** The reasons and the score of a rule that is known to match. */
export function weigh(rule: Pick<Rule, "condition" | "weights" | "level">, view: EventView): RuleMatch {
  const reasons = explain(rule.condition, view);
  let score = BASE_SCORE[rule.level];
  for (const weight of rule.weights) {
    if (!weight.test(view)) continue;
    score += weight.points;
    reasons.push(...explain(weight.of, view).map((reason) => `${reason} (+${weight.points})`));
  }
  const hints = hintsOf(view);
  score += Math.min(HINTS_POINTS_MAX, hints.length * HINT_POINTS);
  reasons.push(...hints.map((hint) => `the site's list ${safeText(hint)} names it (+${HINT_POINTS})`));
  return { reasons: [...new Set(reasons)], score: Math.min(100, score) };
}

function hintsOf(view: EventView): readonly string[] {
  const hints = view.all()["process.hints"];
  return Array.isArray(hints) ? hints.slice(0, HINTS_POINTS_MAX / HINT_POINTS).map(String) : [];
}

/** Of a logsource that nothing feeds every name is taken: there is nothing to compare it with. */
function vocabularyOf(logsource: RuleLogSource): Vocabulary {
  const sources = fedBy(logsource);
  if (sources.length === 0) return ANY_VOCABULARY;
  const carried = new Set(sources.flatMap((source) => source.fields));
  return {
    field: (name) => {
      const ecs = ecsNameOf(name);
      return ecs !== undefined && carried.has(ecs) ? ecs : undefined;
    },
    known: namesFor(carried),
    placeholders: new Map(),
  };
}

/** Names in fold_by and message that the logsource does not carry. */
function unknownFields(read: ReturnType<typeof readMetadata>, vocabulary: Vocabulary): Problem[] {
  return read.namedFields
    .filter((named) => vocabulary.field(named.name) === undefined)
    .map((named) => ({
      ...named.place,
      message: `${named.where}: no event of this logsource carries the field "${named.name}"`,
    }));
}

function refused(
  file: string,
  problems: readonly Problem[],
): { readonly ok: false; readonly fault: readonly RuleProblem[] } {
  return { ok: false, fault: problems.map((problem) => ({ file, ...problem })) };
}

/**
 * All rules of the given files, sorted by name. A site's rule takes the place of ours with the same id or name;
 * within one origin an id or name belongs to the file that comes first.
 */
export function loadRules(files: readonly RuleFile[]): {
  readonly rules: readonly Rule[];
  readonly problems: readonly RuleProblem[];
} {
  const problems: RuleProblem[] = [];
  const sorted = [...files].sort((left, right) => order(left) - order(right) || compare(left.path, right.path));
  const kept: Rule[] = [];
  const byId = new Map<string, Rule>();
  const byName = new Map<string, Rule>();
  for (const file of sorted) {
    if (kept.length >= RULES_MAX) {
      const message = `more than ${RULES_MAX} rules: this one and those after it are not loaded`;
      problems.push({ file: file.path, line: 1, column: 1, message });
      break;
    }
    const parsed = parseRule(file.text, file.path, ruleNameOf(file.path), file.origin);
    if (!parsed.ok) {
      problems.push(...parsed.fault);
      continue;
    }
    const rule = parsed.value;
    const rival = byId.get(rule.ref.id) ?? byName.get(rule.ref.name);
    if (rival === undefined) {
      kept.push(rule);
      byId.set(rule.ref.id, rule);
      byName.set(rule.ref.name, rule);
    } else if (rival.origin === rule.origin) {
      problems.push(taken(rule, rival));
    }
    // Sites come first: a rival of the other origin overrides this one.
  }
  return { rules: kept.sort((left, right) => compare(left.ref.name, right.ref.name)), problems };
}

function order(file: RuleFile): number {
  return file.origin === "site" ? 0 : 1;
}

function compare(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}

function taken(rule: Rule, rival: Rule): RuleProblem {
  const what = rule.ref.id === rival.ref.id ? `id ${rule.ref.id}` : `name ${rule.ref.name}`;
  const remedy = "give each rule its own id and file name";
  return { file: rule.file, line: 1, column: 1, message: `the ${what} is taken by ${rival.file}`, remedy };
}

/** The folder of a rule.yml, else the file's own name. */
export function ruleNameOf(path: string): string {
  const parts = path.split("/");
  const base = (parts.at(-1) ?? "").replace(/\.ya?ml$/, "");
  return base === "rule" ? (parts.at(-2) ?? base) : base;
}

/** `file:line:column: what is wrong; what to do` */
export function describeRuleProblem(problem: RuleProblem): string {
  const remedy = problem.remedy === undefined ? "" : `; ${problem.remedy}`;
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.message}${remedy}`;
}

export const RULE_FILE_BYTES_MAX = YAML_BYTES_MAX;
