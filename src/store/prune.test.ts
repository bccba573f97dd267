import { describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { eventFixture, findingFixture, killFixture, NOON_MS, outcomeFixture } from "../core/nouns.fixture.ts";
import { fill, open, reading, useHome, value } from "./home.fixture.ts";

const home = useHome();

describe("retention", () => {
  test("removes by age, oldest first, and never an unsettled intent", () => {
    const store = open(home);
    const old = findingFixture();
    store.recordFinding(old);
    const [unsettled, settled] = [killFixture({ findingId: old.id }), killFixture({ findingId: old.id })];
    store.intend(unsettled);
    store.intend(settled);
    store.settle(outcomeFixture({ decisionId: settled.id }));
    fill(store, 100);
    home.clock.advance(91 * 86_400_000);
    store.appendEvents([eventFixture({ atMs: home.clock.nowMs() })]);
    let rounds = 0;
    while (store.prune({ days: 90, databaseBytesMax: 1e9 }).more) rounds++;
    expect(rounds).toBeLessThan(5);
    expect(value(reading(home, (reader) => reader.counts()))).toMatchObject({
      events: 1,
      alerts: 0,
      findings: 0,
      decisions: { kill: 1 },
      outcomes: { done: 0 },
    });
    expect(store.unsettled()).toEqual([unsettled]);
  });

  test("removes by size in bounded steps, events before findings, and gives the space back", () => {
    const store = open(home);
    for (let index = 0; index < 10; index++) fill(store, 2_000);
    const before = store.status().sizeBytes;
    const first = store.prune({ days: 90, databaseBytesMax: 2_000_000 });
    expect(first).toMatchObject({ deletedRows: 2_000, more: true });
    for (let round = 0; round < 50 && store.prune({ days: 90, databaseBytesMax: 2_000_000 }).more; round++);
    expect(statSync(home.path).size).toBeLessThan(3_000_000);
    expect(before).toBeGreaterThan(6_000_000);
    const counts = value(reading(home, (reader) => reader.counts()));
    expect(counts.events).toBeGreaterThan(0);
    expect(counts.alerts).toBe(1);
  });

  test("an alert with more raw rows than one step removes is removed over several calls", () => {
    const store = open(home);
    for (let index = 0; index < 4_500; index++) store.recordFinding(findingFixture({ atMs: NOON_MS + index }));
    home.clock.advance(91 * 86_400_000);
    const steps: number[] = [];
    for (let round = 0; round < 10; round++) {
      const report = store.prune({ days: 90, databaseBytesMax: 1e9 });
      steps.push(report.deletedRows);
      if (!report.more) break;
    }
    expect(steps[0]).toBe(2_000);
    expect(value(reading(home, (reader) => reader.counts()))).toMatchObject({ alerts: 0, findings: 0 });
  });
});
