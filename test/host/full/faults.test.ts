// What goes wrong in the world: after and during each fault a shell still dies within two scans, no scan is skipped
// silently, memory stays under 150 MB, nothing stays frozen. About eight minutes.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { prepareAttacks, runAttack, standingOf } from "../attacks.ts";
import {
  alerts,
  cli,
  copyRelease,
  HOME,
  lastWords,
  mustInstall,
  scansAlone,
  status,
  waitForScans,
  waitUntil,
} from "../product.ts";
import { faultsOf, judgeAttacks, PLAIN_SHELL } from "../proof.ts";
import { stillAlive } from "../shapes.ts";
import { bootHost, type Host } from "../testhost.ts";
import { brokenConfigs } from "./broken_configs.ts";

setDefaultTimeout(600_000);
const RSS_MAX_BYTES = 150 * 1024 * 1024;
const INTERVAL_MS = 5000;

describe("faults", () => {
  let host: Host;
  let port = 6000;
  beforeAll(async () => {
    host = await bootHost();
    await copyRelease(host);
    await mustInstall(host);
    await scansAlone(host);
    await prepareAttacks(host);
    for (const program of ["crowd", "storm"]) {
      host.copyIn(join(import.meta.dir, `../programs/${program}.c`), `/opt/${program}.c`);
      await host.must(`gcc -O1 -o /opt/${program} /opt/${program}.c`);
    }
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });

  async function aShellStillDies(): Promise<void> {
    port += 1;
    expect(faultsOf(await judgeAttacks(host, [PLAIN_SHELL], port, ["alice"])), await lastWords(host)).toEqual([]);
  }

  async function memoryIsBounded(): Promise<void> {
    const pid = (await status(host)).pid;
    const peak = Number(/VmHWM:\s+(\d+) kB/.exec(await host.must(`cat /proc/${pid}/status`))?.[1] ?? "0") * 1024;
    expect(peak).toBeGreaterThan(0);
    expect(peak).toBeLessThan(RSS_MAX_BYTES);
  }

  async function mainPid(): Promise<number> {
    return Number((await host.must("systemctl show -P MainPID algo-monitor")).trim());
  }

  /** Ended by the pid that systemd names, as a crash would. */
  async function killDaemon(): Promise<void> {
    await host.exec("kill -KILL $(systemctl show -P MainPID algo-monitor)");
  }

  async function answersAgain(): Promise<void> {
    await waitUntil("the daemon answers", async () => (await cli(host, "status --json")).exitCode === 0, 40_000);
  }

  test("killed in mid-kill, it loses no intent and leaves nothing frozen", async () => {
    const runs = await Promise.all(
      Array.from({ length: 8 }, (_, index) => runAttack(host, PLAIN_SHELL, 6500 + index, "alice")),
    );
    const standing = await standingOf(host, runs);
    const wired = [...standing.values()].flatMap((one) => one.wired);
    expect(wired.length).toBeGreaterThan(0);
    // The moment one of them is stopped or gone, the others are in the middle of it.
    await waitUntil(
      "the first kill begins",
      async () =>
        (await stillAlive(host, wired)).length < wired.length ||
        (
          await frozen(
            host,
            wired.map((process) => process.pid),
          )
        ).length > 0,
      20_000,
    );
    await killDaemon();
    await answersAgain();
    await waitForScans(host, 2);
    expect(await stillAlive(host, wired)).toEqual([]);
    expect((await host.must("ps -eo stat= | grep -c '^T' || true")).trim()).toBe("0");
    expect(await unsettled(host)).toEqual([]);
  });

  test("killed twenty times, it guards on", async () => {
    for (let time = 0; time < 20; time++) {
      const before = await mainPid();
      await killDaemon();
      await waitUntil("systemd starts it again", async () => ![0, before].includes(await mainPid()), 60_000);
    }
    await answersAgain();
    await aShellStillDies();
  });

  test("a thousand short processes a second for a minute hide nothing", async () => {
    const before = await status(host);
    const startedAt = Date.now();
    await host.start("storm", "exec /opt/storm 1000 60");
    await Bun.sleep(8000);
    await aShellStillDies();
    await waitUntil("the storm is over", async () => (await host.pidsOf("storm")).length === 0, 120_000);
    console.log((await host.must("journalctl -q -o cat -u storm --no-pager | grep processes")).trim());
    const after = await status(host);
    expect(after.pid).toBe(before.pid);
    const due = Math.floor((Date.now() - startedAt) / INTERVAL_MS);
    for (const scanner of after.scanners) {
      if (scanner.intervalMs !== INTERVAL_MS) continue;
      const was = before.scanners.find((one) => one.name === scanner.name);
      const missed = due - 1 - (scanner.scans - (was?.scans ?? 0));
      const told = scanner.overruns - (was?.overruns ?? 0);
      expect(missed, `${scanner.name}: ${missed} scans are missing, ${told} overruns are told`).toBeLessThanOrEqual(
        told,
      );
    }
    await memoryIsBounded();
  });

  test("five thousand processes alive hide nothing", async () => {
    await host.start("crowd", "exec /opt/crowd 5000", { properties: ["TasksMax=infinity"] });
    await waitUntil("they stand", async () => (await host.pidsOf("crowd")).length > 5000, 60_000);
    await waitForScans(host, 2, 60_000);
    expect((await status(host)).scanners.find((scanner) => scanner.name === "processes")?.items).toBeGreaterThan(5000);
    await aShellStillDies();
    await memoryIsBounded();
    await host.stopUnit("crowd");
  });

  test("fifty broken configurations change nothing and stop nothing", async () => {
    const good = host.readFile(`${HOME}/config.json`);
    const before = await status(host);
    for (const [index, text] of brokenConfigs(50).entries()) {
      await host.writeFile(`${HOME}/config.json`, text, 0o600);
      const reloaded = await host.exec("systemctl reload algo-monitor");
      expect(reloaded.exitCode, `shape ${index}: ${JSON.stringify(text.slice(0, 200))}`).toBe(0);
      const now = await status(host);
      expect(now.pid, `shape ${index}: ${JSON.stringify(text.slice(0, 200))}`).toBe(before.pid);
      expect(now.mode, `shape ${index}: ${JSON.stringify(text.slice(0, 200))}`).toBe("enforce");
    }
    await aShellStillDies();
    await host.writeFile(`${HOME}/config.json`, good, 0o600);
    await host.must("systemctl reload algo-monitor");
    await waitUntil(
      "no fault is left",
      async () => (await status(host)).configProblems.every((problem) => problem.severity !== "error"),
      15_000,
    );
  });

  test("a truncated database is set aside, never overwritten, and protection goes on", async () => {
    await host.must(`truncate -s 5000 ${HOME}/algo-monitor.db; rm -f ${HOME}/algo-monitor.db-wal`);
    await aShellStillDies();
    await host.must("systemctl restart algo-monitor");
    await answersAgain();
    await aShellStillDies();
    expect((await host.must(`ls ${HOME} | grep -c 'algo-monitor.db.' || true`)).trim()).not.toBe("0");
    expect((await alerts(host)).some((alert) => alert.action === "kill")).toBe(true);
  });

  test("a full disk is told, shells die, and recording resumes when there is room", async () => {
    await host.must(
      "while fallocate -l 64M /var/fill.$((i=i+1)) 2>/dev/null; do :; done; while fallocate -l 64K /var/small.$((j=j+1)) 2>/dev/null; do :; done; true",
    );
    await host.must("[ $(df --output=avail / | tail -1) -lt 200 ]");
    await judgeFullDisk(host, ++port);
    await host.must("rm -f /var/fill.* /var/small.*");
    await waitUntil("the store works again", async () => (await status(host)).store.pending === 0, 90_000);
    await aShellStillDies();
  });

  test("a clock that jumps a day ahead and back disturbs no scan", async () => {
    // The kernel's clock belongs to the whole machine: only the daemon's view of it is stepped.
    await host.must(`
      library=$(dpkg -L libfaketime | grep 'libfaketime.so.1$')
      mkdir -p /etc/systemd/system/algo-monitor.service.d
      printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/env LD_PRELOAD=%s FAKETIME_TIMESTAMP_FILE=/etc/fakedtime FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 /usr/local/bin/algo-monitor run\\n' "$library" >/etc/systemd/system/algo-monitor.service.d/clock.conf
      echo '+0' >/etc/fakedtime; systemctl daemon-reload; systemctl restart algo-monitor`);
    await answersAgain();
    for (const offset of ["+1d", "-1d", "+0"]) {
      await host.must(`echo '${offset}' >/etc/fakedtime`);
      await waitForScans(host, 2);
      await aShellStillDies();
    }
    await host.must(
      "rm /etc/systemd/system/algo-monitor.service.d/clock.conf; systemctl daemon-reload; systemctl restart algo-monitor",
    );
    await answersAgain();
  });
});

/** Without room nothing may be written to the log files; the journal and the death of the shell are what counts. */
async function judgeFullDisk(host: Host, port: number): Promise<void> {
  const [verdict] = await judgeAttacks(host, [PLAIN_SHELL], port, ["alice"]);
  expect(verdict?.survivors).toEqual([]);
  expect(verdict?.answeredAfterwards).toBe(false);
  const journal = await host.must("journalctl -q -u algo-monitor --since '-40s' -o json --no-pager");
  expect(journal).toContain('"ALGO_ACTION":"kill"');
}

/** Pids in state T (stopped). */
async function frozen(host: Host, pids: readonly number[]): Promise<string[]> {
  const listed = await host.exec(`ps -o pid=,stat= -p ${pids.join(",")}`);
  return listed.stdout.split("\n").filter((line) => / T/.test(line));
}

/** Alerts with a decision to kill that has no outcome. */
async function unsettled(host: Host): Promise<string[]> {
  const open: string[] = [];
  for (const alert of (await alerts(host)).filter((one) => one.action === "kill")) {
    const detail = JSON.parse((await cli(host, `alerts show ${alert.id} --json`)).stdout);
    const settled = new Set(detail.outcomes.map((outcome: { decisionId: string }) => outcome.decisionId));
    for (const decision of detail.decisions) {
      if (decision.do === "kill" && !settled.has(decision.id)) open.push(`${alert.id}: decision ${decision.id}`);
    }
  }
  return open;
}
