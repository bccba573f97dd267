// One value of a rule, with its modifiers -> one test. Patterns from rules run on re2js only: linear time, and a
// pattern it cannot take is refused instead of silently never matching.
import ipaddr from "ipaddr.js";
import { RE2JS } from "re2js";
import { messageOf, unreachable } from "../../core/result.ts";
import { safeText } from "../safe_text.ts";
import type { Comparison, Modifiers, TimePart, Transform } from "./modifiers.ts";
import { compilePattern, hasWildcard, type Part, parsePattern, plainOf } from "./pattern.ts";
import { slotOf } from "./view.ts";

export type Scalar = string | number | boolean | null;

export type ValueTest =
  /** Sees the text, in lower case where `folded`. */
  | {
      readonly kind: "text";
      readonly folded: boolean;
      readonly says: string;
      /** What a matching text is sure to contain, in the case of `folded`; empty where nothing is sure. */
      readonly literal: string;
      readonly whole: boolean;
      readonly test: (text: string) => boolean;
    }
  | { readonly kind: "number"; readonly says: string; readonly test: (value: number) => boolean }
  | { readonly kind: "present"; readonly expected: boolean; readonly says: string }
  | {
      readonly kind: "reference";
      readonly slot: number;
      readonly cased: boolean;
      readonly says: string;
      readonly test: (left: string, right: string) => boolean;
    };

export interface ValueContext {
  readonly isKeyword: boolean;
  /** The event's field for a rule's field, for |fieldref. */
  readonly field: (name: string) => string | undefined;
  /** Values for |expand, by name without percent signs. */
  readonly placeholders: ReadonlyMap<string, readonly string[]>;
}

/** The tests of one value (several where it expands), or the sentence that says what is wrong with it. */
export function compileValue(
  value: Scalar,
  modifiers: Modifiers,
  context: ValueContext,
): readonly ValueTest[] | string {
  switch (modifiers.kind) {
    case "text":
      return textTests(value, modifiers, context);
    case "regex":
      return regexTest(value, modifiers);
    case "cidr":
      return cidrTest(value);
    case "compare":
      return numberTest(value, modifiers.comparison, SIGN[modifiers.comparison], (number) => number);
    case "time":
      return timeTest(value, modifiers.timePart);
    case "exists":
      return existsTest(value);
    case "reference":
      return referenceTest(value, modifiers, context);
    default:
      return unreachable(modifiers.kind);
  }
}

const SIGN: Readonly<Record<Comparison, string>> = { gt: ">", gte: ">=", lt: "<", lte: "<=" };
const VERB = { equals: "is", contains: "contains", startswith: "starts with", endswith: "ends with" } as const;

function textTests(value: Scalar, modifiers: Modifiers, context: ValueContext): readonly ValueTest[] | string {
  if (value === null) {
    if (modifiers.anchor !== "equals" || modifiers.transforms.length > 0) return "an empty value takes no modifier";
    return [{ kind: "present", expected: false, says: "is absent" }];
  }
  let variants: Part[][] = [parsePattern(String(value))];
  for (const transform of modifiers.transforms) {
    const next = transformed(variants, transform, context);
    if (typeof next === "string") return next;
    variants = next;
  }
  const anchor = context.isKeyword && modifiers.anchor === "equals" ? "contains" : modifiers.anchor;
  return variants.map((parts) => {
    const folded = !modifiers.cased;
    const pattern = compilePattern(folded ? parts.map(foldPart) : parts, anchor);
    const says = `${VERB[anchor]} ${shown(String(value))}`;
    return {
      kind: "text",
      folded,
      says,
      literal: pattern.literal,
      whole: pattern.shape === "equals",
      test: pattern.test,
    };
  });
}

function foldPart(part: Part): Part {
  return "literal" in part ? { literal: part.literal.toLowerCase() } : part;
}

function transformed(variants: Part[][], transform: Transform, context: ValueContext): Part[][] | string {
  const result: Part[][] = [];
  for (const parts of variants) {
    if ((transform === "base64" || transform === "base64offset") && hasWildcard(parts)) {
      return "a text with wildcards has no base64 form";
    }
    const next = encode(parts, transform, context);
    if (typeof next === "string") return next;
    result.push(...next);
  }
  return result.length > EXPANSIONS_MAX ? `it expands to more than ${EXPANSIONS_MAX} values` : result;
}

const EXPANSIONS_MAX = 1000;

function encode(parts: Part[], transform: Transform, context: ValueContext): Part[][] | string {
  switch (transform) {
    case "base64":
      return [[{ literal: bytesOf(plainOf(parts)).toString("base64") }]];
    case "base64offset":
      return [0, 1, 2].map((offset) => [{ literal: base64At(bytesOf(plainOf(parts)), offset) }]);
    case "wide":
      return [widened(parts, (unit) => `${unit}\0`)];
    case "utf16be":
      return [widened(parts, (unit) => `\0${unit}`)];
    case "utf16":
      return [[{ literal: BYTE_ORDER_MARK }, ...widened(parts, (unit) => `${unit}\0`)]];
    case "windash":
      return dashes(parts);
    case "expand":
      return expanded(plainOf(parts), context.placeholders);
    default:
      return unreachable(transform);
  }
}

const BYTE_ORDER_MARK = "\ufeff";

/** Text as UTF-8, but the mark that |utf16 put in front as the two bytes it stands for. */
function bytesOf(text: string): Buffer {
  if (!text.startsWith(BYTE_ORDER_MARK)) return Buffer.from(text, "utf8");
  return Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text.slice(1), "utf8")]);
}

/** The base64 digits that are the same whatever stands before and after the bytes. */
function base64At(bytes: Buffer, offset: number): string {
  const encoded = Buffer.concat([Buffer.alloc(offset, 0x20), bytes]).toString("base64");
  const skip = [0, 2, 3][offset] ?? 0;
  const drop = [0, 3, 2][(bytes.length + offset) % 3] ?? 0;
  return encoded.slice(skip, encoded.length - drop);
}

function widened(parts: readonly Part[], wide: (unit: string) => string): Part[] {
  return parts.map((part) => ("literal" in part ? { literal: [...part.literal].map(wide).join("") } : part));
}

/** `-flag` and `/flag` in every spelling that Windows tools take; a dash inside a word stays. */
function dashes(parts: readonly Part[]): Part[][] {
  let variants: Part[][] = [[]];
  for (const part of parts) {
    const texts = "literal" in part ? dashVariants(part.literal).map((literal) => ({ literal })) : [part];
    variants = variants.flatMap((variant) => texts.map((text) => [...variant, text]));
    if (variants.length > EXPANSIONS_MAX) return variants;
  }
  return variants;
}

const DASH = /\B[-/]\b/g;
const DASHES = ["-", "/", "\u2013", "\u2014", "\u2015"];

function dashVariants(text: string): string[] {
  const pieces = text.split(DASH);
  let variants = [pieces[0] ?? ""];
  for (const piece of pieces.slice(1)) {
    variants = variants.flatMap((variant) => DASHES.map((dash) => variant + dash + piece));
    if (variants.length > EXPANSIONS_MAX) return variants;
  }
  return variants;
}

function expanded(text: string, placeholders: ReadonlyMap<string, readonly string[]>): Part[][] | string {
  let variants = [""];
  for (const [index, piece] of text.split("%").entries()) {
    const values = index % 2 === 0 ? [piece] : placeholders.get(piece);
    if (values === undefined) return `there are no values for the placeholder %${piece}%`;
    variants = variants.flatMap((variant) => values.map((value) => variant + value));
    if (variants.length > EXPANSIONS_MAX) return `it expands to more than ${EXPANSIONS_MAX} values`;
  }
  return variants.map(parsePattern);
}

function regexTest(value: Scalar, modifiers: Modifiers): readonly ValueTest[] | string {
  if (typeof value !== "string" && typeof value !== "number") return "|re needs a text";
  const { ignoreCase, multiline, dotAll } = modifiers.regexFlags;
  const source = anchored(String(value), modifiers.anchor);
  const flags =
    (ignoreCase ? RE2JS.CASE_INSENSITIVE : 0) | (multiline ? RE2JS.MULTILINE : 0) | (dotAll ? RE2JS.DOTALL : 0);
  try {
    const regex = RE2JS.compile(source, flags);
    const says = `matches the pattern ${shown(String(value))}`;
    return [{ kind: "text", folded: false, says, literal: "", whole: false, test: (text) => regex.test(text) }];
  } catch (thrown) {
    return `re2 does not take the pattern (${messageOf(thrown)}); look-around and back references do not exist there`;
  }
}

function anchored(source: string, anchor: Modifiers["anchor"]): string {
  if (anchor === "startswith") return `^(?:${source})`;
  if (anchor === "endswith") return `(?:${source})$`;
  return source;
}

function cidrTest(value: Scalar): readonly ValueTest[] | string {
  if (typeof value !== "string" || !ipaddr.isValidCIDR(value))
    return `${shown(String(value))} is not a network like 10.0.0.0/8`;
  const [network, bits] = ipaddr.parseCIDR(value);
  const test = (text: string): boolean => {
    if (!ipaddr.isValid(text)) return false;
    const address = ipaddr.process(text);
    return address.kind() === network.kind() && address.match(network, bits);
  };
  return [{ kind: "text", folded: false, says: `is in ${value}`, literal: "", whole: false, test }];
}

function numberTest(
  value: Scalar,
  comparison: Comparison,
  sign: string,
  of: (number: number) => number,
): readonly ValueTest[] | string {
  const limit = value === null || value === "" || typeof value === "boolean" ? Number.NaN : Number(value);
  if (!Number.isFinite(limit)) return `${shown(String(value))} is not a number`;
  const tests = {
    gt: (number: number) => of(number) > limit,
    gte: (number: number) => of(number) >= limit,
    lt: (number: number) => of(number) < limit,
    lte: (number: number) => of(number) <= limit,
  };
  return [{ kind: "number", says: `${sign} ${limit}`, test: tests[comparison] }];
}

function existsTest(value: Scalar): readonly ValueTest[] | string {
  const text = String(value).toLowerCase();
  const expected = text === "true" || text === "yes";
  if (!expected && text !== "false" && text !== "no") return "|exists takes true or false";
  return [{ kind: "present", expected, says: expected ? "is there" : "is absent" }];
}

function referenceTest(value: Scalar, modifiers: Modifiers, context: ValueContext): readonly ValueTest[] | string {
  if (typeof value !== "string") return "|fieldref needs the name of a field";
  const field = context.field(value);
  if (field === undefined) return `there is no field "${value}" in this logsource`;
  const { anchor, cased } = modifiers;
  const test = (left: string, right: string): boolean => {
    if (anchor === "contains") return left.includes(right);
    if (anchor === "startswith") return left.startsWith(right);
    return anchor === "endswith" ? left.endsWith(right) : left === right;
  };
  return [{ kind: "reference", slot: slotOf(field), cased, says: `${VERB[anchor]} the value of ${field}`, test }];
}

function timeTest(value: Scalar, part: TimePart): readonly ValueTest[] | string {
  const wanted = Number(value);
  if (value === null || value === "" || !Number.isInteger(wanted)) return `|${part} needs a whole number`;
  const test = (text: string): boolean => {
    const atMs = /^[0-9]+(\.[0-9]+)?$/.test(text) ? epochMs(Number(text)) : Date.parse(text);
    return Number.isFinite(atMs) && timePartOf(new Date(atMs), part) === wanted;
  };
  return [{ kind: "text", folded: false, says: `has ${part} ${wanted} (UTC)`, literal: "", whole: false, test }];
}

/** Numbers below the year 5138 in seconds are seconds, above they are milliseconds. */
function epochMs(number: number): number {
  return number < 100_000_000_000 ? number * 1000 : number;
}

function timePartOf(date: Date, part: TimePart): number {
  switch (part) {
    case "minute":
      return date.getUTCMinutes();
    case "hour":
      return date.getUTCHours();
    case "day":
      return date.getUTCDate();
    case "month":
      return date.getUTCMonth() + 1;
    case "year":
      return date.getUTCFullYear();
    case "week":
      return isoWeekOf(date);
    default:
      return unreachable(part);
  }
}

/** ISO 8601: the week that holds the year's first Thursday is the first. */
function isoWeekOf(date: Date): number {
  const dayMs = 86_400_000;
  const thursdayMs = date.getTime() + (4 - (date.getUTCDay() || 7)) * dayMs;
  return 1 + Math.floor((thursdayMs - Date.UTC(new Date(thursdayMs).getUTCFullYear(), 0, 1)) / (7 * dayMs));
}

/** In quotes, escaped and bounded. */
export function shown(text: string): string {
  return `"${safeText(text, SHOWN_CHARACTERS_MAX)}"`;
}

const SHOWN_CHARACTERS_MAX = 160;
