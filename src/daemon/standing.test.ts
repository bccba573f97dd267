import { describe, expect, test } from "bun:test";
import {
  eventFixture,
  findingFixture,
  killFixture,
  NOON_MS,
  planFixture,
  socketFixture,
} from "../core/nouns.fixture.ts";
import type { Decision, Event, Finding } from "../core/nouns.ts";
import { createStanding } from "./standing.ts";

const base = { id: "d", atMs: NOON_MS, rule: findingFixture().rule, by: "policy", reasons: [] };
const RECORD: Decision = { ...base, do: "record" };
const REHEARSE: Decision = { ...base, do: "rehearse", would: "kill", plan: planFixture() };
const REFUSE: Decision = { ...base, do: "refuse" };
const DISCONNECT: Decision = { ...base, do: "disconnect", plan: planFixture() };
const finding = findingFixture();
const MINUTE_MS = 60_000;

function findingOf(event: Partial<Event>, over: Partial<Finding> = {}): Finding {
  return findingFixture({ ...over, event: eventFixture(event) });
}

describe("a finding that stands", () => {
  const rows: readonly (readonly [name: string, then: Decision, afterMs: number, news: boolean])[] = [
    ["is no news in the next sweep", RECORD, 5_000, false],
    ["is news again after ten minutes", RECORD, 10 * MINUTE_MS, true],
    ["is news when the decision changes", REHEARSE, 5_000, true],
    ["is news when it is refused now", REFUSE, 5_000, true],
    ["is news whenever something is to be killed", killFixture(), 5_000, true],
    ["is news whenever something is to be cut", DISCONNECT, 5_000, true],
    ["is news when the clock was set back", RECORD, -86_400_000, true],
  ];
  test.each(rows)("%s", (_name, decision, afterMs, news) => {
    const standing = createStanding();
    expect(standing.isNews({ finding, decision: RECORD }, NOON_MS)).toBe(true);
    expect(standing.isNews({ finding, decision }, NOON_MS + afterMs)).toBe(news);
  });

  test("kill after kill is news each time: the first may have failed", () => {
    const standing = createStanding();
    const kill = { finding, decision: killFixture() };
    expect([0, 1, 2].map((sweep) => standing.isNews(kill, NOON_MS + sweep * 5_000))).toEqual([true, true, true]);
  });

  const others: readonly (readonly [name: string, other: Finding])[] = [
    ["another process", findingOf({ process: { pid: 31_337, startedAtTicks: 1 } })],
    ["another rule", findingFixture({ rule: { ...finding.rule, id: "other" } })],
    ["another action", findingOf({ action: "shell-unwired" })],
    [
      "another connection of the same process",
      findingOf({ subject: { actors: [], relays: [], sockets: [socketFixture({ inode: 1 })] } }),
    ],
  ];
  test.each(others)("does not hide %s", (_name, other) => {
    const standing = createStanding();
    standing.isNews({ finding, decision: RECORD }, NOON_MS);
    expect(standing.isNews({ finding: other, decision: RECORD }, NOON_MS)).toBe(true);
  });
});

describe("events", () => {
  test("of sources are always stored", () => {
    const standing = createStanding();
    const started = eventFixture({ logsource: { product: "linux", category: "process_creation" } });
    expect(standing.freshEvents([started], NOON_MS)).toEqual([started]);
    expect(standing.freshEvents([started], NOON_MS)).toEqual([started]);
  });

  test("of a lasting state are stored once in ten minutes", () => {
    const standing = createStanding();
    const wired = eventFixture();
    const stored = [0, 1, 9, 10, 11].map(
      (minute) => standing.freshEvents([wired], NOON_MS + minute * MINUTE_MS).length,
    );
    expect(stored).toEqual([1, 0, 0, 1, 0]);
  });
});

test("memory has a bound: the oldest of 50,000 is forgotten and told again", () => {
  const standing = createStanding();
  const at = (pid: number) => ({ finding: findingOf({ process: { pid, startedAtTicks: 1 } }), decision: RECORD });
  for (let pid = 0; pid <= 50_000; pid++) standing.isNews(at(pid), NOON_MS);
  expect([standing.isNews(at(50_000), NOON_MS), standing.isNews(at(0), NOON_MS)]).toEqual([false, true]);
});

describe("what a host does all the time", () => {
  const common = (count: number, category = "process_creation"): Event[] =>
    Array.from({ length: count }, () => eventFixture({ logsource: { product: "linux", category } }));

  test("is kept whole at first, then by rate", () => {
    const standing = createStanding();
    expect(standing.freshEvents(common(6_000), NOON_MS)).toHaveLength(5_000);
    expect(standing.freshEvents(common(100), NOON_MS + 1_000)).toHaveLength(30);
    expect(standing.freshEvents(common(100), NOON_MS + 1_000)).toHaveLength(0);
    expect(standing.freshEvents(common(6_000), NOON_MS + 3_600_000)).toHaveLength(5_000);
  });

  test("takes no room from what is rare, such as a changed file", () => {
    const standing = createStanding();
    standing.freshEvents(common(6_000), NOON_MS);
    expect(standing.freshEvents(common(100, "file_change"), NOON_MS)).toHaveLength(100);
  });
});
