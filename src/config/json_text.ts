/**
 * Adding to, removing from and replacing in the text of a config file. Only the value and one comma are touched;
 * every comment stays where it is (the parser's own edit functions remove or move those next to an edit). Pure.
 */
import { createScanner, type Node } from "jsonc-parser";

export interface Layout {
  /** One step: two spaces, four, a tab. */
  readonly indent: string;
  readonly lineEnd: "\n" | "\r\n";
}

/** As the file does it: the first indented line tells. */
export function layoutOf(text: string): Layout {
  const indent = /^([ ]{1,8}|\t)\S/m.exec(text)?.[1] ?? "  ";
  return { indent, lineEnd: text.includes("\r\n") ? "\r\n" : "\n" };
}

// Numbers of jsonc-parser's SyntaxKind.
const COMMA = 5;
const LINE_COMMENT = 12;
const BLOCK_COMMENT = 13;
const END = 17;

/** One more element at the end of a list. */
export function appendElement(text: string, list: Node, value: unknown, layout: Layout): string {
  const inLines = typeof value === "object" && value !== null;
  return append(text, list, inLines, layout, (indent) => valueText(value, indent, layout));
}

/** One more key at the end of an object. */
export function appendMember(text: string, object: Node, name: string, value: unknown, layout: Layout): string {
  return append(text, object, true, layout, (indent) => `${JSON.stringify(name)}: ${valueText(value, indent, layout)}`);
}

/** Another value in the place of a value. */
export function replaceValue(text: string, node: Node, value: unknown, layout: Layout): string {
  const replacement = valueText(value, indentAt(text, node.offset), layout);
  return text.slice(0, node.offset) + replacement + text.slice(node.offset + node.length);
}

type Render = (indent: string) => string;

function append(text: string, container: Node, wantsLines: boolean, layout: Layout, render: Render): string {
  const close = container.offset + container.length - 1;
  const last = container.children?.at(-1);
  const lastEnd = last === undefined ? container.offset + 1 : last.offset + last.length;
  const tail = readTail(text, lastEnd, close);
  const outer = indentAt(text, container.offset);
  const inLines = wantsLines || tail.endsInLineComment || text.slice(container.offset, close).includes("\n");
  const inner =
    last !== undefined && startsLine(text, last.offset) ? indentAt(text, last.offset) : outer + layout.indent;
  const space = last === undefined ? "" : " ";
  const before = inLines ? layout.lineEnd + inner : space;
  // The new one stands after the last comment, the comma that divides right after the last value.
  const divider = last === undefined || tail.comma !== undefined ? "" : ",";
  const trailing = tail.comma === undefined ? "" : ",";
  const needsLine = inLines && !startsLine(text, close);
  const rest = needsLine ? layout.lineEnd + outer + text.slice(close) : text.slice(tail.contentEnd);
  const commentsKept = text.slice(lastEnd, tail.contentEnd);
  return text.slice(0, lastEnd) + divider + commentsKept + before + render(inner) + trailing + rest;
}

export function removeElement(text: string, list: Node, index: number): string {
  const children = list.children ?? [];
  const node = children[index];
  if (node === undefined) return text;
  const close = list.offset + list.length - 1;
  const next = children[index + 1];
  const end = node.offset + node.length;
  const comma = readTail(text, end, next?.offset ?? close).comma;
  if (comma !== undefined) {
    const between = text.slice(end, comma);
    return cutSpan(text, node.offset, end, between.trim() === "" ? comma + 1 : undefined, comma);
  }
  // The last one without a comma of its own: the comma before it goes.
  const before = children[index - 1];
  const previousComma =
    before === undefined ? undefined : readTail(text, before.offset + before.length, node.offset).comma;
  const cut = cutSpan(text, node.offset, end, undefined, undefined);
  return previousComma === undefined ? cut : cut.slice(0, previousComma) + cut.slice(previousComma + 1);
}

/** Cuts an element, its comma, and the line or the space it leaves empty. */
function cutSpan(
  text: string,
  start: number,
  end: number,
  endWithComma: number | undefined,
  comma: number | undefined,
): string {
  let to = endWithComma ?? end;
  let from = start;
  let body = text;
  if (endWithComma === undefined && comma !== undefined) body = text.slice(0, comma) + text.slice(comma + 1);
  const lineEnd = /^[ \t]*(\r\n|\n|\r)/.exec(body.slice(to, to + 4096));
  if (startsLine(body, start) && lineEnd !== null) {
    from = lineStart(body, start);
    to += lineEnd[0].length;
  } else if (lineEnd === null) {
    to += /^[ \t]*/.exec(body.slice(to, to + 4096))?.[0].length ?? 0;
  }
  return body.slice(0, from) + body.slice(to);
}

interface Tail {
  /** Offset of the first comma. */
  readonly comma: number | undefined;
  /** Where the last thing that is no white space ends. */
  readonly contentEnd: number;
  readonly endsInLineComment: boolean;
}

/** What stands between a value and the next value or the closing bracket: a comma, comments. */
function readTail(text: string, from: number, to: number): Tail {
  const scanner = createScanner(text, false);
  scanner.setPosition(from);
  let comma: number | undefined;
  let contentEnd = from;
  let endsInLineComment = false;
  for (let token: number = scanner.scan(); token !== END && scanner.getTokenOffset() < to; token = scanner.scan()) {
    if (token !== COMMA && token !== LINE_COMMENT && token !== BLOCK_COMMENT) continue;
    if (token === COMMA) comma ??= scanner.getTokenOffset();
    contentEnd = scanner.getTokenOffset() + scanner.getTokenLength();
    endsInLineComment = token === LINE_COMMENT;
  }
  return { comma, contentEnd, endsInLineComment };
}

const INLINE_LENGTH_MAX = 80;

/** Short lists of plain values on one line, everything else in lines. */
function valueText(value: unknown, indent: string, layout: Layout): string {
  const isPlainList = Array.isArray(value) && value.every((part) => typeof part !== "object" || part === null);
  const inline = isPlainList ? `[${value.map((part) => JSON.stringify(part)).join(", ")}]` : "";
  if (inline !== "" && inline.length <= INLINE_LENGTH_MAX) return inline;
  return (JSON.stringify(value, undefined, layout.indent) ?? "null").replaceAll("\n", layout.lineEnd + indent);
}

function lineStart(text: string, offset: number): number {
  let start = offset;
  while (start > 0 && text[start - 1] !== "\n" && text[start - 1] !== "\r") start--;
  return start;
}

function startsLine(text: string, offset: number): boolean {
  return text.slice(lineStart(text, offset), offset).trim() === "";
}

function indentAt(text: string, offset: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, offset), offset))?.[0] ?? "";
}
