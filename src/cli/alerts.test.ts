import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Decision, Fields, Finding, Outcome } from "../core/nouns.ts";
import { FIXED_NOW_MS } from "../daemon/control.fixture.ts";
import { openStore } from "../store/store.ts";
import type { Store } from "../store/types.ts";
import { followAlerts } from "./alerts_follow.ts";
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
let store: Store;
beforeEach(() => {
  host = fakeHost();
  store = newStore();
});
afterEach(async () => {
  store.close();
  await host.close();
});

function newStore(): Store {
  return openStore({
    path: `${host.folder}/algo-monitor.db`,
    runDir: host.folder,
    clock: { nowMs: () => FIXED_NOW_MS, monotonicMs: () => 0 },
    onFault: (fault) => {
      throw new Error(fault.message);
    },
  });
}

const RULES = join(import.meta.dir, "../../rules");
const hitSchema = z.object({
  fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])),
});
const RULE = { id: "5f0c1f0e-1111-4222-8333-444455556666", name: "reverse_shell", version: 2 };
const PROCESS = { pid: 4711, startedAtTicks: 99 };

function finding(id: string, over: Partial<Finding> = {}, fields: Fields = {}): Finding {
  const logsource = { product: "linux", service: "algo-monitor", category: "wired_shell" } as const;
  const all: Fields = {
    "process.pid": 4711,
    "process.executable": "/usr/bin/dash",
    "process.command_line": "sh -i\u001b[2J",
    "process.parent.executable": "/usr/bin/python3.11",
    "user.name": "www-data",
    "network.transport": "tcp",
    "source.ip": "10.0.0.9",
    "source.port": 50123,
    "destination.ip": "10.0.0.1",
    "destination.port": 4444,
    "shell.path": "stdin <- tcp 10.0.0.1:4444",
    ...fields,
  };
  return {
    id,
    atMs: FIXED_NOW_MS - 60_000,
    rule: RULE,
    level: "critical",
    score: 90,
    title: "dash is wired to 10.0.0.1:4444",
    reasons: ["standard input is a remote socket", "the connection was opened by this host"],
    tags: ["attack.execution", "attack.t1059.004"],
    response: "kill",
    event: {
      id: `e-${id}`,
      atMs: FIXED_NOW_MS - 60_000,
      action: "shell-wired",
      logsource,
      fields: all,
      process: PROCESS,
    },
    foldKey: id,
    triage: "Find out how the web server came to start it.",
    ...over,
  };
}

const SOCKET = {
  inode: 5,
  cookie: 12345678901234567890n,
  networkNamespace: 1,
  protocol: "tcp",
  localAddress: "10.0.0.9",
  localPort: 50123,
  remoteAddress: "10.0.0.1",
  remotePort: 4444,
} as const;

function recordKill(id: string): void {
  store.recordFinding(finding(id));
  const decision: Decision = {
    id: `d-${id}`,
    atMs: FIXED_NOW_MS - 59_000,
    findingId: id,
    rule: RULE,
    by: "policy",
    reasons: ["the rule asks for kill", "MODE is enforce"],
    do: "kill",
    plan: {
      kill: [PROCESS],
      sockets: [SOCKET],
      spared: [{ process: { pid: 80, startedAtTicks: 1 }, reason: "main process of apache2.service" }],
    },
  };
  store.intend(decision);
  const evidence = {
    process: PROCESS,
    executable: "/usr/bin/dash",
    commandLine: "sh -i",
    workingDirectory: "/var/www",
    userId: 33,
    parentPid: 80,
    descriptors: ["0 -> socket:[5]"],
  };
  const outcome: Outcome = {
    decisionId: decision.id,
    atMs: FIXED_NOW_MS - 58_990,
    result: "done",
    verified: true,
    killed: [PROCESS],
    survived: [],
    socketsDestroyed: 1,
    detail: "",
    tookMs: 9.5,
    evidence: [evidence],
  };
  store.settle(outcome);
}

const SHOWN = `ALERT dash is wired to 10.0.0.1:4444

  alert       kill0001
  status      new
  rule        reverse_shell (version 2, 5f0c1f0e-1111-4222-8333-444455556666)
  level       critical, score 90
  stopped by  scan
  ATT&CK      EXECUTION, T1059.004
  first seen  2026-03-14 11:59:00 (1 min ago)

What
  pid                4711
  process            /usr/bin/dash
  command line       sh -i\\x1b[2J
  parent             /usr/bin/python3.11
  user               www-data
  path of the shell  stdin <- tcp 10.0.0.1:4444
  connection         tcp 10.0.0.9:50123 -> 10.0.0.1:4444

Why it was found
  - standard input is a remote socket
  - the connection was opened by this host

What was done
  Decided to kill pid 4711, tcp 10.0.0.1:4444, 2026-03-14 11:59:01 (59 s ago), by policy
    because the rule asks for kill
    because MODE is enforce
    left alone: pid 80, main process of apache2.service
    done in 9.5 ms, 1 process dead, 1 socket destroyed, verified
    evidence of pid 4711 (parent 80, uid 33): /usr/bin/dash
      command sh -i
      working in /var/www
      open 0 -> socket:[5]

What to do next
  - Find out how the web server came to start it.
  settle it:         sudo algo-monitor alerts ack|resolve|false-positive kill0001
  if this is normal: sudo algo-monitor trust kill0001
`;

describe("alerts from the store alone, with no daemon", () => {
  test("show tells the whole story", async () => {
    recordKill("kill0001");
    const ran = await host.run(["alerts", "show", "kill0001"]);
    expect(ran).toEqual({ out: SHOWN, error: "", exit: 0 });
  });

  test("show takes a unique beginning or end of the id", async () => {
    recordKill("kill0001");
    for (const part of ["kill", "0001"]) expect((await host.run(["alerts", "show", part])).out).toBe(SHOWN);
  });

  test("show says what a file is now and what it was", async () => {
    const fields: Fields = {
      "file.path": "/etc/cron.d/job",
      "file.changes": ["content", "mode"],
      "file.owner": "root",
      "file.mode": "0644",
      "file.size": 12,
      "file.ctime": FIXED_NOW_MS,
      "file.previous.owner": "root",
      "file.previous.mode": "0600",
    };
    const { event } = finding("file0001");
    store.recordFinding(finding("file0001", { event: { ...event, fields } }));
    const shown = (await host.run(["alerts", "show", "file0001"])).out;
    expect(/What\n([\s\S]*?)\n\n/.exec(shown)?.[1]?.split("\n")).toEqual([
      "  file           /etc/cron.d/job",
      "  changed        content, mode",
      "  owner          root",
      "  mode           0644",
      "  size in bytes  12",
      "  mode before    0600",
      "  inode changed  2026-03-14 12:00:00",
    ]);
  });

  test("show has something to say of whatever a rule of ours finds", async () => {
    const files = [...new Bun.Glob("*/*/hit.jsonl").scanSync(RULES)];
    expect(files.length).toBeGreaterThan(50);
    const silent: string[] = [];
    for (const [index, file] of files.entries()) {
      const [line = "{}"] = (await Bun.file(`${RULES}/${file}`).text()).split("\n");
      const { fields } = hitSchema.parse(JSON.parse(line));
      const id = `hit${String(index).padStart(5, "0")}`;
      const { event } = finding(id);
      store.recordFinding(finding(id, { event: { ...event, fields } }));
      const shown = (await host.run(["alerts", "show", id])).out;
      if (!/What\n {2}\S/.test(shown)) silent.push(file);
    }
    expect(silent).toEqual([]);
  });

  test("show of an unknown id exits 6", async () => {
    recordKill("kill0001");
    expect((await host.run(["alerts", "show", "zzz"])).exit).toBe(6);
  });

  test("show --json carries decisions, outcomes and a socket's cookie as text", async () => {
    recordKill("kill0001");
    const json: unknown = JSON.parse((await host.run(["alerts", "show", "kill0001", "--json"])).out);
    expect(json).toMatchObject({
      alert: { id: "kill0001", action: "kill" },
      decisions: [{ do: "kill", plan: { sockets: [{ cookie: "12345678901234567890" }] } }],
      outcomes: [{ verified: true }],
    });
  });

  test("the list is one line an alert, newest first", async () => {
    recordKill("kill0001");
    store.recordFinding(
      finding("warn0002", { level: "medium", score: 50, title: "two\nlines", atMs: FIXED_NOW_MS - 5000 }),
    );
    expect((await host.run(["alerts"])).out).toBe(
      "ID        SEVERITY  SCORE  STATUS  COUNT  LAST SEEN  DONE  RULE           WHAT\n" +
        "warn0002  WARNING   50     new     1      5 s ago    -     reverse_shell  two\\nlines\n" +
        "kill0001  ALERT     90     new     1      1 min ago  kill  reverse_shell  dash is wired to 10.0.0.1:4444\n",
    );
  });

  const FILTERS: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ["by level", ["--level", "medium"], ["b"]],
    ["by status", ["--status", "resolved"], ["c"]],
    ["by rule", ["--rule", "other"], ["c"]],
    ["by time", ["--since", "10m"], ["b", "a"]],
    ["by the path of an executable", ["--exe", "/usr/bin/perl"], ["b"]],
    ["by a part of it", ["--exe", "bin/da"], ["a", "c"]],
    ["by number", ["--limit", "1"], ["b"]],
    ["by all of them at once", ["--level", "medium", "--rule", "other"], []],
  ];
  for (const [name, argv, expected] of FILTERS) {
    test(`the list is filtered ${name}`, async () => {
      store.recordFinding(finding("aaaa0001", { atMs: FIXED_NOW_MS - 2000 }));
      store.recordFinding(
        finding("bbbb0002", { level: "medium", atMs: FIXED_NOW_MS - 1000 }, { "process.executable": "/usr/bin/perl" }),
      );
      store.recordFinding(
        finding("cccc0003", {
          rule: { ...RULE, id: "6f0c1f0e-1111-4222-8333-444455556666", name: "other" },
          atMs: FIXED_NOW_MS - 3_600_000,
        }),
      );
      store.setStatus("cccc0003", "resolved", "alice");
      const json: { alerts: { id: string }[] } = JSON.parse((await host.run(["alerts", ...argv, "--json"])).out);
      expect(json.alerts.map(({ id }) => id.charAt(0))).toEqual([...expected]);
    });
  }

  test("what is only kept for the record is left out, said, and shown when asked for", async () => {
    store.recordFinding(finding("warn0001", { level: "low" }));
    store.recordFinding(finding("info0002", { level: "informational" }));
    const short = (await host.run(["alerts"])).out;
    expect(short).toContain("warn0001");
    expect(short).not.toContain("info0002");
    expect(short).toContain("1 alert of severity INFO left out: --all shows all.\n");
    for (const asked of [["--all"], ["--level", "informational"], ["--rule", "reverse_shell"]])
      expect((await host.run(["alerts", ...asked])).out).toContain("info0002");
  });

  test("nothing that fits is said, not shown as nothing", async () => {
    expect((await host.run(["alerts"])).out).toBe("No alerts fit.\n");
  });

  test("a cut list says that it is cut", async () => {
    for (const id of ["a", "b", "c"]) store.recordFinding(finding(`${id}0000000`));
    expect((await host.run(["alerts", "--limit", "2"])).out).toContain("Only the newest 2 are shown");
  });

  test("status without a daemon counts what is on record", async () => {
    recordKill("kill0001");
    const ran = await host.run(["status"]);
    expect(ran.exit).toBe(4);
    expect(ran.out).toMatch(
      /On record \(from the database alone\):\n {2}alerts +1 new, 0 acknowledged, 1 in all[\s\S]*1 to kill/,
    );
  });
});

describe("trust in an alert", () => {
  test("shows the narrowest entry and what it would have hidden, and adds nothing with --dry-run", async () => {
    recordKill("kill0001");
    recordKill("kill0002");
    store.recordFinding(finding("else0003", {}, { "destination.ip": "10.9.9.9" }));
    const ran = await host.run(["trust", "kill0001", "--dry-run", "--reason", "backup"]);
    expect(ran.out).toBe(`To be added to EXCEPTIONS:

  {
    "rule": "reverse_shell",
    "exe": "/usr/bin/dash",
    "parent": "/usr/bin/python3.11",
    "user": "www-data",
    "peer": "10.0.0.1",
    "reason": "backup",
    "author": "alice"
  }

It would have hidden 2 of 3 findings on record of this rule since 2026-03-14 11:59:00 (2 alerts, 2 kills among them).

Nothing was changed (--dry-run).
`);
    expect(ran.exit).toBe(0);
  });

  test("goes to the daemon with the id, the reason and the end", async () => {
    recordKill("kill0001");
    let given: unknown;
    await host.startDaemon({
      trust: async (params) => {
        given = params;
        return { ok: true, value: { changed: true, file: "/c", configGeneration: 2 } };
      },
    });
    const ran = await host.run(["trust", "kill0001", "--yes", "--reason", "backup", "--until", "2099-12-31"]);
    expect(ran.exit).toBe(0);
    expect(given).toEqual({ alertId: "kill0001", reason: "backup", until: "2099-12-31" });
  });

  test("of an unknown id exits 6 before anything is asked", async () => {
    recordKill("kill0001");
    expect((await host.run(["trust", "zzz", "--yes", "--reason", "x"])).exit).toBe(6);
  });
});

describe("following", () => {
  interface Following {
    readonly lines: string[];
    readonly errors: string[];
    readonly until: (count: number) => Promise<void>;
    readonly end: () => Promise<number | undefined>;
  }

  function follow(limit = 50): Following {
    const lines: string[] = [];
    const errors: string[] = [];
    let exit: number | undefined;
    const stop = new AbortController();
    const cli = host.cli({
      out: (text) => void lines.push(text),
      error: (text) => void errors.push(text),
      stop: () => stop.signal,
      exit: (code) => (exit = code),
    });
    const done = followAlerts(cli, { limit }, false, 5);
    const until = async (count: number): Promise<void> => {
      while (lines.length < count) await Bun.sleep(2);
    };
    return {
      lines,
      errors,
      until,
      end: async () => {
        await Bun.sleep(30);
        stop.abort();
        await done;
        return exit;
      },
    };
  }

  test("prints what is there, what comes and what repeats, each once, and ends with 0", async () => {
    store.recordFinding(finding("aaaa0001"));
    const following = follow();
    await following.until(1);
    store.recordFinding(finding("bbbb0002", { atMs: FIXED_NOW_MS }));
    await following.until(2);
    store.recordFinding(finding("aaaa0009", { foldKey: "aaaa0001", atMs: FIXED_NOW_MS }));
    await following.until(3);
    expect(await following.end()).toBe(0);
    expect(following.lines).toEqual([
      "2026-03-14 11:59:00 ALERT aaaa0001 reverse_shell: dash is wired to 10.0.0.1:4444\n",
      "2026-03-14 12:00:00 ALERT bbbb0002 reverse_shell: dash is wired to 10.0.0.1:4444\n",
      "2026-03-14 12:00:00 ALERT aaaa0001 reverse_shell: dash is wired to 10.0.0.1:4444 (2 times)\n",
    ]);
  });

  test("does not print the older ones that the limit left out", async () => {
    for (let index = 0; index < 5; index++)
      store.recordFinding(finding(`aaaa000${index}`, { atMs: FIXED_NOW_MS - 5000 + index }));
    const following = follow(2);
    await following.until(2);
    await following.end();
    expect(following.lines.map((line) => line.split(" ")[3])).toEqual(["aaaa0003", "aaaa0004"]);
  });

  test("goes on when the database is set aside and begun again, and complains once", async () => {
    const following = follow();
    store.close();
    for (const suffix of ["", "-wal", "-shm"]) {
      try {
        renameSync(`${host.folder}/algo-monitor.db${suffix}`, `${host.folder}/aside${suffix}`);
      } catch {
        // A closed database leaves no journal.
      }
    }
    while (following.errors.length === 0) await Bun.sleep(2);
    store = newStore();
    store.recordFinding(finding("cccc0001"));
    await following.until(1);
    await following.end();
    expect(following.errors.length).toBe(1);
    expect(following.lines[0]).toContain("cccc0001");
  });
});
