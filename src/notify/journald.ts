/**
 * The journal, with fields to search by (`journalctl -u algo-monitor ALGO_RULE=reverse_shell`). Where journald refuses,
 * the line goes to standard error with the `<N>` prefix that systemd reads as priority.
 */
import { writeSync } from "node:fs";
import type { Notice, NoticeKind } from "../core/notice.ts";
import type { Severity } from "../core/nouns.ts";
import { printable } from "../core/printable.ts";
import { fail, ok, type Result } from "../core/result.ts";
import type { Output } from "./output.ts";

/** What host/journald.ts gives. */
export interface JournalPort {
  send(fields: Readonly<Record<string, string>>): Result<void>;
}

/** Stable for ever: sites write filters and catalogs on them. 128 bit, lower-case hex without dashes, as journald wants. */
export const MESSAGE_IDS: Readonly<Record<NoticeKind, string>> = {
  finding: "ca1b22332d3f4953bb863272772795bb",
  kill: "e1df339a453a4068870f36dfe5b174e4",
  disconnect: "99a126dba4fd4ec8af9fc662655da550",
  rehearsal: "c240477ff5d64333856f1bdf37c3d8db",
  refused: "6ea615df9b2d4fecb3036be2f64892e3",
  health: "968398edb92e47d18e32029baeeaf48c",
  start: "1f108df4ea354928b3429cf3bbddc2f0",
  stop: "1ccddbfaa63a4003b08968667df5b800",
  config: "9b3742d3954946c1b0f93c0f0b32aafd",
};

/** syslog priorities: alert, warning, informational, error. */
export const PRIORITIES: Readonly<Record<Severity, number>> = { ALERT: 1, WARNING: 4, INFO: 6, ERROR: 3 };

export interface JournaldOptions {
  readonly journal: JournalPort;
  /** Default: file descriptor 2. */
  readonly stderr?: (line: string) => void;
}

export function journaldOutput(options: JournaldOptions): Output {
  const stderr = options.stderr ?? ((line) => void writeSync(2, line));
  return {
    name: "journald",
    filtered: true,
    accepts: () => true,
    send: (notice) => {
      const sent = options.journal.send(journalFields(notice));
      return sent.ok ? ok(undefined) : fallBack(notice, sent.fault.message, stderr);
    },
    maintain: () => undefined,
    close: () => undefined,
  };
}

function fallBack(notice: Notice, reason: string, stderr: (line: string) => void): Result<void> {
  try {
    stderr(`<${PRIORITIES[notice.severity]}>${printable(notice.message)}\n`);
    return fail(
      "io",
      `journald did not take a notice (${reason}); it went to standard error`,
      "look at: systemctl status systemd-journald",
    );
  } catch {
    return fail(
      "io",
      `journald did not take a notice (${reason}), nor did standard error`,
      "look at: systemctl status systemd-journald",
    );
  }
}

export function journalFields(notice: Notice): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {
    MESSAGE: printable(notice.message),
    PRIORITY: String(PRIORITIES[notice.severity]),
    MESSAGE_ID: MESSAGE_IDS[notice.kind],
    SYSLOG_IDENTIFIER: "algo-monitor",
    ALGO_SEVERITY: notice.severity,
    ALGO_KIND: notice.kind,
  };
  const about = notice.about;
  if (about !== undefined) {
    const { finding, decision, outcome } = about;
    const executable = finding.event.fields["process.executable"];
    const pid = finding.event.process?.pid ?? finding.event.fields["process.pid"];
    fields["ALGO_RULE"] = finding.rule.name;
    fields["ALGO_RULE_ID"] = finding.rule.id;
    fields["ALGO_SCORE"] = String(finding.score);
    fields["ALGO_ALERT"] = about.alertId;
    fields["ALGO_COUNT"] = String(about.count);
    fields["ALGO_ACTION"] = decision?.do ?? "record";
    if (outcome !== undefined) fields["ALGO_RESULT"] = outcome.result;
    if (typeof pid === "number") fields["ALGO_PID"] = String(pid);
    if (typeof executable === "string") fields["ALGO_EXE"] = printable(executable);
    const technique = techniqueIds(finding.tags).join(" ");
    if (technique !== "") fields["ALGO_TECHNIQUE"] = technique;
  }
  for (const [name, value] of Object.entries(notice.fields)) {
    const key = `ALGO_${name.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`.slice(0, 64);
    fields[key] ??= printable(value);
  }
  return fields;
}

/** `attack.t1059.004` -> `T1059.004`. */
export function techniqueIds(tags: readonly string[]): readonly string[] {
  return tags
    .filter((tag) => /^attack\.t\d{4}(\.\d{3})?$/i.test(tag))
    .map((tag) => tag.slice("attack.".length).toUpperCase());
}
