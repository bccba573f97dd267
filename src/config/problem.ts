/** What is wrong in a config file, where, and what to do about it; and the text an operator reads of it. */
import { printable } from "../core/printable.ts";

const EXCERPT_CHARACTERS_MAX = 80;

export type ProblemSeverity = "error" | "warning" | "info";

export interface Problem {
  readonly severity: ProblemSeverity;
  /** From 1. */
  readonly line: number;
  /** From 1, in characters (code points), a tab counts one, a byte order mark none. */
  readonly column: number;
  /** `SCAN_INTERVALS.processes`, `EXCEPTIONS[2].args`; empty where it concerns the whole file. */
  readonly key: string;
  readonly message: string;
  readonly remedy: string;
}

export interface Place {
  readonly line: number;
  readonly column: number;
}

export type Path = readonly (string | number)[];

/** `config.json:8:9 NET.port: 70000 is too big, at most 65535. Remedy.` */
export function formatProblem(fileName: string, problem: Problem): string {
  const key = problem.key === "" ? "" : `${problem.key}: `;
  const remedy = problem.remedy === "" ? "" : ` ${problem.remedy}`;
  return `${fileName}:${problem.line}:${problem.column} ${key}${problem.message}.${remedy}`;
}

/** `["EXCEPTIONS", 2, "args"]` as `EXCEPTIONS[2].args`. */
export function keyText(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else text += `${text === "" ? "" : "."}${excerpt(part)}`;
  }
  return text;
}

/** A value as an operator may see it: JSON, bounded, nothing a terminal would obey. */
export function valueText(value: unknown): string {
  return excerpt(JSON.stringify(value) ?? "nothing");
}

/** A name or text out of a config (which may come from anywhere), short enough for a sentence. */
export function excerpt(text: string, charactersMax = EXCERPT_CHARACTERS_MAX): string {
  return printable(text, charactersMax);
}

/** Turns offsets of one text into lines and columns. Line ends are \n, \r\n and a lone \r, as editors count them. */
export function createPlaces(text: string): (offset: number) => Place {
  const starts = [0];
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code === 10 || (code === 13 && text.charCodeAt(index + 1) !== 10)) starts.push(index + 1);
  }
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: codePoints(text, starts[low] ?? 0, offset) + 1 };
  };
}

function codePoints(text: string, from: number, to: number): number {
  let count = 0;
  for (let index = from; index < to; index++) {
    const code = text.charCodeAt(index);
    const next = text.charCodeAt(index + 1);
    if (code >= 0xd800 && code < 0xdc00 && next >= 0xdc00 && next < 0xe000) index++;
    count++;
  }
  return count;
}
