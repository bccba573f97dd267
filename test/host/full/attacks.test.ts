// Every payload that works without the product must be dead within two scans with it. About eight minutes.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { attackDataMissing, loadAttacks, prepareAttacks } from "../attacks.ts";
import { type ControlRow, controlRun, describeControl, WORKING_MIN } from "../control.ts";
import { copyRelease, documents, lastWords, mustInstall, waitForScans } from "../product.ts";
import { type AttackVerdict, faultsOf, judgeAttacks, PLAIN_SHELL } from "../proof.ts";
import { bootHost, type Host } from "../testhost.ts";

setDefaultTimeout(1_800_000);
const AT_ONCE = 16;
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
    const decoys = 25;
    const base = host.attacker.address.replace(/\.1$/, "");
    const added = await host.attacker.exec(
      `for n in $(seq 100 ${100 + decoys}); do ip addr add ${base}.$n/24 dev ${host.name}; done`,
    );
    expect(added.exitCode, added.stderr).toBe(0);
    const from = (n: number) => ({
      ...PLAIN_SHELL,
      payload: PLAIN_SHELL.payload.replace("{LHOST}", `${base}.${100 + n}`),
    });
    await judgeAttacks(
      host,
      Array.from({ length: decoys }, (_, n) => from(n)),
      7000,
      ["alice"],
    );
    const next = await judgeAttacks(host, [from(decoys)], 7100, ["alice"]);
    expect(faultsOf(next), JSON.stringify((await documents(host)).slice(-3))).toEqual([]);
    await waitForScans(host, 1);
  });
});

function faulty(verdicts: readonly AttackVerdict[]): number {
  return verdicts.filter((verdict) => faultsOf([verdict]).length > 0).length;
}
