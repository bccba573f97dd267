// Every innocent scenario, in enforce mode: alive over two scans, no kill, no decision to kill, no ALERT. About two minutes.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { INNOCENTS, prepareInnocents } from "../innocents.ts";
import { copyRelease, mustInstall, status, waitForKernel } from "../product.ts";
import { judgeInnocents } from "../proof.ts";
import { bootHost, type Host } from "../testhost.ts";

setDefaultTimeout(600_000);

describe("all innocents", () => {
  let host: Host;
  beforeAll(async () => {
    host = await bootHost();
    await prepareInnocents(host);
    await copyRelease(host);
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  test("all scenarios have names of their own", () => {
    expect(new Set(INNOCENTS.map((innocent) => innocent.name)).size).toBe(INNOCENTS.length);
  });

  test(`${INNOCENTS.length} scenarios are neither harmed nor accused`, async () => {
    await mustInstall(host);
    await waitForKernel(host);
    expect((await status(host)).mode).toBe("enforce");
    expect(await judgeInnocents(host, INNOCENTS)).toEqual({ dead: [], kills: 0, verdicts: 0, accusations: [] });
    const { kernel } = await status(host);
    const { asks, askedReleased, answerMedianMs, answerP99Ms, holdsExpired } = kernel;
    console.log(
      `held and asked about ${asks} times, ${askedReleased} released, answered in ${answerMedianMs} ms (99 %: ${answerP99Ms} ms), ${holdsExpired} too late`,
    );
  });

  test("installing on a host where all of it already runs finds nothing to kill either", async () => {
    await host.must("cd /root/release && ./uninstall --yes");
    let said = "";
    const verdict = await judgeInnocents(host, INNOCENTS, async () => {
      said = await mustInstall(host);
    });
    expect(verdict).toEqual({ dead: [], kills: 0, verdicts: 0, accusations: [] });
    expect((await status(host)).mode, said).toBe("enforce");
  });
});
