import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import type { Notice } from "../core/notice.ts";
import {
  eventFixture,
  type FakeClock,
  fakeClock,
  findingFixture,
  killFixture,
  NOON_MS,
  outcomeFixture,
} from "../core/nouns.fixture.ts";
import type { Severity } from "../core/nouns.ts";
import { printable } from "../core/printable.ts";
import { fail, ok } from "../core/result.ts";
import { alertsJsonl, ecsDocument, put } from "./alerts_jsonl.ts";
import { journaldOutput, journalFields, MESSAGE_IDS } from "./journald.ts";
import { localTime } from "./local_time.ts";
import { logFiles } from "./logfiles.ts";
import { noticeOf } from "./messages.ts";
import type { Output } from "./output.ts";

let home: string;
let logs: string;
let clock: FakeClock;

beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/algo-notify-`);
  logs = `${home}/logs`;
  clock = fakeClock();
});

afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

const UTC = { zone: () => "UTC" };

function textLogs(rotateAtBytes?: number): Output {
  const time = localTime(clock, UTC);
  const bounds = rotateAtBytes === undefined ? {} : { bounds: () => ({ rotateAtBytes, retentionDays: 30 }) };
  return logFiles({ directory: logs, clock, time, ...bounds });
}

function notice(message: string, severity: Severity = "ALERT"): Notice {
  return { kind: "health", severity, atMs: clock.nowMs(), message, fields: {} };
}

function kill(): Notice {
  const finding = findingFixture();
  const decision = killFixture({ findingId: finding.id });
  return noticeOf({
    finding,
    alertId: finding.id,
    count: 1,
    decision,
    outcome: outcomeFixture({ decisionId: decision.id }),
  });
}

const lines = (name: string) => readFileSync(`${logs}/${name}`, "utf8").split("\n").slice(0, -1);
const rotated = (name: string) =>
  readdirSync(logs)
    .filter((entry) => entry.startsWith(`${name}.`))
    .sort();

describe("text logs", () => {
  test("each severity has its file, lines have the old service's form, nobody else may read them", () => {
    const output = textLogs();
    for (const severity of ["ALERT", "WARNING", "INFO", "ERROR"] as const)
      expect(output.send(notice(`of ${severity}`, severity)).ok).toBeTrue();
    expect(lines("alert.log")).toEqual(["[2026-03-14 12:00:00] of ALERT"]);
    expect(lines("warning.log")).toEqual(["[2026-03-14 12:00:00] of WARNING"]);
    expect(lines("info.log")).toEqual(["[2026-03-14 12:00:00] of INFO"]);
    expect(lines("error.log")).toEqual(["[2026-03-14 12:00:00] of ERROR"]);
    expect((statSync(logs).mode & 0o777).toString(8)).toBe("700");
    expect((statSync(`${logs}/alert.log`).mode & 0o777).toString(8)).toBe("600");
  });

  const injections: readonly [string, string, string][] = [
    ["a newline", "bash\n[2026-03-14 12:00:00] all is well", "bash\\n[2026-03-14 12:00:00] all is well"],
    ["a carriage return", "evil\rgood", "evil\\rgood"],
    ["an escape sequence", "\x1b[2J\x1b[31mred", "\\x1b[2J\\x1b[31mred"],
    ["a C1 control", "a\x9b31m", "a\\x9b31m"],
    ["a right-to-left override", "exe\u202egnp.sh", "exe\\u{202e}gnp.sh"],
    ["a line separator", "a\u2028b", "a\\u{2028}b"],
    ["a zero-width character", "ba\u200bsh", "ba\\u{200b}sh"],
    ["half a surrogate pair", "a\ud800b", "a\\u{d800}b"],
    ["NUL", "a\0b", "a\\x00b"],
    ["letters of other scripts and pictures stay", "Prüfung 測試 🙂", "Prüfung 測試 🙂"],
  ];
  for (const [name, hostile, shown] of injections) {
    test(`${name} in a name makes one line`, () => {
      textLogs().send(notice(hostile));
      expect(lines("alert.log")).toEqual([`[2026-03-14 12:00:00] ${shown}`]);
    });
  }

  test("any text at all becomes one bounded line (seeded)", () => {
    let state = 7;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 4_294_967_296) * below);
    };
    for (let round = 0; round < 500; round++) {
      const text = Array.from({ length: random(60) }, () =>
        String.fromCharCode(random(4) === 0 ? random(65_536) : random(256)),
      ).join("");
      const shown = printable(text, 40);
      expect(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(shown)).toBeFalse();
      expect(shown.length).toBeLessThanOrEqual(40 + "... (60 characters)".length);
    }
  });

  test("local time follows a change of the host's zone within ten seconds, and both sides of summer time are right", () => {
    let zone = "Europe/Berlin";
    const time = localTime(clock, { zone: () => zone });
    expect(time.stamp(NOON_MS)).toBe("2026-03-14 13:00:00");
    expect(time.stamp(Date.UTC(2026, 2, 29, 0, 59, 59))).toBe("2026-03-29 01:59:59");
    expect(time.stamp(Date.UTC(2026, 2, 29, 1, 0, 0))).toBe("2026-03-29 03:00:00");
    zone = "Asia/Kathmandu";
    clock.advance(10_000);
    expect(time.stamp(NOON_MS)).toBe("2026-03-14 17:45:00");
    zone = "No/Such_Zone";
    clock.advance(10_000);
    expect(time.stamp(NOON_MS)).toMatch(/^2026-03-1[345] \d\d:\d\d:00$/);
    expect(time.stamp(Number.NaN)).toMatch(/^1970|^1969/);
    expect(localTime(clock, { zone: () => "UTC" }).stamp(Date.UTC(2026, 0, 1))).toBe("2026-01-01 00:00:00");
  });
});

describe("rotation", () => {
  test("at the bound the file is renamed with its date and no line is lost or split", () => {
    const output = textLogs(1_000);
    for (let index = 0; index < 100; index++) {
      clock.advance(1_000);
      output.send(notice(`line ${index} ${"x".repeat(40)}`));
    }
    const files = [...rotated("alert.log"), "alert.log"];
    expect(files.length).toBeGreaterThan(6);
    expect(files[0]).toMatch(/^alert\.log\.20260314-1200\d\d$/);
    const all = files.flatMap(lines);
    expect(all.map((line) => Number(/line (\d+)/.exec(line)?.[1]))).toEqual(
      Array.from({ length: 100 }, (_, index) => index),
    );
    for (const file of files) expect(statSync(`${logs}/${file}`).size).toBeLessThanOrEqual(1_000);
  });

  test("several in one second never overwrite each other", () => {
    const output = textLogs(100);
    for (let index = 0; index < 10; index++) output.send(notice(`line ${index} ${"x".repeat(60)}`));
    expect([...rotated("alert.log"), "alert.log"].flatMap(lines).length).toBe(10);
  });

  test("rotated files older than the retention are removed, others with similar names stay, thirty are kept at most", () => {
    mkdirSync(logs, { recursive: true });
    const old = new Date(NOON_MS - 31 * 86_400_000);
    for (const name of [
      "alert.log.20260101-000000",
      "alert.log.20260101-000000-2",
      "alert.log.bak",
      "alert.log.1",
      "notes.txt",
    ]) {
      writeFileSync(`${logs}/${name}`, "old\n");
      utimesSync(`${logs}/${name}`, old, old);
    }
    const output = textLogs();
    output.maintain();
    expect(readdirSync(logs).sort()).toEqual([
      "alert.log",
      "alert.log.1",
      "alert.log.bak",
      "error.log",
      "info.log",
      "notes.txt",
      "warning.log",
    ]);
    for (let index = 10; index < 50; index++) {
      writeFileSync(`${logs}/alert.log.202603${index < 40 ? "13" : "14"}-0000${index}`, "");
      utimesSync(
        `${logs}/alert.log.202603${index < 40 ? "13" : "14"}-0000${index}`,
        new Date(NOON_MS),
        new Date(NOON_MS),
      );
    }
    clock.advance(3_600_000);
    output.maintain();
    const kept = rotated("alert.log").filter((name) => /\d{8}-\d{6}$/.test(name));
    expect(kept.length).toBe(30);
    expect(kept.at(-1)).toBe("alert.log.20260314-000049");
  });

  test("a quiet log is rotated after a week, so that its lines meet the retention", () => {
    const output = textLogs();
    output.send(notice("first"));
    clock.advance(8 * 86_400_000);
    output.send(notice("second"));
    expect(rotated("alert.log").length).toBe(1);
    expect(lines("alert.log").join()).toContain("second");
  });
});

describe("whatever happens to a log file, the next line is in the file that has its name", () => {
  const happenings: readonly [string, (path: string) => void][] = [
    ["deleted", (path) => unlinkSync(path)],
    ["renamed by logrotate", (path) => renameSync(path, `${path}.1`)],
    [
      "renamed and created by logrotate",
      (path) => {
        renameSync(path, `${path}.1`);
        writeFileSync(path, "");
      },
    ],
    ["truncated by copytruncate", (path) => writeFileSync(path, "")],
    ["gone with its whole folder", () => rmSync(logs, { recursive: true })],
  ];
  for (const [name, happen] of happenings) {
    test(name, () => {
      const output = textLogs();
      output.send(notice("before"));
      happen(`${logs}/alert.log`);
      expect(output.send(notice("after")).ok).toBeTrue();
      expect(lines("alert.log")).toEqual(["[2026-03-14 12:00:00] after"]);
    });
  }

  test("replaced by a link: refused, the target is untouched, and it works again when the link is gone", () => {
    const output = textLogs();
    writeFileSync(`${home}/victim`, "precious");
    unlinkSync(`${logs}/alert.log`);
    symlinkSync(`${home}/victim`, `${logs}/alert.log`);
    expect(output.send(notice("x"))).toMatchObject({ ok: false, fault: { kind: "denied" } });
    expect(readFileSync(`${home}/victim`, "utf8")).toBe("precious");
    unlinkSync(`${logs}/alert.log`);
    expect(output.send(notice("y")).ok).toBeTrue();
  });

  test("replaced by a FIFO without reader: refused at once instead of waiting for ever", () => {
    const output = textLogs();
    unlinkSync(`${logs}/alert.log`);
    Bun.spawnSync(["mkfifo", `${logs}/alert.log`]);
    expect(output.send(notice("x")).ok).toBeFalse();
  });

  test("a folder in which others may write is closed to them", () => {
    mkdirSync(logs);
    Bun.spawnSync(["chmod", "0777", logs]);
    textLogs().send(notice("x"));
    expect((statSync(logs).mode & 0o777).toString(8)).toBe("700");
  });

  test.skipIf(process.getuid?.() !== 0)(
    "on a full disk lines are refused whole, and the first that fits is a line of its own",
    () => {
      mkdirSync(logs);
      expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", logs]).exitCode).toBe(0);
      try {
        const output = textLogs();
        let refused = 0;
        for (let index = 0; index < 100; index++) if (!output.send(notice("x".repeat(3_000))).ok) refused++;
        expect(refused).toBeGreaterThan(50);
        const failed = output.send(notice("y".repeat(4_000)));
        expect(failed.ok ? "" : failed.fault.message).toContain("the disk is full");
        Bun.spawnSync(["mount", "-o", "remount,size=1m", logs]);
        expect(output.send(notice("room again")).ok).toBeTrue();
        expect(lines("alert.log").at(-1)).toBe("[2026-03-14 12:00:00] room again");
        for (const line of lines("alert.log")) expect(line).toMatch(/^\[2026-03-14 12:00:00\] (x{3000}|room again)$/);
        output.close();
      } finally {
        Bun.spawnSync(["umount", "-l", logs]);
      }
    },
  );
});

describe("journald", () => {
  test("a kill carries the fields that operators search by", () => {
    const sent: Readonly<Record<string, string>>[] = [];
    const output = journaldOutput({
      journal: {
        send: (fields) => {
          sent.push(fields);
          return ok(undefined);
        },
      },
    });
    const told = kill();
    expect(output.send(told).ok).toBeTrue();
    expect(sent[0]).toEqual({
      MESSAGE: told.message,
      PRIORITY: "1",
      MESSAGE_ID: MESSAGE_IDS.kill,
      SYSLOG_IDENTIFIER: "algo-monitor",
      ALGO_SEVERITY: "ALERT",
      ALGO_KIND: "kill",
      ALGO_RULE: "reverse_shell",
      ALGO_RULE_ID: "5f0d3b0e-8a8e-4f7e-9a53-0d6f0a4f2b11",
      ALGO_SCORE: "95",
      ALGO_ALERT: told.about?.alertId ?? "",
      ALGO_COUNT: "1",
      ALGO_ACTION: "kill",
      ALGO_RESULT: "done",
      ALGO_PID: "31337",
      ALGO_EXE: "/usr/bin/bash",
      ALGO_TECHNIQUE: "T1059.004",
    });
  });

  const priorities: readonly [Severity, string][] = [
    ["ALERT", "1"],
    ["WARNING", "4"],
    ["INFO", "6"],
    ["ERROR", "3"],
  ];
  test.each([...priorities])("%s has priority %s", (severity, priority) => {
    expect(journalFields(notice("x", severity))["PRIORITY"]).toBe(priority);
  });

  test("own fields get the prefix, valid names, and cannot replace ours", () => {
    const fields = journalFields({ ...kill(), fields: { "scan.took_ms": "12", rule: "forged", "öß=\n": "x" } });
    expect(fields["ALGO_SCAN_TOOK_MS"]).toBe("12");
    expect(fields["ALGO_RULE"]).toBe("reverse_shell");
    for (const name of Object.keys(fields)) expect(name).toMatch(/^[A-Z][A-Z0-9_]{0,63}$/);
  });

  test("message ids are 128 bit and all different", () => {
    const ids = Object.values(MESSAGE_IDS);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("refused by journald, the line goes to standard error with its priority, and the refusal is a fault", () => {
    const written: string[] = [];
    const output = journaldOutput({
      journal: { send: () => fail("denied", "no socket") },
      stderr: (line) => written.push(line),
    });
    const sent = output.send(notice("one\ntwo", "WARNING"));
    expect(written).toEqual(["<4>one\\ntwo\n"]);
    expect(sent.ok ? "" : sent.fault.message).toContain("no socket");
  });
});

describe("alerts.jsonl", () => {
  const host = { hostName: "web1", version: "0.1.0" };

  test("a kill is one ECS document on one line, with nested objects and UTC", () => {
    const output = alertsJsonl({ directory: logs, clock, ...host });
    const told = kill();
    expect(output.accepts(told)).toBeTrue();
    expect(output.send(told).ok).toBeTrue();
    const [line] = lines("alerts.jsonl");
    const document: unknown = JSON.parse(line ?? "");
    expect(document).toMatchObject({
      "@timestamp": "2026-03-14T12:00:00.020Z",
      ecs: { version: "8.17.0" },
      host: { name: "web1", os: { type: "linux" } },
      event: {
        kind: "alert",
        category: ["intrusion_detection", "process", "network"],
        type: ["info", "denied"],
        action: "shell-wired",
        outcome: "success",
        severity: 95,
      },
      rule: { id: "5f0d3b0e-8a8e-4f7e-9a53-0d6f0a4f2b11", name: "reverse_shell", version: "2" },
      threat: {
        framework: "MITRE ATT&CK",
        technique: { id: ["T1059"], subtechnique: { id: ["T1059.004"] } },
        tactic: { id: ["TA0002", "TA0011"], name: ["execution", "command-and-control"] },
      },
      process: {
        pid: 31_337,
        executable: "/usr/bin/bash",
        command_line: "bash -i",
        parent: { executable: "/usr/bin/python3.11" },
        user: { id: "33" },
      },
      user: { name: "www-data" },
      destination: { ip: "203.0.113.7", port: 4_444 },
      algo_monitor: {
        document_version: 1,
        count: 1,
        shell: { direction: "connected" },
        decision: { do: "kill" },
        outcome: { result: "done", killed_pids: [31_337] },
      },
    });
  });

  test("notices of our own health are not alerts", () => {
    expect(alertsJsonl({ directory: logs, clock, ...host }).accepts(notice("x"))).toBeFalse();
  });

  test("a newline in an argument stays inside its string", () => {
    const finding = findingFixture({
      event: eventFixture({ fields: { "process.command_line": 'a\n{"forged":true}\u2028' } }),
    });
    alertsJsonl({ directory: logs, clock, ...host }).send(noticeOf({ finding, alertId: finding.id, count: 1 }));
    expect(lines("alerts.jsonl").length).toBe(1);
    expect(JSON.parse(lines("alerts.jsonl")[0] ?? "").process.command_line).toBe('a\n{"forged":true}\u2028');
  });

  const names: readonly [string, readonly (readonly [string, string])[], unknown][] = [
    [
      "names are nested",
      [
        ["a.b.c", "1"],
        ["a.b.d", "2"],
      ],
      { a: { b: { c: "1", d: "2" } } },
    ],
    [
      "a name through a value is kept whole beside it",
      [
        ["a", "1"],
        ["a.b", "2"],
      ],
      { a: "1", "a.b": "2" },
    ],
    [
      "a value in place of an object does not erase it",
      [
        ["a.b", "1"],
        ["a", "2"],
      ],
      { a: { b: "1" }, a_value: "2" },
    ],
    ["__proto__ is data", [["__proto__.polluted", "1"]], JSON.parse('{"__proto__":{"polluted":"1"}}')],
  ];
  for (const [name, values, expected] of names) {
    test(name, () => {
      const document = {};
      for (const [key, text] of values) put(document, key, text);
      expect(JSON.stringify(document)).toBe(JSON.stringify(expected));
      expect(Object.hasOwn(Object.prototype, "polluted")).toBeFalse();
    });
  }

  test("a document is bounded whatever the event carries", () => {
    const fields = {
      "process.command_line": "x".repeat(1_000_000),
      "process.args": Array.from({ length: 5_000 }, () => "y".repeat(10)),
    };
    const finding = findingFixture({ event: eventFixture({ fields }) });
    const told = noticeOf({ finding, alertId: finding.id, count: 1 });
    expect(JSON.stringify(ecsDocument(told, { finding, alertId: finding.id, count: 1 }, host)).length).toBeLessThan(
      30_000,
    );
  });
});

test("the folder is made when the first line is written", () => {
  expect(existsSync(logs)).toBeFalse();
  textLogs();
  expect(existsSync(`${logs}/alert.log`)).toBeTrue();
});
