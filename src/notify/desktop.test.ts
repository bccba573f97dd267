// The launcher here is a stand-in for systemd-run and notify-send that writes down its arguments, one line each;
// the real ones are tested in a host with a session bus (test/host/notify.test.ts).
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Notice } from "../core/notice.ts";
import { type FakeClock, fakeClock, findingFixture, killFixture, outcomeFixture } from "../core/nouns.fixture.ts";
import type { Severity } from "../core/nouns.ts";
import type { Fault } from "../core/result.ts";
import { desktopOutput, type GraphicalSession, notifySendArguments } from "./desktop.ts";
import { localTime } from "./local_time.ts";
import { noticeOf } from "./messages.ts";
import type { Output } from "./output.ts";

let home: string;
let clock: FakeClock;
let faults: Fault[];
let sessions: readonly GraphicalSession[];

beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/algo-desktop-`);
  clock = fakeClock();
  faults = [];
  sessions = [{ uid: 1000, user: "alice" }];
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function desktop(end = "exit 0", more: { hasDesktop?: boolean; timeoutMs?: number } = {}): Output {
  writeFileSync(`${home}/show`, `#!/bin/sh\nfor one; do last=$one; done; printf '%s\\n' "$last" >>"$SHOWN"\n${end}\n`, {
    mode: 0o755,
  });
  return desktopOutput({
    clock,
    settings: () => ({ minimumLevel: "ALERT", cooldownMs: 300_000, perHour: 1_000 }),
    graphicalSessions: () => sessions,
    onFault: (fault) => faults.push(fault),
    time: localTime(clock, { zone: () => "UTC" }),
    launcher: ({ user }, notifySend) =>
      more.hasDesktop === false ? undefined : ["/usr/bin/env", `SHOWN=${home}/${user}`, `${home}/show`, ...notifySend],
    ...(more.timeoutMs === undefined ? {} : { timeoutMs: more.timeoutMs }),
  });
}

function alert(message: string): Notice {
  return { kind: "finding", severity: "ALERT", atMs: clock.nowMs(), message, fields: {} };
}

const shownTo = (user: string) =>
  existsSync(`${home}/${user}`) ? readFileSync(`${home}/${user}`, "utf8").split("\n").slice(0, -1) : [];

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !condition(); turn++) await Bun.sleep(5);
  expect(condition()).toBeTrue();
}

/** Lets it show one, and the time go on until the next may be shown. */
async function showOne(output: Output, sent: number): Promise<void> {
  output.maintain();
  await until(() => output.status?.().sent === sent);
  clock.advance(2_000);
}

describe("a note on the desktop", () => {
  test("is shown to each user who is logged in to one, once however many sessions", async () => {
    sessions = [
      { uid: 1000, user: "alice" },
      { uid: 1000, user: "alice" },
      { uid: 1001, user: "bob" },
    ];
    const output = desktop();
    output.send(alert("a shell"));
    await until(() => output.status?.().sent === 2);
    expect([shownTo("alice"), shownTo("bob")]).toEqual([["a shell"], ["a shell"]]);
  });

  test("is off by itself, and no fault, where nobody is logged in to one or nothing can show it", async () => {
    const output = desktop("exit 0", { hasDesktop: false });
    expect(output.accepts(alert("x"))).toBeTrue();
    output.send(alert("x"));
    await Bun.sleep(20);
    expect(output.status?.()).toEqual({ sent: 0, failed: 0, waiting: 0, heldBack: 0 });
    sessions = [];
    expect(output.accepts(alert("x"))).toBeFalse();
    expect(faults).toEqual([]);
  });

  test("comes at most every two seconds", async () => {
    const output = desktop();
    for (const text of ["a", "b", "c"]) output.send(alert(text));
    await until(() => output.status?.().sent === 1);
    clock.advance(1_999);
    output.maintain();
    await Bun.sleep(10);
    expect(shownTo("alice")).toEqual(["a"]);
    clock.advance(1);
    await showOne(output, 2);
    expect(shownTo("alice")).toEqual(["a", "b"]);
  });

  test("comes twenty times an hour, then in a summary", async () => {
    const output = desktop();
    for (let index = 0; index < 50; index++) output.send(alert(`n${index}`));
    for (let sent = 1; sent <= 20; sent++) await showOne(output, sent);
    output.maintain();
    await Bun.sleep(10);
    expect(shownTo("alice").length).toBe(20);
    expect(output.status?.().heldBack).toBe(30);
    clock.advance(3_600_000);
    await showOne(output, 21);
    expect(shownTo("alice").at(-1)).toStartWith("30 more notices since 12:00.");
    output.send(alert("after"));
    await showOne(output, 22);
    expect(shownTo("alice").at(-1)).toBe("after");
  });

  test("for somebody who logged out is forgotten", async () => {
    const output = desktop();
    for (const text of ["a", "b"]) output.send(alert(text));
    await until(() => output.status?.().sent === 1);
    sessions = [];
    clock.advance(2_000);
    output.maintain();
    expect(output.status?.().waiting).toBe(0);
  });

  test("that cannot be shown is told once an hour, and one that hangs is ended", async () => {
    const output = desktop("exec sleep 600", { timeoutMs: 100 });
    for (const text of ["a", "b"]) output.send(alert(text));
    await until(() => output.status?.().failed === 1);
    clock.advance(2_000);
    output.maintain();
    await until(() => output.status?.().failed === 2);
    expect(faults.length).toBe(1);
    expect(faults[0]?.message).toContain("on the desktop of alice");
  });
});

describe("the arguments of notify-send", () => {
  const body = async (message: string) => (await notifySendArguments(alert(message))).at(-1);

  const rows: readonly [string, string, string][] = [
    ["markup is text", "<b>&amp;</b>", "&lt;b&gt;&amp;amp;&lt;/b&gt;"],
    ["a backslash stays one, for notify-send reads C escapes", "a\\tb", "a\\\\tb"],
    ["a line break is shown as one", "a\nb", "a\\\\nb"],
    ["what a shell would read is text", '$(id) `id` "x" $HOME', '$(id) `id` "x" $HOME'],
    ["a reversed reading direction is shown", "a\u202eb", "a\\\\u{202e}b"],
  ];
  for (const [name, message, expected] of rows) test(name, async () => expect(await body(message)).toBe(expected));

  test("a text that looks like an option comes behind the end of options", async () => {
    const argv = await notifySendArguments(alert("--action=x"));
    expect(argv.indexOf("--")).toBe(argv.length - 3);
    expect(argv.at(-1)).toBe("--action=x");
  });

  test("four hundred characters are enough", async () => {
    expect(((await body("x".repeat(10_000))) ?? "").length).toBeLessThan(440);
  });

  const urgencies: readonly [Severity, string][] = [
    ["ALERT", "critical"],
    ["ERROR", "normal"],
    ["WARNING", "normal"],
    ["INFO", "low"],
  ];
  for (const [severity, urgency] of urgencies)
    test(`${severity} is ${urgency}`, async () => {
      const argv = await notifySendArguments({ ...alert("x"), severity });
      expect(argv[argv.indexOf("--urgency") + 1]).toBe(urgency);
      expect(argv[argv.indexOf("--app-name") + 1]).toBe("algo-monitor");
      expect(argv[argv.indexOf("--expire-time") + 1]).toBe("30000");
    });

  test("a kill names its rule in the title", async () => {
    const finding = findingFixture();
    const kill = noticeOf({
      finding,
      alertId: finding.id,
      count: 1,
      decision: killFixture(),
      outcome: outcomeFixture(),
    });
    expect((await notifySendArguments(kill)).at(-2)).toBe("algo-monitor: ALERT reverse_shell");
  });
});
