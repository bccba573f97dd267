/** One throw-away home a test, with a fake clock and everything the store told. Removed after the test. */
import { afterEach, beforeEach } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { eventFixture, type FakeClock, fakeClock, findingFixture, NOON_MS } from "../core/nouns.fixture.ts";
import type { Fault } from "../core/result.ts";
import { openReader, type Reader } from "./reader.ts";
import { openStore } from "./store.ts";
import type { FaultPhase, Store, StoreOptions } from "./types.ts";

interface Told {
  readonly phase: FaultPhase;
  readonly fault: Fault;
}

export interface Home {
  directory: string;
  path: string;
  runDir: string;
  clock: FakeClock;
  told: Told[];
  opened: Store[];
}

/** Filled anew before each test. */
export function useHome(): Home {
  const home: Home = { directory: "", path: "", runDir: "", clock: fakeClock(), told: [], opened: [] };
  beforeEach(() => {
    home.directory = mkdtempSync(`${tmpdir()}/algo-store-`);
    home.path = `${home.directory}/algo-monitor.db`;
    home.runDir = `${home.directory}/run`;
    mkdirSync(home.runDir);
    home.clock = fakeClock();
    home.told = [];
    home.opened = [];
  });
  afterEach(() => {
    for (const store of home.opened) store.close();
    rmSync(home.directory, { recursive: true, force: true });
  });
  return home;
}

export function open(home: Home, overrides: Partial<StoreOptions> = {}): Store {
  const { path, runDir, clock } = home;
  const store = openStore({
    path,
    runDir,
    clock,
    onFault: (fault, phase) => home.told.push({ fault, phase }),
    ...overrides,
  });
  home.opened.push(store);
  return store;
}

export function reading<T>(home: Home, work: (reader: Reader) => T): T {
  const reader = value(openReader(home.path));
  try {
    return work(reader);
  } finally {
    reader.close();
  }
}

export function value<T>(result: { ok: true; value: T } | { ok: false; fault: Fault }): T {
  if (!result.ok) throw new Error(result.fault.message);
  return result.value;
}

/** Pages enough that damage in the middle hits something. */
export function fill(store: Store, events = 500): void {
  store.appendEvents(Array.from({ length: events }, (_, index) => eventFixture({ atMs: NOON_MS + index })));
  store.recordFinding(findingFixture());
}

export function setAsideFiles(home: Home): string[] {
  return readdirSync(home.directory).filter((name) => name.includes(".corrupt-"));
}
