// Every runnable payload of the collection and its variants, the command arriving with the connection. About six minutes.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { attackDataMissing, loadAttacks, prepareAttacks } from "../attacks.ts";
import { accusationsOf, describeOutcome, fromCollection, type HardOutcome, obeyed, runHard } from "../hard_attacks.ts";
import { prepareVariants, VARIANTS } from "../hard_variants.ts";
import { copyRelease, lastWords, mustInstall, waitForKernel } from "../product.ts";
import { bootHost, type Host } from "../testhost.ts";

setDefaultTimeout(1_800_000);
const WORKING_MIN = 160;
const missing = attackDataMissing();

describe.skipIf(missing !== undefined)(
  `all attacks, the hard way${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    let host: Host;
    let bare: readonly HardOutcome[] = [];
    let guarded: readonly HardOutcome[] = [];

    beforeAll(async () => {
      host = await bootHost();
      await prepareAttacks(host);
      await prepareVariants(host);
      const attacks = [...loadAttacks().map(fromCollection), ...VARIANTS];
      bare = await runHard(host, attacks, { name: "bare", firstPort: 4000, guarded: false });
      await copyRelease(host);
      await mustInstall(host);
      await waitForKernel(host);
      const working = bare.filter(obeyed).map((outcome) => outcome.attack);
      // One port further: who ran as root runs as alice, and the other way round.
      guarded = await runHard(host, working, { name: "guarded", firstPort: 5001, guarded: true });
    });
    afterAll(async () => {
      if (host !== undefined) await host.stop();
    });

    test(`at least ${WORKING_MIN} are obeyed without the product, all variants among them`, () => {
      const silent = bare.filter((outcome) => !obeyed(outcome));
      console.log(["not obeyed without the product:", ...silent.map(describeOutcome)].join("\n  "));
      expect(bare.length - silent.length).toBeGreaterThanOrEqual(WORKING_MIN);
      expect(silent.filter((outcome) => VARIANTS.includes(outcome.attack)).map(describeOutcome)).toEqual([]);
    });

    test("none is obeyed: no byte of output at the attacker, no effect on the host", async () => {
      console.log(`${guarded.length - guarded.filter(obeyed).length} of ${guarded.length} were stopped in time`);
      expect(guarded.filter(obeyed).map(describeOutcome), await lastWords(host)).toEqual([]);
    });

    test("each is on record as an ALERT that says what stopped it", async () => {
      const accusations = await accusationsOf(host, guarded);
      const counts = new Map<string, number>();
      for (const { by } of accusations.values()) counts.set(by, (counts.get(by) ?? 0) + 1);
      console.log("stopped by:", Object.fromEntries(counts));
      const silent = guarded.filter((outcome) => accusations.get(outcome)?.severity !== "ALERT");
      expect(silent.map(describeOutcome)).toEqual([]);
    });
  },
);
