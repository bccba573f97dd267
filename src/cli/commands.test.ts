import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Handlers } from "../core/control.ts";
import { fail, ok } from "../core/result.ts";
import { FIXED_NOW_MS, rehearsalFixture, statusFixture } from "../daemon/control.fixture.ts";
import { fakeHost, type Host } from "./world.fixture.ts";

const zone = process.env["TZ"];
beforeAll(() => {
  process.env["TZ"] = "UTC";
});
afterAll(() => {
  if (zone === undefined) delete process.env["TZ"];
  else process.env["TZ"] = zone;
});

let host: Host;
beforeEach(() => {
  host = fakeHost();
});
afterEach(async () => host.close());

const VICTIM = {
  process: { pid: 4711, startedAtTicks: 1 },
  executable: "/usr/bin/dash",
  commandLine: "sh -i",
  user: "www-data",
  rule: "reverse_shell",
  findingId: "f1",
  reason: "stdin is tcp 10.0.0.1:4444",
  ownSession: false,
};

interface Row {
  readonly name: string;
  readonly argv: readonly string[];
  readonly daemon?: Partial<Handlers> | "none";
  readonly uid?: number;
  readonly exit: number;
  readonly out?: RegExp;
  readonly error?: RegExp;
}

const ROWS: readonly Row[] = [
  {
    name: "status says that it enforces",
    argv: ["status"],
    exit: 0,
    out: /^algo-monitor 0\.1\.0 \(abc1234\) ENFORCES/,
  },
  {
    name: "status says since when",
    argv: ["status"],
    exit: 0,
    out: /since 2026-03-14 09:00:00 \(3 h ago\), pid 4242, 60\.0 MiB, 0\.31 % of a core/,
  },
  {
    name: "status says what a scan costs",
    argv: ["status"],
    exit: 0,
    out: /processes +5 s +2 s ago +11\.3 ms +10\.5 ms +2160 +0 +214\n/,
  },
  {
    name: "status says why a scanner is off",
    argv: ["status"],
    exit: 0,
    out: /network .* off: switched off by SCANNERS/,
  },
  {
    name: "status says that a pause runs, by whom and how long",
    argv: ["status"],
    daemon: {
      status: async () =>
        ok(statusFixture({ pausedUntilMs: FIXED_NOW_MS + 600_000, pausedBy: "bob", pauseReason: "vendor" })),
    },
    exit: 0,
    out: /is PAUSED by bob until 2026-03-14 12:10:00, 10 min left \(vendor\)/,
  },
  {
    name: "status says how to enforce while monitoring",
    argv: ["status"],
    daemon: { status: async () => ok(statusFixture({ mode: "monitor" })) },
    exit: 0,
    out: /MONITORS: it stops nothing\. To enforce: sudo algo-monitor config set MODE enforce/,
  },
  {
    name: "status shows degradations with remedies, escaped",
    argv: ["status"],
    daemon: {
      status: async () =>
        ok(
          statusFixture({
            degradations: [{ part: "net\u001b[31m", sinceMs: FIXED_NOW_MS, reason: "no\nluck", remedy: "wait" }],
          }),
        ),
    },
    exit: 0,
    out: /Degraded:\n {2}net\\x1b\[31m since 2026-03-14 12:00:00 \(now\): no\\nluck\n {6}what to do: wait\n/,
  },
  {
    name: "status shows used budgets",
    argv: ["status"],
    daemon: {
      status: async () =>
        ok(
          statusFixture({
            budgets: [
              {
                rule: "reverse_shell",
                executable: "/usr/bin/bash",
                used: 10,
                limit: 10,
                loweredUntilMs: FIXED_NOW_MS + 60_000,
              },
            ],
          }),
        ),
    },
    exit: 0,
    out: /reverse_shell {2}10\/10 +watches only until 2026-03-14 12:01:00 {2}\/usr\/bin\/bash/,
  },
  {
    name: "status shows a store outage",
    argv: ["status"],
    daemon: {
      status: async () =>
        ok(
          statusFixture({
            store: {
              path: "/db",
              sizeBytes: 1,
              pending: 7,
              dropped: 2,
              outage: { sinceMs: FIXED_NOW_MS, reason: "disk full" },
            },
          }),
        ),
    },
    exit: 0,
    out: /7 rows waiting, 2 lost; DOWN since 2026-03-14 12:00:00: disk full/,
  },
  {
    name: "status without a daemon says how to start it",
    argv: ["status"],
    daemon: "none",
    exit: 4,
    out: /does not run: this host is not protected[\s\S]*sudo systemctl start algo-monitor/,
  },
  {
    name: "status refuses two formats at once",
    argv: ["status", "--json", "--prometheus"],
    exit: 2,
    error: /exclude each other/,
  },
  {
    name: "metrics of a daemon that does not run are up 0",
    argv: ["status", "--prometheus"],
    daemon: "none",
    exit: 4,
    out: /^algo_monitor_up 0$/m,
  },
  {
    name: "pause takes minutes",
    argv: ["pause", "30m", "--reason", "x"],
    exit: 0,
    out: /Paused until 2026-03-14 12:30:00 \(30 min\)/,
  },
  {
    name: "pause refuses what is no duration",
    argv: ["pause", "soon"],
    exit: 2,
    error: /"soon" is no duration\n {2}what to do: write it like 30m/,
  },
  { name: "pause refuses more than a day", argv: ["pause", "2d"], exit: 2, error: /between 1 minute and 24 hours/ },
  { name: "pause refuses nothing", argv: ["pause", "0m"], exit: 2, error: /between 1 minute/ },
  {
    name: "pause needs a duration",
    argv: ["pause"],
    exit: 2,
    error: /missing required argument 'duration'\n {2}see: algo-monitor pause --help/,
  },
  {
    name: "block says until when, and by what",
    argv: ["block", "203.0.113.7", "--for", "2h", "--reason", "x"],
    exit: 0,
    out: /^203\.0\.113\.7 is blocked until 2026-03-14 14:00:00:\n {2}by the packet filter .*\n {2}by the kernel sensor.*\n1 connection cut/,
  },
  {
    name: "block refuses two months",
    argv: ["block", "203.0.113.7", "--for", "1500h"],
    exit: 2,
    error: /at most|between 1 minute and 744 hours/,
  },
  { name: "unblock wants to know which", argv: ["unblock"], exit: 2, error: /say which block, or --all/ },
  {
    name: "unblock says what is reachable",
    argv: ["unblock", "--all"],
    exit: 0,
    out: /^Reachable again: 203\.0\.113\.7\.$/m,
  },
  { name: "unblock of what is not blocked", argv: ["unblock", "203.0.113.99"], exit: 6, error: /is not blocked/ },
  {
    name: "blocks lists them",
    argv: ["blocks"],
    exit: 0,
    out: /203\.0\.113\.7 +2026-03-14 13:00:00 +1 h.*alice +scans\n1 block, 12 packets refused so far\./,
  },
  { name: "resume says what is in force", argv: ["resume"], exit: 0, out: /The pause is over: it enforces\./ },
  {
    name: "reload says the generation",
    argv: ["reload"],
    exit: 0,
    out: /^Read again: generation 4 of the configuration is in force, no problems/,
  },
  {
    name: "reload with an error in the config exits 3",
    argv: ["reload"],
    daemon: {
      reload: async () =>
        ok({
          changed: false,
          rulesChanged: false,
          configGeneration: 3,
          problems: [
            { severity: "error", line: 8, column: 9, key: "NET", message: "unknown key", remedy: "remove it" },
          ],
        }),
    },
    exit: 3,
    out: /error line 8:9 NET: unknown key \(remove it\)/,
  },
  {
    name: "scan says that nothing would die",
    argv: ["scan"],
    exit: 0,
    out: /Looked at 214 processes and 61 sockets in 14\.2 ms\. What follows is a rehearsal and touched nothing\. The daemon made its own sweep first and acted as its mode says[\s\S]*Enforce would kill nothing now\./,
  },
  {
    name: "scan takes one scanner",
    argv: ["scan", "network", "--rehearse"],
    daemon: { scan: async ({ scanner }) => (scanner === "network" ? ok(rehearsalFixture()) : fail("io", "wrong")) },
    exit: 0,
  },
  {
    name: "scan refuses an unknown scanner",
    argv: ["scan", "files"],
    exit: 2,
    error: /Allowed choices are processes, network/,
  },
  {
    name: "scan exits 10 when something would die, and names it",
    argv: ["scan"],
    daemon: { scan: async () => ok(rehearsalFixture({ wouldKill: [VICTIM] })) },
    exit: 10,
    out: /4711 {2}reverse_shell {2}www-data {2}\/usr\/bin\/dash {2}stdin is tcp 10\.0\.0\.1:4444[\s\S]*Enforce would kill 1 process now/,
  },
  {
    name: "scan refuses to sweep by itself without rules: it would find nothing",
    argv: ["scan"],
    daemon: "none",
    exit: 1,
    error: /the rules in .* cannot be read/,
  },
  {
    name: "status says loudly that no rule is loaded",
    argv: ["status"],
    daemon: { status: async () => ok(statusFixture({ rules: { loaded: 0, refused: 2 } })) },
    exit: 0,
    out: /rules +NONE loaded: nothing is recognised, 2 refused/,
  },
  {
    name: "scan exits 10 when the own session is concerned",
    argv: ["scan"],
    daemon: {
      scan: async () =>
        ok(rehearsalFixture({ wouldKill: [{ ...VICTIM, ownSession: true }], ownSessionConcerned: true })),
    },
    exit: 10,
    out: /YOUR OWN SESSION[\s\S]*The session that runs this command would be killed/,
  },
  {
    name: "selftest shows what was seen",
    argv: ["selftest"],
    exit: 0,
    out: /process {2}seen +120 ms {2}seen by the sweep\nThe daemon sees this host/,
  },
  {
    name: "selftest fails when something was not seen",
    argv: ["selftest"],
    daemon: {
      selftest: async () =>
        ok({ checks: [{ name: "connection", passed: false, detail: "port 5 has no owner", tookMs: 9000 }] }),
    },
    exit: 1,
    out: /connection {2}NOT SEEN/,
  },
  {
    name: "selftest fails when nothing was checked",
    argv: ["selftest"],
    daemon: { selftest: async () => ok({ checks: [] }) },
    exit: 1,
  },
  {
    name: "selftest refuses to wait for ever",
    argv: ["selftest", "--wait", "9999"],
    exit: 2,
    error: /between 1 and 120/,
  },
  {
    name: "trust in an interpreter is refused",
    argv: ["trust", "/bin/sh", "--yes", "--reason", "x"],
    exit: 2,
    error: /does whatever it is told[\s\S]*trust the alert instead/,
  },
  {
    name: "trust in a missing file is refused",
    argv: ["trust", "/no/such/file", "--yes", "--reason", "x"],
    exit: 6,
    error: /does not exist/,
  },
  {
    name: "trust without a reason is refused",
    argv: ["trust", "/bin/true", "--yes"],
    exit: 2,
    error: /--yes needs --reason/,
  },
  {
    name: "trust asks nobody where nobody is",
    argv: ["trust", "/bin/true", "--reason", "x"],
    exit: 2,
    error: /nobody can be asked here/,
  },
  {
    name: "trust in a path goes to the daemon",
    argv: ["trust", "/usr/bin/true", "--yes", "--reason", "x"],
    exit: 0,
    out: /Added to \/opt\/\.monitor\/config\.json[\s\S]*Take it back: sudo algo-monitor untrust \/usr\/bin\/true/,
  },
  {
    name: "trust can be looked at first",
    argv: ["trust", "/usr/bin/true", "--dry-run"],
    daemon: "none",
    exit: 0,
    out: /TRUSTED_SYSTEM_PROCESSES:\n\n {2}"\/usr\/bin\/true"[\s\S]*Nothing was changed/,
  },
  {
    name: "trust of a path has no end",
    argv: ["trust", "/usr/bin/true", "--until", "2099-01-01", "--yes", "--reason", "x"],
    exit: 2,
    error: /--until goes with an alert only/,
  },
  {
    name: "trust refuses an end in the past",
    argv: ["trust", "8k2m4", "--until", "2020-01-01", "--yes", "--reason", "x"],
    exit: 2,
    error: /has passed/,
  },
  {
    name: "trust of an alert without a database says so",
    argv: ["trust", "8k2m4", "--yes", "--reason", "x"],
    exit: 1,
    error: /there is no database/,
  },
  {
    name: "untrust says what it removed",
    argv: ["untrust", "/usr/bin/true"],
    exit: 0,
    out: /Removed from \/opt\/\.monitor\/config\.json; generation 5[^\n]*\n {2}\/usr\/bin\/true\n/,
  },
  {
    name: "untrust of what nobody trusted exits 6",
    argv: ["untrust", "8k2m4"],
    exit: 6,
    error: /nothing in .* trusts 8k2m4/,
  },
  {
    name: "settling an alert says from what to what",
    argv: ["alerts", "ack", "8k2m4"],
    exit: 0,
    out: /^8k2m40000 is acknowledged \(was new\)\.\n$/,
  },
  {
    name: "settling several alerts settles each",
    argv: ["alerts", "resolve", "a1", "b2"],
    exit: 0,
    out: /a10000 is resolved[\s\S]*b20000 is resolved/,
  },
  {
    name: "settling an unknown alert exits 6",
    argv: ["alerts", "false-positive", "nothing"],
    exit: 6,
    error: /no alert has the id nothing/,
  },
  { name: "alerts without a database says so", argv: ["alerts"], exit: 1, error: /there is no database/ },
  {
    name: "alerts refuses an unknown status",
    argv: ["alerts", "--status", "open"],
    exit: 2,
    error: /Allowed choices are new, acknowledged/,
  },
  {
    name: "alerts refuses what is no time",
    argv: ["alerts", "--since", "yesterday"],
    exit: 2,
    error: /"yesterday" is no time/,
  },
  {
    name: "alerts refuses a limit of nothing",
    argv: ["alerts", "--limit", "0"],
    exit: 2,
    error: /--limit must be between/,
  },
  {
    name: "a command that does not exist suggests the nearest",
    argv: ["statsu"],
    exit: 2,
    error: /unknown command 'statsu'\n\(Did you mean status\?\)/,
  },
  {
    name: "an option that does not exist suggests the nearest",
    argv: ["status", "--jsn"],
    exit: 2,
    error: /unknown option '--jsn'\n\(Did you mean --json\?\)/,
  },
  { name: "too many arguments are refused", argv: ["resume", "now"], exit: 2, error: /too many arguments/ },
  { name: "no command at all shows the help and exits 2", argv: [], exit: 2, error: /Usage: algo-monitor/ },
  { name: "help exits 0", argv: ["--help"], exit: 0, out: /First steps:[\s\S]*Exit codes:/ },
  { name: "help of a command exits 0", argv: ["help", "scan"], exit: 0, out: /Usage: algo-monitor scan/ },
  {
    name: "version needs neither root nor daemon",
    argv: ["version"],
    daemon: "none",
    uid: 1000,
    exit: 0,
    out: /^algo-monitor /,
  },
  {
    name: "version names the database it writes, as the installer reads it",
    argv: ["version", "--json"],
    daemon: "none",
    uid: 1000,
    exit: 0,
    out: /"schema": [1-9][0-9]*,?\n/,
  },
  {
    name: "scan exits 3 when the daemon's rules would not see everything",
    argv: ["scan"],
    daemon: { scan: async () => fail("invalid", "a sweep would see nothing: there is no rule") },
    exit: 3,
    error: /a sweep would see nothing/,
  },
  { name: "-V is version", argv: ["-V"], daemon: "none", uid: 1000, exit: 0, out: /^algo-monitor / },
  {
    name: "completion needs neither root nor daemon",
    argv: ["completion", "bash"],
    daemon: "none",
    uid: 1000,
    exit: 0,
    out: /complete -o default -F _algo_monitor algo-monitor/,
  },
  {
    name: "rules of a missing folder exit 1",
    argv: ["rules", "list", "--dir", "/no/such"],
    uid: 1000,
    exit: 1,
    error: /the rules in \/no\/such cannot be read/,
  },
];

describe("commands", () => {
  for (const row of ROWS) {
    test(row.name, async () => {
      if (row.daemon !== "none") await host.startDaemon(row.daemon ?? {});
      const ran = await host.run(row.argv, row.uid === undefined ? {} : { uid: row.uid });
      expect({ exit: ran.exit, error: row.error === undefined ? ran.error : "" }).toEqual({
        exit: row.exit,
        error: "",
      });
      if (row.out !== undefined) expect(ran.out).toMatch(row.out);
      if (row.error !== undefined) expect(ran.error).toMatch(row.error);
    });
  }
});
