// The Sigma language as a table: what matches, what does not, and what is refused with its place.
import { describe, expect, test } from "bun:test";
import type { Fields } from "../../core/nouns.ts";
import { ANY_VOCABULARY, compileDetection, type Vocabulary } from "./detection.ts";
import { compileExpression, explain } from "./expression.ts";
import { EventView } from "./view.ts";
import { entryOf, parseYaml } from "./yaml.ts";

function detectionOf(yaml: string, vocabulary: Vocabulary = ANY_VOCABULARY) {
  const { tree, problems } = parseYaml(`detection:\n${yaml.replace(/^/gm, "  ")}`);
  if (tree === undefined) return { detection: undefined, problems };
  return compileDetection(entryOf(tree, "detection")?.value, vocabulary, { line: 1, column: 1 });
}

function matches(yaml: string, fields: Fields): boolean {
  const { detection, problems } = detectionOf(yaml);
  expect(problems).toEqual([]);
  if (detection === undefined) throw new Error("refused without a problem");
  return compileExpression(detection.condition)(new EventView().load(fields));
}

const one = (item: string): string => `s:\n  ${item}\ncondition: s`;

const VALUES: readonly [name: string, yaml: string, fields: Fields, expected: boolean][] = [
  ["equality ignores case", one("f: ABC"), { f: "aBc" }, true],
  ["equality is of the whole value", one("f: ab"), { f: "abc" }, false],
  ["cased minds the case", one("f|cased: ABC"), { f: "abc" }, false],
  ["a star is any text", one("f: 'a*c'"), { f: "abbc" }, true],
  ["a star is also no text", one("f: 'a*c'"), { f: "ac" }, true],
  ["pieces around a star may not overlap", one("f: 'ab*bc'"), { f: "abc" }, false],
  ["a question mark is one character", one("f: 'a?c'"), { f: "abc" }, true],
  ["a question mark is not none", one("f: 'a?c'"), { f: "ac" }, false],
  ["a question mark at the end needs its character", one("f: 'ab?'"), { f: "ab" }, false],
  ["several stars, in order", one("f: '*b*a*'"), { f: "ab" }, false],
  ["an escaped star is a star", one("f: 'a\\*c'"), { f: "abc" }, false],
  ["an escaped star matches itself", one("f: 'a\\*c'"), { f: "a*c" }, true],
  ["a backslash before a letter is a backslash", one("f: 'a\\b'"), { f: "a\\b" }, true],
  ["two backslashes are one", one("f: 'a\\\\b'"), { f: "a\\b" }, true],
  ["two backslashes and a star are a backslash and anything", one("f: 'a\\\\*'"), { f: "a\\xyz" }, true],
  ["contains", one("f|contains: bc"), { f: "aBCd" }, true],
  ["contains with a wildcard inside", one("f|contains: 'b*d'"), { f: "abcde" }, true],
  ["startswith", one("f|startswith: ab"), { f: "abc" }, true],
  ["startswith is not contains", one("f|startswith: bc"), { f: "abc" }, false],
  ["endswith", one("f|endswith: bc"), { f: "abc" }, true],
  ["a list is any of its values", one("f: [a, b]"), { f: "b" }, true],
  ["all is every value", one("f|contains|all: [a, b]"), { f: "xbax" }, true],
  ["all is not any", one("f|contains|all: [a, b]"), { f: "a" }, false],
  ["re searches and minds the case", one("f|re: 'b+C'"), { f: "abbC" }, true],
  ["re without i minds the case", one("f|re: 'B'"), { f: "b" }, false],
  ["re with i does not", one("f|re|i: 'B'"), { f: "b" }, true],
  ["re with m anchors at lines", one("f|re|m: '^b$'"), { f: "a\nb" }, true],
  ["re without m does not", one("f|re: '^b$'"), { f: "a\nb" }, false],
  ["re with s crosses lines", one("f|re|s: 'a.b'"), { f: "a\nb" }, true],
  ["cidr v4", one("f|cidr: 10.0.0.0/8"), { f: "10.1.2.3" }, true],
  ["cidr of another network", one("f|cidr: 10.0.0.0/8"), { f: "11.1.2.3" }, false],
  ["cidr sees a mapped address", one("f|cidr: 10.0.0.0/8"), { f: "::ffff:10.1.2.3" }, true],
  ["cidr v6", one("f|cidr: 'fe80::/10'"), { f: "fe80::1" }, true],
  ["cidr and no address", one("f|cidr: 10.0.0.0/8"), { f: "ten" }, false],
  ["exists true", one("f|exists: true"), { f: "" }, true],
  ["exists false", one("f|exists: false"), { g: "" }, true],
  ["null is absence", one("f: null"), { g: "" }, true],
  ["null is not an empty text", one("f: null"), { f: "" }, false],
  ["an empty text is there and empty", one("f: ''"), { f: "" }, true],
  ["an empty text is not absence", one("f: ''"), { g: "x" }, false],
  ["numbers equal by value", one("f: 4444"), { f: 4444 }, true],
  ["a number in quotes equals too", one("f: '4444'"), { f: 4444 }, true],
  ["true equals true", one("f: 'True'"), { f: true }, true],
  ["gt", one("f|gt: 5"), { f: 6 }, true],
  ["gt is not gte", one("f|gt: 5"), { f: 5 }, false],
  ["gte", one("f|gte: 5"), { f: 5 }, true],
  ["lt on a text that is a number", one("f|lt: 5"), { f: "4" }, true],
  ["lte", one("f|lte: 5"), { f: 5 }, true],
  ["a comparison with a text that is none", one("f|lt: 5"), { f: "" }, false],
  ["neq", one("f|neq: a"), { f: "b" }, true],
  ["neq of a list is none of them", one("f|neq: [a, b]"), { f: "b" }, false],
  ["neq of an absent field does not match", one("f|neq: a"), { g: "b" }, false],
  ["a list field matches by any item", one("f: b"), { f: ["a", "B"] }, true],
  ["windash takes every dash", one("f|windash|contains: ' -x'"), { f: "cmd /x" }, true],
  ["windash leaves a dash inside a word", one("f|windash: a-b"), { f: "a/b" }, false],
  ["base64", one("f|base64|contains: hello"), { f: "echo aGVsbG8= | base64 -d" }, true],
  ["base64offset at offset 0", one("f|base64offset|contains: /bin/sh"), { f: btoa("/bin/sh -i") }, true],
  ["base64offset at offset 1", one("f|base64offset|contains: /bin/sh"), { f: btoa("x/bin/sh -i") }, true],
  ["base64offset at offset 2", one("f|base64offset|contains: /bin/sh"), { f: btoa("xy/bin/sh") }, true],
  ["wide and base64", one("f|wide|base64|contains: ab"), { f: "YQBiAA==" }, true],
  ["utf16 puts the mark in front", one("f|utf16|base64|contains: ab"), { f: "//5hAGIA" }, true],
  ["fieldref", one("f|fieldref: g"), { f: "x", g: "X" }, true],
  ["fieldref of another value", one("f|fieldref: g"), { f: "x", g: "y" }, false],
  ["fieldref with startswith", one("f|fieldref|startswith: g"), { f: "xyz", g: "xy" }, true],
  ["hour of a time", one("f|hour: 10"), { f: "2026-11-20T10:30:00Z" }, true],
  ["week of a time", one("f|week: 1"), { f: "2027-01-04T00:00:00Z" }, true],
  ["year of seconds", one("f|year: 2026"), { f: 1795170600 }, true],
  ["an absent field does not match", one("f: a"), { g: "a" }, false],
  ["keywords are searched in every field", "s:\n  - abc\n  - xyz\ncondition: s", { f: "1", g: "zABCz" }, true],
  ["keywords with all", "s:\n  '|all': [a, b]\ncondition: s", { f: "a", g: "b" }, true],
  ["a list of maps is any of them", "s:\n  - f: a\n  - g: b\ncondition: s", { f: "x", g: "b" }, true],
  ["a map is all of its fields", "s:\n  f: a\n  g: b\ncondition: s", { f: "a", g: "x" }, false],
];

test.each(VALUES)("%s", (_name, yaml, fields, expected) => {
  expect(matches(yaml, fields)).toBe(expected);
});

const abc = "a:\n  f: 1\nb:\n  g: 1\nc_1:\n  h: 1\nc_2:\n  i: 1\n_off:\n  f: 0\n";
const CONDITIONS: readonly [condition: string, fields: Fields, expected: boolean][] = [
  ["a and b or c_1", { f: 0, g: 0, h: 1 }, true],
  ["a and (b or c_1)", { f: 0, g: 1, h: 1 }, false],
  ["not a and b", { f: 0, g: 1 }, true],
  ["not (a and b)", { f: 1, g: 1 }, false],
  ["not (a and b)", { f: 1, g: 0 }, true],
  ["a AND NOT b", { f: 1, g: 0 }, true],
  ["1 of c_*", { i: 1 }, true],
  ["all of c_*", { h: 1, i: 0 }, false],
  ["all of c_*", { h: 1, i: 1 }, true],
  ["any of c_*", { h: 0, i: 1 }, true],
  ["2 of them", { f: 1, g: 1, h: 0, i: 0 }, true],
  ["2 of them", { f: 1, g: 0, h: 0, i: 0 }, false],
  ["1 of them", { f: 0 }, false],
  ["not 2 of c_*", { h: 0 }, true],
  ["not 1 of c_*", { h: 0, i: 0 }, true],
  ["a and not 1 of c_*", { f: 1, h: 0 }, false],
  ["a and not b", { f: 1 }, false],
  ["not a", {}, false],
  ["not not a", { f: 1 }, true],
];

test.each(CONDITIONS)("condition `%s` of %j", (condition, fields, expected) => {
  expect(matches(`${abc}condition: ${condition}`, fields)).toBe(expected);
});

test("several conditions in a list mean any of them", () => {
  expect(matches(`${abc}condition: [a, b]`, { g: 1 })).toBe(true);
});

const closed: Vocabulary = {
  field: (name) => (name === "CommandLine" ? "process.command_line" : undefined),
  known: ["CommandLine"],
  placeholders: new Map([["admins", ["root", "toor"]]]),
};

const REFUSED: readonly [name: string, yaml: string, says: string, line: number, column: number][] = [
  ["an unknown modifier", one("CommandLine|contain: a"), 'did you mean "contains"', 3, 5],
  ["an unknown field", one("CommandLin: a"), 'carries the field "CommandLin"', 3, 5],
  ["an unknown selection", "s:\n  CommandLine: a\ncondition: s and t", 'no selection "t"', 4, 20],
  ["a pattern that names nothing", "s:\n  CommandLine: a\ncondition: 1 of t*", 'named like "t*"', 4, 19],
  ["an open parenthesis", "s:\n  CommandLine: a\ncondition: (s", "not closed", 4, 14],
  ["a condition that ends early", "s:\n  CommandLine: a\ncondition: s and", "ends where", 4, 19],
  ["two selections without a word between", "s:\n  CommandLine: a\ncondition: s s", "not expected", 4, 16],
  ["more than there are", "s:\n  CommandLine: a\ncondition: 2 of s*", "can never be", 4, 14],
  ["an aggregation", "s:\n  CommandLine: a\ncondition: s | count() > 5", "aggregations", 4, 16],
  ["no condition", "s:\n  CommandLine: a", "no condition", 2, 3],
  ["a selection that is there twice", "s:\n  CommandLine: a\ns:\n  CommandLine: b\ncondition: s", "there twice", 4, 3],
  ["a key that is there twice", "s:\n  CommandLine: a\n  CommandLine: b\ncondition: s", "there twice", 4, 5],
  ["a pattern that re2 does not take", one("CommandLine|re: '(?=a)'"), "re2 does not take", 3, 21],
  ["a network that is none", one("CommandLine|cidr: 10.0.0.0/99"), "not a network", 3, 23],
  ["an empty selection", "s: {}\ncondition: s", "match everything", 2, 6],
  ["an empty list", one("CommandLine: []"), "no value", 3, 5],
  ["a map as a value", one("CommandLine: {a: b}"), "must be a text", 3, 18],
  ["two anchors", one("CommandLine|contains|endswith: a"), "do not go together", 3, 5],
  ["a regex flag without re", one("CommandLine|contains|i: a"), "flag of |re", 3, 5],
  ["a number that is none", one("CommandLine|gt: a"), "not a number", 3, 21],
  ["an unknown placeholder", one("CommandLine|expand: '%users%'"), "placeholder %users%", 3, 25],
  ["a timeframe", "s:\n  CommandLine: a\ntimeframe: 5m\ncondition: s", "timeframe", 4, 3],
  ["broken YAML", "s: [", "Flow sequence", 2, 7],
];

describe("refuses", () => {
  test.each(REFUSED)("%s", (_name, yaml, says, line, column) => {
    const { problems } = detectionOf(yaml, closed);
    const [first] = problems;
    expect(`${first?.message ?? ""} ${first?.remedy ?? ""}`).toContain(says);
    expect([first?.line, first?.column]).toEqual([line, column]);
  });

  test("trees that grow by aliases", () => {
    const bomb = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (const [index, name] of [..."bcdefgh"].entries()) {
      const previous = "abcdefgh"[index] ?? "a";
      bomb.push(`${name}: &${name} [${Array(9).fill(`*${previous}`).join(", ")}]`);
    }
    const { tree, problems } = parseYaml(bomb.join("\n"));
    expect(tree).toBeUndefined();
    expect(problems.length).toBeGreaterThan(0);
  });
});

test("a placeholder stands for its values", () => {
  const { detection } = detectionOf(one("CommandLine|expand: '%admins%'"), closed);
  const view = new EventView().load({ "process.command_line": "toor" });
  expect(detection && compileExpression(detection.condition)(view)).toBe(true);
});

test("reasons name the facts that made it true, and only those", () => {
  const { detection } = detectionOf(
    "s:\n  f|contains: [x, b]\nt:\n  g: 1\nu:\n  h: 1\ncondition: s and (t or u) and not v\nv:\n  i: 1",
  );
  const view = new EventView().load({ f: "abc", g: 0, h: 1, i: 0 });
  expect(detection && explain(detection.condition, view)).toEqual(['f contains "b": "abc"', 'h is "1"']);
});

test("one view judges event after event without mixing them", () => {
  const { detection } = detectionOf(one("f: ABC"));
  const test = compileExpression(detection?.condition ?? { kind: "any", of: [] });
  const view = new EventView();
  expect(["abc", "x", "ABC", "y"].map((f) => test(view.load({ f })))).toEqual([true, false, true, false]);
});

test("foreign bytes never throw: 3,000 seeded mutations of a rule", () => {
  const rule =
    "detection:\n  s:\n    f|re: 'a(b|c)*'\n    g|base64offset|contains: ['x*y', 1]\n  condition: 1 of s* and not (s)\n";
  let seed = 20261120;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed % below;
  };
  for (let round = 0; round < 3000; round++) {
    const bytes = [...rule];
    for (let change = 0; change < 1 + random(6); change++) {
      bytes.splice(random(bytes.length), random(3), String.fromCharCode(random(random(10) === 0 ? 65536 : 128)));
    }
    const { tree, problems } = parseYaml(bytes.join(""));
    const result = compileDetection(entryOf(tree, "detection")?.value, ANY_VOCABULARY, { line: 1, column: 1 });
    for (const problem of [...problems, ...result.problems]) expect(problem.line).toBeGreaterThan(0);
    if (result.detection !== undefined)
      compileExpression(result.detection.condition)(new EventView().load({ f: "abc" }));
  }
});
