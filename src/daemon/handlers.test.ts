// Every order of an operator, through the real control socket to a real daemon that only watches.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { systemClock } from "../core/clock.ts";
import { findingFixture } from "../core/nouns.fixture.ts";
import { refOf } from "../host/signals.ts";
import { openStore } from "../store/store.ts";
import { createSite, endDaemons, type Site, startDaemon } from "./daemon.fixture.ts";

const QUICK = { MODE: "enforce", SCAN_INTERVALS: { processes: 1, network: 1 } };
let site: Site;
const finding = findingFixture({ atMs: Date.now() });

beforeAll(async () => {
  site = createSite({ ...QUICK, TRUSTED_SYSTEM_PROCESSES: ["sshd"] });
  const { databaseFile, runDirectory } = site.paths;
  const store = openStore({ path: databaseFile, runDir: runDirectory, clock: systemClock, onFault: () => undefined });
  store.recordFinding(finding);
  store.close();
  await startDaemon(site);
}, 60_000);
afterAll(endDaemons);

function config(): Record<string, unknown> {
  return JSON.parse(readFileSync(site.paths.configFile, "utf8"));
}

function lastAudit(): object | undefined {
  return site.audit()[0];
}

describe("orders", () => {
  test("version and status are answered", async () => {
    expect(await site.ask("version", {})).toMatchObject({ ok: true, value: { version: "0.0.0-source" } });
    const status = await site.ask("status", {});
    expect(status).toMatchObject({ ok: true, value: { degradations: expect.any(Array), store: { dropped: 0 } } });
  });

  test("a pause begins, is shown, ends, and each is audited with who", async () => {
    expect((await site.ask("pause", { minutes: 5, reason: "upgrade" })).ok).toBe(true);
    expect(lastAudit()).toMatchObject({ who: "alice", uid: 0, action: "pause", detail: "5 minutes: upgrade" });
    const status = await site.ask("status", {});
    expect(status).toMatchObject({ ok: true, value: { pausedBy: "alice", pauseReason: "upgrade" } });
    expect(await site.ask("resume", {})).toEqual({ ok: true, value: { wasPaused: true, mode: "monitor" } });
    expect(await site.ask("resume", {})).toMatchObject({ ok: true, value: { wasPaused: false } });
    expect(lastAudit()).toMatchObject({ action: "resume", detail: "was not paused" });
  });

  test("an edit of the config is audited with key and value and taken over at once", async () => {
    writeFileSync(site.paths.configFile, JSON.stringify({ ...config(), KILL_BUDGET: { per_minute: 4 } }));
    const edited = await site.ask("config_edited", { key: "KILL_BUDGET.per_minute", value: "4" });
    expect(edited).toMatchObject({ ok: true, value: { problems: [] } });
    expect(lastAudit()).toMatchObject({ who: "alice", action: "config-set", detail: "KILL_BUDGET.per_minute = 4" });
    const status = await site.ask("status", {});
    if (!status.ok || !edited.ok) throw new Error("no answer");
    expect(status.value.configGeneration).toBe(edited.value.configGeneration);
  });

  test("the key of the webhook is not in the audit trail", async () => {
    const value = '{"url":"https://example.org/x?token=t0k3n","secret":"s3cr3t"}';
    for (const key of ["NOTIFICATIONS", "NOTIFICATIONS.webhook"]) {
      await site.ask("config_edited", { key, value });
      expect(lastAudit()).toMatchObject({ action: "config-set", detail: `${key} (the value is not kept)` });
    }
  });

  test("a path is trusted once and taken back", async () => {
    const trusted = await site.ask("trust", { path: "/usr/bin/ttyd", reason: "console" });
    expect(trusted).toMatchObject({ ok: true, value: { changed: true, path: "/usr/bin/ttyd" } });
    expect(config()["TRUSTED_SYSTEM_PROCESSES"]).toEqual(["sshd", "/usr/bin/ttyd"]);
    expect(await site.ask("trust", { path: "/usr/bin/ttyd", reason: "console" })).toMatchObject({
      value: { changed: false },
    });
    const taken = await site.ask("untrust", { path: "/usr/bin/ttyd" });
    expect(taken).toMatchObject({ ok: true, value: { removedPaths: ["/usr/bin/ttyd"] } });
    expect(config()["TRUSTED_SYSTEM_PROCESSES"]).toEqual(["sshd"]);
    expect(lastAudit()).toMatchObject({ action: "untrust", detail: '["/usr/bin/ttyd"]' });
  });

  test("an alert is trusted by its narrowest entry and taken back by the same id", async () => {
    const trusted = await site.ask("trust", { alertId: finding.id, reason: "appliance" });
    expect(trusted).toMatchObject({
      ok: true,
      value: { changed: true, entry: { rule: "reverse_shell", exe: "/usr/bin/bash", author: "alice" } },
    });
    const taken = await site.ask("untrust", { alertId: finding.id });
    expect(taken).toMatchObject({ ok: true, value: { removedEntries: [{ rule: "reverse_shell" }] } });
    expect(config()["EXCEPTIONS"]).toEqual([]);
  });

  test("an entry that has run out is taken back like any other", async () => {
    const entry = { rule: "reverse_shell", exe: "/usr/bin/bash", until: "2020-01-01", reason: "was once" };
    writeFileSync(site.paths.configFile, JSON.stringify({ ...config(), EXCEPTIONS: [entry] }));
    const taken = await site.ask("untrust", { alertId: finding.id });
    expect(taken).toMatchObject({ ok: true, value: { removedEntries: [entry] } });
    expect(config()["EXCEPTIONS"]).toEqual([]);
  });

  test("an unknown alert is neither trusted nor settled", async () => {
    expect(await site.ask("trust", { alertId: "zzzz", reason: "x" })).toMatchObject({ ok: false });
    expect(await site.ask("untrust", { alertId: "zzzz" })).toMatchObject({ ok: false });
    const settled = await site.ask("set_alert_status", { id: "zzzz", status: "resolved" });
    expect(settled).toMatchObject({ ok: false, fault: { kind: "gone" } });
  });

  test("an alert is settled, and the audit says from what to what", async () => {
    const settled = await site.ask("set_alert_status", { id: finding.id.slice(-6), status: "resolved" });
    expect(settled).toMatchObject({ ok: true, value: { id: finding.id, previous: "new", status: "resolved" } });
    expect(lastAudit()).toMatchObject({ action: "alert-status", detail: `${finding.id}: new -> resolved` });
  });

  test("scan rehearses this host without touching it", async () => {
    const scan = await site.ask("scan", {});
    expect(scan).toMatchObject({ ok: true, value: { sweptBy: "daemon", ownSessionConcerned: false } });
    if (scan.ok) expect(scan.value.processes).toBeGreaterThan(1);
  });

  test("the self-test sees the asking process and its connection", async () => {
    const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
    const client = await Bun.connect({ hostname: "127.0.0.1", port: listener.port, socket: { data: () => undefined } });
    const self = refOf(process.pid);
    if (self === undefined) throw new Error("no self");
    const seen = await site.ask("selftest", { marker: "m", process: self, port: listener.port, waitMs: 20_000 });
    client.terminate();
    listener.stop(true);
    if (!seen.ok) throw new Error(seen.fault.message);
    expect(seen.value.checks.map(({ name, passed }) => [name, passed])).toEqual([
      ["process", true],
      ["connection", true],
      ["record", true],
    ]);
  }, 30_000);

  test("the self-test says what it does not see", async () => {
    const nobody = { pid: process.pid, startedAtTicks: 1 };
    const seen = await site.ask("selftest", { marker: "m", process: nobody, port: 1, waitMs: 300 });
    if (!seen.ok) throw new Error(seen.fault.message);
    expect(seen.value.checks.map(({ passed }) => passed)).toEqual([false, false, true]);
  });

  test("a refused rule of the site makes scan say that it would not see everything", async () => {
    const file = `${site.paths.siteRulesDirectory}/broken.yml`;
    writeFileSync(file, "title: x\n");
    const reloads = [await site.ask("reload", {}), await site.ask("reload", {})];
    expect(reloads.map((told) => told.ok && [told.value.changed, told.value.rulesChanged])).toEqual([
      [false, true],
      [false, false],
    ]);
    const scan = await site.ask("scan", {});
    rmSync(file);
    expect(scan).toMatchObject({ ok: false, fault: { kind: "invalid" } });
    if (!scan.ok) expect(scan.fault.message).toContain("broken.yml");
    await site.ask("reload", {});
    expect((await site.ask("scan", {})).ok).toBe(true);
  });
});
