import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { FileRecord } from "../core/file_record.ts";
import type { Fault } from "../core/result.ts";
import { type OpenBaseline, openBaseline } from "./baseline.ts";

let home = "";
let path = "";
let faults: Fault[] = [];

beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/algo-baseline-`);
  path = `${home}/files.db`;
  faults = [];
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const RECORD: FileRecord = {
  key: 2 ** 53 - 2,
  directory: 2 ** 40,
  name: new Uint8Array([0xff, 0x0a, 0x61]),
  signature: 2 ** 53 - 1,
  device: 66_306,
  inode: 2 ** 63,
  mode: 0o104755,
  uid: 4_294_967_294,
  gid: 0,
  sizeBytes: 2 ** 45,
  modifiedUs: -1_000_001,
  changedUs: 1_795_000_000_123_456,
  sha256: "ab".repeat(32),
  target: "",
  growth: 3,
};

function open(): OpenBaseline {
  return openBaseline(path, 1_795_000_000_000, (fault) => faults.push(fault));
}

function store(baseline: OpenBaseline["baseline"], ...records: FileRecord[]): boolean {
  return baseline.write({ records, directories: [[2 ** 40, new Uint8Array([0x2f, 0xfe])]], removed: [] });
}

test("what is remembered comes back exactly, after a restart too", () => {
  const first = open();
  expect(first.persistent).toBe(true);
  expect(store(first.baseline, RECORD)).toBe(true);
  first.baseline.setMeta("seed", "x");
  first.baseline.close();
  const { baseline } = open();
  expect(baseline.read(RECORD.key)).toEqual(RECORD);
  expect(baseline.directoryPath(2 ** 40)).toEqual(new Uint8Array([0x2f, 0xfe]));
  expect(baseline.meta("seed")).toBe("x");
  expect(baseline.count()).toBe(1);
  baseline.close();
});

test("every entry is loaded once, in pieces", () => {
  const { baseline } = open();
  const records = Array.from({ length: 2500 }, (_, number) => ({ ...RECORD, key: number * 7 }));
  store(baseline, ...records);
  const keys: number[] = [];
  baseline.load((key) => keys.push(key));
  expect(keys).toEqual(records.map(({ key }) => key));
  expect(baseline.hashed(6, 21, 10).map(({ key }) => key)).toEqual([7, 14, 21]);
  baseline.write({ records: [], directories: [], removed: keys });
  expect(baseline.count()).toBe(0);
  baseline.close();
});

const UNUSABLE: readonly [name: string, make: () => void][] = [
  ["garbage", () => writeFileSync(path, "this is no database ".repeat(500))],
  ["somebody else's database", () => new Database(path).run("CREATE TABLE notes (text TEXT)")],
  [
    "a database of a newer version",
    () => {
      open().baseline.close();
      const database = new Database(path);
      database.run("PRAGMA user_version = 99");
      database.close();
    },
  ],
  [
    "a database that lost its end",
    () => {
      const { baseline } = open();
      store(baseline, ...Array.from({ length: 5000 }, (_, key) => ({ ...RECORD, key })));
      baseline.close();
      truncateSync(path, 64 * 1024);
    },
  ],
  ["a directory", () => mkdirSync(path)],
];

test.each([...UNUSABLE])("%s is set aside with a word, and a new memory begun", (_, make) => {
  make();
  const opened = open();
  expect(opened.persistent).toBe(true);
  expect(opened.faults.map(({ message }) => message)).toEqual([expect.stringContaining("was set aside as")]);
  expect(store(opened.baseline, RECORD)).toBe(true);
  expect(readdirSync(home).some((name) => name.includes(".corrupt-"))).toBe(true);
  opened.baseline.close();
});

test("where no file can be made the memory lives on in the process, and that is told", () => {
  path = `${home}/none/files.db`;
  const opened = open();
  expect(opened.persistent).toBe(false);
  expect(opened.faults[0]?.message).toContain("Files are watched all the same");
  expect(store(opened.baseline, RECORD)).toBe(true);
  expect(opened.baseline.read(RECORD.key)).toEqual(RECORD);
  opened.baseline.close();
});

test("a full disk refuses a batch whole, is told, and the next batch is taken when there is room", () => {
  const { baseline, database } = open();
  database.run("PRAGMA max_page_count = 20");
  const many = Array.from({ length: 3000 }, (_, key) => ({ ...RECORD, key }));
  expect(store(baseline, ...many)).toBe(false);
  expect(faults[0]?.message).toContain("the disk is full");
  expect(baseline.count()).toBe(0);
  database.run("PRAGMA max_page_count = 100000");
  expect(store(baseline, ...many)).toBe(true);
  baseline.close();
});
