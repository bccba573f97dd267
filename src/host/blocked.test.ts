import { expect, test } from "bun:test";
import { blockedReadOf, parseSyscall } from "./blocked.ts";

test.each([
  ["a call with its arguments", "0 0x5 0x7ffd10 0x400 0x0 0x0 0x0 0x7ffd00 0x7f00\n", 0, 5n],
  ["poll with one descriptor", "7 0x7ffd10 0x1 0xffffffff 0x0 0x0 0x0 0x7ffd00 0x7f00\n", 7, 0x7ffd10n],
])("parses %s", (_name, text, number, first) => {
  expect(parseSyscall(text)?.number).toBe(number);
  expect(parseSyscall(text)?.arguments[0]).toBe(first);
});

test.each(["running\n", "-1 0x7ffd00 0x7f00\n", "", "0 5 6", "99999 0x0", "0 0xzz 0x0 0x0 0x0 0x0 0x0"])(
  "refuses %j",
  (text) => {
    expect(parseSyscall(text)).toBeUndefined();
  },
);

test.each([
  ["a process that reads its standard input", ["cat"], 0],
  [
    "perl in a poll of one descriptor",
    ["perl", "-e", "use IO::Poll; my $p = IO::Poll->new; $p->mask(\\*STDIN => POLLIN); $p->poll;"],
    0,
  ],
  ["a process that sleeps", ["sleep", "30"], undefined],
])("says what %s is blocked on", async (_name, command, expected) => {
  const child = Bun.spawn(command as string[], { stdin: "pipe" });
  try {
    let answer: number | undefined;
    for (let attempt = 0; attempt < 100 && answer !== expected; attempt++) {
      await Bun.sleep(20);
      answer = blockedReadOf(child.pid);
    }
    await Bun.sleep(100);
    expect(blockedReadOf(child.pid)).toBe(expected as number);
  } finally {
    child.kill();
    await child.exited;
  }
});

test("a process that does not exist is blocked on nothing", () => {
  expect(blockedReadOf(4_194_304)).toBeUndefined();
});
