import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import {
  eventFixture,
  fakeClock,
  findingFixture,
  killFixture,
  NOON_MS,
  outcomeFixture,
} from "../core/nouns.fixture.ts";
import type { Finding } from "../core/nouns.ts";
import type { Result } from "../core/result.ts";
import type { AlertFilter } from "./alert_rows.ts";
import { openReader, type Reader } from "./reader.ts";
import { openStore } from "./store.ts";
import type { Store } from "./types.ts";

let home: string;
let path: string;
let store: Store;

beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/algo-reader-`);
  path = `${home}/algo-monitor.db`;
  mkdirSync(`${home}/run`);
  store = openStore({ path, runDir: `${home}/run`, clock: fakeClock(), onFault: () => {} });
});

afterEach(() => {
  store.close();
  rmSync(home, { recursive: true, force: true });
});

function reading<T>(work: (reader: Reader) => T): T {
  const reader = value(openReader(path));
  try {
    return work(reader);
  } finally {
    reader.close();
  }
}

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.fault.message);
  return result.value;
}

const A: Partial<Finding> = { id: "0aaaaaaaax111", foldKey: "a", atMs: NOON_MS };
const B: Partial<Finding> = {
  id: "0bbbbbbbbx222",
  foldKey: "b",
  atMs: NOON_MS + 1_000,
  level: "medium",
  score: 50,
  rule: { id: "11111111-2222-3333-4444-555555555555", name: "odd_place", version: 1 },
  event: eventFixture({ fields: { "process.executable": "/tmp/.x/kworker" } }),
};
const C: Partial<Finding> = { id: "0bbbbbbbcx333", foldKey: "c", atMs: NOON_MS + 2_000 };

function three(): void {
  for (const finding of [A, B, C]) store.recordFinding(findingFixture(finding));
  store.setStatus("0bbbbbbbcx333", "resolved", "alice");
}

describe("alerts", () => {
  const rows: readonly [string, AlertFilter, readonly string[]][] = [
    ["without filter, newest first", {}, ["x333", "x222", "x111"]],
    ["by status", { status: "resolved" }, ["x333"]],
    ["by level", { level: "medium" }, ["x222"]],
    ["by severity", { severity: "ALERT" }, ["x333", "x111"]],
    ["by name of the rule", { rule: "odd_place" }, ["x222"]],
    ["by id of the rule", { rule: "11111111-2222-3333-4444-555555555555" }, ["x222"]],
    ["since a moment, inclusive", { sinceMs: NOON_MS + 1_000 }, ["x333", "x222"]],
    ["until a moment, inclusive", { untilMs: NOON_MS + 1_000 }, ["x222", "x111"]],
    ["by a whole path", { executable: "/usr/bin/bash" }, ["x333", "x111"]],
    ["a path is not a prefix", { executable: "/usr/bin" }, []],
    ["by a part of the path", { executable: "kworker" }, ["x222"]],
    ["wildcards of SQL are plain text", { executable: "k%r" }, []],
    ["at most so many", { limit: 1 }, ["x333"]],
    ["a limit below zero is zero", { limit: -5 }, []],
    ["after one, oldest first", { afterId: "0aaaaaaaax111" }, ["x222", "x333"]],
    ["after one, at most so many", { afterId: "0aaaaaaaax111", limit: 1 }, ["x222"]],
    ["after an unknown one: all", { afterId: "gone" }, ["x111", "x222", "x333"]],
    ["all filters must hold", { status: "new", severity: "ALERT", rule: "reverse_shell" }, ["x111"]],
  ];
  for (const [name, filter, expected] of rows) {
    test(name, () => {
      three();
      expect(value(reading((reader) => reader.alerts(filter))).map((alert) => alert.id.slice(-4))).toEqual([
        ...expected,
      ]);
    });
  }
});

describe("an alert is named by", () => {
  const rows: readonly [string, string, string][] = [
    ["its id", "0aaaaaaaax111", "0aaaaaaaax111"],
    ["its id in capitals with blanks around", " 0AAAAAAAAX111 ", "0aaaaaaaax111"],
    ["a unique suffix", "222", "0bbbbbbbbx222"],
    ["a unique prefix", "0aaa", "0aaaaaaaax111"],
    ["the id of a later finding of it", "0rawfinding01", "0aaaaaaaax111"],
    ["the id of a decision about it", "0thedecision1", "0aaaaaaaax111"],
    ["not by an ambiguous prefix", "0bbb", "fits more than one alert: 0bbbbbbbcx333, 0bbbbbbbbx222"],
    ["not by two characters", "11", "too short"],
    ["not by an unknown id", "zzzz", "there is no alert zzzz"],
    ["not by SQL", "' OR 1=1 --", "is not an alert id"],
    ["not by a wildcard", "%", "is not an alert id"],
    ["not by nothing", "", "is not an alert id"],
  ];
  for (const [name, asked, expected] of rows) {
    test(name, () => {
      three();
      store.recordFinding(findingFixture({ ...A, id: "0rawfinding01" }));
      store.intend(killFixture({ id: "0thedecision1", findingId: "0rawfinding01" }));
      const found = reading((reader) => reader.alert(asked));
      expect(found.ok ? found.value.alert.id : found.fault.message).toContain(expected);
    });
  }
});

describe("for the preview of trust", () => {
  test("all past findings of a rule come, newest first, and say whether somebody died", () => {
    const first = findingFixture(A);
    store.recordFinding(first);
    const decision = killFixture({ findingId: first.id });
    store.intend(decision);
    store.settle(outcomeFixture({ decisionId: decision.id }));
    store.recordFinding(findingFixture({ ...A, id: "0aaaaaaaax112" }));
    store.recordFinding(findingFixture(B));
    const found = value(reading((reader) => reader.findSimilar("reverse_shell")));
    expect(found.map((one) => [one.finding.id, one.alertId, one.killed])).toEqual([
      ["0aaaaaaaax112", "0aaaaaaaax111", false],
      ["0aaaaaaaax111", "0aaaaaaaax111", true],
    ]);
  });
});

describe("opening", () => {
  test("works while the daemon writes, and sees what was committed since", () => {
    const reader = value(openReader(path));
    three();
    expect(value(reader.counts()).alerts).toBe(3);
    store.recordFinding(findingFixture());
    expect(value(reader.counts()).alerts).toBe(4);
    reader.close();
  });

  test("works when the daemon was killed and left a journal without index", () => {
    three();
    mkdirSync(`${home}/copy`);
    for (const suffix of ["", "-wal"]) cpSync(path + suffix, `${home}/copy/algo-monitor.db${suffix}`);
    path = `${home}/copy/algo-monitor.db`;
    expect(value(reading((reader) => reader.counts())).alerts).toBe(3);
  });

  test.skipIf(process.getuid?.() !== 0)("works on a read-only medium, and says that the journal was not read", () => {
    three();
    const mount = `${home}/medium`;
    mkdirSync(mount);
    expect(Bun.spawnSync(["mount", "-t", "tmpfs", "tmpfs", mount]).exitCode).toBe(0);
    try {
      store.close();
      store = openStore({ path, runDir: `${home}/run`, clock: fakeClock(), onFault: () => {} });
      store.recordFinding(findingFixture({ foldKey: "only in the journal" }));
      for (const suffix of ["", "-wal"]) cpSync(path + suffix, `${mount}/algo-monitor.db${suffix}`);
      expect(Bun.spawnSync(["mount", "-o", "remount,ro", mount]).exitCode).toBe(0);
      const reader = value(openReader(`${mount}/algo-monitor.db`));
      expect(reader.stale).toBeTrue();
      expect(value(reader.counts()).alerts).toBe(3);
      reader.close();
    } finally {
      Bun.spawnSync(["umount", "-l", mount]);
    }
  });

  const refusals: readonly [string, () => void, RegExp][] = [
    ["a missing file", () => rmSync(path), /there is no database at/],
    [
      "a directory",
      () => {
        rmSync(path);
        mkdirSync(path);
      },
      /not a regular file/,
    ],
    ["an empty file", () => truncateSync(path, 0), /is empty/],
    ["garbage", () => writeFileSync(path, "garbage ".repeat(2_000)), /is damaged/],
    [
      "somebody else's database",
      () => {
        rmSync(path);
        new Database(path, { create: true }).run("CREATE TABLE a (b)");
      },
      /has none of our tables/,
    ],
  ];
  for (const [name, prepare, expected] of refusals) {
    test(`of ${name} is refused with a reason and a remedy`, () => {
      store.close();
      prepare();
      const reader = openReader(path);
      expect(reader.ok ? "opened" : reader.fault.message).toMatch(expected);
      expect(reader.ok ? undefined : reader.fault.remedy).toBeString();
    });
  }

  test("never writes: not one byte of the database changes", () => {
    three();
    store.close();
    const before = statSync(path);
    chmodSync(path, 0o400);
    reading((reader) => [
      reader.alerts(),
      reader.counts(),
      reader.alert("222"),
      reader.audit(),
      reader.decisions(),
      reader.events(),
    ]);
    expect(statSync(path)).toMatchObject({ size: before.size, mtimeMs: before.mtimeMs });
  });
});

test("rows of any damage are left out and counted, never thrown (seeded)", () => {
  for (let index = 0; index < 60; index++) {
    const finding = findingFixture({ foldKey: `k${index}` });
    store.recordFinding(finding);
    const decision = killFixture({ findingId: finding.id });
    store.intend(decision);
    store.settle(outcomeFixture({ decisionId: decision.id }));
    store.appendEvents([eventFixture()]);
  }
  store.close();
  const random = seeded(20_260_314);
  const db = new Database(path);
  for (const table of ["findings", "finding_rows", "decisions", "outcomes", "events"]) {
    const read = db.query(`SELECT seq, json FROM ${table}`).values();
    for (const [seq, json] of read)
      db.query(`UPDATE ${table} SET json = ?1 WHERE seq = ?2`).run(damaged(String(json), random), Number(seq));
  }
  const ids = db
    .query("SELECT id FROM findings")
    .values()
    .map((row) => String(row[0]));
  db.close();
  reading((reader) => {
    for (const id of ids) expect(reader.alert(id).ok).toBeBoolean();
    for (const answer of [reader.events(), reader.decisions(), reader.findSimilar("reverse_shell")])
      expect(answer.ok).toBeTrue();
    expect(reader.unreadableRows()).toBeGreaterThan(50);
  });
  store = openStore({ path, runDir: `${home}/run`, clock: fakeClock(), onFault: () => {} });
  expect(store.unsettled()).toEqual([]);
});

function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

function damaged(json: string, random: () => number): string {
  const at = Math.floor(random() * json.length);
  const kind = Math.floor(random() * 4);
  if (kind === 0) return json.slice(0, at);
  if (kind === 1) return json.replace(/"(pid|reasons|rule|plan|fields|cookie)":/, '"$1x":');
  if (kind === 2) return ["null", "[]", "7", '"text"', "{}", ""][Math.floor(random() * 6)] ?? "";
  return `${json.slice(0, at)}${String.fromCharCode(Math.floor(random() * 65_536))}${json.slice(at + 1)}`;
}
