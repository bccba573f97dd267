import { describe, expect, test } from "bun:test";
import { printable } from "./printable.ts";

describe("data of the host is printed so that it cannot act on a terminal or a log", () => {
  const ROWS: readonly (readonly [string, string, string])[] = [
    ["plain text stays", "/usr/bin/bash -i", "/usr/bin/bash -i"],
    ["letters of other languages stay", "größe 日本 🙂", "größe 日本 🙂"],
    ["a line feed is visible", "a\nb", "a\\nb"],
    ["an escape sequence is visible", "\u001b[2J\u001b]0;x\u0007", "\\x1b[2J\\x1b]0;x\\x07"],
    ["a carriage return cannot overwrite the line", "evil\rgood", "evil\\rgood"],
    ["C1 controls are controls", "\u009b31m", "\\x9b31m"],
    ["bidirectional overrides cannot reorder", "a\u202egpj.exe", "a\\u{202e}gpj.exe"],
    ["invisible characters show", "ba\u200bsh\ufeff", "ba\\u{200b}sh\\u{feff}"],
    ["tags show", "a\u{e0041}b", "a\\u{e0041}b"],
    ["line separators are not lines", "a\u2028b", "a\\u{2028}b"],
    ["lone surrogates show", "a\ud800b", "a\\u{d800}b"],
    ["NUL shows", "a\0b", "a\\x00b"],
  ];
  for (const [name, data, expected] of ROWS) test(name, () => expect(printable(data)).toBe(expected));
});

describe("long data is cut", () => {
  const ROWS: readonly (readonly [string, string, string])[] = [
    ["at the limit nothing is cut", "x".repeat(10), "x".repeat(10)],
    ["over it the end is a sign", "x".repeat(11), `${"x".repeat(10)}…`],
    ["escapes count", "\n".repeat(6), `${"\\n".repeat(5)}…`],
    ["no half of a character is left", `${"x".repeat(9)}🙂🙂`, `${"x".repeat(9)}…`],
  ];
  for (const [name, data, expected] of ROWS) test(name, () => expect(printable(data, 10)).toBe(expected));
});

test("any text at all becomes one bounded line that says what it is (seeded)", () => {
  let state = 7;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * below);
  };
  for (let round = 0; round < 500; round++) {
    const codes = Array.from({ length: random(60) }, () => (random(4) === 0 ? random(65_536) : random(256)));
    const shown = printable(String.fromCharCode(...codes), 40);
    expect(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(shown)).toBeFalse();
    expect(shown.length).toBeLessThanOrEqual(41);
  }
});
