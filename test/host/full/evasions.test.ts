// Shells that try to look like something else. Each works without the product; with it, it is stopped before any output or
// effect, or it is one of those whose reason is known and named. About five minutes.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { knownLeak } from "../evasions/known.ts";
import { describeEvasions, EVASIONS, type EvasionRow, fateOf, judgeEvasions } from "../evasions.ts";
import { bootHost, type Host } from "../testhost.ts";

setDefaultTimeout(1_800_000);
const EVASIONS_MIN = 100;

describe("evasions", () => {
  let host: Host;
  let rows: readonly EvasionRow[] = [];
  beforeAll(async () => {
    host = await bootHost();
    rows = await judgeEvasions(host, EVASIONS);
    console.log(describeEvasions(rows));
  });
  afterAll(async () => {
    if (host !== undefined) await host.stop();
  });
  const names = (some: readonly EvasionRow[]): string[] => some.map((row) => row.evasion.name);

  test(`there are at least ${EVASIONS_MIN}, each with a name of its own`, () => {
    expect(EVASIONS.length).toBeGreaterThanOrEqual(EVASIONS_MIN);
    expect(new Set(EVASIONS.map((evasion) => evasion.name)).size).toBe(EVASIONS.length);
  });

  test("every one gives its attacker a shell where nobody guards", () => {
    expect(names(rows.filter((row) => fateOf(row) === "idle"))).toEqual([]);
  });

  test("every one is stopped before any output or effect, but for those with a known reason", () => {
    const loose = rows.filter((row) => fateOf(row) !== "stopped");
    expect(names(loose.filter((row) => knownLeak(row.evasion) === undefined))).toEqual([]);
  });

  test("what is stopped is on record", () => {
    const silent = rows.filter((row) => fateOf(row) === "stopped" && row.accusation === undefined);
    expect(names(silent)).toEqual([]);
  });
});
