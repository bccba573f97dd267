import { describe, expect, test } from "bun:test";
import { createInbox } from "../core/inbox.ts";
import type { JournalEntry, JournalFollowOptions } from "../host/journal_follow.ts";
import { authenticationOf, createAuthentications } from "./authentications.ts";
import { createJournalSource, createUnitWatch } from "./journal.ts";

const STARTED = "39f53479d3a045ac8e11786248231fbf";
const STOPPED = "9d1aaa27d60140bd96365438aad20286";
const START_FAILED = "be02cf6855d2428ba40df7e9d022f03d";
const FAILED = "d9b373ed55a64feb8242e02dbe79a49c";

const entry = (unit: string, id: string, more: JournalEntry = {}): JournalEntry => ({
  _PID: "1",
  UNIT: unit,
  MESSAGE_ID: id,
  MESSAGE: `Started ${unit} - what it is.`,
  JOB_RESULT: "done",
  ...more,
});

const clockAt = (time: { ms: number }) => ({ nowMs: () => time.ms, monotonicMs: () => time.ms });

describe("an entry about a unit", () => {
  const ROWS: readonly (readonly [string, JournalEntry, string | undefined])[] = [
    ["tells a start", entry("cron.service", STARTED), "started cron.service done"],
    [
      "tells a job that is finished",
      entry("backup.service", STARTED, { MESSAGE: "Finished backup.service." }),
      "started backup.service done",
    ],
    ["tells a stop", entry("cron.service", STOPPED), "stopped cron.service done"],
    [
      "tells a failure with its result",
      entry("app.service", FAILED, { UNIT_RESULT: "oom-kill" }),
      "failed app.service oom-kill",
    ],
    [
      "tells a start that failed for another unit",
      entry("app.service", START_FAILED, { JOB_RESULT: "dependency" }),
      "failed app.service dependency",
    ],
    [
      "says nothing of a unit that was skipped, which has the id of a start",
      entry("a.service", STARTED, { MESSAGE: "a.service - A was skipped because of an unmet condition check." }),
      undefined,
    ],
    ["says nothing on another's word than that of pid 1", entry("cron.service", FAILED, { _PID: "4711" }), undefined],
    ["says nothing of other messages", entry("cron.service", "7d4958e842da4a758f6c1cdc7b36dcc5"), undefined],
    ["says nothing of targets", entry("multi-user.target", STARTED), undefined],
    ["says nothing of slices and scopes", entry("session-4.scope", STARTED), undefined],
    ["says nothing of user managers", entry("user@1000.service", STARTED), undefined],
    ["says nothing of transient units", entry("run-r0123456789abcdef.service", STARTED), undefined],
    ["says nothing of transient units of newer systemd", entry("run-p1234-i5678.service", STARTED), undefined],
    ["says nothing of single connections", entry("ssh@3-192.0.2.1:22-198.51.100.2:50022.service", FAILED), undefined],
    ["says nothing of D-Bus activation", entry("dbus-:1.2-org.example@0.service", STARTED), undefined],
    ["says nothing of ourselves", entry("algo-monitor.service", STARTED), undefined],
    ["keeps units whose names begin alike", entry("run-backup.service", STARTED), "started run-backup.service done"],
  ];
  for (const [name, given, expected] of ROWS)
    test(name, () => {
      const fields = createUnitWatch(clockAt({ ms: 0 })).draftOf(given)?.fields;
      const told =
        fields === undefined ? undefined : `${fields["unit.state"]} ${fields["unit.name"]} ${fields["unit.result"]}`;
      expect(told).toBe(expected);
    });
});

test("a flapping unit is told once a minute for each thing it does", () => {
  const time = { ms: 0 };
  const units = createUnitWatch(clockAt(time));
  let told = 0;
  for (time.ms = 0; time.ms < 180_000; time.ms += 200)
    for (const id of [STARTED, FAILED, STOPPED]) if (units.draftOf(entry("app.service", id)) !== undefined) told++;
  expect(told).toBe(9);
});

test("units beyond the bound push out the oldest, never the memory", () => {
  const units = createUnitWatch(clockAt({ ms: 0 }));
  for (let at = 0; at < 5_000; at++) units.draftOf(entry(`u${at}.service`, STARTED));
  expect(units.draftOf(entry("u4999.service", STARTED))).toBeUndefined();
  expect(units.draftOf(entry("u0.service", STARTED))).toBeDefined();
});

describe("sshd's word", () => {
  const said = (message: string, more: JournalEntry = {}): string | undefined => {
    const base = {
      _PID: "126",
      _UID: "0",
      _COMM: "sshd",
      _EXE: "/usr/sbin/sshd",
      __REALTIME_TIMESTAMP: "1795184769651146",
    };
    const found = authenticationOf({ ...base, MESSAGE: message, ...more });
    return found === undefined ? undefined : `${found.method}|${found.user}|${found.address}`;
  };
  const LINE = "Accepted publickey for alice from 10.77.1.1 port 52824 ssh2: ED25519 SHA256:/+MDlUv3M+MOMux";
  const ROWS: readonly (readonly [string, string, JournalEntry, string | undefined])[] = [
    ["names method, user and address", LINE, {}, "publickey|alice|10.77.1.1"],
    [
      "may be about a password",
      "Accepted password for root from 2001:db8::1 port 1 ssh2",
      {},
      "password|root|2001:db8::1",
    ],
    [
      "may be about PAM",
      "Accepted keyboard-interactive/pam for bob from 192.0.2.1 port 1 ssh2",
      {},
      "keyboard-interactive/pam|bob|192.0.2.1",
    ],
    [
      "may have an address with a scope",
      "Accepted password for bob from fe80::1%eth0 port 1 ssh2",
      {},
      "password|bob|fe80::1",
    ],
    [
      "may come from sshd-session",
      LINE,
      { _COMM: "sshd-session", _EXE: "/usr/lib/openssh/sshd-session" },
      "publickey|alice|10.77.1.1",
    ],
    [
      "may come from an sshd that was upgraded",
      LINE,
      { _EXE: "/usr/sbin/sshd (deleted)" },
      "publickey|alice|10.77.1.1",
    ],
    ["does not come from a user's process", LINE, { _UID: "1000" }, undefined],
    ["does not come from another program of root", LINE, { _COMM: "logger", _EXE: "/usr/bin/logger" }, undefined],
    ["does not come from a program that took the name", LINE, { _EXE: "/tmp/x" }, undefined],
    ["is not about an attempt", "Failed password for root from 192.0.2.1 port 1 ssh2", {}, undefined],
    [
      "cannot be put in the mouth of a user name",
      "Invalid user Accepted password for root from 192.0.2.1 port 1 ssh2 from 198.51.100.7 port 3",
      {},
      undefined,
    ],
    [
      "keeps a user name with blanks whole",
      "Accepted password for root from 192.0.2.1 port 1 ssh2 from 198.51.100.7 port 3 ssh2",
      {},
      "password|root from 192.0.2.1 port 1 ssh2|198.51.100.7",
    ],
    [
      "is of no use to the id in a certificate",
      "Accepted publickey for alice from 192.0.2.1 port 1 ssh2: ED25519-CERT SHA256:a ID root from 198.51.100.7 port 1 ssh2 (serial 0) CA ED25519 SHA256:b",
      {},
      "publickey|alice|192.0.2.1",
    ],
    ["is one line", `${LINE}\nAccepted password for root from 192.0.2.1 port 1 ssh2`, {}, undefined],
    ["has a process", LINE, { _PID: "x" }, undefined],
  ];
  for (const [name, message, more, expected] of ROWS) test(name, () => expect(said(message, more)).toBe(expected));

  test("is read quickly however long it is", () => {
    const nasty = `Accepted password for ${" from 1 port 1 ssh2".repeat(50_000)}`;
    expect(said(nasty)).toBeUndefined();
  });
});

test("the source hands units to the inbox and logins to the sessions", () => {
  const inbox = createInbox();
  const authentications = createAuthentications();
  let options: JournalFollowOptions | undefined;
  createJournalSource({
    clock: clockAt({ ms: 0 }),
    inbox,
    authentications,
    onFault: () => undefined,
    follow(given) {
      options = given;
      return {
        start: () => undefined,
        stop: async () => undefined,
        status: () => ({ state: "stopped", entries: 0, dropped: 0, restarts: 0 }),
      };
    },
  });
  expect(options?.matches.join(" ")).toEndWith("_PID=1 + _COMM=sshd _COMM=sshd-session _UID=0");
  options?.onEntry(entry("cron.service", FAILED));
  options?.onEntry({
    _PID: "126",
    _UID: "0",
    _COMM: "sshd",
    MESSAGE: "Accepted password for root from 192.0.2.1 port 22 ssh2",
    __REALTIME_TIMESTAMP: "1795184769651146",
  });
  expect(inbox.take(10).map(({ action }) => action)).toEqual(["unit-failed"]);
  expect(authentications.take()).toEqual([
    { pid: 126, user: "root", address: "192.0.2.1", method: "password", atMs: 1_795_184_769_651 },
  ]);
});
