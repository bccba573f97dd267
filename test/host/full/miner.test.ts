// A stand-in miner: a pool peer together with sustained CPU is killed; either alone is not.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { alerts, configure, copyRelease, lastWords, mustInstall, waitForScans } from "../product.ts";
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
    await configure(host, { MINING_POOLS: [host.attacker.address] });
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

  test("the kill is on record as a confirmed miner", async () => {
    const killed = (await alerts(host)).filter((alert) => alert.action === "kill");
    expect(killed.map((alert) => alert.rule.name)).toContain("miner_confirmed");
  });
});
