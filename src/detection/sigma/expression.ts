// A detection as data, and the two things done with it: a fast test, and the facts that made it true.
// Truth has three values, as in SQL: a comparison with a field that the event lacks is neither true nor false, so
// neither it nor its negation matches; only `null` and |exists ask for absence.
import { unreachable } from "../../core/result.ts";
import { shown, type ValueTest } from "./values.ts";
import { type EventView, type Texts, textOf } from "./view.ts";

/** Data, so that a test can remove one clause at a time and a later prefilter can read the literals. */
export type Expression =
  | { readonly kind: "all" | "any"; readonly of: readonly Expression[] }
  | { readonly kind: "not"; readonly of: Expression }
  | { readonly kind: "count"; readonly count: number; readonly of: readonly Expression[] }
  | { readonly kind: "selection"; readonly name: string; readonly of: Expression }
  | { readonly kind: "field"; readonly field: string; readonly slot: number; readonly value: ValueTest }
  /** In any field. */
  | { readonly kind: "keyword"; readonly value: ValueTest };

export type Test = (view: EventView) => boolean;

/** Is it true of the event? */
export function compileExpression(expression: Expression): Test {
  switch (expression.kind) {
    case "all":
      return everyOf(expression.of.map(compileExpression));
    case "any":
      return anyOf(expression.of);
    case "not":
      return compileFalsity(expression.of);
    case "count":
      if (expression.count === 1) return anyOf(expression.of);
      if (expression.count === expression.of.length) return everyOf(expression.of.map(compileExpression));
      return countOf(expression.of.map(compileExpression), expression.count);
    case "selection":
      return compileExpression(expression.of);
    case "field":
      return fieldTest(expression.slot, expression.value);
    case "keyword":
      return keywordTest(expression.value);
    default:
      return unreachable(expression);
  }
}

/** Is it false of the event, and not only unknown? */
function compileFalsity(expression: Expression): Test {
  switch (expression.kind) {
    case "all":
      return countOf(expression.of.map(compileFalsity), 1);
    case "any":
      return everyOf(expression.of.map(compileFalsity));
    case "not":
      return compileExpression(expression.of);
    case "count":
      return countOf(expression.of.map(compileFalsity), expression.of.length - expression.count + 1);
    case "selection":
      return compileFalsity(expression.of);
    case "keyword":
    case "field": {
      const test = compileExpression(expression);
      const isKnown = knownTest(expression);
      return (view) => isKnown(view) && !test(view);
    }
    default:
      return unreachable(expression);
  }
}

/** Does the event have what the comparison needs? */
function knownTest(expression: Expression & { readonly kind: "field" | "keyword" }): Test {
  if (expression.kind === "keyword" || expression.value.kind === "present") return () => true;
  const { slot, value } = expression;
  if (value.kind !== "reference") return (view) => view.raw(slot) !== undefined;
  return (view) => view.raw(slot) !== undefined && view.raw(value.slot) !== undefined;
}

/** The facts that make an expression true that is known to be true, each as a sentence. */
export function explain(expression: Expression, view: EventView): string[] {
  switch (expression.kind) {
    case "all":
      return expression.of.flatMap((part) => explain(part, view));
    case "any":
    case "count":
      return expression.of
        .filter((part) => compileExpression(part)(view))
        .slice(0, expression.kind === "any" ? 1 : undefined)
        .flatMap((part) => explain(part, view));
    case "not":
      return [];
    case "selection":
      return explain(expression.of, view);
    case "field":
      return [fact(expression.field, expression.value, view.raw(expression.slot))];
    case "keyword":
      return [`some field ${expression.value.says}`];
    default:
      return unreachable(expression);
  }
}

function fact(field: string, value: ValueTest, seen: ReturnType<EventView["raw"]>): string {
  const sentence = `${field} ${value.says}`;
  if (seen === undefined || value.kind === "present" || (value.kind === "text" && value.whole)) return sentence;
  const text = textOf(seen);
  return `${sentence}: ${shown(typeof text === "string" ? text : text.join(" "))}`;
}

function everyOf(tests: readonly Test[]): Test {
  const [first, second, third] = tests;
  if (first === undefined) return () => true;
  if (second === undefined) return first;
  if (third === undefined) return (view) => first(view) && second(view);
  return (view) => {
    for (const test of tests) if (!test(view)) return false;
    return true;
  };
}

function countOf(tests: readonly Test[], count: number): Test {
  return (view) => {
    let found = 0;
    for (const test of tests) if (test(view) && ++found >= count) return true;
    return false;
  };
}

/** Alternatives of one field share one reading of it, and whole values one set. */
function anyOf(alternatives: readonly Expression[]): Test {
  const bySlot = new Map<number, ((text: string) => boolean)[]>();
  const wholes = new Map<number, Set<string>>();
  const tests: Test[] = [];
  for (const part of alternatives) {
    if (part.kind !== "field" || part.value.kind !== "text" || !part.value.folded) {
      tests.push(compileExpression(part));
    } else if (part.value.whole) {
      wholes.set(part.slot, (wholes.get(part.slot) ?? new Set()).add(part.value.literal));
    } else {
      bySlot.set(part.slot, [...(bySlot.get(part.slot) ?? []), part.value.test]);
    }
  }
  for (const [slot, values] of wholes) tests.push((view) => someText(view.folded(slot), (text) => values.has(text)));
  for (const [slot, patterns] of bySlot) {
    const some = (text: string): boolean => {
      for (const pattern of patterns) if (pattern(text)) return true;
      return false;
    };
    tests.push((view) => someText(view.folded(slot), some));
  }
  const [only] = tests;
  if (tests.length === 1 && only !== undefined) return only;
  return (view) => {
    for (const test of tests) if (test(view)) return true;
    return false;
  };
}

function fieldTest(slot: number, value: ValueTest): Test {
  switch (value.kind) {
    case "text": {
      const { test } = value;
      return value.folded ? (view) => someText(view.folded(slot), test) : (view) => someText(view.text(slot), test);
    }
    case "number": {
      const { test } = value;
      return (view) => someNumber(view.raw(slot), test);
    }
    case "present": {
      const { expected } = value;
      return (view) => (view.raw(slot) !== undefined) === expected;
    }
    case "reference": {
      const { slot: other, test, cased } = value;
      const read = (view: EventView, at: number): Texts | undefined => (cased ? view.text(at) : view.folded(at));
      return (view) => someText(read(view, slot), (left) => someText(read(view, other), (right) => test(left, right)));
    }
    default:
      return unreachable(value);
  }
}

function keywordTest(value: ValueTest): Test {
  if (value.kind !== "text") return () => false;
  const { folded, test } = value;
  return (view) => {
    const fields = view.all();
    for (const name in fields) {
      const seen = fields[name];
      if (seen === undefined) continue;
      if (someText(textOf(seen), (text) => test(folded ? text.toLowerCase() : text))) return true;
    }
    return false;
  };
}

function someText(texts: Texts | undefined, test: (text: string) => boolean): boolean {
  if (texts === undefined) return false;
  if (typeof texts === "string") return test(texts);
  for (const text of texts) if (test(text)) return true;
  return false;
}

function someNumber(value: ReturnType<EventView["raw"]>, test: (value: number) => boolean): boolean {
  if (typeof value === "number") return test(value);
  if (typeof value === "string") return value.trim() !== "" && test(Number(value));
  if (value === undefined || typeof value === "boolean") return false;
  for (const item of value) if (test(Number(item))) return true;
  return false;
}
