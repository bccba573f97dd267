import { afterAll, describe, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Result } from "../core/result.ts";
import { createUtmpReader, createWtmpTail, parseUtmp, UTMP_RECORD_BYTES, type UtmpRecord } from "./utmp.ts";

const folder = mkdtempSync(join(tmpdir(), "utmp-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** /run/utmp of a Debian 12: boot, run level, getty of the console, alice by ssh. */
const RECORDED = Bun.gunzipSync(
  Buffer.from(
    "H4sIAAAAAAACA2NigIA6BvygDqigKDUpP78EtxozPUMLPRMT3bRk3TIzU3OGkQoaIhiyJf5xEKWWEYhNiQ3/0ryc1LLUnNHwJxz+had4iVLLBsQGQFxQUqxvwJCKU11yfl6xj7+7px/DKMAHDKDhv+0JceHPDk37oPA3xKMOJJ2Yk5mcikeNoYGeubmeoZ7hCI+DRmD4e3zjZuDyZWQkpBYA86HagwAGAAA=",
    "base64",
  ),
);

function record(kind: 7 | 8, terminal: string, user: string, host: string, seconds: number): Uint8Array {
  const bytes = new Uint8Array(UTMP_RECORD_BYTES);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, kind, true);
  view.setInt32(4, 4711, true);
  new TextEncoder().encodeInto(terminal, bytes.subarray(8, 40));
  new TextEncoder().encodeInto(user, bytes.subarray(44, 76));
  new TextEncoder().encodeInto(host, bytes.subarray(76, 332));
  view.setUint32(340, seconds, true);
  return bytes;
}

describe("utmp records", () => {
  test("of a real host are read with user, terminal, address and time", () => {
    expect(parseUtmp(RECORDED).map(({ kind }) => kind)).toEqual(["boot", "other", "waiting", "login"]);
    expect(parseUtmp(RECORDED)[3]).toEqual({
      kind: "login",
      pid: 126,
      terminal: "pts/1",
      user: "alice",
      host: "10.77.1.1",
      address: "10.77.1.1",
      atMs: 1_795_184_769_783,
    });
  });

  test("with an IPv6 address and with full fields lose nothing", () => {
    const bytes = record(7, "t".repeat(32), "u".repeat(32), "h".repeat(256), 1);
    bytes.set([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], 348);
    expect(parseUtmp(bytes)[0]).toMatchObject({
      terminal: "t".repeat(32),
      user: "u".repeat(32),
      host: "h".repeat(256),
      address: "2001:db8::7",
    });
  });

  test("that are half written are not looked at", () => {
    expect(parseUtmp(RECORDED.subarray(0, 2 * UTMP_RECORD_BYTES - 1))).toHaveLength(1);
  });

  test("of random bytes are of bounded size and never throw", () => {
    let seed = 4711;
    for (let round = 0; round < 300; round++) {
      const bytes = new Uint8Array(round * 13).map(() => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        return seed >>> 16;
      });
      for (const found of parseUtmp(bytes)) {
        expect(found.pid).toBeGreaterThanOrEqual(0);
        expect(Number.isSafeInteger(found.atMs)).toBe(true);
        expect(found.host.length).toBeLessThanOrEqual(256);
      }
    }
  });
});

describe("a reader of utmp", () => {
  test("answers the same array until the file changes, and nothing where there is none", () => {
    const path = join(folder, "utmp");
    const reader = createUtmpReader(path, () => Date.now() + 60_000);
    expect(reader.read()).toEqual([]);
    writeFileSync(path, RECORDED);
    const first = reader.read();
    expect(first.map(({ user }) => user)).toEqual(["alice"]);
    expect(reader.read()).toBe(first);
    appendFileSync(path, record(7, "tty1", "bob", "", 5));
    expect(reader.read().map(({ user }) => user)).toEqual(["alice", "bob"]);
    rmSync(path);
    expect(reader.read()).toEqual([]);
  });

  test("looks once more at what was changed a moment ago", () => {
    const path = join(folder, "utmp-fresh");
    writeFileSync(path, RECORDED);
    const reader = createUtmpReader(path, Date.now);
    expect(reader.read()).not.toBe(reader.read());
  });
});

describe("a follower of wtmp", () => {
  const users = (read: Result<{ readonly records: readonly UtmpRecord[] }>): string[] =>
    read.ok ? read.value.records.map(({ user }) => user) : ["fault"];

  test("begins at the end of a file that was there before it", () => {
    const path = join(folder, "wtmp-1");
    writeFileSync(path, RECORDED);
    const tail = createWtmpTail(path);
    expect(users(tail.read())).toEqual([]);
    appendFileSync(path, record(7, "pts/2", "bob", "", 5));
    expect(users(tail.read())).toEqual(["bob"]);
    expect(users(tail.read())).toEqual([]);
    tail.close();
  });

  test("goes on where it was before a restart", () => {
    const path = join(folder, "wtmp-2");
    writeFileSync(path, RECORDED);
    const before = createWtmpTail(path);
    before.read();
    const place = before.place();
    before.close();
    appendFileSync(path, record(7, "pts/2", "bob", "", 5));
    const after = createWtmpTail(path, place);
    expect(users(after.read())).toEqual(["bob"]);
    after.close();
  });

  test("reads the old file to its end and the new one from its start when it is rotated", () => {
    const path = join(folder, "wtmp-3");
    writeFileSync(path, RECORDED);
    const tail = createWtmpTail(path);
    tail.read();
    appendFileSync(path, record(7, "pts/2", "last of the old", "", 5));
    renameSync(path, `${path}.1`);
    writeFileSync(path, record(7, "pts/3", "first of the new", "", 6));
    expect(users(tail.read())).toEqual(["last of the old", "first of the new"]);
    tail.close();
  });

  test("reads a file that was truncated in place from its start", () => {
    const path = join(folder, "wtmp-4");
    writeFileSync(path, RECORDED);
    const tail = createWtmpTail(path);
    tail.read();
    truncateSync(path, 0);
    appendFileSync(path, record(7, "pts/3", "after it", "", 6));
    expect(users(tail.read())).toEqual(["after it"]);
    tail.close();
  });

  test("does not wait at a fifo in its place, and reads the file that replaces it", () => {
    const path = join(folder, "wtmp-fifo");
    Bun.spawnSync(["mkfifo", path]);
    const tail = createWtmpTail(path);
    expect(tail.read()).toEqual({ ok: true, value: { records: [], skipped: 0 } });
    expect(tail.place()).toBeUndefined();
    rmSync(path);
    writeFileSync(path, record(7, "pts/2", "alice", "", 5));
    expect(users(tail.read())).toEqual(["alice"]);
  });

  test("leaves a half-written record for the next time, and survives that there is no file", () => {
    const path = join(folder, "wtmp-5");
    const tail = createWtmpTail(path);
    expect(users(tail.read())).toEqual([]);
    const bytes = record(7, "pts/3", "carol", "", 6);
    writeFileSync(path, bytes.subarray(0, 100));
    expect(users(tail.read())).toEqual([]);
    appendFileSync(path, bytes.subarray(100));
    expect(users(tail.read())).toEqual(["carol"]);
    tail.close();
  });

  test("reads the newest of more than it takes at once, and counts the others", () => {
    const path = join(folder, "wtmp-6");
    writeFileSync(path, "");
    const tail = createWtmpTail(path);
    tail.read();
    const many = Array.from({ length: 2_010 }, (_, at) => record(7, "pts/3", `u${at}`, "", at));
    appendFileSync(path, Buffer.concat(many));
    const read = tail.read();
    expect(read.ok && read.value.skipped).toBe(10);
    expect(users(read).at(-1)).toBe("u2009");
    tail.close();
  });
});
