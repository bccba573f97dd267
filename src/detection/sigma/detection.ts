// The `detection` map of a rule -> expressions. Trusts nothing: every name, modifier and value that is not
// understood is refused with its place, because a clause that is skipped makes another rule of it.
import { type Condition, parseCondition } from "./condition.ts";
import type { Expression } from "./expression.ts";
import { type Modifiers, parseModifiers } from "./modifiers.ts";
import { nearest } from "./suggest.ts";
import { compileValue, type ValueContext } from "./values.ts";
import { slotOf } from "./view.ts";
import { entryOf, type MapEntry, type Node, type Place, type Problem } from "./yaml.ts";

export interface Vocabulary {
  /** The event's field that a rule's field name means; undefined where no event of this logsource carries it. */
  readonly field: (name: string) => string | undefined;
  /** For suggestions. */
  readonly known: readonly string[];
  readonly placeholders: ReadonlyMap<string, readonly string[]>;
}

/** Takes every name as it is: for logsources that nothing feeds yet, and for judging foreign events. */
export const ANY_VOCABULARY: Vocabulary = { field: (name) => name, known: [], placeholders: new Map() };

export interface Detection {
  readonly condition: Expression;
  readonly selections: ReadonlyMap<string, Expression>;
  /** Selections that the condition does not name. */
  readonly unused: readonly string[];
}

export function compileDetection(
  detection: Node | undefined,
  vocabulary: Vocabulary,
  near: Place,
): { readonly detection: Detection | undefined; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  if (detection?.kind !== "map") {
    problems.push({
      ...placeOf(detection ?? near),
      message: "a rule needs a map `detection` with selections and a condition",
    });
    return { detection: undefined, problems };
  }
  const work: Work = { vocabulary, problems };
  const selections = new Map<string, Expression>();
  for (const entry of detection.entries) {
    if (entry.key === "condition") continue;
    if (entry.key === "timeframe") {
      problems.push({
        ...entry.place,
        message: "`timeframe` is not part of a rule",
        remedy: "write a correlation rule",
      });
      continue;
    }
    const of = selection(work, entry.value, 0);
    if (of !== undefined) selections.set(entry.key, { kind: "selection", name: entry.key, of });
  }
  const names = detection.entries.map((entry) => entry.key).filter((key) => key !== "condition" && key !== "timeframe");
  const conditions = conditionsOf(entryOf(detection, "condition"), names, detection, problems);
  if (problems.length > 0) return { detection: undefined, problems };
  const used = new Set<string>();
  const of = conditions.map((condition) => assemble(condition, selections, used));
  const unused = names.filter((name) => !used.has(name));
  return { detection: { condition: single("any", of), selections, unused }, problems };
}

interface Work {
  readonly vocabulary: Vocabulary;
  readonly problems: Problem[];
}

/** Several conditions in a list mean any of them. */
function conditionsOf(
  entry: MapEntry | undefined,
  names: readonly string[],
  near: Place,
  problems: Problem[],
): Condition[] {
  const nodes = entry === undefined ? [] : valuesOf(entry.value);
  const conditions: Condition[] = [];
  if (nodes.length === 0) problems.push({ ...placeOf(near), message: "`detection` has no condition" });
  for (const node of nodes) {
    if (node.kind !== "scalar" || typeof node.value !== "string") {
      problems.push({ ...placeOf(node), message: "a condition must be a text" });
      continue;
    }
    const parsed = parseCondition(node.value, names, node);
    if ("problem" in parsed) problems.push(parsed.problem);
    else conditions.push(parsed.condition);
  }
  return conditions;
}

function assemble(condition: Condition, selections: ReadonlyMap<string, Expression>, used: Set<string>): Expression {
  const named = (name: string): Expression => {
    used.add(name);
    return selections.get(name) ?? { kind: "any", of: [] };
  };
  switch (condition.kind) {
    case "name":
      return named(condition.name);
    case "not":
      return { kind: "not", of: assemble(condition.of, selections, used) };
    case "count":
      return { kind: "count", count: condition.count, of: condition.names.map(named) };
    case "all":
    case "any":
      return { kind: condition.kind, of: condition.of.map((part) => assemble(part, selections, used)) };
  }
}

const NESTING_MAX = 8;

function selection(work: Work, node: Node, depth: number): Expression | undefined {
  if (depth > NESTING_MAX) return refuse(work, node, "a selection nested too deep");
  if (node.kind === "scalar") return item(work, { key: "", place: node, value: node });
  if (node.kind === "map") {
    if (node.entries.length === 0) return refuse(work, node, "an empty selection would match everything");
    const of = node.entries.map((entry) => item(work, entry));
    return single("all", defined(of));
  }
  if (node.items.length === 0) return refuse(work, node, "an empty list would match nothing");
  return single("any", defined(node.items.map((part) => selection(work, part, depth + 1))));
}

/** `Field|modifier: value or values`; without a field name the values are keywords. */
function item(work: Work, entry: MapEntry): Expression | undefined {
  const [name = "", ...names] = entry.key.split("|");
  const modifiers = parseModifiers(names);
  if (typeof modifiers === "string") return refuse(work, entry.place, `${entry.key}: ${modifiers}`);
  const isKeyword = name === "";
  const field = isKeyword ? "" : work.vocabulary.field(name);
  if (field === undefined) {
    const guess = nearest(name, work.vocabulary.known);
    return refuse(
      work,
      entry.place,
      `no event of this logsource carries the field "${name}"`,
      guess && `did you mean "${guess}"?`,
    );
  }
  if (isKeyword && modifiers.kind !== "text" && modifiers.kind !== "regex") {
    return refuse(work, entry.place, `${entry.key}: this comparison needs a field`);
  }
  const context: ValueContext = {
    isKeyword,
    field: work.vocabulary.field,
    placeholders: work.vocabulary.placeholders,
  };
  return linked(work, valuesOf(entry.value), field, modifiers, context, entry);
}

function valuesOf(node: Node): readonly Node[] {
  return node.kind === "list" ? node.items : [node];
}

function linked(
  work: Work,
  nodes: readonly Node[],
  field: string,
  modifiers: Modifiers,
  context: ValueContext,
  entry: MapEntry,
): Expression | undefined {
  if (nodes.length === 0) return refuse(work, entry.place, `${entry.key} has no value`);
  const of: Expression[] = [];
  for (const node of nodes) {
    const value = oneValue(work, node, field, modifiers, context, entry);
    if (value !== undefined) of.push(value);
  }
  const joined = single(modifiers.all ? "all" : "any", of);
  return modifiers.negated ? { kind: "not", of: joined } : joined;
}

function oneValue(
  work: Work,
  node: Node,
  field: string,
  modifiers: Modifiers,
  context: ValueContext,
  entry: MapEntry,
): Expression | undefined {
  if (node.kind !== "scalar") return refuse(work, node, `${entry.key}: a value must be a text, a number or true/false`);
  const tests = compileValue(node.value, modifiers, context);
  if (typeof tests === "string") return refuse(work, node, `${entry.key}: ${tests}`);
  const slot = context.isKeyword ? -1 : slotOf(field);
  return single(
    "any",
    tests.map((value) => (context.isKeyword ? { kind: "keyword", value } : { kind: "field", field, slot, value })),
  );
}

function single(kind: "all" | "any", of: readonly Expression[]): Expression {
  const [only] = of;
  return of.length === 1 && only !== undefined ? only : { kind, of };
}

function defined(parts: readonly (Expression | undefined)[]): Expression[] {
  return parts.filter((part) => part !== undefined);
}

function refuse(work: Work, place: Place, message: string, remedy?: string): undefined {
  const problem = { ...placeOf(place), message };
  work.problems.push(remedy === undefined ? problem : { ...problem, remedy });
  return undefined;
}

function placeOf(place: Place): Place {
  return { line: place.line, column: place.column };
}
