import { describe, expect, test } from "bun:test";
import type { Load } from "../host/load.ts";
import { createHostScanner, type HostThresholds } from "./host.ts";
import { createWatermark } from "./host_watermark.ts";

const LIMITS: HostThresholds = {
  cpu_percent: 80,
  memory_percent: 80,
  disk_percent: 90,
  network_mbit: 0,
  sustained_seconds: 60,
};

interface Made {
  cpu: number;
  memory: number;
  disks: Record<string, number>;
  /** Bytes a second, received. */
  network: Record<string, number>;
  limits: HostThresholds;
}

/** A host whose values are set, scanned each five seconds. */
function createHost() {
  const made: Made = { cpu: 0, memory: 10, disks: { "/": 10 }, network: {}, limits: LIMITS };
  const time = { ms: 0 };
  const ticks = { idle: 0, total: 0 };
  const bytes = new Map<string, number>();
  const load: Load = {
    cpu: () => ({ ...ticks }),
    memoryUsedPercent: () => made.memory,
    interfaces: () => [...bytes].map(([name, receivedBytes]) => ({ name, receivedBytes, sentBytes: 0 })),
    localMounts: () => Object.keys(made.disks),
    diskUsedPercent: (mount) => made.disks[mount],
  };
  const scanner = createHostScanner({
    clock: { nowMs: () => -time.ms, monotonicMs: () => time.ms },
    thresholds: () => made.limits,
    load,
  });
  const pass = (seconds: number): string[] => {
    const told: string[] = [];
    for (const end = time.ms + seconds * 1000; time.ms < end; ) {
      time.ms += 5_000;
      ticks.total += 1000;
      ticks.idle += 1000 - 10 * made.cpu;
      for (const [name, speed] of Object.entries(made.network)) bytes.set(name, (bytes.get(name) ?? 0) + speed * 5);
      for (const { action, fields } of scanner.scan().seen)
        told.push(
          `${time.ms / 1000} ${action.replace("host-threshold-", "")} ${fields["host.resource"]} ${fields["host.device"]} ${fields["host.used"]} ${fields["host.unit"]} ${fields["host.sustained_seconds"]}`,
        );
    }
    return told;
  };
  return { made, bytes, pass };
}

describe("the load of the host", () => {
  test("of a busy minute is nothing to tell, of a longer time it is, once, and its end too", () => {
    const { made, pass } = createHost();
    expect(pass(60)).toEqual([]);
    made.cpu = 95;
    expect(pass(55)).toEqual([]);
    made.cpu = 10;
    expect(pass(60)).toEqual([]);
    made.cpu = 95;
    expect(pass(300)).toEqual(["240 passed processors all 95 percent 60"]);
    made.cpu = 77;
    expect(pass(600)).toEqual([]);
    made.cpu = 50;
    expect(pass(60)).toEqual(["1080 cleared processors all 50 percent 900"]);
  });

  test("is told again each six hours while it lasts", () => {
    const { made, pass } = createHost();
    made.memory = 90;
    expect(pass(13 * 3600)).toHaveLength(3);
  });

  test("in a filesystem is told at once", () => {
    const { made, pass } = createHost();
    made.disks = { "/": 10, "/var": 95.04 };
    expect(pass(300)).toEqual(["5 passed filesystem /var 95 percent 0"]);
    made.disks = { "/": 10, "/var": 70 };
    expect(pass(60)).toEqual(["305 cleared filesystem /var 70 percent 300"]);
  });

  test("of a filesystem that is taken away is forgotten without a word", () => {
    const { made, pass } = createHost();
    made.disks = { "/": 10, "/mnt": 99 };
    expect(pass(60)).toHaveLength(1);
    made.disks = { "/": 10 };
    expect(pass(600)).toEqual([]);
  });

  test("on an interface is measured in megabits a second", () => {
    const { made, pass } = createHost();
    made.limits = { ...LIMITS, network_mbit: 100 };
    made.network = { eth0: 15_000_000, eth1: 1_000_000 };
    expect(pass(120)).toEqual(["70 passed interface eth0 120 Mbit/s 60"]);
  });

  test("on an interface whose counter starts anew is no negative speed", () => {
    const { made, bytes, pass } = createHost();
    made.limits = { ...LIMITS, network_mbit: 1, sustained_seconds: 10 };
    made.network = { eth0: 10_000 };
    bytes.set("eth0", 2 ** 32);
    pass(60);
    bytes.set("eth0", 0);
    expect(pass(60)).toEqual([]);
  });

  test("is not looked at where its limit is 0", () => {
    const { made, pass } = createHost();
    made.cpu = 100;
    made.memory = 100;
    made.disks = { "/": 100 };
    made.limits = { cpu_percent: 0, memory_percent: 0, disk_percent: 0, network_mbit: 0, sustained_seconds: 60 };
    expect(pass(600)).toEqual([]);
  });

  test("of this host can be read", () => {
    const scanner = createHostScanner({
      clock: { nowMs: () => 0, monotonicMs: () => performance.now() },
      thresholds: () => LIMITS,
    });
    expect(scanner.probe().ok).toBe(true);
    expect(scanner.scan().items).toBeGreaterThan(0);
    expect(scanner.scan().faults).toEqual([]);
  });
});

test("a watermark keeps no more than its bound", () => {
  const watermark = createWatermark();
  const over = { nowMs: 0, used: 2, limit: 1, clearBelow: 1, sustainedMs: 0 };
  let told = 0;
  for (let at = 0; at < 3_000; at++) if (watermark.see(`disk ${at}`, over) !== undefined) told++;
  expect(told).toBe(2_000);
});
