// Sigma strings: literals with `*`, `?` and backslash escapes, compiled to plain string searches. Trusts nothing,
// never backtracks: at most (length of text) x (length of one piece between two stars).

export type Part = { readonly literal: string } | { readonly wildcard: "*" | "?" };
export type Anchor = "equals" | "contains" | "startswith" | "endswith";

/** A backslash escapes `*`, `?` and itself; before anything else it is a plain backslash. */
export function parsePattern(source: string): Part[] {
  const parts: Part[] = [];
  let literal = "";
  for (let index = 0; index < source.length; index++) {
    const character = source.charAt(index);
    const next = source.charAt(index + 1);
    if (character === "\\" && (next === "*" || next === "?" || next === "\\")) {
      literal += next;
      index++;
    } else if (character === "*" || character === "?") {
      if (literal !== "") parts.push({ literal });
      literal = "";
      parts.push({ wildcard: character });
    } else {
      literal += character;
    }
  }
  if (literal !== "") parts.push({ literal });
  return parts;
}

export function hasWildcard(parts: readonly Part[]): boolean {
  return parts.some((part) => "wildcard" in part);
}

/** The text of a pattern without wildcards. */
export function plainOf(parts: readonly Part[]): string {
  return parts.map((part) => ("literal" in part ? part.literal : part.wildcard)).join("");
}

export interface TextPattern {
  readonly shape: "any" | "equals" | "contains" | "startswith" | "endswith" | "glob";
  /** The literal of the shape; the longest one of a glob; empty where there is none. */
  readonly literal: string;
  readonly test: (text: string) => boolean;
}

/** `parts` must already be in the case in which texts arrive. */
export function compilePattern(parts: readonly Part[], anchor: Anchor): TextPattern {
  const star: Part = { wildcard: "*" };
  const before = anchor === "contains" || anchor === "endswith" ? [star] : [];
  const after = anchor === "contains" || anchor === "startswith" ? [star] : [];
  const pieces = piecesOf([...before, ...parts, ...after]);
  const [first = "", second = "", third = ""] = pieces.map((piece) => (piece.includes(ONE) ? "" : piece));
  const simple = !pieces.some((piece) => piece.includes(ONE));
  if (simple && pieces.length === 1) return { shape: "equals", literal: first, test: (text) => text === first };
  if (simple && pieces.length === 2) {
    if (first === "" && second === "") return { shape: "any", literal: "", test: () => true };
    if (second === "") return { shape: "startswith", literal: first, test: (text) => text.startsWith(first) };
    if (first === "") return { shape: "endswith", literal: second, test: (text) => text.endsWith(second) };
  }
  if (simple && pieces.length === 3 && first === "" && third === "") {
    return { shape: "contains", literal: second, test: (text) => text.includes(second) };
  }
  return { shape: "glob", literal: longestOf(pieces), test: globOf(pieces) };
}

/** Stands for `?` inside a piece: a lone surrogate, which no decoded text contains. */
const ONE = "\ud800";

/** The texts between stars; the first is anchored at the start and the last at the end. */
function piecesOf(parts: readonly Part[]): string[] {
  const pieces = [""];
  let starred = false;
  for (const part of parts) {
    if ("wildcard" in part && part.wildcard === "*") {
      if (!starred) pieces.push("");
      starred = true;
      continue;
    }
    starred = false;
    const text = "literal" in part ? part.literal : ONE;
    pieces[pieces.length - 1] = (pieces.at(-1) ?? "") + text;
  }
  return pieces;
}

function globOf(pieces: readonly string[]): (text: string) => boolean {
  const first = pieces[0] ?? "";
  const last = pieces.at(-1) ?? "";
  const middle = pieces.slice(1, -1);
  if (pieces.length === 1) return (text) => text.length === first.length && fits(text, 0, first);
  return (text) => {
    const end = text.length - last.length;
    if (first.length > end || !fits(text, 0, first) || !fits(text, end, last)) return false;
    let from = first.length;
    for (const piece of middle) {
      const at = find(text, from, end, piece);
      if (at < 0) return false;
      from = at + piece.length;
    }
    return true;
  };
}

function find(text: string, from: number, end: number, piece: string): number {
  if (!piece.includes(ONE)) {
    const at = text.indexOf(piece, from);
    return at >= 0 && at + piece.length <= end ? at : -1;
  }
  for (let at = from; at + piece.length <= end; at++) if (fits(text, at, piece)) return at;
  return -1;
}

function fits(text: string, at: number, piece: string): boolean {
  for (let index = 0; index < piece.length; index++) {
    const wanted = piece.charCodeAt(index);
    if (wanted !== 0xd800 && wanted !== text.charCodeAt(at + index)) return false;
    if (at + index >= text.length) return false;
  }
  return true;
}

function longestOf(pieces: readonly string[]): string {
  let longest = "";
  for (const piece of pieces) for (const run of piece.split(ONE)) if (run.length > longest.length) longest = run;
  return longest;
}
