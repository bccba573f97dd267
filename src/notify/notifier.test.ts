import { describe, expect, test } from "bun:test";
import type { Notice } from "../core/notice.ts";
import { type FakeClock, fakeClock, findingFixture, killFixture } from "../core/nouns.fixture.ts";
import type { Severity } from "../core/nouns.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { localTime } from "./local_time.ts";
import { noticeOf } from "./messages.ts";
import { createNotifier, type Notifier } from "./notifier.ts";
import type { Output } from "./output.ts";

interface Recorder extends Output {
  readonly messages: string[];
  answer: () => Result<void>;
}

function recorder(name: string, filtered = true): Recorder {
  const messages: string[] = [];
  const made: Recorder = {
    name,
    filtered,
    messages,
    answer: () => ok(undefined),
    accepts: () => true,
    send: (notice) => {
      const answer = made.answer();
      if (answer.ok) messages.push(notice.message);
      return answer;
    },
    maintain: () => {},
    close: () => {},
  };
  return made;
}

const ALL: readonly Severity[] = ["ALERT", "WARNING", "INFO", "ERROR"];

interface Bench {
  readonly clock: FakeClock;
  readonly text: Recorder;
  readonly json: Recorder;
  readonly notifier: Notifier;
}

function bench(levels: readonly Severity[] = ALL, perMinuteMax?: number): Bench {
  const clock = fakeClock();
  const [text, json] = [recorder("text"), recorder("json", false)];
  const time = localTime(clock, { zone: () => "UTC" });
  const options = { outputs: [text, json], clock, levels: new Set(levels), time };
  return {
    clock,
    text,
    json,
    notifier: createNotifier(perMinuteMax === undefined ? options : { ...options, perMinuteMax }),
  };
}

function notice(message: string, overrides: Partial<Notice> = {}): Notice {
  return { kind: "finding", severity: "WARNING", atMs: 0, message, fields: {}, ...overrides };
}

function killNotice(): Notice {
  const finding = findingFixture();
  return noticeOf({ finding, alertId: finding.id, count: 1, decision: killFixture() });
}

describe("LOG_LEVELS", () => {
  const rows: readonly [string, readonly Severity[], Notice, { text: number; json: number }][] = [
    ["a listed severity is told everywhere", ["WARNING"], notice("x"), { text: 1, json: 1 }],
    ["an unlisted one only where machines collect", ["ALERT"], notice("x"), { text: 0, json: 1 }],
    ["a kill is told even when nothing is listed", [], killNotice(), { text: 1, json: 1 }],
  ];
  for (const [name, levels, one, expected] of rows) {
    test(name, () => {
      const { notifier, text, json } = bench(levels);
      notifier.notify(one);
      expect({ text: text.messages.length, json: json.messages.length }).toEqual(expected);
    });
  }

  test("can be changed while running", () => {
    const { notifier, text } = bench([]);
    notifier.notify(notice("unheard"));
    notifier.setLevels(new Set(["WARNING"]));
    notifier.notify(notice("heard"));
    expect(text.messages).toEqual(["heard"]);
  });
});

describe("folding", () => {
  test("the first is told at once, then counts after one minute, ten, and each hour", () => {
    const { notifier, text, clock } = bench();
    for (let second = 0; second < 3 * 3_600; second++) {
      notifier.notify(notice("a shell", { foldKey: "k", atMs: clock.nowMs() }));
      clock.advance(1_000);
      notifier.tick();
    }
    expect(text.messages).toEqual([
      "a shell",
      "Repeated 59 times since 12:00: a shell",
      "Repeated 600 times since 12:01: a shell",
      "Repeated 3600 times since 12:11: a shell",
      "Repeated 3600 times since 13:11: a shell",
    ]);
    expect(notifier.status().folded).toBe(3 * 3_600 - 1);
  });

  test("after a silent interval it is news again", () => {
    const { notifier, text, clock } = bench();
    notifier.notify(notice("a shell", { foldKey: "k" }));
    clock.advance(60_000);
    notifier.tick();
    notifier.notify(notice("a shell", { foldKey: "k" }));
    expect(text.messages).toEqual(["a shell", "a shell"]);
  });

  test("other keys, kinds and severities are told apart, and notices without a key always", () => {
    const { notifier, text } = bench();
    for (const one of [
      { foldKey: "k" },
      { foldKey: "l" },
      { foldKey: "k", kind: "refused" },
      { foldKey: "k", severity: "ALERT" },
      {},
      {},
    ] as const) {
      notifier.notify(notice("x", one));
    }
    expect(text.messages.length).toBe(6);
  });

  test("the table is bounded: the oldest is told with its count before it is forgotten", () => {
    const { notifier, text } = bench(ALL, 1_000_000);
    notifier.notify(notice("oldest", { foldKey: "oldest" }));
    notifier.notify(notice("oldest", { foldKey: "oldest" }));
    for (let index = 0; index < 2_000; index++) notifier.notify(notice("x", { foldKey: `key ${index}` }));
    expect(text.messages.filter((message) => message.includes("oldest"))).toEqual([
      "oldest",
      "Repeated once more since 00:00: oldest",
    ]);
  });

  test("what is held back is told at the end", () => {
    const { notifier, text } = bench();
    for (let index = 0; index < 3; index++) notifier.notify(notice("a shell", { foldKey: "k" }));
    notifier.close();
    expect(text.messages.at(-1)).toBe("Repeated 2 times since 00:00: a shell");
  });

  test("kills are never folded nor bounded", () => {
    const { notifier, text } = bench(ALL, 1);
    const one = killNotice();
    for (let index = 0; index < 500; index++) notifier.notify(one);
    expect(text.messages.length).toBe(500);
  });
});

describe("a storm", () => {
  test("is cut per minute and summed up, and a storm of warnings hides no alert", () => {
    const { notifier, text, clock } = bench(ALL, 100);
    for (let index = 0; index < 5_000; index++) notifier.notify(notice(`warning ${index}`));
    notifier.notify(notice("an alert", { severity: "ALERT" }));
    expect(text.messages.length).toBe(101);
    expect(text.messages.at(-1)).toBe("an alert");
    clock.advance(60_000);
    notifier.tick();
    expect(text.messages.at(-1)).toContain("4900 more of WARNING within a minute");
    expect(notifier.status().suppressed).toBe(4_900);
    notifier.notify(notice("after"));
    expect(text.messages.at(-1)).toBe("after");
  });
});

describe("an output that fails", () => {
  test("is counted, the others hear of it once at each end, and go on", () => {
    const { notifier, text, json } = bench();
    text.answer = () => fail("io", "the disk is full", "free space");
    for (let index = 0; index < 5; index++) notifier.notify(notice(`n${index}`));
    expect(json.messages).toEqual([
      "n0",
      "The output text fails: the disk is full. The others go on. What helps: free space.",
      "n1",
      "n2",
      "n3",
      "n4",
    ]);
    text.answer = () => ok(undefined);
    notifier.notify(notice("n5"));
    expect(json.messages.at(-1)).toContain("The output text works again");
    expect(notifier.status().outputs[0]).toMatchObject({ name: "text", failed: 6, lastFault: "the disk is full" });
  });

  test("all the time back and forth is told once a minute", () => {
    const { notifier, text, json } = bench();
    for (let index = 0; index < 50; index++) {
      text.answer = index % 2 === 0 ? () => fail("io", "flapping") : () => ok(undefined);
      notifier.notify(notice("x"));
    }
    expect(json.messages.filter((message) => message.includes("fails:")).length).toBe(1);
  });

  test("by throwing does not stop the daemon nor the other outputs", () => {
    const { notifier, text, json } = bench();
    const boom = () => {
      throw new Error("boom");
    };
    text.answer = boom;
    text.maintain = boom;
    text.close = boom;
    notifier.notify(notice("x"));
    notifier.tick();
    notifier.close();
    expect(json.messages).toContain("x");
    expect(notifier.status().outputs[0]?.lastFault).toContain("boom");
  });

  test("all of them: nothing throws, everything is counted", () => {
    const { notifier, text, json } = bench();
    text.answer = () => fail("io", "a");
    json.answer = () => fail("io", "b");
    for (let index = 0; index < 10; index++) notifier.notify(killNotice());
    for (const output of notifier.status().outputs) expect(output).toMatchObject({ sent: 0 });
    expect(notifier.status().outputs.every((output) => output.failed >= 10)).toBeTrue();
  });
});
