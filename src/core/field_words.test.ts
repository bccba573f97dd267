import { describe, expect, test } from "bun:test";
import { hasWords, readableReason } from "./field_words.ts";
import { FIELDS } from "./fields.ts";

describe("a reason reads as a sentence", () => {
  const ROWS: readonly (readonly [string, string, string])[] = [
    ["of a value of ours", 'shell.wiring is "direct"', "its own input and output are the connection"],
    ["of a fact that is so", 'process.executable_temporary is "true"', "the program lies where anybody may write"],
    ["of a fact that is not so", 'process.tty is "false"', "it has no terminal"],
    ["of a fact that nobody knows", "shell.last_word_ours is absent", "nothing shows whether the last word was ours"],
    [
      "of a comparison, with what was seen",
      'process.executable ends with "/x": "/tmp/x"',
      'the program\'s path ends with "/x": "/tmp/x"',
    ],
    [
      "of a number",
      'shell.last_sent_ago_ms >= 3000: "9000"',
      'the milliseconds since this side last sent something >= 3000: "9000"',
    ],
    [
      "with its weight",
      'process.has_network is "true" (+15)',
      "it has a connection to another host (adds 15 to the score)",
    ],
    [
      "of a value that is not ours",
      'shell.wiring is "sideways"',
      'the way from the connection to the shell is "sideways"',
    ],
    [
      "of two fields",
      'process.name is the value of process.parent.name: "sh"',
      'the name of the process is the parent\'s name: "sh"',
    ],
    ["of no field at all as it stands", "some field contains 'x'", "some field contains 'x'"],
    ["that says something else in our words", "SUSPICIOUS_PATTERNS xmrig (+5)", "SUSPICIOUS_PATTERNS xmrig (+5)"],
    ["whose field is named like a property of every object", "constructor is 1", "constructor is 1"],
  ];
  for (const [name, reason, expected] of ROWS) test(name, () => expect(readableReason(reason)).toBe(expected));
});

test("every field that a rule may compare has words (field_words.ts); the others only fold", () => {
  const compared = FIELDS.map((field) => field.name).filter((name) => !name.endsWith(".fold"));
  expect(compared.filter((name) => !hasWords(name))).toEqual([]);
});
