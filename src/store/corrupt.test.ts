import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { eventFixture, findingFixture, killFixture } from "../core/nouns.fixture.ts";
import { fill, open, reading, setAsideFiles, useHome, value } from "./home.fixture.ts";
import { openReader } from "./reader.ts";

const home = useHome();

describe("a database that cannot be used is set aside, never overwritten", () => {
  const shapes: readonly [string, (dbPath: string) => void][] = [
    ["a truncated file", (db) => truncateSync(db, 20_000)],
    ["a file truncated inside its header", (db) => truncateSync(db, 60)],
    ["a garbage header", (db) => overwrite(db, 0, 100)],
    ["a garbage first page", (db) => overwrite(db, 100, 3_996)],
    ["a garbage page in the middle", (db) => overwrite(db, 8 * 4_096, 4_096)],
    ["a file of zero bytes", (db) => truncateSync(db, 0)],
    [
      "a directory in place of the file",
      (db) => {
        unlinkSync(db);
        mkdirSync(db);
      },
    ],
    [
      "a FIFO in place of the file",
      (db) => {
        unlinkSync(db);
        Bun.spawnSync(["mkfifo", db]);
      },
    ],
    ["a directory in place of the journal", (db) => mkdirSync(`${db}-wal`)],
    ["text in place of the file", (db) => writeFileSync(db, "hello\n".repeat(1_000))],
    [
      "a foreign database with a table called events",
      (db) => {
        unlinkSync(db);
        foreign(db);
      },
    ],
  ];
  function overwrite(file: string, offset: number, length: number): void {
    const bytes = readFileSync(file);
    for (let index = offset; index < offset + length; index++) bytes[index] = (index * 167 + 13) & 255;
    writeFileSync(file, bytes);
  }
  function foreign(file: string): void {
    const db = new Database(file);
    db.run("CREATE TABLE events (name TEXT)");
    db.close();
  }
  for (const [name, damage] of shapes) {
    test(`${name} at start: a new one is begun and it is told`, () => {
      const before = open(home);
      fill(before);
      before.close();
      damage(home.path);
      const original = statSync(home.path).isFile() ? readFileSync(home.path) : undefined;
      const store = open(home);
      const finding = findingFixture();
      store.recordFinding(finding);
      expect(value(reading(home, (reader) => reader.alert(finding.id))).finding.id).toBe(finding.id);
      expect(home.told.map((one) => one.phase)).toEqual(["once"]);
      expect(home.told[0]?.fault.message).toContain("set aside as");
      const [aside] = setAsideFiles(home).filter((file) => !file.endsWith("-wal") && !file.endsWith("-shm"));
      expect(aside).toMatch(/^algo-monitor\.db\.corrupt-20260314T120000Z$/);
      if (original !== undefined) expect(readFileSync(`${home.directory}/${aside}`).equals(original)).toBeTrue();
    });
  }

  test("a journal of garbage costs nothing: SQLite ignores frames that do not add up", () => {
    const before = open(home);
    fill(before);
    before.close();
    writeFileSync(`${home.path}-wal`, Buffer.alloc(8_000_000, 0x5a));
    const store = open(home);
    store.recordFinding(findingFixture({ foldKey: "after" }));
    expect(value(reading(home, (reader) => reader.counts()))).toMatchObject({ events: 500, alerts: 2 });
    expect(home.told).toEqual([]);
  });
});

describe("damage while in use", () => {
  test("corruption in mid-use: the row that met it is in the new database", () => {
    const store = open(home);
    fill(store, 3_000);
    store.prune({ days: 90, databaseBytesMax: 1e9 });
    const checkpoint = new Database(home.path);
    checkpoint.run("PRAGMA wal_checkpoint(TRUNCATE)");
    checkpoint.close();
    const pages = statSync(home.path).size / 4_096;
    for (let page = 1; page < pages; page++) overwriteInPlace(home.path, page * 4_096, 4_096);
    let finding = findingFixture();
    for (let index = 0; index < 20 && setAsideFiles(home).length === 0; index++) {
      finding = findingFixture({ foldKey: `damage ${index}` });
      store.appendEvents([eventFixture()]);
      store.recordFinding(finding);
      home.clock.advance(100);
    }
    expect(setAsideFiles(home).length).toBeGreaterThan(0);
    expect(value(reading(home, (reader) => reader.alert(finding.id))).finding.id).toBe(finding.id);
    expect(home.told[0]?.fault.message).toContain("became unusable");
  });
  function overwriteInPlace(file: string, offset: number, length: number): void {
    const fd = openSync(file, "r+");
    writeSync(fd, Buffer.alloc(length, 0xa5), 0, length, offset);
    closeSync(fd);
  }

  test("an older corrupt copy of the same second is never overwritten", () => {
    for (const text of ["first", "second"]) {
      writeFileSync(home.path, `${text} garbage `.repeat(500));
      open(home).close();
      rmSync(home.path);
    }
    const kept = setAsideFiles(home).map((name) => readFileSync(`${home.directory}/${name}`, "latin1").slice(0, 6));
    expect(kept.sort()).toEqual(["first ", "second"]);
  });

  test("a disk that corrupts every file is an outage after three of them, not a disk full of copies", () => {
    const store = open(home);
    for (let round = 0; round < 12; round++) {
      rmSync(home.path, { force: true });
      writeFileSync(home.path, "garbage ".repeat(1_000));
      home.clock.advance(61_000);
      store.appendEvents([eventFixture()]);
    }
    const copies = setAsideFiles(home).filter((name) => !/-(wal|shm)$/.test(name)).length;
    expect(copies).toBeLessThanOrEqual(4);
    expect(store.status().outage?.reason).toContain("3 times within an hour");
  });

  test("a database of a newer version is left whole under its own name", () => {
    open(home).close();
    const db = new Database(home.path);
    db.run("INSERT INTO schema_version (version, name, at_ms) VALUES (99, 'future', 0)");
    db.close();
    expect(openReader(home.path)).toMatchObject({ ok: false, fault: { kind: "unsupported" } });
    const store = open(home);
    store.recordFinding(findingFixture());
    const [aside] = readdirSync(home.directory).filter((name) => name.includes(".newer-"));
    expect(aside).toBeDefined();
    expect(home.told[0]?.fault.message).toContain("newer algo-monitor");
    expect(value(reading(home, (reader) => reader.counts())).alerts).toBe(1);
  });
});

test("a file damaged anywhere never throws and never loses what is recorded afterwards (seeded)", () => {
  const before = open(home);
  fill(before, 200);
  before.close();
  const sound = readFileSync(home.path);
  let state = 20_260_314;
  const random = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * below);
  };
  for (let round = 0; round < 40; round++) {
    const bytes = Buffer.from(sound.subarray(0, round % 4 === 0 ? random(sound.length) : sound.length));
    for (let hit = 0; hit <= round; hit++) if (bytes.length > 0) bytes[random(bytes.length)] = random(256);
    writeFileSync(home.path, bytes);
    home.clock.advance(3_600_001);
    const store = open(home);
    const finding = findingFixture({ foldKey: `round ${round}` });
    store.recordFinding(finding);
    store.appendEvents(Array.from({ length: 50 }, () => eventFixture()));
    const decision = killFixture({ findingId: finding.id });
    expect(store.intend(decision).ok).toBeTrue();
    expect(store.unsettled().map((one) => one.id)).toContain(decision.id);
    expect(reading(home, (reader) => reader.alert(finding.id)).ok).toBeTrue();
    store.prune({ days: 90, databaseBytesMax: 1e9 });
    expect(store.status().outage).toBeUndefined();
    store.close();
    for (const suffix of ["", "-wal", "-shm"]) rmSync(home.path + suffix, { force: true });
  }
}, 60_000);
