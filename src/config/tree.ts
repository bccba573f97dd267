/**
 * Config text -> a tree of values that remember where they stand. Comments and trailing commas are welcome.
 * Trusts nothing: size and depth are bounded before the (recursive) parser runs, repeated keys are seen, not swallowed.
 * JSON.parse is not used: it keeps the last of two equal keys in silence.
 */
import { createScanner, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { CONFIG_SIZE_BYTES_MAX, TOO_LARGE } from "./encoding.ts";
import { excerpt, type Path, type Problem } from "./problem.ts";

const CONFIG_DEPTH_MAX = 32;

export type Item =
  | { readonly kind: "object"; readonly offset: number; readonly members: Map<string, Member> }
  | { readonly kind: "array"; readonly offset: number; readonly items: Item[] }
  | { readonly kind: "scalar"; readonly offset: number; readonly value: string | number | boolean | null };

export interface Member {
  readonly keyOffset: number;
  item: Item;
}

export interface Tree {
  readonly root: Item;
  readonly repeats: readonly Repeat[];
}

/** A key that stands twice in one object. The tree holds the last one, as every JSON reader would. */
export interface Repeat {
  readonly path: Path;
  readonly offset: number;
  readonly firstOffset: number;
}

export type Report = (
  severity: Problem["severity"],
  offset: number,
  key: string,
  message: string,
  remedy: string,
) => void;

/** Undefined where the text is no JSON object; why was reported. */
export function readTree(text: string, report: Report): Tree | undefined {
  if (text.length > CONFIG_SIZE_BYTES_MAX) {
    report("error", 0, "", TOO_LARGE.message, TOO_LARGE.remedy);
    return undefined;
  }
  const shape = scanShape(text);
  if (shape.empty) {
    report("error", 0, "", "the file is empty", "Write {} for all defaults, or copy config.example.json.");
    return undefined;
  }
  if (shape.tooDeepAt !== undefined) {
    const message = `is nested deeper than ${CONFIG_DEPTH_MAX} levels and was not read`;
    report(
      "error",
      shape.tooDeepAt,
      "",
      `the file ${message}`,
      "No key needs more than four; look for a [ or { too many.",
    );
    return undefined;
  }
  if (shape.pairsInArrays.length > 0) {
    for (const pair of shape.pairsInArrays) reportPairs(text, pair, report);
    return undefined;
  }
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  const first = errors[0];
  if (first !== undefined || root === undefined) {
    const { message, remedy } = syntaxComplaint(text, first);
    report("error", first?.offset ?? 0, "", message, remedy);
    return undefined;
  }
  if (root.type !== "object") {
    report(
      "error",
      root.offset,
      "",
      `the file holds ${article(root.type)}, not an object`,
      "Put { and } around the keys.",
    );
    return undefined;
  }
  const repeats: Repeat[] = [];
  return { root: itemOf(root, [], repeats), repeats };
}

/** The plain value of a tree, as a schema wants it. */
export function plainValue(item: Item): unknown {
  switch (item.kind) {
    case "object":
      // fromEntries defines own properties, so that no key can reach a prototype.
      return Object.fromEntries([...item.members].map(([name, member]) => [name, plainValue(member.item)]));
    case "array":
      return item.items.map(plainValue);
    case "scalar":
      return item.value;
  }
}

/** The part of a tree at a path, as far as the path exists. */
export function follow(
  root: Item,
  path: Path,
): { readonly item: Item; readonly keyOffset: number; readonly rest: Path } {
  let item = root;
  let keyOffset = root.offset;
  for (const [index, part] of path.entries()) {
    const member = item.kind === "object" && typeof part === "string" ? item.members.get(part) : undefined;
    const next = item.kind === "array" && typeof part === "number" ? item.items[part] : member?.item;
    if (next === undefined) return { item, keyOffset, rest: path.slice(index) };
    item = next;
    keyOffset = member?.keyOffset ?? next.offset;
  }
  return { item, keyOffset, rest: [] };
}

/** What the scanner alone can tell, without recursion. Token numbers are those of jsonc-parser's SyntaxKind. */
interface Shape {
  readonly empty: boolean;
  readonly tooDeepAt: number | undefined;
  readonly pairsInArrays: readonly Pair[];
}

interface Pair {
  readonly arrayOffset: number;
  readonly owner: string;
}

const TOKEN = { openBrace: 1, closeBrace: 2, openBracket: 3, closeBracket: 4, colon: 6, string: 10, end: 17 } as const;
const PAIRS_MAX = 5;

function scanShape(text: string): Shape {
  const scanner = createScanner(text, true);
  const open: { readonly array: boolean; readonly offset: number; readonly owner: string }[] = [];
  const pairsInArrays: Pair[] = [];
  let empty = true;
  let lastString = "";
  let previous = 0;
  for (let token: number = scanner.scan(); token !== TOKEN.end; token = scanner.scan()) {
    empty = false;
    const top = open.at(-1);
    if (token === TOKEN.openBrace || token === TOKEN.openBracket) {
      const offset = scanner.getTokenOffset();
      if (open.length >= CONFIG_DEPTH_MAX) return { empty, tooDeepAt: offset, pairsInArrays: [] };
      open.push({ array: token === TOKEN.openBracket, offset, owner: previous === TOKEN.colon ? lastString : "" });
    } else if (token === TOKEN.closeBrace || token === TOKEN.closeBracket) {
      open.pop();
    } else if (token === TOKEN.colon && previous === TOKEN.string && top?.array === true) {
      const known = pairsInArrays.some((pair) => pair.arrayOffset === top.offset);
      if (!known && pairsInArrays.length < PAIRS_MAX) pairsInArrays.push({ arrayOffset: top.offset, owner: top.owner });
    } else if (token === TOKEN.string) {
      lastString = scanner.getTokenValue();
    }
    previous = token;
  }
  return { empty, tooDeepAt: undefined, pairsInArrays };
}

/** `"PROCESS_THRESHOLDS": ["cpu_percent": 80]`, as an old README had it: the right form is the same with braces. */
function reportPairs(text: string, pair: Pair, report: Report): void {
  const end = closingBracket(text, pair.arrayOffset);
  const inner =
    end === undefined
      ? "..."
      : text
          .slice(pair.arrayOffset + 1, end)
          .trim()
          .replaceAll(/\s+/g, " ");
  const name = pair.owner === "" ? "" : `"${excerpt(pair.owner)}": `;
  const message = "names with values stand in braces, not in brackets; the file does not parse";
  report("error", pair.arrayOffset, pair.owner, message, `Write ${name}{${excerpt(inner, 300)}}.`);
}

function closingBracket(text: string, from: number): number | undefined {
  const scanner = createScanner(text, true);
  scanner.setPosition(from);
  let depth = 0;
  for (let token: number = scanner.scan(); token !== TOKEN.end; token = scanner.scan()) {
    if (token === TOKEN.openBracket || token === TOKEN.openBrace) depth++;
    if (token === TOKEN.closeBracket || token === TOKEN.closeBrace) depth--;
    if (depth === 0) return token === TOKEN.closeBracket ? scanner.getTokenOffset() : undefined;
  }
  return undefined;
}

interface Complaint {
  readonly message: string;
  readonly remedy: string;
}

/** The parser's word for what it missed, in an operator's words. */
function syntaxComplaint(text: string, error: ParseError | undefined): Complaint {
  if (error === undefined) return { message: "the file holds no value", remedy: "Write {} for all defaults." };
  const found = text.slice(error.offset, error.offset + Math.max(1, Math.min(error.length, 24)));
  const near = found.trim() === "" ? "the end of the file" : excerpt(found);
  const code = printParseErrorCode(error.error);
  const said = SYNTAX[code] ?? { message: `${code} at`, remedy: "" };
  return {
    message: `the file does not parse: ${said.message} ${near}`,
    remedy: said.remedy,
  };
}

const SYNTAX: Readonly<Record<string, Complaint>> = {
  InvalidSymbol: {
    message: "no JSON value begins like",
    remedy: "Texts and names stand in double quotes; true, false, null in small letters.",
  },
  InvalidNumberFormat: { message: "this is no number of JSON:", remedy: "Write it like 5 or 0.5." },
  PropertyNameExpected: {
    message: "a key in double quotes is missing before",
    remedy: 'Every key is written "KEY": value.',
  },
  ValueExpected: {
    message: "a value is missing before",
    remedy: "Write the value, or remove the comma or key before it.",
  },
  ColonExpected: { message: "a colon is missing before", remedy: 'Every key is written "KEY": value.' },
  CommaExpected: { message: "a comma is missing before", remedy: "Separate keys and list elements by commas." },
  CloseBraceExpected: {
    message: "a closing } is missing before",
    remedy: "Count the braces; the file may have been cut off.",
  },
  CloseBracketExpected: {
    message: "a closing ] is missing before",
    remedy: "Count the brackets; the file may have been cut off.",
  },
  EndOfFileExpected: {
    message: "the configuration ends before this, more text follows:",
    remedy: "Keep one { ... } only.",
  },
  InvalidCommentToken: {
    message: "this begins no comment:",
    remedy: "Comments are // to the end of the line, or /* ... */.",
  },
  UnexpectedEndOfComment: { message: "a comment is not closed:", remedy: "Close it with */." },
  UnexpectedEndOfString: { message: "a text is not closed on its line:", remedy: 'Close it with ".' },
  UnexpectedEndOfNumber: { message: "a number is cut off:", remedy: "Write it like 5 or 0.5." },
  InvalidUnicode: { message: "this is no \\u escape:", remedy: "\\u needs four hexadecimal digits." },
  InvalidEscapeCharacter: {
    message: "this escape does not exist:",
    remedy: "In JSON a backslash is written twice: \\\\.",
  },
  InvalidCharacter: { message: "a control character stands in a text:", remedy: "Remove it, or write a tab as \\t." },
};

function article(type: string): string {
  if (type === "null") return "null";
  if (type === "string") return "a text";
  return type === "array" ? "an array" : `a ${type}`;
}

function itemOf(node: Node, path: Path, repeats: Repeat[]): Item {
  const children = node.children ?? [];
  if (node.type === "array") {
    const items = children.map((child, index) => itemOf(child, [...path, index], repeats));
    return { kind: "array", offset: node.offset, items };
  }
  if (node.type !== "object") return { kind: "scalar", offset: node.offset, value: scalarOf(node.value) };
  const members = new Map<string, Member>();
  for (const property of children) {
    const [name, value] = property.children ?? [];
    if (name === undefined || value === undefined || typeof name.value !== "string") continue;
    const inner = [...path, name.value];
    const before = members.get(name.value);
    if (before !== undefined) repeats.push({ path: inner, offset: name.offset, firstOffset: before.keyOffset });
    // Deleted first, so that the order of the map is the order of what holds.
    members.delete(name.value);
    members.set(name.value, { keyOffset: name.offset, item: itemOf(value, inner, repeats) });
  }
  return { kind: "object", offset: node.offset, members };
}

function scalarOf(value: unknown): string | number | boolean | null {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
}
