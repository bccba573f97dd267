// Every rule that may kill is triggered for real, as its folder says, and must kill.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { configure, copyRelease, documents, lastWords, mustInstall, waitUntil } from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(180_000);
const ROOT = join(import.meta.dir, "../..");
const POOL_PORT = 3333;

const killers = globSync("rules/*/*/rule.yml", { cwd: ROOT })
  .filter((file) => /^ {2}response: kill$/m.test(readFileSync(join(ROOT, file), "utf8")))
  .map((file) => ({ rule: basename(dirname(file)), trigger: join(ROOT, dirname(file), "trigger.sh") }));

describe("triggers", () => {
  let host: Host;

  beforeAll(async () => {
    host = await bootHost();
    await copyRelease(host);
    await mustInstall(host);
    await configure(host, { MINING_POOLS: [host.attacker.address] });
    host.attacker.order({ do: "pool", port: POOL_PORT });
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  test("there are rules that kill", () => {
    expect(killers.map(({ rule }) => rule).sort()).toEqual(["bind_shell", "miner_confirmed", "reverse_shell"]);
  });

  test.each(killers)("$rule kills what its trigger does", async ({ rule, trigger }) => {
    expect(existsSync(trigger)).toBe(true);
    host.copyIn(trigger, `/opt/triggers/${rule}.sh`);
    const argument = rule === "miner_confirmed" ? `${host.attacker.address} ${POOL_PORT}` : "";
    await host.start(`trigger-${rule}`, `sh /opt/triggers/${rule}.sh ${argument}`);
    const killed = async () =>
      (await documents(host)).some(
        (document) => document.rule.name === rule && document.algo_monitor.decision?.do === "kill",
      );
    try {
      await waitUntil(`${rule} kills`, killed, 30_000);
    } catch (thrown) {
      throw new Error(`${thrown}\n${await lastWords(host)}`);
    }
  });
});
