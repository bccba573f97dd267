// A dozen attacks whose command arrives with the connection: each works without the product, none is ever obeyed with it.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { attackDataMissing, loadAttacks, onePerFamily, prepareAttacks } from "./attacks.ts";
import { describeOutcome, fromCollection, type HardAttack, type HardOutcome, obeyed, runHard } from "./hard_attacks.ts";
import { prepareVariants, VARIANTS } from "./hard_variants.ts";
import { copyRelease, lastWords, mustInstall, waitForKernel } from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(240_000);
const SHORT_VARIANTS = /web server|container with|memory only|openssl|io_uring/;

describe("attacks whose command arrives with the connection", () => {
  let host: Host;
  let bare: readonly HardOutcome[] = [];
  beforeAll(async () => {
    host = await bootHost();
    await prepareAttacks(host);
    await prepareVariants(host);
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  const attacks = (): HardAttack[] => [
    ...(attackDataMissing() === undefined ? someOfTheCollection() : []),
    ...VARIANTS.filter((variant) => SHORT_VARIANTS.test(variant.name)),
  ];

  test("all are obeyed without the product", async () => {
    bare = await runHard(host, attacks(), { name: "bare", firstPort: 4000, guarded: false });
    expect(bare.filter((outcome) => !obeyed(outcome)).map(describeOutcome)).toEqual([]);
  });

  test("none is obeyed with it: no byte of output, no effect", async () => {
    await copyRelease(host);
    await mustInstall(host);
    await waitForKernel(host);
    const guarded = await runHard(host, attacks(), { name: "guarded", firstPort: 5000, guarded: true });
    expect(guarded.filter(obeyed).map(describeOutcome), await lastWords(host)).toEqual([]);
  });
});

/** One of each way to hold a connection, and bind shells that any Debian can run. */
function someOfTheCollection(): HardAttack[] {
  const wanted = [
    "bash reverse",
    "nc reverse",
    "python reverse",
    "perl reverse",
    "php reverse",
    "socat bind",
    "nc bind",
  ];
  const attacks = onePerFamily(loadAttacks()).filter((attack) => attack.transport === "tcp");
  return wanted
    .flatMap((kind) => attacks.find((attack) => `${attack.family} ${attack.kind}` === kind) ?? [])
    .map(fromCollection);
}
