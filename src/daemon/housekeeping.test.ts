import { describe, expect, test } from "bun:test";
import { fakeClock } from "../core/nouns.fixture.ts";
import { createHousekeeping, type HousekeepingParts } from "./housekeeping.ts";

function setUp(over: Partial<HousekeepingParts> = {}) {
  const clock = fakeClock();
  const said: string[] = [];
  const parts: HousekeepingParts = {
    clock,
    everySecond: [],
    prune: () => {
      said.push("prune");
      return { deletedRows: 0, more: false, sizeBytes: 0 };
    },
    lastRoundMonotonicMs: clock.monotonicMs,
    signOfLife: () => void said.push("alive"),
    onFault: ({ message }) => void said.push(`fault: ${message}`),
    ...over,
  };
  return { clock, said, housekeeping: createHousekeeping(parts) };
}

describe("the sign of life", () => {
  const frozenAtMs = 1_000;
  const rows: readonly (readonly [name: string, afterMs: number, stepMs: number, alive: boolean])[] = [
    ["is given while rounds come", 0, 0, true],
    ["is given while a round takes long", 29_000, 0, true],
    ["is withheld when a round hangs", 30_000, 0, false],
    ["is given though the wall clock jumps forward by a year", 1_000, 31_536_000_000, true],
    ["is withheld though the wall clock is set back", 30_000, -86_400_000, false],
  ];
  test.each(rows)("%s", (_name, afterMs, stepMs, alive) => {
    const { clock, said, housekeeping } = setUp({ lastRoundMonotonicMs: () => frozenAtMs });
    clock.advance(afterMs);
    clock.step(stepMs);
    housekeeping.tick();
    expect(said.includes("alive")).toBe(alive);
  });

  test("systemd restarts us within a minute of a hang: 30 s here and the 30 s of its watchdog", async () => {
    const unit = await Bun.file(`${import.meta.dir}/../../algo-monitor.service`).text();
    expect(unit).toMatch(/^WatchdogSec=30$/m);
    expect(unit).toMatch(/^WatchdogSignal=SIGKILL$/m);
  });
});

describe("pruning", () => {
  test("comes once a minute", () => {
    const { clock, said, housekeeping } = setUp();
    for (let second = 0; second < 180; second++) {
      clock.advance(1_000);
      housekeeping.tick();
    }
    expect(said.filter((one) => one === "prune")).toHaveLength(3);
  });

  test("comes again with the next second while there is more", () => {
    let left = 3;
    let pruned = 0;
    const prune = () => {
      pruned++;
      return { deletedRows: 2_000, more: --left > 0, sizeBytes: 0 };
    };
    const { clock, housekeeping } = setUp({ prune });
    clock.advance(60_000);
    for (let second = 0; second < 10; second++) {
      housekeeping.tick();
      clock.advance(1_000);
    }
    expect(pruned).toBe(3);
  });
});

test("a duty that fails is told, and keeps neither the others nor the sign of life from their turn", () => {
  const done: string[] = [];
  const fails = () => {
    throw new Error("out of order");
  };
  const { said, housekeeping } = setUp({ everySecond: [fails, () => void done.push("second")] });
  housekeeping.tick();
  expect(done).toEqual(["second"]);
  expect(said).toEqual(["fault: out of order", "alive"]);
});
