import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock, NOON_MS } from "../core/nouns.fixture.ts";
import { createPauses } from "./pauses.ts";

const MINUTE_MS = 60_000;
const root = mkdtempSync(join(tmpdir(), "algo-pauses-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let directory = "";
let clock = fakeClock();
let bootMs = 0;
let serial = 0;
beforeEach(() => {
  directory = join(root, String(++serial));
  mkdirSync(directory);
  clock = fakeClock();
  bootMs = 5_000_000;
});

function open() {
  return createPauses(directory, clock, () => bootMs);
}

function pass(ms: number): void {
  clock.advance(ms);
  bootMs += ms;
}

const PAUSE = { untilMs: NOON_MS + 30 * MINUTE_MS, by: "alice", reason: "upgrade" };

describe("a pause", () => {
  test("holds until its time is over, and its end is told once", () => {
    const pauses = open();
    expect(pauses.begin(PAUSE)).toBe(true);
    pass(30 * MINUTE_MS - 1);
    expect([pauses.current(), pauses.expire()]).toEqual([PAUSE, false]);
    pass(1);
    expect([pauses.current(), pauses.expire(), pauses.expire()]).toEqual([undefined, true, false]);
    expect(existsSync(`${directory}/pause.json`)).toBe(false);
  });

  test("is ended by hand, and the second time there is none", () => {
    const pauses = open();
    pauses.begin(PAUSE);
    expect([pauses.end(), pauses.end(), pauses.current(), pauses.expire()]).toEqual([true, false, undefined, false]);
  });

  test("is written for root alone and survives a restart", () => {
    open().begin(PAUSE);
    expect(statSync(`${directory}/pause.json`).mode & 0o777).toBe(0o600);
    expect(open().current()).toEqual(PAUSE);
  });

  const clocks: readonly (readonly [name: string, change: () => void, stillPaused: boolean])[] = [
    [
      "set back by a day does not make it longer",
      () => {
        clock.step(-86_400_000);
        pass(30 * MINUTE_MS);
      },
      false,
    ],
    [
      "set back leaves it what is left",
      () => {
        clock.step(-86_400_000);
        pass(29 * MINUTE_MS);
      },
      true,
    ],
    ["set forward ends it when it says so", () => clock.step(31 * MINUTE_MS), false],
  ];
  test.each(clocks)("a clock %s", (_name, change, stillPaused) => {
    const pauses = open();
    pauses.begin(PAUSE);
    change();
    expect(pauses.current() !== undefined).toBe(stillPaused);
    // A pause that the set clock puts further away than one may be is none after a restart: protection is the safe side.
    expect(open().current()).toBeUndefined();
  });

  test("that ran out while the daemon was down is not taken up", () => {
    open().begin(PAUSE);
    pass(31 * MINUTE_MS);
    expect(open().current()).toBeUndefined();
  });

  test("that cannot be written down holds all the same, and says so", () => {
    rmSync(directory, { recursive: true });
    const pauses = open();
    expect(pauses.begin(PAUSE)).toBe(false);
    expect(pauses.current()).toEqual(PAUSE);
  });
});

describe("a hostile file is no pause", () => {
  const sound = { ...PAUSE, untilBootMs: 5_000_000 + MINUTE_MS };
  const rows: readonly (readonly [name: string, text: string])[] = [
    ["empty", ""],
    ["no JSON", "until tomorrow"],
    ["null", "null"],
    ["a list", "[]"],
    ["an end that never comes", JSON.stringify({ ...sound, untilMs: 1e300 })],
    ["an end beyond what can be asked for", JSON.stringify({ ...sound, untilMs: NOON_MS + 25 * 60 * MINUTE_MS })],
    ["an end of another boot", JSON.stringify({ ...sound, untilBootMs: 9e15 })],
    ["an end as text", JSON.stringify({ ...sound, untilMs: "9999999999999" })],
    ["nobody who ordered it", JSON.stringify({ ...sound, by: 7 })],
    ["a missing part", JSON.stringify({ untilMs: sound.untilMs })],
  ];
  test.each(rows)("%s", (_name, text) => {
    writeFileSync(`${directory}/pause.json`, text);
    expect(open().current()).toBeUndefined();
  });

  test("a sound one is, for comparison", () => {
    writeFileSync(`${directory}/pause.json`, JSON.stringify(sound));
    expect(open().current()).toEqual(PAUSE);
  });

  test("a folder in its place hinders nothing", () => {
    mkdirSync(`${directory}/pause.json`);
    const pauses = open();
    expect([pauses.current(), pauses.begin(PAUSE), pauses.end()]).toEqual([undefined, false, true]);
  });
});
