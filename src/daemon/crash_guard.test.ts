import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Detector } from "../detection/detectors/detector.ts";
import { type CrashGuard, guardDetector, openCrashGuard } from "./crash_guard.ts";

const root = mkdtempSync(join(tmpdir(), "algo-crashes-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let runDirectory = "";
let nowMs = 0;
let serial = 0;
beforeEach(() => {
  runDirectory = join(root, String(++serial));
  mkdirSync(runDirectory);
  nowMs = 1_000_000;
});

function start(version = "1.0.0"): CrashGuard {
  return openCrashGuard({ runDirectory, sinceBootMs: () => nowMs, version });
}

function pass(ms: number): void {
  nowMs += ms;
}

/** A daemon that starts and dies inside a part; empty: outside of any. */
function crashIn(part: string, afterMs = 1_000, version?: string): void {
  const guard = start(version);
  nowMs += afterMs;
  if (part === "") return;
  // Not `during`, which would tidy up: a real crash comes back from nothing.
  guard.during(part, () => copyMark(part));
  restoreMark();
}

let mark = "";
function copyMark(part: string): void {
  mark = part;
}
function restoreMark(): void {
  writeFileSync(`${runDirectory}/under-way`, mark.padEnd(128));
}

describe("a part that keeps crashing", () => {
  test("is switched off after three crashes within five minutes, the others are not", () => {
    for (let crash = 0; crash < 3; crash++) crashIn("detector miner");
    const guard = start();
    expect(guard.lastCrash).toEqual({ part: "detector miner" });
    expect(guard.offParts()).toEqual(["detector miner"]);
    expect(guard.isOff("detector wired_shell")).toBe(false);
  });

  test("comes back after an hour, and three new crashes are needed then", () => {
    for (let crash = 0; crash < 3; crash++) crashIn("detector miner");
    const guard = start();
    nowMs += 3_599_999;
    expect(guard.isOff("detector miner")).toBe(true);
    nowMs += 1;
    expect([guard.isOff("detector miner"), guard.offParts()]).toEqual([false, []]);
    crashIn("detector miner");
    crashIn("detector miner");
    expect(start().offParts()).toEqual([]);
  });

  test("stays off over restarts within the hour", () => {
    for (let crash = 0; crash < 3; crash++) crashIn("detector miner");
    start().close();
    nowMs += 600_000;
    expect(start().offParts()).toEqual(["detector miner"]);
  });

  const rows: readonly (readonly [name: string, act: () => void])[] = [
    [
      "two crashes",
      () => {
        crashIn("a");
        crashIn("a");
      },
    ],
    [
      "three crashes over ten minutes",
      () => {
        crashIn("a");
        start().close();
        pass(300_000);
        crashIn("a");
        crashIn("a");
      },
    ],
    [
      "three crashes of three parts",
      () => {
        crashIn("a");
        crashIn("b");
        crashIn("c");
      },
    ],
    [
      "three crashes outside of any part",
      () => {
        crashIn("");
        crashIn("");
        crashIn("");
      },
    ],
    [
      "crashes of another version",
      () => {
        crashIn("a", 1, "0.9");
        crashIn("a", 1, "0.9");
        crashIn("a", 1, "0.9");
      },
    ],
  ];
  test.each(rows)("%s switch nothing off", (_name, act) => {
    act();
    expect(start().offParts()).toEqual([]);
  });
});

describe("restarts", () => {
  test("are spaced out by at most two seconds when crashes follow each other, and at once again after a minute", () => {
    const delays: number[] = [];
    for (let crash = 0; crash < 9; crash++) {
      delays.push(start().startDelayMs);
      nowMs += 100;
    }
    expect(delays).toEqual([0, 0, 0, 250, 500, 1_000, 2_000, 2_000, 2_000]);
    nowMs += 60_000;
    expect(start().startDelayMs).toBe(0);
  });

  test("in order are no crashes, however often", () => {
    for (let restart = 0; restart < 20; restart++) start().close();
    const guard = start();
    expect([guard.lastCrash, guard.startDelayMs]).toEqual([undefined, 0]);
  });
});

describe("what it finds in the run directory", () => {
  const rows: readonly (readonly [name: string, text: string])[] = [
    ["nothing to read", ""],
    ["no JSON", "{"],
    ["a list", "[]"],
    ["lists of nonsense", '{"version":"1.0.0","running":true,"crashes":[1,null,{"part":2}],"off":"all"}'],
    ["a part that is off for ever", '{"version":"1.0.0","off":[{"part":"detector wired_shell","untilMs":1e300}]}'],
    [
      "crashes of the future",
      '{"version":"1.0.0","crashes":[{"part":"a","atMs":1e300},{"part":"a","atMs":1e300},{"part":"a","atMs":1e300}]}',
    ],
  ];
  test.each(rows)("%s switches nothing off", (_name, text) => {
    writeFileSync(`${runDirectory}/starts.json`, text);
    expect(start()).toMatchObject({ startDelayMs: 0 });
    expect(start().offParts()).toEqual([]);
  });

  test("its files are for root alone", () => {
    start().during("a", () => undefined);
    const modes = ["starts.json", "under-way"].map((name) => statSync(`${runDirectory}/${name}`).mode & 0o777);
    expect(modes).toEqual([0o600, 0o600]);
  });

  test("without the directory everything runs and nothing is remembered", () => {
    rmSync(runDirectory, { recursive: true });
    const guard = start();
    expect(guard.during("a", () => 7)).toBe(7);
    guard.close();
    expect(start().lastCrash).toBeUndefined();
  });
});

test("a process that dies inside a detector names it to its successor", async () => {
  const program = `
    const { openCrashGuard, guardDetector } = await import(${JSON.stringify(join(import.meta.dir, "crash_guard.ts"))});
    const guard = openCrashGuard({ runDirectory: process.argv[1], sinceBootMs: () => 1000000, version: "1.0.0" });
    const detector = { id: "miner", emits: [], sweep: () => process.kill(process.pid, "SIGKILL") };
    guard.during("scanner network", () => undefined);
    guardDetector(detector, guard).sweep({});`;
  for (let crash = 0; crash < 3; crash++)
    await Bun.spawn([process.execPath, "-e", program, runDirectory], { stdin: "ignore" }).exited;
  const guard = start();
  expect([guard.lastCrash, guard.offParts()]).toEqual([{ part: "detector miner" }, ["detector miner"]]);
  let swept = 0;
  const sweep = () => {
    swept++;
    return [];
  };
  const detector: Detector = { id: "miner", emits: [], sweep };
  expect(guardDetector(detector, guard).sweep(NO_VIEW)).toEqual([]);
  expect(swept).toBe(0);
});

/** Never looked at: the detector is off. */
const NO_VIEW: Parameters<Detector["sweep"]>[0] = JSON.parse("{}");
