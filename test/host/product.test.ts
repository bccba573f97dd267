// The short proof in a host with a real systemd: install, attack, innocent work, reload, upgrade, rollback, uninstall.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { attackDataMissing, loadAttacks, onePerFamily, prepareAttacks } from "./attacks.ts";
import { INNOCENTS, prepareInnocents } from "./innocents.ts";
import {
  alerts,
  cli,
  configure,
  copyRelease,
  documents,
  HOME,
  install,
  lastWords,
  mustInstall,
  RELEASE,
  scansAlone,
  showAlert,
  status,
  waitForKernel,
  waitForScans,
  waitUntil,
} from "./product.ts";
import { type AttackVerdict, faultsOf, judgeAttacks, judgeInnocents, PLAIN_SHELL } from "./proof.ts";
import { bootHost, type Host } from "./testhost.ts";

setDefaultTimeout(240_000);
/** Rows that broke, or nearly broke, earlier drafts of the rules. */
const SHORT_INNOCENTS =
  /bash -s|sits in an interactive|web terminal|notebook|CGI|socket|per connection|database|cron|coprocess|dev\/tcp|curl pipes|ProxyCommand|expect drives an ssh/;

let host: Host;
beforeAll(async () => {
  host = await bootHost();
  await copyRelease(host);
});
afterAll(async () => {
  if (host !== undefined) await host.stop();
});

describe("a host from install to uninstall", () => {
  test("install refuses an unknown option and changes nothing", async () => {
    expect((await install(host, "--nonsense")).exitCode).toBe(2);
    expect((await host.exec(`ls ${HOME} /usr/local/bin/algo-monitor`)).exitCode).not.toBe(0);
  });

  test("install starts the daemon in enforce mode", async () => {
    await mustInstall(host);
    expect((await host.must("systemctl is-active algo-monitor; systemctl is-enabled algo-monitor")).trim()).toBe(
      "active\nenabled",
    );
    expect((await status(host)).mode).toBe("enforce");
    expect((await host.must(`stat -c '%a %U' ${HOME}`)).trim()).toBe("700 root");
  });

  let verdicts: readonly AttackVerdict[] = [];
  const missing = attackDataMissing();
  test.skipIf(missing !== undefined)(
    `one payload of each family dies within two scans and is on record${missing === undefined ? "" : ` (skipped: ${missing})`}`,
    async () => {
      await scansAlone(host);
      await prepareAttacks(host);
      verdicts = await judgeAttacks(host, onePerFamily(loadAttacks()), 4000, ["root", "alice"]);
      const worked = verdicts.filter((verdict) => verdict.run.worked);
      const wired = worked.filter((verdict) => verdict.standing.wired.length > 0);
      expect(faultsOf(worked), await lastWords(host)).toEqual([]);
      expect(wired.length).toBeGreaterThanOrEqual(10);
      await configure(host, { "SENSOR.enabled": true });
      await waitForKernel(host);
    },
  );

  test.skipIf(missing !== undefined)(
    "a kill is told by journald, the log file, alerts.jsonl and the CLI alike",
    async () => {
      const kills = (await documents(host)).filter((document) => document.algo_monitor.decision?.do === "kill");
      expect(kills.length).toBeGreaterThan(0);
      const rule = kills[0]?.rule.name ?? "none";
      const journal = await host.must(`journalctl -q -u algo-monitor ALGO_RULE=${rule} -o json --no-pager`);
      const entries = journal
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line));
      expect(entries.some((entry) => entry.ALGO_ACTION === "kill" && entry.PRIORITY === "1")).toBe(true);
      const log = await host.must(`cat ${HOME}/logs/alert.log`);
      expect(log).toMatch(/^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] /m);
      const listed = await alerts(host, `--rule ${rule}`);
      expect(listed.some((alert) => alert.action === "kill" && alert.severity === "ALERT")).toBe(true);
      const shown = await showAlert(host, listed.find((alert) => alert.action === "kill")?.id ?? "");
      expect(shown).toContain(rule);
      expect(shown).toContain("algo-monitor trust");
    },
  );

  test("an alert can be acknowledged and resolved", async () => {
    const [alert] = await alerts(host);
    if (alert === undefined) return expect(missing).toBeDefined();
    await host.must(`algo-monitor alerts ack ${alert.id} && algo-monitor alerts resolve ${alert.id.slice(-7)}`);
    expect((await alerts(host)).find((one) => one.id === alert.id)?.status).toBe("resolved");
  });

  test("innocent work is neither harmed nor accused", async () => {
    await prepareInnocents(host);
    const rows = INNOCENTS.filter((innocent) => SHORT_INNOCENTS.test(innocent.name));
    expect(rows.length).toBeGreaterThan(15);
    expect(await judgeInnocents(host, rows)).toEqual({ dead: [], kills: 0, verdicts: 0, accusations: [] });
  });

  test("a changed configuration is in force without a restart, a broken one is not", async () => {
    const before = await status(host);
    await configure(host, { MODE: "monitor" });
    await waitUntil("the daemon is in monitor mode", async () => (await status(host)).mode === "monitor", 15_000);
    await host.must(
      `cp ${HOME}/config.json /root/config.good && echo '{ "MODE": ' >${HOME}/config.json && systemctl reload algo-monitor`,
    );
    await waitUntil(
      "the fault is told",
      async () => (await status(host)).configProblems.some((problem) => problem.severity === "error"),
      15_000,
    );
    expect((await status(host)).mode).toBe("monitor");
    await host.must(`cp /root/config.good ${HOME}/config.json`);
    await configure(host, { MODE: "enforce" });
    await waitUntil("the daemon enforces again", async () => (await status(host)).mode === "enforce", 15_000);
    const after = await status(host);
    expect(after.pid).toBe(before.pid);
    expect(after.configProblems.filter((problem) => problem.severity === "error")).toEqual([]);
  });

  test("monitor by pause rehearses and touches nothing, resume kills", async () => {
    await host.must("algo-monitor pause 5m --reason test");
    const paused = await judgeAttacks(host, [PLAIN_SHELL], 5000, ["root"]);
    expect(paused.map((verdict) => verdict.survivors.length)).toEqual([1]);
    expect((await status(host)).counts.rehearsed).toBeGreaterThan(0);
    await host.must("algo-monitor resume");
    expect(faultsOf(await judgeAttacks(host, [PLAIN_SHELL], 5010, ["root"]))).toEqual([]);
  });

  test("an upgrade keeps what the site has, a rollback brings the rules of before", async () => {
    const before = {
      alerts: (await alerts(host)).map((alert) => alert.id).sort(),
      config: await host.must(`sha256sum <${HOME}/config.json`),
    };
    await host.must(`
      echo '# site' >${HOME}/rules.d/README
      cd ${RELEASE} && for f in $(find rules -name rule.yml); do echo '# second release' >>$f; done
      find . -type f ! -name SHA256SUMS -printf '%P\\n' | sort | xargs sha256sum >SHA256SUMS`);
    await mustInstall(host);
    expect(await host.must(`sha256sum <${HOME}/config.json`)).toBe(before.config);
    expect((await alerts(host)).map((alert) => alert.id).sort()).toEqual(expect.arrayContaining(before.alerts));
    expect((await host.exec(`grep -rl 'second release' ${HOME}/rules`)).exitCode).toBe(0);
    await mustInstall(host, "--rollback");
    expect((await host.exec(`grep -rl 'second release' ${HOME}/rules`)).exitCode).not.toBe(0);
    expect((await host.must(`systemctl is-active algo-monitor; cat ${HOME}/rules.d/README`)).trim()).toBe(
      "active\n# site",
    );
    await waitForScans(host, 1);
  });

  test("without root the CLI names sudo and answers 5", async () => {
    const refused = await host.exec("algo-monitor status", { user: "alice" });
    expect(refused.exitCode).toBe(5);
    expect(refused.stderr).toContain("sudo");
    expect((await cli(host, "doctor")).exitCode).toBe(0);
  });

  test("uninstall leaves nothing", async () => {
    await host.must(`cd ${RELEASE} && ./uninstall --yes`);
    const left = await host.exec(
      "find /etc /opt /usr /var/lib /run -xdev \\( -iname '*algo-monitor*' -o -name '.monitor*' \\) 2>/dev/null; pgrep -a algo-monitor",
    );
    expect(left.stdout).toBe("");
    expect((await host.exec("systemctl status algo-monitor")).exitCode).toBe(4);
  });
});
