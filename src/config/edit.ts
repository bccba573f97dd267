/**
 * Edits of a site's config file that keep its comments, order and formatting. The text functions are pure; each
 * result is parsed again and refused where it would bring a new error. `editConfigFile` is the only one that writes.
 */
import { findNodeAtLocation, type Node, type ParseError, parseTree } from "jsonc-parser";
import { type Fault, fail, ok, type Result } from "../core/result.ts";
import { decodeConfig, withoutMark } from "./encoding.ts";
import { readBounded, writeAtomically } from "./file.ts";
import { appendElement, appendMember, type Layout, layoutOf, removeElement, replaceValue } from "./json_text.ts";
import { parseConfig } from "./load.ts";
import { excerpt, formatProblem, keyText, type Path, type Problem } from "./problem.ts";
import { type Exception, KEY_NAMES, keyFacts } from "./schema.ts";

export interface Edit {
  readonly text: string;
  readonly changed: boolean;
}

/** Sets one value: `["KILL_BUDGET", "per_minute"]`, `["RULES", "reverse_shell"]`. */
export function setKey(text: string, keyPath: Path, value: unknown): Result<Edit> {
  const name = String(keyPath[0] ?? "");
  if (!KEY_NAMES.includes(name))
    return fail("invalid", `no config key is called ${excerpt(name)}`, "See `algo-monitor config explain`.");
  if (value === undefined) return fail("invalid", `no value was given for ${keyText(keyPath)}`);
  return edited(text, keyPath, (body, layout) => {
    for (let length = 0; length <= keyPath.length; length++) {
      const node = nodeAt(body, keyPath.slice(0, length));
      if (node === undefined) break;
      if (length === keyPath.length)
        return sameValue(plain(node), value) ? body : replaceValue(body, node, value, layout);
      if (node.type !== "object") return misfit(keyPath, "does not hold an object that could take it");
      const next = nodeAt(body, keyPath.slice(0, length + 1));
      if (next !== undefined) continue;
      // Objects that do not exist yet are made around the value.
      const rest = keyPath.slice(length + 1).reduceRight<unknown>((inner, part) => ({ [part]: inner }), value);
      return appendMember(body, node, String(keyPath[length]), rest, layout);
    }
    return misfit(keyPath, "cannot be set");
  });
}

/** Adds an entry to EXCEPTIONS; an entry that stands there already changes nothing. */
export function addException(text: string, entry: Exception): Result<Edit> {
  return addToList(text, ["EXCEPTIONS"], entry);
}

/** Removes the entries of EXCEPTIONS that `isMeant` accepts; `removed` are they. */
export function removeException(
  text: string,
  isMeant: (entry: Exception) => boolean,
): Result<Edit & { readonly removed: readonly Exception[] }> {
  const removed: Exception[] = [];
  const result = removeFromList(text, ["EXCEPTIONS"], (value) => {
    const only = parseConfig(JSON.stringify({ EXCEPTIONS: [value] })).config.EXCEPTIONS[0];
    if (only === undefined || !isMeant(only)) return false;
    removed.push(only);
    return true;
  });
  return result.ok ? ok({ ...result.value, removed }) : result;
}

/**
 * Adds one element to a list key. Where the file does not have the key, the list is written with its defaults
 * first: a list in the file replaces the default list, and trusting one more must not forget the others.
 */
export function addToList(text: string, keyPath: Path, value: unknown): Result<Edit> {
  return edited(text, keyPath, (body, layout) => {
    const node = nodeAt(body, keyPath);
    if (node?.type === "array") {
      const stands = (node.children ?? []).some((child) => sameValue(plain(child), value));
      return stands ? body : appendElement(body, node, value, layout);
    }
    if (node !== undefined) return misfit(keyPath, "holds no list in the file");
    const set = setKey(body, keyPath, [...defaultList(keyPath), value]);
    return set.ok ? set.value.text : set.fault;
  });
}

/** Removes the elements of a list key that `isMeant` accepts. Nothing found is no fault and changes nothing. */
export function removeFromList(text: string, keyPath: Path, isMeant: (value: unknown) => boolean): Result<Edit> {
  return edited(text, keyPath, (body) => {
    const node = nodeAt(body, keyPath);
    if (node?.type !== "array") return body;
    const meant = (node.children ?? []).map((child) => isMeant(plain(child)));
    let result = body;
    for (let index = meant.length - 1; index >= 0; index--) {
      const now = meant[index] === true ? nodeAt(result, keyPath) : undefined;
      if (now !== undefined) result = removeElement(result, now, index);
    }
    return result;
  });
}

/**
 * Reads, edits and replaces the file, keeping mode and owner. A missing file is created (0600). If somebody else
 * writes between our read and our write, nothing is written. Nothing changed: nothing is written.
 */
export function editConfigFile<E extends Edit>(path: string, edit: (text: string) => Result<E>): Result<E> {
  const read = readBounded(path);
  if (!read.ok && read.fault.kind !== "gone") return read;
  const decoded = read.ok ? decodeConfig(read.value.bytes) : "{}\n";
  if (typeof decoded !== "string") return fail("invalid", formatProblem(path, decoded));
  const marked = read.ok && read.value.bytes[0] === 0xef ? `\uFEFF${decoded}` : decoded;
  const result = edit(marked);
  if (!result.ok || (!result.value.changed && read.ok)) return result;
  const expected = read.ok ? { expected: read.value.identity } : {};
  const written = writeAtomically(path, result.value.text, { mode: 0o600, keepMode: true, ...expected });
  return written.ok ? result : written;
}

/** What an operator typed as a value: JSON where it is JSON, a text where it cannot be meant as anything else. */
export function valueFromText(text: string): Result<unknown> {
  const errors: ParseError[] = [];
  const node = parseTree(text, errors, { allowTrailingComma: true });
  if (node !== undefined && errors.length === 0) return ok(plain(node));
  if (!/^\s*[[{"]/.test(text)) return ok(text);
  const remedy = 'Put it in single quotes for the shell, for example \'["ALERT", "ERROR"]\'.';
  return fail("invalid", `${excerpt(text)} is not JSON`, remedy);
}

/** Runs one edit between two looks of the parser. */
function edited(text: string, keyPath: Path, change: (body: string, layout: Layout) => string | Fault): Result<Edit> {
  const body = withoutMark(text);
  const before = parseConfig(body);
  const broken = before.usable ? undefined : before.problems[0];
  if (broken !== undefined) return refuse(broken, "Mend the file first.");
  const repeated = before.problems.find((problem) => isRepeat(problem, keyPath));
  if (repeated !== undefined) return refuse(repeated, "");
  const next = change(body, layoutOf(body));
  if (typeof next !== "string") return { ok: false, fault: next };
  const after = parseConfig(next);
  // By message, not by place: an edit moves what follows it.
  const known = new Set(before.problems.map((problem) => problem.message + problem.remedy));
  const fresh = after.problems.find(
    (problem) => problem.severity === "error" && !known.has(problem.message + problem.remedy),
  );
  if (fresh !== undefined || !after.usable) {
    const shown = fresh === undefined ? "the file would no longer parse" : `${fresh.key}: ${fresh.message}`;
    return fail("invalid", `nothing was written: ${shown}`, fresh?.remedy ?? "");
  }
  return ok({ text: text.startsWith("\uFEFF") ? `\uFEFF${next}` : next, changed: next !== body });
}

function refuse(problem: Problem, remedy: string): Result<never> {
  return fail("invalid", `nothing was written: ${formatProblem("the file", problem)}`, remedy);
}

/** Which of two equal keys an edit would mean is not for us to guess. */
function isRepeat(problem: Problem, keyPath: Path): boolean {
  const name = keyText(keyPath);
  const concerns = problem.key === name || name.startsWith(`${problem.key}.`) || problem.key.startsWith(`${name}.`);
  return concerns && problem.message.startsWith("the key is repeated");
}

function misfit(keyPath: Path, what: string): Fault {
  return {
    kind: "invalid",
    message: `nothing was written: ${keyText(keyPath)} ${what}`,
    remedy: "Mend the file first.",
  };
}

function nodeAt(body: string, path: Path): Node | undefined {
  const root = parseTree(body, [], { allowTrailingComma: true });
  return root === undefined ? undefined : findNodeAtLocation(root, [...path]);
}

function defaultList(keyPath: Path): readonly unknown[] {
  const [name = "", field] = keyPath;
  const whole = keyFacts(String(name))?.default;
  const value: unknown =
    field === undefined ? whole : Object.entries(whole ?? {}).find(([known]) => known === field)?.[1];
  return Array.isArray(value) ? value : [];
}

function plain(node: Node): unknown {
  if (node.type === "array") return (node.children ?? []).map(plain);
  if (node.type !== "object") return node.value;
  const members = (node.children ?? []).map((property): [string, unknown] => {
    const [name, value] = property.children ?? [];
    return [String(name?.value), value === undefined ? undefined : plain(value)];
  });
  return Object.fromEntries(members);
}

function sameValue(left: unknown, right: unknown): boolean {
  return canonical(left) === canonical(right);
}

/** Equal for equal values, whatever the order of their keys. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "";
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(",")}}`;
}
