import { describe, expect, test } from "bun:test";
import type { Notice } from "../core/notice.ts";
import { type FakeClock, fakeClock, findingFixture, killFixture, outcomeFixture } from "../core/nouns.fixture.ts";
import type { Outcome } from "../core/nouns.ts";
import { localTime } from "./local_time.ts";
import { noticeOf } from "./messages.ts";
import { createRoute, type MinimumLevel, type Route, type RouteSettings, reaches } from "./routes.ts";

interface Bench {
  readonly clock: FakeClock;
  readonly route: Route;
  readonly told: Notice[];
  readonly messages: () => readonly string[];
  settings: RouteSettings | undefined;
}

function bench(overrides: Partial<RouteSettings> = {}): Bench {
  const clock = fakeClock();
  const told: Notice[] = [];
  const made: Bench = {
    clock,
    told,
    messages: () => told.map((notice) => notice.message),
    settings: { minimumLevel: "WARNING", cooldownMs: 300_000, perHour: 100, ...overrides },
    route: createRoute({
      clock,
      settings: () => made.settings,
      deliver: (notice) => told.push(notice),
      time: localTime(clock, { zone: () => "UTC" }),
    }),
  };
  return made;
}

function notice(message: string, overrides: Partial<Notice> = {}): Notice {
  return { kind: "finding", severity: "WARNING", atMs: 0, message, fields: {}, ...overrides };
}

function kill(foldKey: string, outcome: Partial<Outcome> = {}): Notice {
  const finding = findingFixture({ foldKey });
  return noticeOf({
    finding,
    alertId: finding.id,
    count: 1,
    decision: killFixture(),
    outcome: outcomeFixture(outcome),
  });
}

describe("the minimum level", () => {
  const rows: readonly [string, Notice, MinimumLevel, boolean][] = [
    ["an alert passes everywhere", notice("x", { severity: "ALERT" }), "ALERT", true],
    ["a warning does not pass where only alerts are wanted", notice("x"), "ALERT", false],
    ["a warning passes where warnings are wanted", notice("x"), "WARNING", true],
    ["a fault of ours passes where warnings are wanted", notice("x", { severity: "ERROR" }), "WARNING", true],
    ["a fault of ours does not pass where only alerts are wanted", notice("x", { severity: "ERROR" }), "ALERT", false],
    ["an information does not pass where warnings are wanted", notice("x", { severity: "INFO" }), "WARNING", false],
    ["an information passes where it is wanted", notice("x", { severity: "INFO" }), "INFO", true],
    ["a kill passes everywhere", kill("k"), "ALERT", true],
  ];
  for (const [name, one, minimum, expected] of rows) test(name, () => expect(reaches(one, minimum)).toBe(expected));

  test("a route without settings accepts nothing", () => {
    const { route } = bench();
    const off = bench();
    off.settings = undefined;
    expect([route.accepts(kill("k")), off.route.accepts(kill("k"))]).toEqual([true, false]);
  });
});

describe("the cooldown of a group", () => {
  test("the first is told at once, its repeats in one message after it, and none is lost", () => {
    const { route, clock, messages, told } = bench();
    for (let index = 0; index < 5; index++) route.offer(notice("a listener", { foldKey: "k" }));
    expect(messages()).toEqual(["a listener"]);
    clock.advance(299_999);
    route.tick();
    expect(told.length).toBe(1);
    clock.advance(1);
    route.tick();
    expect(messages()).toEqual(["a listener", "4 times since 12:00, the latest: a listener"]);
    expect(told[1]?.fields["repeats"]).toBe("4");
    clock.advance(300_000);
    route.tick();
    expect(told.length).toBe(2);
    route.offer(notice("a listener", { foldKey: "k" }));
    expect(messages().at(-1)).toBe("a listener");
    expect(route.heldBack).toBe(4);
  });

  test("kills too: the first at once, the second and third in one message that is still a kill", () => {
    const { route, clock, told } = bench();
    for (let index = 0; index < 3; index++) route.offer(kill("k"));
    expect(told.length).toBe(1);
    clock.advance(300_000);
    route.tick();
    expect(told.length).toBe(2);
    expect(told[1]).toMatchObject({ kind: "kill", severity: "ALERT", fields: { repeats: "2" } });
    expect(told[1]?.message).toStartWith("2 times since 12:00, the latest: KILLED: ");
  });

  const rows: readonly [string, readonly Notice[], number][] = [
    ["another group is other news", [kill("a"), kill("b")], 2],
    ["a kill is no repeat of the alert before it", [notice("x", { about: kill("a").about ?? never() }), kill("a")], 2],
    ["a kill that failed is no repeat of one that was done", [kill("a"), kill("a", { result: "failed" })], 2],
    ["what has no group is told each time", [notice("x"), notice("x")], 2],
    [
      "another severity is other news",
      [notice("x", { foldKey: "k" }), notice("x", { foldKey: "k", severity: "ALERT" })],
      2,
    ],
  ];
  for (const [name, notices, expected] of rows) {
    test(name, () => {
      const { route, told } = bench();
      for (const one of notices) route.offer(one);
      expect(told.length).toBe(expected);
    });
  }

  test("a count of the notifier is added, not counted as one", () => {
    const { route, clock, messages } = bench();
    route.offer(notice("x", { foldKey: "k" }));
    route.offer(notice("Repeated 5 times: x", { foldKey: "k", fields: { repeats: "5" } }));
    route.offer(notice("Repeated 7 times: x", { foldKey: "k", fields: { repeats: "7" } }));
    clock.advance(300_000);
    route.tick();
    expect(messages().at(-1)).toStartWith("12 times since");
  });

  test("a repeat that comes when the cooldown is over takes the held ones with it", () => {
    const { route, clock, messages } = bench();
    for (let index = 0; index < 3; index++) route.offer(notice("x", { foldKey: "k" }));
    clock.advance(300_000);
    route.offer(notice("x again", { foldKey: "k" }));
    expect(messages()).toEqual(["x", "3 times since 12:00, the latest: x again"]);
  });

  test("0 turns it off, and a shorter one counts from the next look on", () => {
    const one = bench({ cooldownMs: 0 });
    for (let index = 0; index < 3; index++) one.route.offer(notice("x", { foldKey: "k" }));
    expect(one.told.length).toBe(3);
    const two = bench();
    for (let index = 0; index < 2; index++) two.route.offer(notice("x", { foldKey: "k" }));
    two.settings = { minimumLevel: "WARNING", cooldownMs: 1_000, perHour: 100 };
    two.clock.advance(1_000);
    two.route.tick();
    expect(two.told.length).toBe(2);
  });

  test("the table is bounded: the oldest group is told with its count before it is forgotten", () => {
    const { route, messages } = bench({ perHour: 10_000 });
    for (let index = 0; index < 3; index++) route.offer(notice("oldest", { foldKey: "oldest" }));
    for (let index = 0; index < 500; index++) route.offer(notice("x", { foldKey: `key ${index}` }));
    expect(messages().filter((message) => message.includes("oldest"))).toEqual([
      "oldest",
      "2 times since 12:00, the latest: oldest",
    ]);
  });

  test("what is held is told at the end", () => {
    const { route, messages } = bench();
    for (let index = 0; index < 3; index++) route.offer(notice("x", { foldKey: "k" }));
    route.flush();
    expect(messages()).toEqual(["x", "2 times since 12:00, the latest: x"]);
  });
});

describe("the bound of an hour", () => {
  test("is never passed, and what was held is summed up as soon as there is room", () => {
    const { route, clock, told, messages } = bench({ perHour: 10 });
    for (let index = 0; index < 50; index++) route.offer(notice(`warning ${index}`));
    expect(told.length).toBe(8);
    for (let index = 0; index < 3; index++) route.offer(notice(`alert ${index}`, { severity: "ALERT" }));
    expect(told.length).toBe(9);
    for (let index = 0; index < 3; index++) route.offer(kill(`k${index}`));
    expect(told.length).toBe(10);
    clock.advance(3_599_999);
    route.tick();
    expect(told.length).toBe(10);
    clock.advance(1);
    route.tick();
    expect(told.length).toBe(11);
    expect(told.at(-1)?.severity).toBe("ALERT");
    expect(messages().at(-1)).toStartWith(
      "46 more notices were held back since 12:00 (4 ALERT, 42 WARNING, 2 of them kills, mostly of reverse_shell (2)), because NOTIFICATIONS.per_hour is 10.",
    );
    route.offer(notice("after"));
    expect(messages().at(-1)).toBe("after");
  });

  test("warnings leave room for alerts, and alerts for kills", () => {
    const { route, messages } = bench({ perHour: 100 });
    for (let index = 0; index < 1_000; index++) route.offer(notice(`warning ${index}`));
    for (let index = 0; index < 1_000; index++) route.offer(notice(`alert ${index}`, { severity: "ALERT" }));
    route.offer(kill("the real one"));
    expect(messages().length).toBe(91);
    expect(messages().at(-1)).toStartWith("KILLED");
  });

  test("one an hour is one of anything", () => {
    const { route, told } = bench({ perHour: 1 });
    route.offer(notice("x"));
    route.offer(kill("k"));
    expect(told.length).toBe(1);
  });

  test("of a flood of a thousand groups every single one is in some count (seeded)", () => {
    let state = 11;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 4_294_967_296) * below);
    };
    const { route, clock, told } = bench({ perHour: 20 });
    let offered = 0;
    for (let round = 0; round < 5_000; round++) {
      const severity = random(3) === 0 ? "ALERT" : "WARNING";
      route.offer(notice("x", { severity, ...(random(4) === 0 ? {} : { foldKey: `k${random(1_000)}` }) }));
      offered++;
      clock.advance(random(3_000));
      if (round % 7 === 0) route.tick();
    }
    route.flush();
    const counted = (one: Notice) => Number(one.fields["held_back"] ?? one.fields["repeats"] ?? 1);
    expect(told.reduce((sum, one) => sum + counted(one), 0)).toBe(offered);
    expect(told.length).toBeLessThan(offered / 5);
  });
});

function never(): never {
  throw new Error("a kill has a subject");
}
