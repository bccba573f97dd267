// The condition line: `selection and not 1 of filter_*`. Recursive descent; not binds closer than and, and closer
// than or. Trusts nothing: unknown names, empty patterns, deep nesting and old aggregations are refused.
import type { Place, Problem } from "./yaml.ts";

export type Condition =
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "not"; readonly of: Condition }
  | { readonly kind: "all" | "any"; readonly of: readonly Condition[] }
  /** At least `count` of the named selections. */
  | { readonly kind: "count"; readonly count: number; readonly names: readonly string[] };

const TOKEN = /\s*([()|]|[A-Za-z0-9_.*?-]+)/y;
const DEPTH_MAX = 64;

interface Token {
  readonly text: string;
  readonly at: number;
}

interface Reader {
  readonly tokens: readonly Token[];
  readonly names: readonly string[];
  readonly source: string;
  index: number;
  depth: number;
}

class Refusal extends Error {
  readonly at: number;
  readonly remedy: string | undefined;

  constructor(at: number, message: string, remedy?: string) {
    super(message);
    this.at = at;
    this.remedy = remedy;
  }
}

/** `place` is where the condition's text starts in the file. */
export function parseCondition(
  source: string,
  names: readonly string[],
  place: Place,
): { readonly condition: Condition } | { readonly problem: Problem } {
  try {
    const reader: Reader = { tokens: tokensOf(source), names, source, index: 0, depth: 0 };
    const condition = either(reader);
    const rest = reader.tokens[reader.index];
    if (rest !== undefined) throw new Refusal(rest.at, `"${rest.text}" is not expected here`);
    return { condition };
  } catch (thrown) {
    if (!(thrown instanceof Refusal)) throw thrown;
    const problem = { line: place.line, column: place.column + thrown.at, message: `condition: ${thrown.message}` };
    return { problem: thrown.remedy === undefined ? problem : { ...problem, remedy: thrown.remedy } };
  }
}

function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.trimEnd().length) {
    const from = TOKEN.lastIndex;
    const found = TOKEN.exec(source);
    const text = found?.[1];
    if (text === undefined) throw new Refusal(from, `"${source.slice(from, from + 10).trim()}" is not understood`);
    const at = TOKEN.lastIndex - text.length;
    if (text === "|") throw new Refusal(at, "aggregations are not part of a rule", "write a correlation rule instead");
    tokens.push({ text, at });
  }
  return tokens;
}

function either(reader: Reader): Condition {
  const of = [both(reader)];
  while (accept(reader, "or")) of.push(both(reader));
  const [only] = of;
  return of.length === 1 && only !== undefined ? only : { kind: "any", of };
}

function both(reader: Reader): Condition {
  const of = [negation(reader)];
  while (accept(reader, "and")) of.push(negation(reader));
  const [only] = of;
  return of.length === 1 && only !== undefined ? only : { kind: "all", of };
}

function negation(reader: Reader): Condition {
  if (++reader.depth > DEPTH_MAX) throw new Refusal(0, `nested deeper than ${DEPTH_MAX}`);
  const condition: Condition = accept(reader, "not") ? { kind: "not", of: negation(reader) } : primary(reader);
  reader.depth--;
  return condition;
}

function primary(reader: Reader): Condition {
  const token = reader.tokens[reader.index];
  if (token === undefined) throw new Refusal(reader.source.length, "ends where a selection is expected");
  reader.index++;
  if (token.text === "(") {
    const inner = either(reader);
    if (!accept(reader, ")")) throw new Refusal(token.at, "this parenthesis is not closed");
    return inner;
  }
  if (token.text === ")" || isWord(token, "and") || isWord(token, "or") || isWord(token, "of")) {
    throw new Refusal(token.at, `"${token.text}" stands where a selection is expected`);
  }
  const next = reader.tokens[reader.index];
  if (next !== undefined && isWord(next, "of")) {
    reader.index++;
    return quantified(reader, token);
  }
  if (!reader.names.includes(token.text)) {
    throw new Refusal(
      token.at,
      `there is no selection "${token.text}"`,
      `the selections are ${reader.names.join(", ")}`,
    );
  }
  return { kind: "name", name: token.text };
}

function quantified(reader: Reader, quantifier: Token): Condition {
  const target = reader.tokens[reader.index];
  if (target === undefined)
    throw new Refusal(reader.source.length, `"of" needs a pattern of selection names, or "them"`);
  reader.index++;
  const names = namesFor(reader.names, target.text);
  if (names.length === 0) throw new Refusal(target.at, `no selection is named like "${target.text}"`);
  const word = quantifier.text.toLowerCase();
  if (word === "all") return { kind: "count", count: names.length, names };
  if (word === "any") return { kind: "count", count: 1, names };
  const count = Number(word);
  if (!/^[0-9]+$/.test(word) || count < 1)
    throw new Refusal(quantifier.at, `"${quantifier.text} of" needs a number, all or any`);
  if (count > names.length) {
    throw new Refusal(quantifier.at, `${count} of "${target.text}" can never be: there are ${names.length}`);
  }
  return { kind: "count", count, names };
}

/** `them` and patterns leave out names that start with an underscore, unless the pattern does too. */
function namesFor(names: readonly string[], pattern: string): string[] {
  const everything = pattern.toLowerCase() === "them";
  const pieces = pattern.split("*");
  return names.filter((name) => {
    if (name.startsWith("_") && (everything || !pattern.startsWith("_"))) return false;
    return everything || globs(name, pieces);
  });
}

function globs(name: string, pieces: readonly string[]): boolean {
  const [first = "", ...rest] = pieces;
  const last = rest.at(-1);
  if (last === undefined) return name === first;
  if (!name.startsWith(first) || !name.endsWith(last) || name.length < first.length + last.length) return false;
  let from = first.length;
  for (const piece of rest.slice(0, -1)) {
    const at = name.indexOf(piece, from);
    if (at < 0 || at + piece.length > name.length - last.length) return false;
    from = at + piece.length;
  }
  return true;
}

function accept(reader: Reader, word: string): boolean {
  const token = reader.tokens[reader.index];
  if (token === undefined || !isWord(token, word)) return false;
  reader.index++;
  return true;
}

function isWord(token: Token, word: string): boolean {
  return token.text.toLowerCase() === word;
}
