/** A refusal of the schema -> what an operator reads: what is there, what may be there, what to do. Pure. */
import type * as z from "zod";
import { nearest } from "./nearest.ts";
import { excerpt, valueText } from "./problem.ts";

export interface IssueText {
  readonly message: string;
  readonly remedy: string;
}

/** `value` is what stands in the file; undefined where something required is missing. */
export function issueText(issue: z.core.$ZodIssue, value: unknown): IssueText {
  const shown = valueText(value);
  switch (issue.code) {
    case "invalid_type":
      return typeText(issue.expected, value);
    case "too_big":
      return {
        message: `${sizeText(issue.origin, value)} is too ${bigWord(issue.origin)}`,
        remedy: `At most ${issue.maximum}.`,
      };
    case "too_small":
      if (issue.origin === "string") return { message: "is empty", remedy: "Write a value, or remove it." };
      return { message: `${sizeText(issue.origin, value)} is too small`, remedy: `At least ${issue.minimum}.` };
    case "invalid_value":
      return choiceText(issue.values.map(String), value);
    case "invalid_format":
      return { message: `${shown} ${issue.message}`, remedy: "" };
    case "invalid_key": {
      const inner = issue.issues[0];
      const name = issue.path?.at(-1);
      return inner === undefined ? { message: "is no key", remedy: "" } : issueText(inner, name);
    }
    case "custom": {
      const remedy: unknown = issue.params?.["remedy"];
      const subject = typeof value === "string" ? shown : "the entry";
      return { message: `${subject} ${issue.message}`, remedy: typeof remedy === "string" ? remedy : "" };
    }
    case "unrecognized_keys":
    case "not_multiple_of":
    case "invalid_union":
    case "invalid_element":
      return { message: `${shown}: ${excerpt(issue.message, 200)}`, remedy: "" };
  }
}

/** An unknown key, with the known one that was probably meant. */
export function unknownKeyText(name: string, known: readonly string[]): IssueText {
  const meant = nearest(name, known);
  const remedy = meant === undefined ? knownText(known) : `Did you mean ${meant}?`;
  return { message: "no such key", remedy };
}

function knownText(known: readonly string[]): string {
  if (known.length > 12) return "`algo-monitor config schema` and docs/config.md name all keys.";
  return `Known here: ${known.join(", ")}.`;
}

function typeText(expected: string, value: unknown): IssueText {
  if (value === undefined) return { message: "is missing", remedy: `Add it: ${KINDS[expected] ?? expected}.` };
  const remedy = `Write ${KINDS[expected] ?? expected}${hint(expected, value)}.`;
  if (typeof value === "number" && (expected === "int" || !Number.isFinite(value))) {
    return { message: `${Number.isFinite(value) ? value : "a number that large"} is not a usable number here`, remedy };
  }
  return { message: `holds ${kindOf(value)} instead of ${KINDS[expected] ?? expected}`, remedy };
}

const KINDS: Readonly<Record<string, string>> = {
  string: "a text in double quotes",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list in [ ]",
  object: "an object in { }",
  record: "an object in { }",
};

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "an object";
  if (typeof value === "boolean") return String(value);
  return typeof value === "number" ? `the number ${value}` : `the text ${valueText(value)}`;
}

/** What was nearly right. */
function hint(expected: string, value: unknown): string {
  if (expected === "array" && typeof value === "string") return `, for example [${valueText(value)}]`;
  if ((expected === "number" || expected === "int") && typeof value === "string" && /^\d{1,9}$/.test(value)) {
    return ` without quotes: ${value}`;
  }
  if (expected === "boolean" && typeof value === "string" && /^(true|false)$/i.test(value)) {
    return ` without quotes: ${value.toLowerCase()}`;
  }
  return "";
}

function choiceText(choices: readonly string[], value: unknown): IssueText {
  const meant = typeof value === "string" ? nearest(value, choices) : undefined;
  const listed = choices.map((choice) => `"${choice}"`).join(", ");
  return {
    message: `${valueText(value)} is not one of ${listed}`,
    remedy: meant === undefined ? "Choose one of them." : `Did you mean "${meant}"?`,
  };
}

function sizeText(origin: string, value: unknown): string {
  if (origin === "array" && Array.isArray(value)) return `a list of ${value.length}`;
  if (origin === "string" && typeof value === "string") return `a text of ${value.length} characters`;
  return valueText(value);
}

function bigWord(origin: string): string {
  return origin === "array" || origin === "string" ? "long" : "big";
}
