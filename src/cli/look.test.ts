import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Handlers } from "../core/control.ts";
import type { FilesStatus } from "../core/files.ts";
import { fail, ok } from "../core/result.ts";
import { FIXED_NOW_MS, statusFixture } from "../daemon/control.fixture.ts";
import { filesFixture } from "../daemon/views.fixture.ts";
import { openStore } from "../store/store.ts";
import { untilSettled } from "./files.ts";
import { whileShowing } from "./progress.ts";
import { scanFiles } from "./scan_files.ts";
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

interface Row {
  readonly name: string;
  readonly argv: readonly string[];
  readonly daemon?: Partial<Handlers> | "none";
  readonly exit: number;
  readonly out?: RegExp;
  readonly error?: RegExp;
  readonly never?: RegExp;
}

const ROWS: readonly Row[] = [
  {
    name: "processes says what is known of each, escaped",
    argv: ["processes"],
    exit: 0,
    out: /901 +alice +30 s +99\.5 +4\.0 MiB +unknown +- +\.\/evil --to a\\nb/,
  },
  { name: "processes hides kernel threads", argv: ["processes"], exit: 0, never: /kthreadd/ },
  { name: "processes shows kernel threads when asked", argv: ["processes", "-k"], exit: 0, out: /\[kthreadd\]/ },
  {
    name: "processes --unknown shows what nothing vouches for",
    argv: ["processes", "--unknown"],
    exit: 0,
    out: /^PID[^\n]*\n901 [^\n]*\n903 [^\n]*\n2 of 8 processes\.\n$/,
  },
  {
    name: "processes --tree puts children below their parents",
    argv: ["processes", "--tree"],
    exit: 0,
    out: /700 [^\n]* └ nginx: master process\n701 [^\n]* {3}└ nginx: worker process\n900 /,
  },
  {
    name: "processes says that the limit cut it",
    argv: ["processes", "-n", "2", "--sort", "memory"],
    exit: 0,
    out: /Only 2 of 7 are shown: --limit shows more\./,
  },
  { name: "processes of nobody", argv: ["processes", "--user", "mallory"], exit: 0, out: /^No process fits\.\n/ },
  {
    name: "processes refuses a limit of nothing",
    argv: ["processes", "-n", "0"],
    exit: 2,
    error: /between 1 and 10000/,
  },
  {
    name: "processes refuses an order that is none",
    argv: ["processes", "-s", "size"],
    exit: 2,
    error: /Allowed choices are pid, cpu/,
  },
  {
    name: "processes without a daemon looks by itself and says so",
    argv: ["processes"],
    daemon: "none",
    exit: 0,
    out: /The daemon does not run: this command looked by itself/,
  },
  {
    name: "a process in full says whether it is in a package",
    argv: ["processes", "901"],
    exit: 0,
    out: /^pid 901 evil.*: unknown\n\n[\s\S]*package +in no package\n[\s\S]*your lists say +SUSPICIOUS_PATTERNS evil\n/,
  },
  {
    name: "a process in full shows lineage, descriptors and connections",
    argv: ["processes", "901"],
    exit: 0,
    out: /Where it comes from\n {2}1 root[\s\S]*What it holds\nFD [^\n]*\n0 input +pipe +reads +python3\.11 \(902\)[\s\S]*Connections\n[\s\S]*10\.0\.0\.2:40000 +-> +203\.0\.113\.9:4444 +public/,
  },
  {
    name: "a process in full escapes hostile paths",
    argv: ["processes", "901"],
    exit: 0,
    out: /evil\\x1b\[31m/,
    never: /\u001b/,
  },
  {
    name: "a process that is not there",
    argv: ["processes", "4711"],
    exit: 6,
    error: /saw no process 4711\n {2}what to do: it has ended/,
  },
  { name: "a process that is none", argv: ["processes", "bash"], exit: 2, error: /"bash" is no process number/ },
  {
    name: "a process in full without a daemon",
    argv: ["processes", "902"],
    daemon: "none",
    exit: 0,
    out: /verified, unverified script[\s\S]*script +\/home\/alice\/serve\.py\n[\s\S]*looked by itself/,
  },
  {
    name: "a process that is not there, without a daemon",
    argv: ["processes", "4711"],
    daemon: "none",
    exit: 6,
    error: /saw no process 4711/,
  },
  {
    name: "connections shows both ends and who opened them",
    argv: ["connections"],
    exit: 0,
    out: /tcp +established +10\.0\.0\.2:80 +<- +198\.51\.100\.7:51000 +public +www-data +701 \/usr\/sbin\/nginx\n/,
  },
  {
    name: "connections --listening shows what waits, and all who share it",
    argv: ["connections", "--listening"],
    exit: 0,
    out: /^PROTO[^\n]*\ntcp +listen +0\.0\.0\.0:80 +- +any +root +700 \/usr\/sbin\/nginx and 1 more\n[^\n]*127\.0\.0\.1:8000[^\n]* loopback [^\n]*\n2 of 5 sockets\.\n$/,
  },
  {
    name: "connections of one process",
    argv: ["connections", "-p", "901"],
    exit: 0,
    out: /203\.0\.113\.9:4444[\s\S]*\n1 of 5 sockets\.\n/,
  },
  {
    name: "connections of a process that is not there",
    argv: ["connections", "-p", "4711"],
    exit: 6,
    error: /no process 4711/,
  },
  {
    name: "connections of no process number",
    argv: ["connections", "-p", "x"],
    exit: 2,
    error: /"x" is no process number/,
  },
  {
    name: "connections that nobody holds says why",
    argv: ["connections"],
    exit: 0,
    out: /10\.0\.0\.9:5432 .* - \(the kernel's, or its process has ended\)/,
  },
  {
    name: "sessions shows who is logged in and from where",
    argv: ["sessions"],
    exit: 0,
    out: /alice +198\.51\.100\.7 +pts\/1 +sshd +2026-03-14 11:00:00 +1 h +user\/tty +890 +3\n1 session, 1 not shown \(--all/,
  },
  {
    name: "sessions --all shows the greeter",
    argv: ["sessions", "-a"],
    exit: 0,
    out: /gdm +here[\s\S]*\n2 sessions\.\n/,
  },
  { name: "sessions of one user", argv: ["sessions", "--user", "bob"], exit: 0, out: /^Nobody is logged in\./ },
  {
    name: "sessions without a daemon",
    argv: ["sessions"],
    daemon: "none",
    exit: 0,
    out: /alice[\s\S]*looked by itself/,
  },
  {
    name: "files says what is watched, and what is not and why",
    argv: ["files"],
    exit: 0,
    out: /^123,456 files and directories are watched, 5\.0 GiB\.\n[\s\S]*took 413 ms, 2 changes[\s\S]*\/home\/\*\/\.ssh\/ \(not watched: nothing fits\)[\s\S]*Not watched \(3\):\n[\s\S]*another filesystem \(nfs\) +\/mnt\/nfs\\x1b\[2J\nand 2 more\n/,
  },
  {
    name: "files status says how far the first reading is, and how to wait",
    argv: ["files", "status"],
    daemon: {
      files: async () =>
        ok(
          filesFixture({
            state: "baseline",
            progress: { entries: 5_000, bytesRead: 2 ** 30, startedAtMs: FIXED_NOW_MS - 20_000 },
          }),
        ),
    },
    exit: 0,
    out: /first reading of all files is being made[\s\S]*5,000 entries, 1\.0 GiB read, 20 s\n[\s\S]*files status --watch\n$/,
  },
  {
    name: "files status where they are not watched says how to",
    argv: ["files", "status"],
    daemon: { files: async () => ok(filesFixture({ state: "off", roots: [], skippedTotal: 0, skipped: [] })) },
    exit: 0,
    out: /^Files are not watched\. To watch them: sudo algo-monitor config set SCANNERS\.filesystem true\n/,
  },
  { name: "files status without a daemon", argv: ["files", "status"], daemon: "none", exit: 4, error: /does not run/ },
  { name: "files --watch is files status --watch", argv: ["files", "--watch"], exit: 0, out: /^123,456 files/ },
  { name: "files verify begins", argv: ["files", "verify"], exit: 0, out: /^Every watched file is read again now\./ },
  {
    name: "files verify that cannot begin says why",
    argv: ["files", "verify"],
    daemon: { verify_files: async () => ok({ started: false, reason: "the first reading is being made" }) },
    exit: 1,
    error: /the first reading is being made\n {2}what to do:/,
  },
  { name: "files verify without a daemon", argv: ["files", "verify"], daemon: "none", exit: 4, error: /does not run/ },
  {
    name: "scan filesystem without a daemon",
    argv: ["scan", "filesystem"],
    daemon: "none",
    exit: 4,
    error: /does not run/,
  },
  {
    name: "scan filesystem where files are not watched",
    argv: ["scan", "filesystem"],
    daemon: { scan_files: async () => ok({ started: false, reason: "files are not watched" }) },
    exit: 1,
    error: /files are not watched/,
  },
  {
    name: "scan sessions says who is there and what it does not do",
    argv: ["scan", "sessions"],
    exit: 0,
    out: /gdm[\s\S]*alice[\s\S]*A login is judged once, when it begins/,
  },
  {
    name: "scan host measures and names the limits",
    argv: ["scan", "host"],
    daemon: "none",
    exit: 0,
    out: /processor, all cores +[\d.]+ percent +80 percent[\s\S]*memory +[\d.]+ percent +80 percent[\s\S]*One second was measured/,
  },
  {
    name: "scan says why the daemon cannot",
    argv: ["scan", "processes"],
    daemon: { scan: async () => fail("timeout", "no sweep has succeeded yet") },
    exit: 1,
    error: /no sweep has succeeded yet/,
  },
  {
    name: "status has a line for files and one for logins",
    argv: ["status"],
    daemon: { status: async () => ok(statusFixture({ files: filesFixture(), sessions: 1 })) },
    exit: 0,
    out: /files +123,456 watched, last round 2026-03-14 11:59:30, 3 places left out\n +sessions +1 login now/,
  },
  {
    name: "metrics have files and logins",
    argv: ["status", "--prometheus"],
    daemon: { status: async () => ok(statusFixture({ files: filesFixture(), sessions: 2 })) },
    exit: 0,
    out: /^algo_monitor_sessions 2$[\s\S]*^algo_monitor_files_watching 1$[\s\S]*^algo_monitor_files_entries 123456$[\s\S]*^algo_monitor_files_round_duration_seconds 0\.4125$/m,
  },
];

describe("looking", () => {
  for (const row of ROWS)
    test(row.name, async () => {
      if (row.daemon !== "none") await host.startDaemon(row.daemon ?? {});
      const ran = await host.run(row.argv);
      expect({ exit: ran.exit, error: row.error === undefined ? ran.error : "" }).toEqual({
        exit: row.exit,
        error: "",
      });
      if (row.out !== undefined) expect(ran.out).toMatch(row.out);
      if (row.error !== undefined) expect(ran.error).toMatch(row.error);
      if (row.never !== undefined) expect(ran.out).not.toMatch(row.never);
    });

  const DOCUMENTS: readonly (readonly [readonly string[], readonly string[]])[] = [
    [["processes"], ["atMs", "matching", "processes", "sweptBy", "total"]],
    [["connections"], ["atMs", "connections", "matching", "sweptBy", "total"]],
    [["sessions"], ["atMs", "readBy", "sessions"]],
    [
      ["scan", "host"],
      ["measures", "sustainedSeconds"],
    ],
    [
      ["files", "verify"],
      ["reason", "started"],
    ],
  ];
  test.each(DOCUMENTS)("%p --json is one document", async (argv, keys) => {
    await host.startDaemon();
    const ran = await host.run([...argv, "--json"]);
    expect(Object.keys(JSON.parse(ran.out)).sort()).toEqual([...keys]);
  });

  test("of files --json is the status as the daemon gave it", async () => {
    await host.startDaemon();
    const [alone, status] = [await host.run(["files", "--json"]), await host.run(["files", "status", "--json"])];
    expect(JSON.parse(status.out)).toEqual(filesFixture());
    expect(alone.out).toBe(status.out);
  });
});

describe("waiting for files", () => {
  function daemonOf(states: readonly Partial<FilesStatus>[]): {
    readonly handlers: Partial<Handlers>;
    readonly asked: () => number;
  } {
    let asked = 0;
    const handlers: Partial<Handlers> = {
      files: async () => ok(filesFixture(states[Math.min(asked++, states.length - 1)] ?? {})),
      scan_files: async () => ok({ started: true, reason: "" }),
    };
    return { handlers, asked: () => asked };
  }
  const BUSY = { progress: { entries: 10, bytesRead: 1, startedAtMs: FIXED_NOW_MS } };

  test("asks until the round is over", async () => {
    const { handlers, asked } = daemonOf([BUSY, BUSY, {}]);
    await host.startDaemon(handlers);
    const settled = await untilSettled(host.cli(), (status) => status.progress !== undefined, 1);
    expect([settled.ok && settled.value.progress, asked()]).toEqual([undefined, 3]);
  });

  test("ends at once when it is interrupted", async () => {
    await host.startDaemon(daemonOf([BUSY]).handlers);
    const interrupted = AbortSignal.abort();
    const settled = await untilSettled(host.cli({ stop: () => interrupted }), () => true, 60_000);
    expect(settled.ok && settled.value.progress).toEqual(BUSY.progress);
  });

  test("scan filesystem tells the round it asked for, and the changes that were stored", async () => {
    const round = { atMs: FIXED_NOW_MS + 1_000, tookMs: 20, changes: 1, bytesRead: 5 };
    await host.startDaemon(daemonOf([{}, {}, BUSY, { lastRound: round }]).handlers);
    const store = openStore({
      path: `${host.folder}/algo-monitor.db`,
      runDir: host.folder,
      clock: { nowMs: () => FIXED_NOW_MS, monotonicMs: () => 0 },
      onFault: () => undefined,
    });
    store.appendEvents([
      {
        id: "e1",
        atMs: FIXED_NOW_MS + 500,
        action: "file-modified",
        logsource: { product: "linux", category: "file_change" },
        fields: { "file.path": "/etc/x\u001b[2J", "file.changes": ["content"] },
      },
    ]);
    store.close();
    const answer = await scanFiles(host.cli(), 1);
    if (!answer.ok) throw new Error(answer.fault.message);
    expect(answer.value.json).toMatchObject({ joined: false, round, changes: [{ action: "file-modified" }] });
    expect(answer.value.text).toMatch(
      /20\.0 ms, 5 B read: 1 change\.\n[\s\S]*file-modified +content +\/etc\/x\\x1b\[2J\n/,
    );
  });
});

test("scan filesystem that is interrupted does not pass an old round off as its own", async () => {
  await host.startDaemon();
  const interrupted = AbortSignal.abort();
  const answer = await scanFiles(host.cli({ stop: () => interrupted }), 1);
  expect(answer).toMatchObject({ ok: false, fault: { kind: "timeout", message: "the round has not ended" } });
});

describe("the progress line", () => {
  async function shown(errorIsTerminal: boolean, quietMs: number): Promise<string> {
    let error = "";
    const work = Bun.sleep(60).then(() => "done");
    const write = (text: string): void => {
      error += text;
    };
    const world = { errorIsTerminal, columns: 12, error: write };
    expect(await whileShowing(world, () => "looking\u001b at everything", work, quietMs)).toBe("done");
    return error;
  }
  test("is cut to the terminal, escaped, and taken away", async () => {
    const lines = (await shown(true, 1)).split("\r").filter((line) => line !== "");
    expect(lines.at(0)).toBe("looking\\x1b…\u001b[K");
    expect(lines.at(-1)).toBe("\u001b[K");
  });
  test("is not shown where nobody looks", async () => expect(await shown(false, 1)).toBe(""));
  test("is not shown for what is quick", async () => expect(await shown(true, 60_000)).toBe(""));
});

describe("rules", () => {
  const RULE = readFileSync(join(import.meta.dir, "../../rules/command-and-control/reverse_shell/rule.yml"), "utf8");
  beforeEach(() => {
    mkdirSync(`${host.folder}/rules/reverse_shell`, { recursive: true });
    writeFileSync(`${host.folder}/rules/reverse_shell/rule.yml`, RULE);
  });

  const ROWS_OF_RULES: readonly Row[] = [
    {
      name: "rules alone is rules list, with tactic, level and response",
      argv: ["rules"],
      exit: 0,
      out: /reverse_shell +execution +critical +kill +Reverse shell\n1 rule\./,
    },
    { name: "rules --json is a document", argv: ["rules", "--json"], exit: 0, out: /^\{\n {2}"rules"/ },
    {
      name: "show names the techniques",
      argv: ["rules", "show", "reverse_shell"],
      exit: 0,
      out: /T1059\.004 Command and Scripting Interpreter: Unix Shell; T1095 Non-Application Layer Protocol/,
    },
    {
      name: "show takes an id in any case",
      argv: ["rules", "show", "5B8D1F1E-2F5C-4F0E-9A39-6A2B7F7F1C01"],
      exit: 0,
      out: /^reverse_shell: Reverse shell/,
    },
    {
      name: "show of what is not there names the nearest",
      argv: ["rules", "show", "revers_shell"],
      exit: 6,
      error: /there is no rule "revers_shell", did you mean reverse_shell\?/,
    },
    { name: "config alone is help on standard error", argv: ["config"], exit: 2, error: /^Usage: algo-monitor config/ },
  ];
  for (const row of ROWS_OF_RULES)
    test(row.name, async () => {
      const ran = await host.run(row.argv);
      expect(ran.exit).toBe(row.exit);
      if (row.out !== undefined) expect(ran.out).toMatch(row.out);
      if (row.error !== undefined) expect([ran.out, ran.error]).toEqual(["", expect.stringMatching(row.error)]);
    });

  test("show what RULES makes of a rule", async () => {
    writeFileSync(`${host.folder}/config.json`, '{"MODE": "monitor", "RULES": {"Reverse_Shell": "alert"}}');
    expect((await host.run(["rules", "list"])).out).toMatch(/critical +kill -> alert/);
    expect((await host.run(["rules", "show", "reverse_shell"])).out).toMatch(
      /response +alert: told \(RULES in .*config\.json; the rule itself asks for kill\)/,
    );
  });
});
