import { describe, expect, test } from "bun:test";
import type { ScannerName } from "../core/control.ts";
import { eventFixture, type FakeClock, fakeClock } from "../core/nouns.fixture.ts";
import type { EventDraft } from "../core/nouns.ts";
import { fail, ok } from "../core/result.ts";
import type { Swept } from "../core/sweep.ts";
import { createSupervisor, type Supervisor } from "./supervisor.ts";

interface World {
  readonly clock: FakeClock;
  readonly supervisor: Supervisor;
  /** In order: `processes@5000`, `judge`. */
  readonly done: string[];
  readonly faults: string[];
  readonly settings: Record<ScannerName, { enabled: boolean; intervalMs: number }>;
  readonly broken: Set<ScannerName>;
  /** What a source leaves between two sweeps. */
  readonly waiting: EventDraft[];
  /** What scanning and judging cost. */
  costMs: number;
  judge: (swept: Swept) => Promise<void>;
}

function createWorld(): World {
  const clock = fakeClock();
  const startedMs = clock.monotonicMs();
  const done: string[] = [];
  const faults: string[] = [];
  const broken = new Set<ScannerName>();
  const settings = {
    processes: { enabled: true, intervalMs: 5_000 },
    network: { enabled: true, intervalMs: 5_000 },
    filesystem: { enabled: false, intervalMs: 60_000 },
    sessions: { enabled: true, intervalMs: 5_000 },
    host: { enabled: false, intervalMs: 5_000 },
  };
  const waiting: EventDraft[] = [];
  const scan = <Seen>(name: ScannerName, seen: Seen) => {
    done.push(`${name}@${clock.monotonicMs() - startedMs}`);
    if (broken.has(name)) throw new Error(`${name} is broken`);
    return { seen, items: 7, faults: [], tookMs: 3 };
  };
  const world: Omit<World, "supervisor"> = {
    clock,
    done,
    faults,
    settings,
    broken,
    waiting,
    costMs: 0,
    judge: async () => undefined,
  };
  const supervisor = createSupervisor({
    clock,
    processes: {
      name: "processes",
      probe: () => ok(undefined),
      scan: () => scan("processes", { atMs: clock.nowMs(), processes: [], descriptors: new Map() }),
    },
    network: {
      name: "network",
      probe: () => ok(undefined),
      scan: () => scan("network", { internet: [], unix: [], packet: [] }),
    },
    others: [{ name: "sessions", probe: () => ok(undefined), scan: () => scan("sessions", []) }],
    takeWaiting: () => waiting.splice(0),
    settings: (name) => settings[name],
    judge: async (swept) => {
      clock.advance(world.costMs);
      await world.judge(swept);
    },
    onFault: (part, message) => void faults.push(`${part}: ${message}`),
  });
  return Object.assign(world, { supervisor });
}

/** As the timer does it: a round, then the wait it asked for. */
async function live(world: World, ms: number): Promise<number> {
  const endMs = world.clock.monotonicMs() + ms;
  let rounds = 0;
  while (world.clock.monotonicMs() < endMs) {
    const waitMs = await world.supervisor.round();
    rounds++;
    if (rounds > 10_000) throw new Error("it spins");
    world.clock.advance(Math.min(waitMs, Math.max(0, endMs - world.clock.monotonicMs())));
  }
  return rounds;
}

function times(world: World, name: ScannerName): readonly number[] {
  return world.done.filter((one) => one.startsWith(name)).map((one) => Number(one.split("@")[1]));
}

describe("when a scanner runs", () => {
  test("at once, and then each interval without drift, though a sweep takes time", async () => {
    const world = createWorld();
    world.costMs = 300;
    await live(world, 20_100);
    expect(times(world, "processes")).toEqual([0, 5_000, 10_000, 15_000, 20_000]);
  });

  test("processes before network, so that owners are known", async () => {
    const world = createWorld();
    await live(world, 1);
    expect(world.done).toEqual(["processes@0", "network@0", "sessions@0"]);
  });

  test("what a source left is judged within a second, without looking at processes anew", async () => {
    const world = createWorld();
    await live(world, 2_000);
    const judged: Swept[] = [];
    world.judge = async (swept) => void judged.push(swept);
    const { id: _id, atMs: _atMs, ...draft } = eventFixture();
    world.waiting.push(draft);
    await live(world, 1_001);
    expect(judged).toEqual([{ events: [draft] }]);
  });

  test("nothing happened between two sweeps: nothing is judged", async () => {
    const world = createWorld();
    let judged = 0;
    world.judge = async () => void judged++;
    await live(world, 4_900);
    expect(judged).toBe(1);
  });

  test("each by its own interval", async () => {
    const world = createWorld();
    world.settings.network.intervalMs = 2_000;
    await live(world, 6_001);
    expect(times(world, "network")).toEqual([0, 2_000, 4_000, 6_000]);
    expect(times(world, "processes")).toEqual([0, 5_000]);
  });

  test("a shortened interval takes effect at once, within a second", async () => {
    const world = createWorld();
    world.settings.processes.intervalMs = 300_000;
    await live(world, 10_000);
    world.settings.processes.intervalMs = 5_000;
    await live(world, 1_001);
    expect(times(world, "processes")).toEqual([0, 10_000]);
  });

  test("one that is switched off does not run, and runs again when it is switched on", async () => {
    const world = createWorld();
    world.settings.network.enabled = false;
    await live(world, 12_000);
    expect(times(world, "network")).toEqual([]);
    expect(world.supervisor.status()[1]).toMatchObject({ enabled: false, skippedReason: "switched off in SCANNERS" });
    world.settings.network.enabled = true;
    await live(world, 1_000);
    expect(times(world, "network")).toEqual([12_000]);
  });

  test("with both switched off it does not spin, and still comes round", async () => {
    const world = createWorld();
    world.settings.processes.enabled = false;
    world.settings.network.enabled = false;
    expect(await live(world, 60_000)).toBeLessThanOrEqual(61);
    expect(world.clock.monotonicMs() - world.supervisor.lastRoundMonotonicMs()).toBeLessThanOrEqual(1_000);
  });

  const jumps: readonly (readonly [name: string, ms: number])[] = [
    ["back by a year", -31_536_000_000],
    ["forward by a year", 31_536_000_000],
  ];
  test.each(jumps)("a wall clock that jumps %s changes nothing", async (_name, ms) => {
    const world = createWorld();
    await live(world, 7_000);
    world.clock.step(ms);
    await live(world, 8_001);
    expect(times(world, "processes")).toEqual([0, 5_000, 10_000, 15_000]);
  });

  test("sweepNow runs everything that is switched on, and the plan starts anew from there", async () => {
    const world = createWorld();
    await live(world, 2_000);
    await world.supervisor.sweepNow();
    await live(world, 5_001);
    expect(times(world, "processes")).toEqual([0, 2_000, 7_000]);
  });

  test("sweepNow waits for the sweep under way and then makes one of its own, one at a time", async () => {
    const world = createWorld();
    let inside = 0;
    let most = 0;
    world.judge = async () => {
      most = Math.max(most, ++inside);
      await Bun.sleep(1);
      inside--;
    };
    const round = world.supervisor.round();
    await Promise.all([round, world.supervisor.sweepNow(), world.supervisor.sweepNow()]);
    expect([times(world, "processes").length, most]).toEqual([3, 1]);
  });
});

describe("what goes wrong", () => {
  test("a sweep longer than its interval is counted, told, and followed by the next at once", async () => {
    const world = createWorld();
    world.costMs = 6_000;
    await live(world, 12_500);
    expect(times(world, "processes")).toEqual([0, 6_000, 12_000]);
    expect(world.supervisor.status()[0]).toMatchObject({ overruns: 3 });
    expect(world.faults[0]).toContain("a sweep took 6000 ms, longer than its interval of 5000 ms");
  });

  test("a scanner that fails is tried again each time, rests after five, and comes back; the other goes on", async () => {
    const world = createWorld();
    world.broken.add("network");
    expect(await live(world, 60_000)).toBeLessThan(130);
    expect(times(world, "network")).toEqual([0, 5_000, 10_000, 15_000, 20_000]);
    expect(world.faults.at(-1)).toContain("failed 5 times in a row (network is broken) and rests for a minute");
    expect(world.supervisor.status()[1]).toMatchObject({ scans: 0, skippedReason: "failing: network is broken" });
    expect(times(world, "processes")).toHaveLength(12);
    world.broken.delete("network");
    await live(world, 30_001);
    expect(times(world, "network").slice(5)).toEqual([80_000, 85_000, 90_000]);
    expect(world.supervisor.status()[1]?.skippedReason).toBeUndefined();
  });

  test("one success between failures starts the count anew", async () => {
    const world = createWorld();
    for (let sweep = 0; sweep < 12; sweep++) {
      if (sweep % 4 === 0) world.broken.delete("processes");
      else world.broken.add("processes");
      await live(world, 5_000);
    }
    expect(times(world, "processes")).toHaveLength(12);
  });

  test("a sweep that cannot be judged is told, and the next one comes", async () => {
    const world = createWorld();
    world.judge = () => Promise.reject(new Error("a bug"));
    await live(world, 5_001);
    expect(times(world, "processes")).toEqual([0, 5_000]);
    expect(world.faults[0]).toContain("a sweep could not be judged: a bug");
  });

  test("what a scanner could not see is told with the scanner's name", async () => {
    const clock = fakeClock();
    const faults: string[] = [];
    const { fault } = fail("denied", "3 processes could not be read");
    const supervisor = createSupervisor({
      clock,
      processes: {
        name: "processes",
        probe: () => ok(undefined),
        scan: () => ({
          seen: { atMs: 0, processes: [], descriptors: new Map() },
          items: 0,
          faults: [fault],
          tookMs: 1,
        }),
      },
      network: {
        name: "network",
        probe: () => ok(undefined),
        scan: () => ({ seen: { internet: [], unix: [], packet: [] }, items: 0, faults: [], tookMs: 1 }),
      },
      others: [],
      takeWaiting: () => [],
      settings: () => ({ enabled: true, intervalMs: 5_000 }),
      judge: async () => undefined,
      onFault: (part, message, remedy) => void faults.push(`${part}: ${message} (${remedy})`),
    });
    await supervisor.round();
    expect(faults).toEqual(["scanner processes: 3 processes could not be read (see `algo-monitor doctor`)"]);
  });

  test("a judgement that hangs shows: the last round grows old while time goes on", async () => {
    const world = createWorld();
    const { promise, resolve } = Promise.withResolvers<void>();
    world.judge = () => promise;
    const hanging = world.supervisor.round();
    world.clock.advance(40_000);
    expect(world.clock.monotonicMs() - world.supervisor.lastRoundMonotonicMs()).toBe(40_000);
    resolve();
    await hanging;
    expect(world.supervisor.lastRoundMonotonicMs()).toBe(world.clock.monotonicMs());
  });
});

test("status tells what scans cost and when the last was, on the wall clock of now", async () => {
  const world = createWorld();
  await live(world, 5_001);
  world.clock.step(3_600_000);
  expect(world.supervisor.status()[0]).toEqual({
    name: "processes",
    enabled: true,
    intervalMs: 5_000,
    lastAtMs: world.clock.nowMs() - 1,
    lastTookMs: 3,
    medianTookMs: 3,
    scans: 2,
    overruns: 0,
    items: 7,
  });
});

test("the real timer starts at once and stop waits for the sweep under way", async () => {
  const world = createWorld();
  let ended = false;
  const begun = Promise.withResolvers<void>();
  world.judge = async () => {
    begun.resolve();
    await Bun.sleep(20);
    ended = true;
  };
  world.supervisor.start();
  await begun.promise;
  await world.supervisor.stop();
  expect(ended).toBe(true);
});

describe("a look out of turn", () => {
  test("sees processes and sockets alone, and leaves the plan of the others as it was", async () => {
    const world = createWorld();
    const seen: Swept[] = [];
    world.judge = async (swept) => void seen.push(swept);
    await live(world, 1_000);
    world.done.length = 0;
    seen.length = 0;
    await world.supervisor.sweepSoon();
    expect(world.done).toEqual(["processes@1000", "network@1000"]);
    expect(seen.map(({ urgent }) => urgent)).toEqual([true]);
    world.done.length = 0;
    await live(world, 4_500);
    expect(world.done).toEqual(["processes@5000", "network@5000", "sessions@5000"]);
  });

  test("is shared by all who ask for it in one breath", async () => {
    const world = createWorld();
    await live(world, 1_000);
    world.done.length = 0;
    await Promise.all(Array.from({ length: 100 }, () => world.supervisor.sweepSoon()));
    expect(world.done.filter((line) => line.startsWith("processes"))).toHaveLength(1);
    expect(world.supervisor.urgentSweeps().count).toBe(1);
  });

  test("asked for while one is judged leads to exactly one more", async () => {
    const world = createWorld();
    await live(world, 1_000);
    let judging: (() => void) | undefined;
    let judged = 0;
    world.judge = () =>
      new Promise((resolve) => {
        judged++;
        judging = resolve;
      });
    const first = world.supervisor.sweepSoon();
    while (judging === undefined) await Bun.sleep(1);
    const others = Promise.all([
      world.supervisor.sweepSoon(),
      world.supervisor.sweepSoon(),
      world.supervisor.sweepSoon(),
    ]);
    await Bun.sleep(5);
    expect(judged).toBe(1);
    world.judge = async () => void judged++;
    judging();
    await first;
    await others;
    expect(judged).toBe(2);
  });

  test("brings along what is due, and is an ordinary sweep then", async () => {
    const world = createWorld();
    await live(world, 1_000);
    const seen: Swept[] = [];
    world.judge = async (swept) => void seen.push(swept);
    world.clock.advance(9_000);
    world.done.length = 0;
    await world.supervisor.sweepSoon();
    expect(world.done).toEqual(["processes@10000", "network@10000", "sessions@10000"]);
    expect(seen.map(({ urgent }) => urgent)).toEqual([undefined]);
  });

  test("sees nothing of a scanner that is switched off or rests", async () => {
    const world = createWorld();
    await live(world, 1_000);
    world.settings.network = { enabled: false, intervalMs: 5_000 };
    world.done.length = 0;
    await world.supervisor.sweepSoon();
    expect(world.done).toEqual(["processes@1000"]);
  });

  test("what waits is judged without a look at the host", async () => {
    const world = createWorld();
    await live(world, 1_000);
    const seen: Swept[] = [];
    world.judge = async (swept) => void seen.push(swept);
    world.done.length = 0;
    world.waiting.push(eventFixture());
    await world.supervisor.listenSoon();
    expect(world.done).toEqual([]);
    expect(seen.map(({ events, processes }) => [events?.length, processes])).toEqual([[1, undefined]]);
  });
});
