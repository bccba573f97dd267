// Taking over from the old service, killed at each command that changes something. About three minutes.
import { afterAll, beforeAll, describe, setDefaultTimeout, test } from "bun:test";
import { KILL_POINTS, survivesKill } from "../killed_install.ts";
import { copyRelease } from "../product.ts";
import { bootHost, type Host } from "../testhost.ts";

setDefaultTimeout(240_000);

describe("an install that is killed leaves a guard, and the next one finishes", () => {
  let host: Host;
  beforeAll(async () => {
    host = await bootHost();
    await copyRelease(host);
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  for (const point of KILL_POINTS) {
    test(`SIGKILL at \`${point}\``, () => survivesKill(host, point));
  }
});
