// The file of blocks: what was written is read, and nothing else is believed.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { Block } from "../core/blocks.ts";
import { openBlocksFile, parseBlocks } from "./known_blocks.ts";

const home = mkdtempSync(join(tmpdir(), "algo-blocks-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const BLOCK: Block = {
  target: "c2.example.org",
  kind: "domain",
  networks: ["203.0.113.7", "2001:db8::7"],
  sinceMs: 1,
  untilMs: 2,
  by: "alice",
  reason: "a\nreason",
};

test("what was saved is loaded, by root only", () => {
  const file = openBlocksFile(join(home, "blocks.json"));
  expect(file.load()).toEqual({ ok: true, value: [] });
  expect(file.save([BLOCK]).ok).toBe(true);
  expect(file.load()).toEqual({ ok: true, value: [BLOCK] });
  expect(statSync(join(home, "blocks.json")).mode & 0o777).toBe(0o600);
});

test("a damaged file is said to be one, with what to do", () => {
  const path = join(home, "damaged.json");
  writeFileSync(path, '{"format":1,"blocks":');
  const loaded = openBlocksFile(path).load();
  expect(loaded.ok ? "" : `${loaded.fault.message} ${loaded.fault.remedy}`).toMatch(
    /damaged.json cannot be used.*block TARGET/,
  );
});

test("a disk that takes nothing is told", () => {
  const saved = openBlocksFile(join(home, "missing", "blocks.json")).save([BLOCK]);
  expect(saved.ok ? "" : saved.fault.message).toMatch(/could not be written/);
});

const NONSENSE: readonly [sentence: string, entry: unknown][] = [
  ["a target that is none", { ...BLOCK, target: "rm -rf /" }],
  ["an end that is no number", { ...BLOCK, untilMs: "soon" }],
  ["a negative time", { ...BLOCK, sinceMs: -1 }],
  ["no list of networks", { ...BLOCK, networks: "203.0.113.7" }],
  ["a reason of a megabyte", { ...BLOCK, reason: "x".repeat(1e6) }],
  ["nothing", null],
];

test.each(NONSENSE)("%s is left out, the others count", (_sentence, entry) => {
  expect(parseBlocks(JSON.stringify({ format: 1, blocks: [entry, BLOCK] }))).toEqual([BLOCK]);
});

test("whatever stands there, nothing is thrown and no network is nonsense", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      parseBlocks(text);
      parseBlocks(`{"format":1,"blocks":[${text}]}`);
    }),
    { seed: 7, numRuns: 500 },
  );
});
