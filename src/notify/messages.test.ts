import { describe, expect, test } from "bun:test";
import type { NoticeSubject } from "../core/notice.ts";
import {
  eventFixture,
  findingFixture,
  killFixture,
  outcomeFixture,
  planFixture,
  socketFixture,
} from "../core/nouns.fixture.ts";
import type { Decision, Outcome } from "../core/nouns.ts";
import { exceptionJson, messageFor, noticeOf } from "./messages.ts";

const ID = "0abcd1234wxyz";

function about(overrides: Partial<NoticeSubject> = {}): NoticeSubject {
  return { finding: findingFixture({ id: ID }), alertId: ID, count: 1, ...overrides };
}

const KILL = killFixture({ id: "0decision0001" });
const OUTCOME = outcomeFixture({ decisionId: KILL.id });
const BASE = { id: "0decision0002", atMs: KILL.atMs, rule: KILL.rule, by: "policy" };
const SHELL =
  "A shell takes its commands from a remote host: /usr/bin/bash (pid 31337) and 203.0.113.7:4444 [rule reverse_shell, score 95]";
const WHY = "Why: standard input and output lead to tcp 203.0.113.7:4444; this host opened the connection";
const TRUST = `If this was legitimate: sudo algo-monitor trust ${ID}, or paste into EXCEPTIONS: {"rule":"reverse_shell","exe":"/usr/bin/bash","parent":"/usr/bin/python3.11","user":"www-data","peer":"203.0.113.7","reason":"say here why this is normal"}`;
const DETAILS = `Details: sudo algo-monitor alerts show ${ID}.`;

describe("the operator reads, in one line", () => {
  const refuse: Decision = { ...BASE, do: "refuse", reasons: ["pid 812 (sshd) is on the never-touch list"] };
  const rehearse: Decision = {
    ...BASE,
    do: "rehearse",
    would: "kill",
    reasons: ["mode is monitor"],
    plan: planFixture(),
  };
  const cut: Decision = {
    ...BASE,
    do: "disconnect",
    reasons: ["the rule asks for disconnect"],
    plan: planFixture({ kill: [] }),
  };
  const spare: Decision = {
    ...BASE,
    do: "kill",
    reasons: [],
    plan: planFixture({
      spared: [{ process: { pid: 900, startedAtTicks: 1 }, reason: "main process of tomcat.service" }],
    }),
  };
  const survivors: Outcome = {
    ...OUTCOME,
    result: "partial",
    verified: false,
    survived: [{ pid: 31_340, startedAtTicks: 2 }],
    detail: "pid 31340 is in uninterruptible sleep",
  };

  const goldens: readonly [string, NoticeSubject, readonly string[]][] = [
    [
      "a finding that is only recorded",
      about({ count: 3, decision: { ...BASE, do: "record", reasons: ["the rule asks for alert"] } }),
      [
        `${SHELL.replace(" [rule", " (seen 3 times) [rule")}. ${WHY}. Next: Find how it came in: look at the parent and its logs. ${DETAILS}`,
      ],
    ],
    [
      "a kill, with the entry and the command that would allow it",
      about({ decision: KILL, outcome: OUTCOME }),
      [
        `KILLED: ${SHELL}. ${WHY}. Dead: /usr/bin/bash (pid 31337); 1 connection destroyed; verified after 12 ms. ${TRUST}. ${DETAILS}`,
      ],
    ],
    [
      "a kill that left somebody alive, with the command that ends it",
      about({ decision: KILL, outcome: survivors }),
      [
        "KILLED IN PART: ",
        "STILL ALIVE: pid 31340; 1 connection destroyed; pid 31340 is in uninterruptible sleep; NOT verified. Act now: look with ps -fp 31340, stop it with sudo kill -9 31340.",
      ],
    ],
    [
      "a kill whose outcome is not known yet",
      about({ decision: KILL }),
      [`KILLING: ${SHELL}. ${WHY}. Concerned: /usr/bin/bash (pid 31337); the connection: tcp to 203.0.113.7:4444. `],
    ],
    [
      "a kill that spared a service, and why",
      about({ decision: spare, outcome: OUTCOME }),
      ["Left alone: pid 900 (main process of tomcat.service). "],
    ],
    [
      "a refusal, and why",
      about({ decision: refuse }),
      [`NOT STOPPED: ${SHELL}. ${WHY}. Not stopped because pid 812 (sshd) is on the never-touch list. Next: `],
    ],
    [
      "a rehearsal, what would have been done and how to have it done",
      about({ decision: rehearse }),
      [
        `WOULD KILL: ${SHELL}. ${WHY}. Would kill /usr/bin/bash (pid 31337); nothing was touched because mode is monitor. To have it stopped: sudo algo-monitor config set MODE enforce (while paused: sudo algo-monitor resume). ${TRUST}. ${DETAILS}`,
      ],
    ],
    [
      "a cut connection",
      about({ decision: cut, outcome: { ...OUTCOME, killed: [], evidence: [] } }),
      [`DISCONNECTED: ${SHELL}. ${WHY}. 1 connection destroyed; verified after 12 ms. `],
    ],
    [
      "an address of version 6 in brackets",
      about({
        decision: {
          ...cut,
          plan: planFixture({ kill: [], sockets: [socketFixture({ remoteAddress: "2001:db8::7" })] }),
        },
      }),
      ["Concerned: the connection: tcp to [2001:db8::7]:4444. "],
    ],
  ];
  for (const [name, subject, expected] of goldens) {
    test(name, () => {
      const message = messageFor(subject);
      for (const part of expected) {
        if (part.endsWith(DETAILS)) expect(message).toBe(part);
        else expect(message).toContain(part);
      }
    });
  }
});

describe("the notice", () => {
  const rows: readonly [string, NoticeSubject, object][] = [
    [
      "of a kill is an ALERT told each time, whatever the rule's level",
      about({ finding: findingFixture({ level: "low" }), decision: KILL, outcome: OUTCOME }),
      { kind: "kill", severity: "ALERT", atMs: OUTCOME.atMs },
    ],
    [
      "of a medium finding is a WARNING that folds",
      about({ finding: findingFixture({ level: "medium" }) }),
      { kind: "finding", severity: "WARNING", foldKey: ID },
    ],
    [
      "of a refusal has its own kind",
      about({ decision: { ...BASE, do: "refuse", reasons: [] } }),
      { kind: "refused", severity: "ALERT" },
    ],
  ];
  for (const [name, subject, expected] of rows) {
    test(name, () => {
      const notice = noticeOf(subject);
      expect(notice).toMatchObject(expected);
      expect("foldKey" in notice).toBe(notice.kind !== "kill");
    });
  }
});

describe("a name chosen by an attacker", () => {
  const hostile = '/tmp/a\n[2026-03-14 12:00:00] x"},{"rule":"*"}\x1b[2J\u202e/sh';
  const subject = about({
    finding: findingFixture({
      title: `A program runs from ${hostile}`,
      reasons: [`its executable is ${hostile}`],
      event: eventFixture({ fields: { "process.executable": hostile, "process.pid": 31_337 } }),
    }),
    decision: KILL,
    outcome: OUTCOME,
  });

  test("cannot break the line, hide or steer the terminal", () => {
    expect(messageFor(subject)).not.toMatch(/[\p{Cc}\p{Cs}\p{Bidi_Control}]/u);
  });

  test("comes back whole from the entry to paste, and cannot add another one", () => {
    const text = exceptionJson(subject);
    expect(text).toMatch(/^[\x20-\x7e]+$/);
    expect(messageFor(subject)).toContain(text);
    expect(JSON.parse(text)).toEqual({ rule: "reverse_shell", exe: hostile, reason: "say here why this is normal" });
  });

  test("is bounded, and so is the line with a hundred processes", () => {
    const many = Array.from({ length: 100 }, (_, index) => ({ pid: 1_000 + index, startedAtTicks: index }));
    const message = messageFor(
      about({
        finding: findingFixture({
          title: "A".repeat(50_000),
          reasons: Array.from({ length: 50 }, () => "B".repeat(5_000)),
          triage: "C".repeat(9_000),
        }),
        decision: KILL,
        outcome: { ...OUTCOME, killed: many, detail: "D".repeat(50_000) },
      }),
    );
    expect(message).toContain("and 95 more");
    expect(message.length).toBeLessThan(7_500);
  });
});
