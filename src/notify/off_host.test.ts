import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import type { Notice } from "../core/notice.ts";
import { fakeClock } from "../core/nouns.fixture.ts";
import { ok } from "../core/result.ts";
import { createNotifier } from "./notifier.ts";
import { createOffHostOutputs, type NotificationSettings } from "./off_host.ts";

let home: string;
beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/algo-off-host-`);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const QUIET: NotificationSettings = {
  desktop: { enabled: false, min_level: "ALERT" },
  cooldown_seconds: 300,
  per_hour: 100,
};

function outputs(settings: () => NotificationSettings) {
  const clock = fakeClock();
  const options = { clock, settings, home, hostName: "guarded", version: "0.2.0" };
  const made = createOffHostOutputs({
    ...options,
    graphicalSessions: () => [{ uid: 1000, user: "alice" }],
    killGroup: () => ok(undefined),
    onFault: () => undefined,
  });
  return { clock, made };
}

const alert: Notice = { kind: "finding", severity: "ALERT", atMs: 0, message: "x", fields: {} };

test("nothing is told off the host unless the configuration says so", () => {
  const { made } = outputs(() => QUIET);
  expect(made.map((output) => [output.name, output.accepts(alert)])).toEqual([
    ["desktop", false],
    ["webhook", false],
    ["command", false],
  ]);
});

test("a reload turns each on and off while running", () => {
  let settings = QUIET;
  const { made } = outputs(() => settings);
  settings = {
    ...QUIET,
    desktop: { enabled: true, min_level: "ALERT" },
    webhook: { url: "http://127.0.0.1:1/", min_level: "WARNING" },
    command: { argv: ["/bin/true"], min_level: "WARNING", timeout_seconds: 1 },
  };
  expect(made.map((output) => output.accepts(alert))).toEqual([true, true, true]);
  const warning: Notice = { ...alert, severity: "WARNING" };
  expect(made.map((output) => output.accepts(warning))).toEqual([false, true, true]);
  settings = QUIET;
  expect(made.map((output) => output.accepts(alert))).toEqual([false, false, false]);
});

test("LOG_LEVELS filters the desktop, and the machines' outputs have their own level", () => {
  const { made } = outputs(() => QUIET);
  expect(made.map((output) => output.filtered)).toEqual([true, false, false]);
});

test("status says what was delivered, not what was taken", () => {
  const webhook = { url: "http://127.0.0.1:1/", min_level: "WARNING" } as const;
  const { clock, made } = outputs(() => ({ ...QUIET, webhook }));
  const notifier = createNotifier({ outputs: made, clock, levels: new Set() });
  notifier.notify(alert);
  expect(notifier.status().outputs.find((output) => output.name === "webhook")).toEqual({
    name: "webhook",
    sent: 0,
    failed: 0,
    waiting: 1,
    heldBack: 0,
  });
  notifier.close();
});
