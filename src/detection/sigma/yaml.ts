// Rule text -> a small located tree. Trusts nothing: duplicate keys, several documents, tags and oversized or
// alias-inflated trees are refused with line and column. Costs one parse and one copy of the tree.

import type { Document } from "yaml";
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { messageOf } from "../../core/result.ts";

/** Counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Problem extends Place {
  readonly message: string;
  readonly remedy?: string;
}

export interface ScalarNode extends Place {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
}

export interface ListNode extends Place {
  readonly kind: "list";
  readonly items: readonly Node[];
}

export interface MapEntry {
  readonly key: string;
  readonly place: Place;
  readonly value: Node;
}

export interface MapNode extends Place {
  readonly kind: "map";
  readonly entries: readonly MapEntry[];
}

export type Node = ScalarNode | ListNode | MapNode;

export const YAML_BYTES_MAX = 256 * 1024;
const NODES_MAX = 20_000;
const DEPTH_MAX = 32;

/** The tree of one YAML document, or every reason why it is refused. */
export function parseYaml(text: string): { readonly tree: Node | undefined; readonly problems: readonly Problem[] } {
  if (text.length > YAML_BYTES_MAX) {
    const message = `the file has ${text.length} characters, more than the ${YAML_BYTES_MAX} that a rule may have`;
    return { tree: undefined, problems: [{ line: 1, column: 1, message, remedy: "split it into several rules" }] };
  }
  const counter = new LineCounter();
  const problems: Problem[] = [];
  try {
    const document = parseDocument(text, { strict: true, uniqueKeys: true, lineCounter: counter, prettyErrors: false });
    for (const fault of [...document.errors, ...document.warnings]) {
      problems.push({ ...placeAt(counter, fault.pos[0]), message: describe(fault.code, fault.message) });
    }
    if (problems.length > 0) return { tree: undefined, problems };
    const walk: Walk = { counter, document, problems, left: NODES_MAX };
    const tree = convert(walk, document.contents, { line: 1, column: 1 }, 0);
    return problems.length > 0 ? { tree: undefined, problems } : { tree, problems };
  } catch (thrown) {
    return {
      tree: undefined,
      problems: [{ line: 1, column: 1, message: `not readable as YAML: ${messageOf(thrown)}` }],
    };
  }
}

/** The value under a key, where the node is a map that has it. */
export function entryOf(node: Node | undefined, key: string): MapEntry | undefined {
  return node?.kind === "map" ? node.entries.find((entry) => entry.key === key) : undefined;
}

interface Walk {
  readonly counter: LineCounter;
  readonly document: Document.Parsed;
  readonly problems: Problem[];
  left: number;
}

function convert(walk: Walk, node: unknown, near: Place, depth: number): Node | undefined {
  const place = placeOf(walk, node, near);
  walk.left--;
  if (walk.left < 0 || depth > DEPTH_MAX) {
    if (walk.left >= -1) walk.problems.push({ ...place, message: "nested or repeated too much for a rule" });
    walk.left = -2;
    return undefined;
  }
  if (isAlias(node)) return convert(walk, node.resolve(walk.document), place, depth + 1);
  if (isScalar(node)) return scalar(walk, node.value, place);
  if (isSeq(node)) {
    const items: Node[] = [];
    for (const item of node.items) {
      const converted = convert(walk, item, place, depth + 1);
      if (converted !== undefined) items.push(converted);
    }
    return { kind: "list", items, ...place };
  }
  if (isMap(node)) {
    const entries: MapEntry[] = [];
    for (const pair of node.items) {
      const at = placeOf(walk, pair.key, place);
      if (!isScalar(pair.key)) {
        walk.problems.push({ ...at, message: "a key must be a plain text" });
        continue;
      }
      const value = convert(walk, pair.value, at, depth + 1);
      if (value !== undefined) entries.push({ key: String(pair.key.value), place: at, value });
    }
    return { kind: "map", entries, ...place };
  }
  return { kind: "scalar", value: null, ...place };
}

function scalar(walk: Walk, value: unknown, place: Place): Node | undefined {
  if (value === null || typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return { kind: "scalar", value, ...place };
  }
  walk.problems.push({ ...place, message: "a value of an unknown kind", remedy: "write it as text in quotes" });
  return undefined;
}

function placeOf(walk: Walk, node: unknown, near: Place): Place {
  if (!isAlias(node) && !isScalar(node) && !isSeq(node) && !isMap(node)) return near;
  return node.range ? placeAt(walk.counter, node.range[0]) : near;
}

function placeAt(counter: LineCounter, offset: number): Place {
  const { line, col } = counter.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function describe(code: string, message: string): string {
  if (code === "DUPLICATE_KEY") return "the key is there twice; the first one would be lost";
  if (code === "MULTIPLE_DOCS") return "several documents in one file; one file is one rule";
  return message;
}
