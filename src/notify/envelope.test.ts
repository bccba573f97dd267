import { describe, expect, test } from "bun:test";
import type { Notice } from "../core/notice.ts";
import { eventFixture, findingFixture, killFixture, NOON_MS, outcomeFixture } from "../core/nouns.fixture.ts";
import type { Fields } from "../core/nouns.ts";
import { ENVELOPE_BYTES_MAX, envelopeOf } from "./envelope.ts";
import { noticeOf } from "./messages.ts";

const HOST = { hostName: "guarded", version: "0.2.0" };

function kill(fields: Fields = {}): Notice {
  const event = eventFixture();
  const finding = findingFixture({ event: { ...event, fields: { ...event.fields, ...fields } } });
  return noticeOf({ finding, alertId: "alert", count: 3, decision: killFixture(), outcome: outcomeFixture() });
}

describe("an envelope", () => {
  test("of a kill says who, what, why, what was done and what to do", () => {
    expect(JSON.parse(envelopeOf(kill(), "0id", HOST))).toMatchObject({
      "@timestamp": "2026-03-14T12:00:00.020Z",
      host: { name: "guarded" },
      observer: { product: "algo-monitor", version: "0.2.0" },
      event: { kind: "alert", outcome: "success", severity: 95 },
      rule: { id: "5f0d3b0e-8a8e-4f7e-9a53-0d6f0a4f2b11", name: "reverse_shell" },
      threat: { technique: { id: ["T1059"], subtechnique: { id: ["T1059.004"] } } },
      process: { pid: 31_337, executable: "/usr/bin/bash", command_line: "bash -i" },
      user: { name: "www-data" },
      destination: { ip: "203.0.113.7", port: 4_444 },
      algo_monitor: {
        envelope: 1,
        message_id: "0id",
        alert_id: "alert",
        count: 3,
        severity: "ALERT",
        notice: "kill",
        level: "critical",
        what_to_do: "Find how it came in: look at the parent and its logs.",
        decision: { do: "kill", by: "policy" },
        outcome: { result: "done", verified: true, killed_pids: [31_337] },
      },
    });
  });

  test("of a fault of ours has no alert's fields but the same frame", () => {
    const notice: Notice = { kind: "health", severity: "ERROR", atMs: NOON_MS, message: "a\nb", fields: { part: "x" } };
    const document = JSON.parse(envelopeOf(notice, "0id", HOST));
    expect(document).toMatchObject({
      "@timestamp": "2026-03-14T12:00:00.000Z",
      message: "a\\nb",
      host: { name: "guarded" },
      event: { kind: "event", type: ["error"], dataset: "algo_monitor.notice" },
      algo_monitor: { severity: "ERROR", notice: "health", notice_fields: { part: "x" } },
    });
    expect(document.rule).toBeUndefined();
  });

  const long: readonly [string, Fields][] = [
    ["a command line of a megabyte", { "process.command_line": "x".repeat(1_000_000) }],
    ["thousands of arguments", { "process.args": Array.from({ length: 5_000 }, () => "y".repeat(5_000)) }],
    [
      "letters of four bytes",
      { "process.command_line": "🙂".repeat(100_000), "process.executable": "🙂".repeat(9_000) },
    ],
    [
      "controls that JSON writes with six characters",
      { "process.args": Array.from({ length: 300 }, () => "\u0001".repeat(900)) },
    ],
    [
      "a thousand fields",
      Object.fromEntries(Array.from({ length: 1_000 }, (_, index) => [`odd.f${index}`, "z".repeat(500)])),
    ],
  ];
  for (const [name, fields] of long) {
    test(`with ${name} stays within its bytes, whole and with its rule`, () => {
      const text = envelopeOf(kill(fields), "0id", HOST);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(ENVELOPE_BYTES_MAX);
      expect(text).not.toContain("\n");
      expect(JSON.parse(text)).toMatchObject({
        rule: { name: "reverse_shell" },
        algo_monitor: { message_id: "0id", alert_id: "alert", severity: "ALERT" },
      });
    });
  }
});
