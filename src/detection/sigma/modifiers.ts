// The part of a field name after `|`, as one checked record. Unknown names and combinations that mean nothing are
// refused, because a modifier that is ignored is a rule that does something else than it says.

import type { Anchor } from "./pattern.ts";
import { nearest } from "./suggest.ts";

export type Transform = "base64" | "base64offset" | "wide" | "utf16" | "utf16be" | "windash" | "expand";
export type Comparison = "gt" | "gte" | "lt" | "lte";
export type TimePart = "minute" | "hour" | "day" | "week" | "month" | "year";

export interface Modifiers {
  readonly anchor: Anchor;
  readonly kind: "text" | "regex" | "cidr" | "compare" | "exists" | "reference" | "time";
  readonly comparison: Comparison;
  readonly timePart: TimePart;
  /** In the order written. */
  readonly transforms: readonly Transform[];
  readonly cased: boolean;
  /** Every value must match instead of any. */
  readonly all: boolean;
  /** No value may match (of a field that is there). */
  readonly negated: boolean;
  readonly regexFlags: { readonly ignoreCase: boolean; readonly multiline: boolean; readonly dotAll: boolean };
}

const ANCHORS: ReadonlyMap<string, Anchor> = new Map([
  ["contains", "contains"],
  ["startswith", "startswith"],
  ["endswith", "endswith"],
]);
const TRANSFORMS: ReadonlyMap<string, Transform> = new Map<string, Transform>([
  ["base64", "base64"],
  ["base64offset", "base64offset"],
  ["wide", "wide"],
  ["utf16le", "wide"],
  ["utf16", "utf16"],
  ["utf16be", "utf16be"],
  ["windash", "windash"],
  ["expand", "expand"],
]);
const COMPARISONS: ReadonlyMap<string, Comparison> = new Map([
  ["gt", "gt"],
  ["gte", "gte"],
  ["lt", "lt"],
  ["lte", "lte"],
]);
const TIME_PARTS: ReadonlyMap<string, TimePart> = new Map([
  ["minute", "minute"],
  ["hour", "hour"],
  ["day", "day"],
  ["week", "week"],
  ["month", "month"],
  ["year", "year"],
]);
const KINDS: ReadonlyMap<string, Modifiers["kind"]> = new Map<string, Modifiers["kind"]>([
  ["re", "regex"],
  ["cidr", "cidr"],
  ["exists", "exists"],
  ["fieldref", "reference"],
]);
const REGEX_FLAGS: ReadonlyMap<string, "ignoreCase" | "multiline" | "dotAll"> = new Map([
  ["i", "ignoreCase"],
  ["ignorecase", "ignoreCase"],
  ["m", "multiline"],
  ["multiline", "multiline"],
  ["s", "dotAll"],
  ["dotall", "dotAll"],
]);
const SWITCHES = ["all", "cased", "neq"];

export const MODIFIER_NAMES: readonly string[] = [
  ...new Set([ANCHORS, TRANSFORMS, COMPARISONS, TIME_PARTS, KINDS, REGEX_FLAGS].flatMap((table) => [...table.keys()])),
  ...SWITCHES,
].sort();

/** The record, or the sentence that says what is wrong. */
export function parseModifiers(names: readonly string[]): Modifiers | string {
  const draft: { -readonly [Key in keyof Modifiers]: Modifiers[Key] } = {
    anchor: "equals",
    kind: "text",
    comparison: "gt",
    timePart: "hour",
    transforms: [],
    cased: false,
    all: false,
    negated: false,
    regexFlags: { ignoreCase: false, multiline: false, dotAll: false },
  };
  for (const name of names) {
    const anchor = ANCHORS.get(name);
    const transform = TRANSFORMS.get(name);
    const comparison = COMPARISONS.get(name);
    const timePart = TIME_PARTS.get(name);
    const flag = REGEX_FLAGS.get(name);
    const kind = KINDS.get(name) ?? (comparison && "compare") ?? (timePart && "time");
    if (anchor !== undefined) {
      if (draft.anchor !== "equals") return `${draft.anchor} and ${anchor} do not go together`;
      draft.anchor = anchor;
    } else if (transform !== undefined) {
      draft.transforms = [...draft.transforms, transform];
    } else if (flag !== undefined) {
      if (draft.kind !== "regex") return `|${name} is a flag of |re and comes after it`;
      draft.regexFlags = { ...draft.regexFlags, [flag]: true };
    } else if (kind !== undefined) {
      if (draft.kind !== "text") return `|${name} does not go together with another kind of comparison`;
      draft.kind = kind;
      draft.comparison = comparison ?? draft.comparison;
      draft.timePart = timePart ?? draft.timePart;
    } else if (name === "all") {
      draft.all = true;
    } else if (name === "cased") {
      draft.cased = true;
    } else if (name === "neq") {
      draft.negated = true;
    } else {
      const guess = nearest(name, MODIFIER_NAMES);
      return `there is no modifier "${name}"${guess === undefined ? "" : `; did you mean "${guess}"?`}`;
    }
  }
  return contradiction(draft) ?? draft;
}

function contradiction(modifiers: Modifiers): string | undefined {
  const { kind } = modifiers;
  if (kind !== "text" && modifiers.transforms.some((name) => name !== "expand")) {
    return `an encoding does not go together with ${kind}`;
  }
  const anchored = modifiers.anchor !== "equals";
  if (anchored && kind !== "text" && kind !== "regex" && kind !== "reference") {
    return `${modifiers.anchor} does not go together with ${kind}`;
  }
  if (modifiers.cased && kind !== "text" && kind !== "reference") return `cased does not go together with ${kind}`;
  return undefined;
}
