import { expect, test } from "bun:test";
import { readTally } from "./test.ts";

const CLOSINGS: readonly [name: string, output: string, passed: number, failed: number][] = [
  ["a clean run", " 34 pass\n 0 fail\n 63 expect() calls\nRan 34 tests across 1 file. [25.00ms]", 34, 0],
  ["failures", " 34 pass\n 2 fail\n 63 expect() calls", 34, 2],
  ["skipped tests are neither", " 5 pass\n 3 skip\n 0 fail", 5, 0],
  ["a file that could not be loaded", " 5 pass\n 0 fail\n 1 error\n", 5, 1],
  ["a test that prints a tally of its own earlier", " 99 pass\n 9 fail\nnoise\n 5 pass\n 0 fail\n", 5, 0],
  ["no closing at all", "bun crashed", 0, 0],
];

test.each(CLOSINGS)("reads the tally of %s", (_name, output, passed, failed) => {
  expect(readTally(output)).toEqual({ passed, failed });
});
