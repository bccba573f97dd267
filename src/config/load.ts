/**
 * Config text -> the configuration and every problem in it. Pure: no file, no clock.
 * Protection never stops for a typo: what is wrong falls back to its default, alone; a bad element of a list is
 * dropped, alone. Only a text that is no JSON object is not usable, and then its config is all defaults.
 */
import type * as z from "zod";
import type { AdviceContext } from "./advice.ts";
import { decodeConfig, withoutMark } from "./encoding.ts";
import { issueText, unknownKeyText } from "./issue.ts";
import { createPlaces, keyText, type Path, type Problem } from "./problem.ts";
import { type Config, configSchema, KEY_NAMES, keyFacts } from "./schema.ts";
import { namesAt } from "./schema_json.ts";
import { follow, type Item, plainValue, type Report, readTree, type Tree } from "./tree.ts";

export interface ParsedConfig {
  readonly config: Config;
  /** In the order of the file, errors and all; at most PROBLEMS_MAX. */
  readonly problems: readonly Problem[];
  /** False: the text is no config at all, nothing of it was applied. */
  readonly usable: boolean;
  /** Top-level keys the text gives a value to (good or bad). */
  readonly keysSet: readonly string[];
}

export const PROBLEMS_MAX = 200;

/** Removed at once at most this often: each round removes everything the schema complained of. */
const ROUNDS_MAX = 8;

export function parseConfig(source: string | Uint8Array, context: AdviceContext = {}): ParsedConfig {
  const text = typeof source === "string" ? withoutMark(source) : decodeConfig(source);
  if (typeof text !== "string") return unusable([text]);
  const problems: Problem[] = [];
  const report = createReport(text, problems);
  const tree = readTree(text, report);
  if (tree === undefined) return unusable(problems);
  const keysSet =
    tree.root.kind === "object" ? [...tree.root.members.keys()].filter((name) => KEY_NAMES.includes(name)) : [];
  dropSchemaName(tree.root, report);
  dropRepeats(tree, text, report);
  const config = freeze(settle(tree.root, report));
  advise(config, tree.root, context, report);
  if (!keysSet.includes("MODE")) {
    report(
      "info",
      tree.root.offset,
      "MODE",
      "the key is not set: enforce is in force",
      'Write "MODE": "enforce" or "monitor".',
    );
  }
  return { config, problems: inOrder(problems), usable: true, keysSet };
}

/** All defaults, in the mode asked for. */
export function builtInConfig(mode: Config["MODE"]): Config {
  return freeze(configSchema.parse({ MODE: mode }));
}

function unusable(problems: readonly Problem[]): ParsedConfig {
  return { config: builtInConfig("enforce"), problems: inOrder(problems), usable: false, keysSet: [] };
}

function createReport(text: string, problems: Problem[]): Report {
  let places: ReturnType<typeof createPlaces> | undefined;
  return (severity, offset, key, message, remedy) => {
    places ??= createPlaces(text);
    if (problems.length < PROBLEMS_MAX) problems.push({ severity, ...places(offset), key, message, remedy });
    else if (problems.length === PROBLEMS_MAX) {
      problems.push({
        severity: "error",
        ...places(text.length),
        key: "",
        message: "there are more problems",
        remedy: "Mend those above first.",
      });
    }
  };
}

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return [...problems].sort((left, right) => left.line - right.line || left.column - right.column);
}

/** `$schema` helps editors and means nothing to us. */
function dropSchemaName(root: Item, report: Report): void {
  if (root.kind !== "object") return;
  const member = root.members.get("$schema");
  if (member === undefined) return;
  root.members.delete("$schema");
  if (member.item.kind === "scalar" && typeof member.item.value === "string") return;
  report(
    "error",
    member.item.offset,
    "$schema",
    "holds no text",
    "Write the file or address of the JSON Schema, or remove it.",
  );
}

/** The last of two equal keys holds; an element of a list that says two things is dropped. */
function dropRepeats(tree: Tree, text: string, report: Report): void {
  const places = createPlaces(text);
  const dropped: Path[] = [];
  for (const repeat of tree.repeats) {
    const line = places(repeat.firstOffset).line;
    const element = elementPath(repeat.path);
    const effect = element === undefined ? "the last one holds" : "the whole entry is dropped";
    report(
      "error",
      repeat.offset,
      keyText(repeat.path),
      `the key is repeated, first on line ${line}; ${effect}`,
      "Keep one of them.",
    );
    if (element !== undefined) dropped.push(element);
  }
  dropAll(tree.root, dropped);
}

/** Asks the schema, drops what it refuses, asks again until it accepts. */
function settle(root: Item, report: Report): z.output<typeof configSchema> {
  const ignored = new Set<string>();
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const result = configSchema.safeParse(plainValue(root));
    if (result.success) return result.data;
    const told = new Set<string>();
    const drops: Path[] = [];
    for (const issue of result.error.issues) {
      const place = keyText(pathOf(issue));
      // One complaint for one value: an empty text is not also "no absolute path".
      if (issue.code === "custom" && told.has(place)) continue;
      told.add(place);
      // What was taken away for its value was told with it, and now is missing where it must be.
      const isTold = ignored.has(place) && follow(root, pathOf(issue)).rest.length > 0;
      drops.push(...refuse(root, issue, isTold ? () => undefined : report));
    }
    for (const path of drops) ignored.add(keyText(path));
    dropAll(root, drops);
  }
  // Every round takes away all that was refused, so this is out of reach; protection still starts, and kills nothing
  // that the file may have forbidden to kill.
  report(
    "error",
    0,
    "",
    "the file could not be settled, all defaults are in force, in monitor mode",
    "Compare it with config.example.json.",
  );
  return configSchema.parse({ MODE: "monitor" });
}

function pathOf(issue: z.core.$ZodIssue): Path {
  return issue.path.map((part) => (typeof part === "symbol" ? String(part) : part));
}

/** Reports one refusal and says what must go for it. */
function refuse(root: Item, issue: z.core.$ZodIssue, report: Report): readonly Path[] {
  const path = pathOf(issue);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((name) => {
      const at = [...path, name];
      const { message, remedy } = unknownKeyText(name, namesAt(path));
      report(
        "error",
        follow(root, at).keyOffset,
        keyText(at),
        `${message}; ${effectOf(elementPath(at) ?? at)}`,
        remedy,
      );
      return elementPath(at) ?? at;
    });
  }
  const { item, keyOffset, rest } = follow(root, path);
  const { message, remedy } = issueText(issue, rest.length > 0 ? undefined : plainValue(item));
  if (issue.code === "too_big" && issue.origin === "array" && item.kind === "array") {
    report("error", item.offset, keyText(path), `${message}; what is beyond is dropped`, remedy);
    item.items.length = Number(issue.maximum);
    return [];
  }
  // What lacks something it must have goes whole.
  const target = elementPath(path) ?? (rest.length > 0 ? path.slice(0, path.length - rest.length) : path);
  const rescued = rescue(root, target);
  const effect = rescued === undefined ? effectOf(target) : `${rescued} is in force until it is mended`;
  report(
    "error",
    issue.code === "invalid_key" ? keyOffset : item.offset,
    keyText(path),
    `${message}; ${effect}`,
    remedy,
  );
  return rescued === undefined ? [target] : [];
}

function effectOf(target: Path): string {
  if (target.some((part) => typeof part === "number")) return "the entry is dropped";
  const [name = "", field] = target;
  const facts = keyFacts(String(name));
  if (facts === undefined) return "it is ignored";
  if (field === undefined) return "the default holds";
  const whole = facts.default;
  const hasDefault = typeof whole === "object" && whole !== null && Object.hasOwn(whole, field);
  return hasDefault ? "its default holds" : "it is ignored";
}

/** Puts the safer meaning in place of a bad value, where the key knows one. */
function rescue(root: Item, target: Path): string | undefined {
  const [name] = target;
  if (target.length !== 1 || typeof name !== "string" || root.kind !== "object") return undefined;
  const member = root.members.get(name);
  const value = member === undefined ? undefined : keyFacts(name)?.rescue?.(plainValue(member.item));
  if (member === undefined || typeof value !== "string") return undefined;
  member.item = { kind: "scalar", offset: member.item.offset, value };
  return value;
}

/** The path up to the first element of a list on it: lists lose whole elements. */
function elementPath(path: Path): Path | undefined {
  const index = path.findIndex((part) => typeof part === "number");
  return index === -1 ? undefined : path.slice(0, index + 1);
}

function dropAll(root: Item, paths: readonly Path[]): void {
  const gone = new Map<Item[], Set<Item>>();
  for (const path of paths) {
    const last = path.at(-1);
    const parent = follow(root, path.slice(0, -1));
    if (parent.rest.length > 0) continue;
    if (parent.item.kind === "object" && typeof last === "string") parent.item.members.delete(last);
    if (parent.item.kind !== "array" || typeof last !== "number") continue;
    const element = parent.item.items[last];
    if (element === undefined) continue;
    const marked = gone.get(parent.item.items) ?? new Set();
    gone.set(parent.item.items, marked.add(element));
  }
  for (const [items, marked] of gone) {
    const kept = items.filter((item) => !marked.has(item));
    items.splice(0, items.length, ...kept);
  }
  if (root.kind !== "object") return;
  for (const [name, { item }] of root.members) {
    const emptied = item.kind === "array" && item.items.length === 0 && gone.has(item.items);
    if (emptied && keyFacts(name)?.refill === true) root.members.delete(name);
  }
}

function advise(config: Config, root: Item, context: AdviceContext, report: Report): void {
  if (root.kind !== "object") return;
  for (const [name, value] of Object.entries(config)) {
    if (!root.members.has(name)) continue;
    for (const advice of keyFacts(name)?.advise?.(value, context) ?? []) {
      const path = [name, ...advice.path];
      report(advice.severity, follow(root, path).item.offset, keyText(path), advice.message, advice.remedy);
    }
  }
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
