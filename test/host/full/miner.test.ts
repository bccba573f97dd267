// A stand-in miner. By scans alone: a pool peer together with sustained CPU is killed, either alone is not. With the kernel
// sensor a known pool is refused, and who logs in to any pool is killed at once.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import {
  alerts,
  configure,
  copyRelease,
  lastWords,
  mustInstall,
  waitForKernel,
  waitForScans,
  waitUntil,
} from "../product.ts";
import { bootHost, type Host } from "../testhost.ts";

setDefaultTimeout(300_000);
const POOL_PORT = 3333;
/** Sustained means more than one scan; the kill must come while these pass. */
const SCANS = 6;

describe("miners", () => {
  let host: Host;
  beforeAll(async () => {
    host = await bootHost();
    await copyRelease(host);
    await mustInstall(host);
    await configure(host, { MINING_POOLS: [host.attacker.address], "SENSOR.enabled": false });
    host.copyIn(join(import.meta.dir, "../programs/miner.c"), "/home/alice/miner.c");
    await host.must("gcc -O0 -o /home/alice/worker /home/alice/miner.c && cp /home/alice/worker /tmp/worker");
    host.attacker.order({ do: "pool", port: POOL_PORT });
    host.attacker.order({ do: "banner", port: 3307, banner: "220 remote ready" });
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  const rows: readonly [name: string, command: (host: Host) => string, dies: boolean][] = [
    [
      "a busy program with a pool connection is killed",
      ({ attacker }) => `exec /home/alice/worker ${attacker.address} ${POOL_PORT} 1`,
      true,
    ],
    [
      "a busy program in /tmp with a pool connection is killed",
      ({ attacker }) => `exec /tmp/worker ${attacker.address} ${POOL_PORT} 1`,
      true,
    ],
    [
      "an idle program with a pool connection lives",
      ({ attacker }) => `exec /home/alice/worker ${attacker.address} ${POOL_PORT} 0`,
      false,
    ],
    ["a busy program without a connection lives", () => "exec /home/alice/worker - 0 1", false],
  ];
  for (const [name, command, dies] of rows) {
    test(name, async () => {
      const unit = `miner-${rows.findIndex((row) => row[0] === name)}`;
      await host.start(unit, command(host), { user: "alice" });
      for (let scan = 0; scan < SCANS && (await host.pidsOf(unit)).length > 0; scan++) await waitForScans(host, 1);
      expect((await host.pidsOf(unit)).length === 0, await lastWords(host)).toBe(dies);
      await host.stopUnit(unit);
    });
  }

  test("with the sensor a known pool is refused at connect, and nothing is killed for that", async () => {
    await configure(host, { "SENSOR.enabled": true });
    await waitForKernel(host);
    const tried = await host.exec(
      `systemd-run --quiet --wait --pipe --uid=alice timeout 5 /home/alice/worker ${host.attacker.address} ${POOL_PORT} 0`,
    );
    expect([tried.exitCode, tried.stderr.trim()]).toEqual([1, "connect: Operation not permitted"]);
  });

  test("who logs in to a pool that nobody knows is killed at once", async () => {
    await configure(host, { MINING_POOLS: [] });
    await host.start("login", `exec /home/alice/worker ${host.attacker.address} ${POOL_PORT} 0`, { user: "alice" });
    const isDead = async (): Promise<boolean> => (await host.pidsOf("login")).length === 0;
    await waitUntil("the miner is dead", isDead, 3_000);
    const [newest] = (await alerts(host)).filter((alert) => alert.rule.name === "miner_confirmed");
    expect(newest?.action).toBe("kill");
    expect(newest?.title).toMatch(/cut off by the kernel at send/);
  });

  test("the kill is on record as a confirmed miner", async () => {
    const killed = (await alerts(host)).filter((alert) => alert.action === "kill");
    expect(killed.map((alert) => alert.rule.name)).toContain("miner_confirmed");
  });
});
