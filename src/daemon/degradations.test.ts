import { describe, expect, test } from "bun:test";
import type { Notice } from "../core/notice.ts";
import { fakeClock, NOON_MS } from "../core/nouns.fixture.ts";
import { createDegradations } from "./degradations.ts";

function setUp() {
  const clock = fakeClock();
  const told: Notice[] = [];
  return { clock, told, degradations: createDegradations(clock, (notice) => told.push(notice)) };
}

const FULL = { kind: "io", message: "the disk is full", remedy: "make room" } as const;

describe("a passing fault", () => {
  test("is told with its part and remedy, listed, counted, and over after a minute without a repeat", () => {
    const { clock, told, degradations } = setUp();
    degradations.note("units", "systemd does not answer", "systemctl status");
    expect(told[0]).toMatchObject({
      kind: "health",
      severity: "ERROR",
      message: "units: systemd does not answer. What to do: systemctl status",
    });
    clock.advance(60_000);
    expect(degradations.list()).toHaveLength(1);
    clock.advance(1);
    expect(degradations.list()).toEqual([]);
    expect(degradations.counts()).toEqual({ units: 1 });
  });

  test("that repeats stays, is as old as its first, and shows its newest reason", () => {
    const { clock, degradations } = setUp();
    for (const ms of [6_001, 7_002, 8_003]) {
      degradations.note("scanner network", `a sweep took ${ms} ms`, "wait");
      clock.advance(50_000);
    }
    expect(degradations.list()).toEqual([
      { part: "scanner network", reason: "a sweep took 8003 ms", remedy: "wait", sinceMs: NOON_MS },
    ]);
  });

  test("folds with its like, whatever the numbers in it", () => {
    const { told, degradations } = setUp();
    degradations.note("scanner network", "a sweep took 6001 ms", "wait");
    degradations.note("scanner network", "a sweep took 7002 ms", "wait");
    expect(told[0]?.foldKey).toBe(told[1]?.foldKey ?? "");
  });

  test("takes its own remedy where the fault knows one", () => {
    const { told, degradations } = setUp();
    degradations.fault("control socket", "restart")(FULL);
    degradations.fault("control socket", "restart")({ message: "it is gone" });
    expect(told.map(({ message }) => message.split("What to do: ")[1])).toEqual(["make room", "restart"]);
  });
});

describe("a fault that says itself when it ends", () => {
  test("stays listed until then, however long", () => {
    const { clock, told, degradations } = setUp();
    degradations.phase("store", FULL, "begins");
    clock.advance(86_400_000);
    expect(degradations.list()).toMatchObject([{ part: "store", sinceMs: NOON_MS }]);
    degradations.phase("store", { kind: "io", message: "it is written again" }, "ends");
    expect(degradations.list()).toEqual([]);
    expect(told.map(({ severity }) => severity)).toEqual(["ERROR", "WARNING"]);
  });

  test("is not forgotten for a passing fault of the same part", () => {
    const { clock, degradations } = setUp();
    degradations.phase("store", FULL, "begins");
    degradations.note("store", "one row", "none");
    clock.advance(60_001);
    expect(degradations.list()).toMatchObject([{ reason: "the disk is full" }]);
  });

  test("that happens once is told and not listed", () => {
    const { told, degradations } = setUp();
    degradations.phase("store", FULL, "once");
    expect([told.length, degradations.list().length]).toEqual([1, 0]);
  });
});

test("no more than 200 parts are kept, and room comes back with time", () => {
  const { clock, degradations } = setUp();
  for (let part = 0; part < 300; part++) degradations.note(`part ${part}`, "x", "y");
  expect(degradations.list()).toHaveLength(200);
  clock.advance(60_001);
  degradations.note("another", "x", "y");
  expect(degradations.list()).toMatchObject([{ part: "another" }]);
});
