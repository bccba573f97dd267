import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import { createJournalFollow, createLineSplitter, type JournalEntry, parseJournalEntry } from "./journal_follow.ts";

const folder = mkdtempSync(join(tmpdir(), "follow-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("lines", () => {
  const linesOf = (chunks: readonly string[], bytesMax = 10): { lines: string[]; dropped: number } => {
    const lines: string[] = [];
    let dropped = 0;
    const split = createLineSplitter(
      (line) => void lines.push(line),
      () => dropped++,
      bytesMax,
    );
    for (const chunk of chunks) split(new TextEncoder().encode(chunk));
    return { lines, dropped };
  };
  const ROWS: readonly (readonly [string, readonly string[], readonly string[], number])[] = [
    ["come whole", ["one\ntwo\n"], ["one", "two"], 0],
    ["come in pieces", ["o", "ne\nt", "wo", "\n"], ["one", "two"], 0],
    ["may be empty, and are no lines then", ["\n\none\n"], ["one"], 0],
    ["without an end are waited for", ["one\ntw"], ["one"], 0],
    ["of the longest length are kept", ["0123456789\n"], ["0123456789"], 0],
    ["over it are dropped to their end, once", ["0123456789a\none\n"], ["one"], 1],
    ["over it are dropped however they come", ["012345", "6789", "ab", "c\none\n"], ["one"], 1],
    ["with a character cut in two are whole", ["ä".repeat(3), "\n"], ["äää"], 0],
  ];
  for (const [name, chunks, lines, dropped] of ROWS)
    test(name, () => expect(linesOf(chunks)).toEqual({ lines: [...lines], dropped }));

  test("are the same however the bytes are cut", () => {
    const text = "first\nzweite ä\n\nthird line of the journal\nlast\n";
    const bytes = new TextEncoder().encode(text);
    for (let size = 1; size < bytes.byteLength; size++) {
      const lines: string[] = [];
      const split = createLineSplitter(
        (line) => void lines.push(line),
        () => undefined,
      );
      for (let at = 0; at < bytes.byteLength; at += size) split(bytes.subarray(at, at + size));
      expect(lines).toEqual(["first", "zweite ä", "third line of the journal", "last"]);
    }
  });
});

describe("an entry", () => {
  const ROWS: readonly (readonly [string, string, JournalEntry | undefined])[] = [
    ["has its texts", '{"MESSAGE":"a","_PID":"1"}', { MESSAGE: "a", _PID: "1" }],
    ["may have bytes for a text", '{"MESSAGE":[104,105,27]}', { MESSAGE: "hi\u001b" }],
    ["may have no value that is too long", '{"MESSAGE":null,"_PID":"1"}', { _PID: "1" }],
    ["may repeat a field, which is left out", '{"UNIT":["a","b"],"_PID":"1"}', { _PID: "1" }],
    ["is no list", '["MESSAGE"]', undefined],
    ["is no half of one", '{"MESSAGE":"a', undefined],
    ["is not empty", "{}", undefined],
  ];
  for (const [name, line, expected] of ROWS) test(name, () => expect(parseJournalEntry(line)).toEqual(expected));
});

describe("a follower", () => {
  interface Followed {
    readonly entries: JournalEntry[];
    readonly faults: string[];
    readonly follow: ReturnType<typeof createJournalFollow>;
  }
  const following = (command: readonly string[]): Followed => {
    const entries: JournalEntry[] = [];
    const faults: string[] = [];
    const follow = createJournalFollow({
      clock: systemClock,
      matches: ["_PID=1"],
      fields: ["MESSAGE"],
      command,
      restartAfterMs: 10,
      onEntry: (entry) => void entries.push(entry),
      onFault: (message) => void faults.push(message),
    });
    follow.start();
    return { entries, faults, follow };
  };
  const script = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  };
  const until = async (condition: () => boolean): Promise<void> => {
    const endMs = Date.now() + 20_000;
    while (!condition() && Date.now() < endMs) await Bun.sleep(10);
    expect(condition()).toBe(true);
  };
  const isGone = (pid: number): boolean => {
    try {
      return /^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
    } catch {
      return true;
    }
  };

  test("hands on what is written, counts what is none, and ends its program when it is stopped", async () => {
    const pidFile = join(folder, "pid");
    const path = script(
      "once",
      `echo $$ >${pidFile}; echo '{"MESSAGE":"a","__CURSOR":"c1"}'; echo nonsense; exec sleep 60`,
    );
    const { entries, faults, follow } = following([path]);
    await until(() => follow.status().dropped === 1);
    expect(entries).toEqual([{ MESSAGE: "a", __CURSOR: "c1" }]);
    expect(faults).toEqual(["1 journal entries were not understood or too long and are lost"]);
    await follow.stop();
    expect(isGone(Number(readFileSync(pidFile, "utf8")))).toBe(true);
    expect(follow.status()).toMatchObject({ state: "stopped", entries: 1, restarts: 0 });
  });

  test("starts again behind the last entry when its program ends", async () => {
    const log = join(folder, "arguments");
    const path = script("ends", `echo "$@" >>${log}; echo '{"__CURSOR":"c1"}'`);
    const { entries, follow } = following([path]);
    await until(() => entries.length >= 3);
    await follow.stop();
    const [first = "", second = ""] = readFileSync(log, "utf8").split("\n");
    expect(first).toContain("--lines=0 _PID=1");
    expect(second).toContain("--after-cursor=c1 _PID=1");
  });

  test("says once, with what to do, that there is no journalctl", async () => {
    const { faults, follow } = following([join(folder, "no-such-program")]);
    await until(() => follow.status().state === "unavailable");
    await follow.stop();
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain("the journal cannot be followed");
  });
});
