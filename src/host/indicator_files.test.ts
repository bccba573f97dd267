// Lists on disk: read once, read anew when they change, told when they are missing.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createIndicatorFiles } from "./indicator_files.ts";
import { readLines } from "./line_files.ts";
import { createTorConsensus, relayOf } from "./tor_consensus.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "algo-lists-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Collects the lines of all lists as `file name:line`. */
function collect(): { begin(file: string): void; line(text: string): void; finish(): readonly string[] } {
  const lines: string[] = [];
  let name = "";
  return {
    begin: (file) => {
      name = file.slice(folder.length + 1);
    },
    line: (text) => lines.push(`${name}:${text}`),
    finish: () => lines,
  };
}

describe("lists", () => {
  test("are read, left alone while they do not change, and read anew when one does", async () => {
    let nowMs = 0;
    const path = join(folder, "a");
    writeFileSync(path, "one\r\ntwo");
    const lists = createIndicatorFiles({ files: () => [path, path], sink: collect, monotonicMs: () => nowMs });
    expect(lists.current()).toEqual([]);
    expect([await lists.refresh(), lists.current()]).toEqual([true, ["a:one", "a:two"]]);
    writeFileSync(path, "three\n");
    expect([await lists.refresh(), lists.current()]).toEqual([false, ["a:one", "a:two"]]);
    nowMs = 10_000;
    expect([await lists.refresh(), lists.current()]).toEqual([true, ["a:three"]]);
    nowMs = 20_000;
    const before = lists.current();
    expect([await lists.refresh(), lists.current() === before]).toEqual([false, true]);
  });

  test("that are missing or no files are told, and the others count", async () => {
    const good = join(folder, "good");
    writeFileSync(good, "x\n");
    chmodSync(good, 0o666);
    const lists = createIndicatorFiles({ files: () => [join(folder, "none"), folder, good], sink: collect });
    await lists.refresh();
    expect(lists.current()).toEqual(["good:x"]);
    const messages = lists.faults().map(({ message }) => message.replaceAll(folder, "F"));
    expect(messages[0]).toStartWith("F/none cannot be read: there is no such file");
    expect(messages[1]).toBe("F is no ordinary file");
    expect(messages[2]).toBe("others than root can change F/good");
  });

  test("named by a new configuration are read at once", async () => {
    const [one, two] = [join(folder, "one"), join(folder, "two")];
    writeFileSync(one, "1");
    writeFileSync(two, "2");
    let files = [one];
    const lists = createIndicatorFiles({ files: () => files, sink: collect, monotonicMs: () => 0 });
    await lists.refresh();
    files = [one, two];
    expect([await lists.refresh(), lists.current()]).toEqual([true, ["one:1", "two:2"]]);
  });
});

test("long files are read whole, characters across chunks too", async () => {
  const path = join(folder, "long");
  const lines = Array.from({ length: 30_000 }, (_, index) => `zeile ${index} ä€😀`);
  writeFileSync(path, lines.join("\n"));
  const seen: string[] = [];
  expect((await readLines(path, 10_000_000, (line) => seen.push(line))).ok).toBe(true);
  expect(Bun.deepEquals(seen, lines)).toBe(true);
  const tooLong = await readLines(path, 1_000, () => undefined);
  expect(tooLong.ok ? "read" : tooLong.fault.kind).toBe("limit");
});

test("a consensus gives the addresses and ports of its relays", async () => {
  const path = join(folder, "consensus");
  const lines = [
    "network-status-version 3 microdesc",
    "r seele AAoQ1DAR6kkoo19hBAX5K0QztNw 2038-01-01 00:00:00 203.0.113.7 9001 0",
    "a [2001:db8::7]:9001",
    "m nothing",
    "s Running",
    "r full AAoQ1DAR6kkoo19hBAX5K0QztNw zzz 2038-01-01 00:00:00 203.0.113.8 443 80",
  ];
  writeFileSync(path, `${lines.join("\n")}\n`);
  const tor = createTorConsensus([path, join(folder, "none")], () => 0);
  const asked = () => [
    tor.isRelay({ address: "203.0.113.7", port: 9001 }),
    tor.isRelay({ address: "203.0.113.7", port: 443 }),
    tor.isRelay({ address: "2001:db8::7", port: 9001 }),
    tor.isRelay({ address: "203.0.113.8", port: 443 }),
  ];
  expect(asked()).toEqual([false, false, false, false]);
  expect(await tor.refresh()).toBe(true);
  expect([tor.relays, ...asked()]).toEqual([3, true, false, true, true]);
});

test.each([
  ["r x", undefined],
  ["r a b c d e f 300 1", undefined],
  ["r n i d t 203.0.113.7 0 0", undefined],
  ["r n i d t x 203.0.113.7 70000 0", undefined],
  ["a 203.0.113.7:1", undefined],
  ["s Running Valid", undefined],
])("%s names no relay", (line, expected) => {
  expect(relayOf(line)).toBe(expected);
});
