import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { cleanRangesOfExecutable, releaseOwnCode } from "./memory.ts";

function mapping(range: string, permissions: string, file: string, anonymousKb: number): string {
  return `${range} ${permissions} 00000000 fe:00 123 ${file}\nRss: 40 kB\nPrivate_Clean: 40 kB\nAnonymous: ${String(anonymousKb).padStart(8)} kB\nVmFlags: rd mr\n`;
}

test.each([
  ["takes clean code", mapping("01a40000-0684a000", "r-xp", "/x/am", 0), 1],
  ["takes clean constants", mapping("00200000-01a39000", "r--p", "/x/am", 0), 1],
  ["leaves relocated pages that were made read-only afterwards", mapping("0684a000-06867000", "r--p", "/x/am", 116), 0],
  ["leaves what can be written", mapping("06867000-06f08000", "rw-p", "/x/am", 0), 0],
  ["leaves other files", mapping("7f0000000000-7f0000001000", "r-xp", "/usr/lib/libc.so.6", 0), 0],
  ["leaves memory without a file", mapping("7f0000000000-7f0000001000", "r-xp", "", 0), 0],
])("%s", (_sentence, smaps, count) => {
  expect(cleanRangesOfExecutable(smaps, "/x/am")).toHaveLength(count);
});

test("lets file-backed memory go and the program runs on", () => {
  const before = rssFileKb();
  expect(releaseOwnCode()).toBeGreaterThan(0);
  const after = rssFileKb();
  expect(after).toBeLessThan(before);
  expect(JSON.parse('{"still":[1,2,3]}')).toEqual({ still: [1, 2, 3] });
});

function rssFileKb(): number {
  return Number(/RssFile:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
}
