import { expect, test } from "bun:test";
import fc from "fast-check";
import { awaitedBy, parseSyscall, polled, selected, watched } from "./awaited.ts";

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

test("reads the input side of a poll set, of a select set and of an epoll descriptor", () => {
  expect(
    polled(new Uint8Array([3, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 255, 255, 255, 255, 1, 0, 0, 0])),
  ).toEqual([3]);
  expect(selected(new Uint8Array([0b1001, 0b10]), 16)).toEqual([0, 3, 9]);
  expect(selected(new Uint8Array([0b1001, 0b10]), 4)).toEqual([0, 3]);
  expect(
    watched("pos:\t0\nflags:\t02\ntfd:        5 events:       19 data: 5  pos:0 ino:9\ntfd:  7 events: 4 data: 7\n"),
  ).toEqual([5]);
});

test("never throws on foreign bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), fc.nat(), (bytes, text, count) => {
      expect(polled(bytes).every((fd) => fd >= 0)).toBe(true);
      expect(selected(bytes, count % 5000).length).toBeLessThanOrEqual(bytes.length * 8);
      parseSyscall(text);
      watched(text);
    }),
    { seed: 20261120, numRuns: 300 },
  );
});

const PYTHON_SELECT = "import select, os; r, w = os.pipe(); select.select([0, r], [], [])";
const PYTHON_EPOLL = "import select; e = select.epoll(); e.register(0, select.EPOLLIN); e.poll()";
const PYTHON_THREAD =
  "import threading, os, time; threading.Thread(target=lambda: os.read(0, 1)).start(); time.sleep(60)";

test.each([
  ["a process that reads its standard input", ["cat"], { descriptors: [0], loop: [], known: true }],
  ["a select of two", ["python3", "-c", PYTHON_SELECT], { descriptors: [0, 3], loop: [], known: true }],
  ["an event loop", ["python3", "-c", PYTHON_EPOLL], { descriptors: [], loop: [0], known: true }],
  [
    "a thread that reads while the first one polls by time",
    ["python3", "-c", PYTHON_THREAD],
    { descriptors: [0], loop: [], known: false },
  ],
  ["a shell that waits for its child", ["sh", "-c", "sleep 60; true"], { descriptors: [], loop: [], known: true }],
  ["a process that only sleeps", ["sleep", "60"], { descriptors: [], loop: [], known: false }],
])("says what is awaited by %s", async (_name, command, expected) => {
  const child = Bun.spawn(command as string[], { stdin: "pipe" });
  try {
    let shown = "";
    for (let attempt = 0; attempt < 150 && shown !== JSON.stringify(expected); attempt++) {
      await Bun.sleep(20);
      const { descriptors, loop, known } = awaitedBy(child.pid);
      shown = JSON.stringify({ descriptors: [...descriptors].sort(), loop: [...loop].sort(), known });
    }
    expect(shown).toBe(JSON.stringify(expected));
  } finally {
    Bun.spawnSync(["kill", "-9", ...descendantsOf(child.pid), String(child.pid)]);
    await child.exited;
  }
});

function descendantsOf(pid: number): string[] {
  return Bun.spawnSync(["pgrep", "-P", String(pid)])
    .stdout.toString()
    .trim()
    .split("\n")
    .filter((word) => word !== "");
}

test("a process that does not exist awaits nothing known", () => {
  expect(awaitedBy(4_194_304).known).toBe(false);
});
