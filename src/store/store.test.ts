import { describe, expect, test } from "bun:test";
import { chmodSync, rmSync, statSync, writeFileSync } from "node:fs";
import { eventFixture, findingFixture, killFixture, NOON_MS, outcomeFixture } from "../core/nouns.fixture.ts";
import { fill, open, reading, useHome, value } from "./home.fixture.ts";
import type { Store } from "./types.ts";

const home = useHome();

describe("what is written can be read", () => {
  test("a finding, its decision and its outcome come back whole, with the socket cookie of 64 bits", () => {
    const store = open(home);
    const finding = findingFixture();
    const folded = store.recordFinding(finding);
    const decision = killFixture({ findingId: finding.id });
    expect(store.intend(decision).ok).toBeTrue();
    const outcome = outcomeFixture({ decisionId: decision.id });
    store.settle(outcome);
    const detail = value(reading(home, (reader) => reader.alert(folded.alertId)));
    expect(detail.finding).toEqual(finding);
    expect(detail.decisions).toEqual([decision]);
    expect(detail.outcomes).toEqual([outcome]);
    expect(detail.alert).toMatchObject({
      id: finding.id,
      status: "new",
      count: 1,
      action: "kill",
      pid: 31_337,
      severity: "ALERT",
    });
    expect(home.told).toEqual([]);
  });

  test("events, audit and counts come back", () => {
    const store = open(home);
    fill(store, 10);
    store.audit({ who: "alice", uid: 1000, action: "pause", detail: "30 minutes: upgrade" });
    reading(home, (reader) => {
      expect(value(reader.events({ limit: 3 })).map((event) => event.atMs)).toEqual([
        NOON_MS + 9,
        NOON_MS + 8,
        NOON_MS + 7,
      ]);
      expect(value(reader.audit())).toEqual([
        { atMs: NOON_MS, who: "alice", uid: 1000, action: "pause", detail: "30 minutes: upgrade" },
      ]);
      expect(value(reader.counts())).toMatchObject({
        events: 10,
        alerts: 1,
        findings: 1,
        alertsByStatus: { new: 1, resolved: 0 },
        alertsBySeverity: { ALERT: 1, ERROR: 0 },
      });
    });
  });

  test("a megabyte of argv is kept cut, and the plan of a decision never is", () => {
    const store = open(home);
    const huge = "A".repeat(1_000_000);
    const finding = findingFixture({ event: eventFixture({ fields: { "process.command_line": huge } }) });
    store.recordFinding(finding);
    const kept = value(reading(home, (reader) => reader.alert(finding.id))).finding.event.fields[
      "process.command_line"
    ];
    expect(String(kept)).toEndWith("(998000 more characters not kept)");
    const base = killFixture();
    if (base.do !== "kill") throw new Error("fixture");
    const kill = Array.from({ length: 10_000 }, (_, index) => ({ pid: index + 2, startedAtTicks: index }));
    store.intend({ ...base, plan: { ...base.plan, kill } });
    const [unsettled] = store.unsettled();
    expect(unsettled?.do === "kill" ? unsettled.plan.kill.length : 0).toBe(10_000);
  });
});

describe("folding", () => {
  const MINUTE_MS = 60_000;
  const rows: readonly [
    string,
    (store: Store) => void,
    { readonly atMs: number; readonly foldKey?: string },
    { isNew: boolean; count: number },
  ][] = [
    [
      "the same key within the hour is the same alert",
      () => {},
      { atMs: NOON_MS + 59 * MINUTE_MS },
      { isNew: false, count: 2 },
    ],
    [
      "the same key after the hour is a new alert",
      () => {},
      { atMs: NOON_MS + 61 * MINUTE_MS },
      { isNew: true, count: 1 },
    ],
    ["another key is a new alert", () => {}, { atMs: NOON_MS + 1, foldKey: "other" }, { isNew: true, count: 1 }],
    [
      "a clock stepped back by a day begins a new alert",
      () => {},
      { atMs: NOON_MS - 1_440 * MINUTE_MS },
      { isNew: true, count: 1 },
    ],
    [
      "an acknowledged alert goes on counting",
      (store) => close(store, "acknowledged"),
      { atMs: NOON_MS + 1 },
      { isNew: false, count: 2 },
    ],
    [
      "what comes after a resolved alert is new",
      (store) => close(store, "resolved"),
      { atMs: NOON_MS + 1 },
      { isNew: true, count: 1 },
    ],
    [
      "what comes after a false positive is new",
      (store) => close(store, "false-positive"),
      { atMs: NOON_MS + 1 },
      { isNew: true, count: 1 },
    ],
  ];
  let first: string;
  function close(store: Store, status: "acknowledged" | "resolved" | "false-positive"): void {
    expect(value(store.setStatus(first, status, "alice"))).toEqual({ id: first, previous: "new" });
  }
  for (const [name, prepare, second, expected] of rows) {
    test(name, () => {
      const store = open(home);
      const finding = findingFixture();
      first = store.recordFinding(finding).alertId;
      prepare(store);
      const folded = store.recordFinding(findingFixture(second));
      expect({ isNew: folded.isNew, count: folded.count }).toEqual(expected);
      const alerts = value(reading(home, (reader) => reader.alerts()));
      expect(alerts.length).toBe(expected.isNew ? 2 : 1);
      expect(value(reading(home, (reader) => reader.counts())).findings).toBe(2);
    });
  }

  test("the window counts from the last finding, not from the first, and the raw rows stay", () => {
    const store = open(home);
    let count = 0;
    for (let minute = 0; minute < 300; minute += 50)
      count = store.recordFinding(findingFixture({ atMs: NOON_MS + minute * MINUTE_MS })).count;
    expect(count).toBe(6);
    const [alert] = value(reading(home, (reader) => reader.alerts()));
    expect(alert).toMatchObject({ count: 6, firstAtMs: NOON_MS, lastAtMs: NOON_MS + 250 * MINUTE_MS });
    expect(value(reading(home, (reader) => reader.alert(alert?.id ?? ""))).rowsKept).toBe(6);
  });

  test("folding goes on across a restart", () => {
    const before = open(home);
    const { alertId } = before.recordFinding(findingFixture());
    before.close();
    expect(open(home).recordFinding(findingFixture({ atMs: NOON_MS + 1 }))).toEqual({
      alertId,
      count: 2,
      isNew: false,
    });
  });

  test("a finding of a higher score raises the alert's level", () => {
    const store = open(home);
    const { alertId } = store.recordFinding(findingFixture({ level: "medium", score: 50 }));
    store.recordFinding(findingFixture({ level: "critical", score: 90 }));
    store.recordFinding(findingFixture({ level: "low", score: 30 }));
    expect(value(reading(home, (reader) => reader.alert(alertId))).alert).toMatchObject({
      level: "critical",
      severity: "ALERT",
      score: 90,
      count: 3,
    });
  });
});

describe("the database file", () => {
  test("is readable by its owner alone", () => {
    writeFileSync(home.path, "");
    rmSync(home.path);
    const store = open(home);
    fill(store, 1);
    expect((statSync(home.path).mode & 0o777).toString(8)).toBe("600");
    store.close();
    chmodSync(home.path, 0o644);
    open(home);
    expect((statSync(home.path).mode & 0o777).toString(8)).toBe("600");
  });
});
