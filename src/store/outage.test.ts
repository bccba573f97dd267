import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { eventFixture, findingFixture, killFixture, NOON_MS, outcomeFixture } from "../core/nouns.fixture.ts";
import { fill, open, reading, useHome, value } from "./home.fixture.ts";
import { openStore } from "./store.ts";

const home = useHome();

describe("a world without a database", () => {
  test("a missing folder: rows wait, the outage is told once at each end, nothing is lost", () => {
    const away = `${home.directory}/missing`;
    home.path = `${away}/algo-monitor.db`;
    const store = open(home);
    const finding = findingFixture();
    expect(store.recordFinding(finding)).toEqual({ alertId: finding.id, count: 1, isNew: true });
    expect(store.recordFinding(findingFixture({ atMs: NOON_MS + 1 }))).toEqual({
      alertId: finding.id,
      count: 2,
      isNew: false,
    });
    for (let index = 0; index < 50; index++) {
      home.clock.advance(1_000);
      store.appendEvents([eventFixture()]);
    }
    expect(home.told.map((one) => one.phase)).toEqual(["begins"]);
    expect(store.status()).toMatchObject({ pending: 52, dropped: 0, outage: { sinceMs: NOON_MS } });
    mkdirSync(away);
    home.clock.advance(60_000);
    store.appendEvents([eventFixture()]);
    expect(home.told.map((one) => one.phase)).toEqual(["begins", "ends"]);
    expect(value(reading(home, (reader) => reader.counts()))).toMatchObject({ events: 51, alerts: 1, findings: 2 });
    expect(value(reading(home, (reader) => reader.alerts()))[0]?.count).toBe(2);
  });

  test("memory is bounded: events go first, findings and decisions stay, the loss is counted and told", () => {
    home.path = `${home.directory}/missing/algo-monitor.db`;
    const store = open(home, { pendingRowsMax: 100 });
    store.appendEvents(Array.from({ length: 95 }, () => eventFixture()));
    for (let index = 0; index < 50; index++) store.recordFinding(findingFixture({ foldKey: `key ${index}` }));
    store.appendEvents([eventFixture()]);
    expect(store.status()).toMatchObject({ pending: 100, dropped: 46 });
    mkdirSync(`${home.directory}/missing`);
    home.clock.advance(60_000);
    store.appendEvents([]);
    store.prune({ days: 90, databaseBytesMax: 1e9 });
    expect(value(reading(home, (reader) => reader.counts()))).toMatchObject({ events: 50, alerts: 50 });
    expect(home.told.at(-1)?.fault.message).toContain("46 found no room");
  });

  test("an intent during an outage survives SIGKILL in the run directory, and is settled and stored by the next start", () => {
    const away = `${home.directory}/missing`;
    home.path = `${away}/algo-monitor.db`;
    const store = open(home);
    const [open1, settled] = [killFixture(), killFixture()];
    expect(store.intend(open1).ok).toBeTrue();
    expect(store.intend(settled).ok).toBeTrue();
    store.settle(outcomeFixture({ decisionId: settled.id }));
    // No close: the process is gone. Half a line is what a crash leaves.
    appendFileSync(`${home.runDir}/intents.jsonl`, '{"intent":{"id":"torn');
    home.opened = [];
    const during = open(home);
    expect(during.unsettled()).toEqual([open1]);
    const after = killFixture();
    expect(during.intend(after).ok).toBeTrue();
    expect(during.unsettled()).toEqual([open1, after]);
    home.opened = [];
    mkdirSync(away);
    home.told = [];
    const next = open(home);
    expect(next.unsettled()).toEqual([open1, after]);
    expect(existsSync(`${home.runDir}/intents.jsonl`)).toBeFalse();
    expect(home.told.map((one) => one.fault.message).join()).toContain("1 lines");
    expect(value(reading(home, (reader) => reader.counts())).outcomes.done).toBe(1);
    next.settle(outcomeFixture({ decisionId: open1.id }));
    next.settle(outcomeFixture({ decisionId: after.id }));
    expect(next.unsettled()).toEqual([]);
  });
});

describe("the ledger and the file itself", () => {
  test("without database and without run directory an intent is a fault, for the journal, and nothing throws", () => {
    home.path = `${home.directory}/missing/algo-monitor.db`;
    const store = open(home, { runDir: `${home.directory}/no-run` });
    expect(store.intend(killFixture())).toMatchObject({ ok: false, fault: { kind: "io" } });
    store.settle(outcomeFixture());
    store.audit({ who: "root", uid: 0, action: "pause", detail: "" });
    expect(store.setStatus("abc", "resolved", "root")).toMatchObject({ ok: false });
    expect(store.unsettled()).toEqual([]);
    expect(store.prune({ days: 1, databaseBytesMax: 1 })).toEqual({ deletedRows: 0, more: false, sizeBytes: 0 });
  });

  test("the ledger of intents is bounded: settled pairs make room, open intents stay", () => {
    home.path = `${home.directory}/missing/algo-monitor.db`;
    const store = open(home);
    const keep = killFixture();
    store.intend(keep);
    for (let index = 0; index < 6_000; index++) {
      const decision = killFixture();
      store.intend(decision);
      store.settle(outcomeFixture({ decisionId: decision.id }));
    }
    expect(statSync(`${home.runDir}/intents.jsonl`).size).toBeLessThan(4 * 1024 * 1024 + 4_096);
    expect(store.unsettled()).toEqual([keep]);
  });

  test("a link in place of the ledger is not followed", () => {
    home.path = `${home.directory}/missing/algo-monitor.db`;
    writeFileSync(`${home.directory}/victim`, "precious");
    Bun.spawnSync(["ln", "-s", `${home.directory}/victim`, `${home.runDir}/intents.jsonl`]);
    expect(open(home).intend(killFixture()).ok).toBeFalse();
    expect(readFileSync(`${home.directory}/victim`, "utf8")).toBe("precious");
  });

  test("a database deleted or restored while in use is noticed, and its old journal is not played into the new file", () => {
    const store = open(home);
    fill(store);
    const copy = `${home.directory}/copy.db`;
    const backup = new Database(home.path);
    backup.run(`VACUUM INTO '${copy}'`);
    backup.close();
    fill(store, 2_000);
    renameSync(copy, home.path);
    home.clock.advance(5_000);
    store.recordFinding(findingFixture({ foldKey: "after the restore" }));
    expect(home.told[0]?.fault.message).toContain("deleted or replaced");
    expect(value(reading(home, (reader) => reader.counts())).events).toBe(500);
    rmSync(home.path);
    home.clock.advance(5_000);
    store.recordFinding(findingFixture({ foldKey: "after the delete" }));
    expect(value(reading(home, (reader) => reader.counts()))).toMatchObject({ events: 0, alerts: 1 });
    const check = new Database(home.path, { readonly: true });
    expect(check.query("PRAGMA integrity_check").values()).toEqual([["ok"]]);
    check.close();
  });

  test("a listener that throws does not reach the daemon", () => {
    home.path = `${home.directory}/missing/algo-monitor.db`;
    const store = openStore({
      path: home.path,
      runDir: home.runDir,
      clock: home.clock,
      onFault: () => {
        throw new Error("listener");
      },
    });
    store.recordFinding(findingFixture());
    store.close();
    store.recordFinding(findingFixture());
  });
});

describe("a full disk", () => {
  test.skipIf(process.getuid?.() !== 0)(
    "of one megabyte: protection's calls go on, the outage is told, and freed space ends it",
    () => {
      const mount = `${home.directory}/small`;
      mkdirSync(mount);
      expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount]).exitCode).toBe(0);
      try {
        home.path = `${mount}/algo-monitor.db`;
        const store = open(home);
        const ballast = `${mount}/ballast`;
        const space = 1_048_576 - statSync(home.path).size - 200_000;
        writeFileSync(ballast, Buffer.alloc(Math.max(4_096, space)));
        for (let round = 0; round < 40; round++) {
          store.appendEvents(Array.from({ length: 50 }, () => eventFixture()));
          home.clock.advance(1_000);
        }
        expect(store.status().outage?.reason).toContain("the disk is full");
        const decision = killFixture();
        expect(store.intend(decision).ok).toBeTrue();
        expect(readFileSync(`${home.runDir}/intents.jsonl`, "utf8")).toContain(decision.id);
        expect(home.told.filter((one) => one.phase === "begins").length).toBe(1);
        unlinkSync(ballast);
        Bun.spawnSync(["mount", "-o", "remount,size=64m", mount]);
        home.clock.advance(120_000);
        store.appendEvents([eventFixture()]);
        expect(home.told.at(-1)?.phase).toBe("ends");
        expect(value(reading(home, (reader) => reader.counts())).events).toBe(2_001);
        expect(store.unsettled()).toEqual([decision]);
        store.close();
      } finally {
        Bun.spawnSync(["umount", "-l", mount]);
      }
    },
  );
});
