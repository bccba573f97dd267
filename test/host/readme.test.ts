// Every command that README.md shows an operator, run in a host in the order of the page. A block is marked
// `<!-- runs: NAME -->`; `ID` in it is the alert of a reverse shell that was killed meanwhile. About a minute.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { endAttack, runAttack } from "./attacks.ts";
import { CACHE } from "./machine.ts";
import { alerts, releaseArchive, waitForScans, waitUntil } from "./product.ts";
import { PLAIN_SHELL } from "./proof.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(120_000);

const ARCHIVE = `algo-monitor-${packageJson.version}-linux-x64.tar.gz`;
const PAGE = readFileSync(join(import.meta.dir, "../../README.md"), "utf8");
const BLOCKS = [...PAGE.matchAll(/<!-- runs: (\w+) -->\n```sh\n([\s\S]*?)```/g)].map((match) => ({
  name: match[1] ?? "",
  script: match[2] ?? "",
}));
/** These go on until they are interrupted. */
const ENDLESS = /--follow|journalctl -f/;

let host: Host;
let alertId = "";

beforeAll(async () => {
  host = await bootHost();
  const folder = join(CACHE, `readme-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  copyFileSync(await releaseArchive(), join(folder, ARCHIVE));
  host.copyIn(join(folder, ARCHIVE), `/root/${ARCHIVE}`);
  rmSync(folder, { recursive: true, force: true });
});
afterAll(async () => {
  if (host !== undefined) await host.stop();
});

test("the page has its blocks, and none is left unmarked", () => {
  expect(BLOCKS.map((block) => block.name)).toEqual(
    "install look alerts settle views trust pause block mode config rules differences uninstall".split(" "),
  );
  expect([...PAGE.matchAll(/^```sh$/gm)].length).toBe(BLOCKS.length);
  expect(basename(ARCHIVE)).toBe(/tar xzf (\S+)/.exec(PAGE)?.[1] ?? "");
});

for (const { name, script } of BLOCKS) {
  test(`README: ${name}`, async () => {
    if (name === "alerts") alertId = await killedShell();
    const lines = script
      .replaceAll(/\bID\b/g, alertId)
      .trim()
      .split("\n");
    // One shell for a block, as somebody who pastes it has.
    const bounded = lines.map((line) => (ENDLESS.test(line) ? `timeout 3 ${line} || [ $? = 124 ]` : line));
    const done = await host.exec(`cd /root && set -ex\n${bounded.join("\n")}`, { timeoutMs: 90_000 });
    expect(done.exitCode, `${done.stderr}\n${done.stdout}`).toBe(0);
    if (name === "alerts") expect(done.stdout).toContain("reverse_shell");
    if (name === "differences") expect(done.stdout).toContain("Killed by default");
  });
}

/** The id of the alert of a reverse shell that was killed. */
async function killedShell(): Promise<string> {
  const run = await runAttack(host, PLAIN_SHELL, 4000, "alice");
  await waitForScans(host, 2);
  let id: string | undefined;
  await waitUntil(
    "the kill is on record",
    async () => {
      id = (await alerts(host, "--rule reverse_shell")).find((alert) => alert.action === "kill")?.id;
      return id !== undefined;
    },
    15_000,
  );
  await endAttack(host, run);
  return id ?? "";
}
