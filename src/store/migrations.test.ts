import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { NOON_MS } from "../core/nouns.fixture.ts";
import { useHome } from "./home.fixture.ts";
import { MIGRATIONS, migrate, SCHEMA_VERSION, schemaVersion } from "./migrations.ts";

const home = useHome();

describe("migrations", () => {
  test("are numbered 1, 2, 3 without a gap", () => {
    expect(MIGRATIONS.map((step) => step.version)).toEqual(MIGRATIONS.map((_, index) => index + 1));
    expect(SCHEMA_VERSION).toBe(MIGRATIONS.length);
  });

  test("a database of version 1 keeps its rows through every later step, also one yet to be written", () => {
    const db = new Database(home.path, { create: true });
    const [first] = MIGRATIONS;
    if (first === undefined) throw new Error("no migration");
    migrate(db, NOON_MS, [first]);
    db.run("INSERT INTO audit (at_ms, who, uid, action, detail) VALUES (1, 'root', 0, 'pause', 'old')");
    const next = [
      ...MIGRATIONS,
      {
        version: SCHEMA_VERSION + 1,
        name: "test",
        sql: "ALTER TABLE audit ADD COLUMN host TEXT; CREATE TABLE extra (a)",
      },
    ];
    migrate(db, NOON_MS, next);
    migrate(db, NOON_MS, next);
    expect(schemaVersion(db)).toBe(SCHEMA_VERSION + 1);
    expect(db.query("SELECT detail, host FROM audit").values()).toEqual([["old", null]]);
    db.close();
  });

  test("a step that fails leaves the previous version whole", () => {
    const db = new Database(home.path, { create: true });
    migrate(db, NOON_MS);
    const broken = [
      ...MIGRATIONS,
      { version: SCHEMA_VERSION + 1, name: "broken", sql: "CREATE TABLE half (a); CREATE TABLE events (a)" },
    ];
    expect(() => migrate(db, NOON_MS, broken)).toThrow("events");
    expect(schemaVersion(db)).toBe(SCHEMA_VERSION);
    expect(db.query("SELECT count(*) FROM sqlite_schema WHERE name = 'half'").values()).toEqual([[0]]);
    db.close();
  });
});
