// Every payload that works without the product must be dead within two scans with it, also where there is no kernel sensor.
// About eight minutes. With the sensor: hard_attacks.test.ts.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { attackDataMissing, loadAttacks, prepareAttacks } from "../attacks.ts";
import { type ControlRow, controlRun, describeControl, WORKING_MIN } from "../control.ts";
import { copyRelease, lastWords, mustInstall, scansAlone, status } from "../product.ts";
import { type AttackVerdict, faultsOf, judgeAttacks, PLAIN_SHELL } from "../proof.ts";
import { bootHost, type Host } from "../testhost.ts";

setDefaultTimeout(1_800_000);
const AT_ONCE = 16;
/** KILL_BUDGET.per_minute of the example configuration. */
const BUDGET = 10;
const missing = attackDataMissing();

describe.skipIf(missing !== undefined)(`all attacks${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  let control: readonly ControlRow[] = [];
  const verdicts: AttackVerdict[] = [];
  let host: Host;

  beforeAll(async () => {
    const bare = await bootHost();
    try {
      control = await controlRun(bare, loadAttacks());
    } finally {
      await bare.stop();
    }
    host = await bootHost();
    await copyRelease(host);
    await mustInstall(host);
    await scansAlone(host);
    await prepareAttacks(host);
    const working = control.filter((row) => row.worked);
    for (let first = 0; first < working.length; first += AT_ONCE) {
      const batch = working.slice(first, first + AT_ONCE).map((row) => row.attack);
      // The user changes between control and proof, so both kinds are seen.
      verdicts.push(...(await judgeAttacks(host, batch, 4000 + first, ["alice", "root"])));
    }
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  const rowOf = (id: string) => control.find((row) => row.attack.id === id);
  const isLoop = (verdict: AttackVerdict) => rowOf(verdict.run.attack.id)?.standing.wired.length === 0;

  test(`at least ${WORKING_MIN} payloads work without the product`, () => {
    console.log(describeControl(control));
    expect(control.filter((row) => row.worked).length).toBeGreaterThanOrEqual(WORKING_MIN);
  });

  test("every wired shell is dead within two scans, with the kill on record", async () => {
    const wired = verdicts.filter((verdict) => !isLoop(verdict));
    console.log(`${wired.length - faulty(wired)} of ${wired.length} wired shells died within two scans`);
    expect(faultsOf(wired), await lastWords(host)).toEqual([]);
  });

  test("every loop with short children raises an ALERT", () => {
    const loops = verdicts.filter(isLoop);
    const silent = loops.filter((verdict) => !verdict.alerted).map((verdict) => verdict.run.attack.id);
    console.log(`${loops.length - silent.length} of ${loops.length} loops raised an ALERT`);
    expect(silent).toEqual([]);
  });

  test("decoys that spend the kill budget do not save the next shell", async () => {
    // Each decoy is an incident of its own: another unit of root's, another network of the attacker. (All sessions of an
    // ordinary account are one lineage, and those cost the budget one kill.)
    const decoys = BUDGET + 4;
    const addresses = Array.from({ length: decoys + 1 }, (_, n) => `10.77.${241 + n}.1`);
    const added = await host.attacker.exec(
      addresses.map((address) => `ip addr add ${address}/24 dev ${host.name}`).join(" && "),
    );
    expect(added.exitCode, added.stderr).toBe(0);
    const from = (address: string) => ({ ...PLAIN_SHELL, payload: PLAIN_SHELL.payload.replace("{LHOST}", address) });
    await judgeAttacks(host, addresses.slice(0, decoys).map(from), 7000, ["root"]);
    const { budgets } = await status(host);
    console.log(`${decoys} decoys; budgets ${JSON.stringify(budgets)}`);
    expect(budgets.some((budget) => budget.used >= BUDGET)).toBe(true);
    // The next one comes by the very same program, from a network and a unit that were never seen.
    expect(faultsOf(await judgeAttacks(host, addresses.slice(decoys).map(from), 7110, ["root"]))).toEqual([]);
    expect(faultsOf(await judgeAttacks(host, addresses.slice(decoys).map(from), 7120, ["alice"]))).toEqual([]);
  });
});

function faulty(verdicts: readonly AttackVerdict[]): number {
  return verdicts.filter((verdict) => faultsOf([verdict]).length > 0).length;
}
