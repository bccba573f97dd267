// Every rule's trigger is run for real, as its folder says: what may kill must kill, everything else must be told.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { findingRows } from "./findings.ts";
import {
  configure,
  copyRelease,
  documents,
  lastWords,
  mustInstall,
  waitForKernel,
  waitForScans,
  waitUntil,
} from "./product.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(180_000);
const ROOT = join(import.meta.dir, "../..");
const POOL_PORT = 3333;
const LIST = "/opt/indicators.txt";
/** A site with lists, as the triggers ask for. */
const LISTS = {
  TRUSTED_PORTS: { "22": "SSH", "443": "HTTPS" },
  SUSPICIOUS_PATTERNS: ["xmrig"],
  SUSPICIOUS_NETWORK_PATTERNS: [":4444$"],
  REVERSE_SHELL_INDICATORS: ["sh -i"],
  INDICATORS: { files: [LIST] },
  DECOYS: ["/srv/algo-decoy.txt"],
  SCAN_INTERVALS: { filesystem: 5 },
};

interface Triggered {
  readonly rule: string;
  readonly trigger: string;
}

const rules = globSync("rules/*/*/rule.yml", { cwd: ROOT }).map((file) => ({
  rule: basename(dirname(file)),
  trigger: join(ROOT, dirname(file), "trigger.sh"),
  kills: /^ {2}response: kill$/m.test(readFileSync(join(ROOT, file), "utf8")),
}));
const triggered = new Set(globSync("rules/*/*/trigger.sh", { cwd: ROOT }).map((file) => basename(dirname(file))));
const killers = rules.filter(({ kills }) => kills);
const tellers = rules.filter(({ rule, kills }) => !kills && triggered.has(rule));

describe("triggers", () => {
  let host: Host;

  beforeAll(async () => {
    host = await bootHost();
    await copyRelease(host);
    await host.writeFile(LIST, "# known bad\n203.0.113.66\n");
    await mustInstall(host);
    await configure(host, LISTS);
    await waitForKernel(host);
    host.attacker.order({ do: "pool", port: POOL_PORT });
    // A file that is there in the first reading is no news.
    await waitUntil("files are watched", () => host.must("algo-monitor files status --json").then(isWatching), 90_000);
    await waitForScans(host, 1);
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  test("each rule that kills has one", () => {
    expect(killers.map(({ rule }) => rule).sort()).toEqual(["bind_shell", "miner_confirmed", "reverse_shell"]);
    expect(killers.filter(({ rule }) => !triggered.has(rule))).toEqual([]);
  });

  test.each(killers)("$rule kills what its trigger does", async ({ rule, trigger }) => {
    await start({ rule, trigger }, rule === "miner_confirmed" ? `${host.attacker.address} ${POOL_PORT}` : "");
    await waited(`${rule} kills`, 30_000, async () =>
      (await documents(host)).some(
        (document) => document.rule.name === rule && document.algo_monitor.decision?.do === "kill",
      ),
    );
  });

  // All at once: each has its own file, port and name, and twenty times half a minute is too long.
  test("what only tells is told", async () => {
    for (const one of tellers) await start(one, "");
    const untold = async () => {
      const told = new Set((await findingRows(host)).map(({ rule }) => rule));
      return tellers.map(({ rule }) => rule).filter((rule) => !told.has(rule));
    };
    try {
      await waitUntil("each trigger is told", async () => (await untold()).length === 0, 90_000);
    } catch (thrown) {
      throw new Error(`never told: ${(await untold()).join(", ")}\n${thrown}\n${await lastWords(host)}`);
    }
  });

  async function start({ rule, trigger }: Triggered, argument: string): Promise<void> {
    host.copyIn(trigger, `/opt/triggers/${rule}.sh`);
    await host.start(`trigger-${rule}`, `sh /opt/triggers/${rule}.sh ${argument}`);
  }

  async function waited(what: string, timeoutMs: number, condition: () => Promise<boolean>): Promise<void> {
    try {
      await waitUntil(what, condition, timeoutMs);
    } catch (thrown) {
      throw new Error(`${thrown}\n${await lastWords(host)}`);
    }
  }
});

function isWatching(status: string): boolean {
  return /"state":\s*"watching"/.test(status);
}
