import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Handlers, StatusReport } from "../core/control.ts";
import { ok } from "../core/result.ts";
import { handlersFixture, rehearsalFixture, statusFixture } from "../daemon/control.fixture.ts";
import { viewsFixture } from "../daemon/views.fixture.ts";
import { buildProgram, everyCommand, fullName } from "./program.ts";
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

describe("without root every command but the harmless ones names sudo and asks nobody", () => {
  const NEED_ROOT: readonly (readonly string[])[] = [
    ["status"],
    ["alerts"],
    ["alerts", "--follow"],
    ["alerts", "show", "x"],
    ["alerts", "ack", "x"],
    ["alerts", "resolve", "x"],
    ["alerts", "false-positive", "x"],
    ["trust", "x"],
    ["untrust", "x"],
    ["pause", "5m"],
    ["resume"],
    ["reload"],
    ["scan"],
    ["scan", "filesystem"],
    ["scan", "sessions"],
    ["scan", "host"],
    ["processes"],
    ["processes", "1"],
    ["connections"],
    ["sessions"],
    ["files"],
    ["files", "status"],
    ["files", "verify"],
    ["selftest"],
    ["run"],
  ];
  for (const argv of NEED_ROOT) {
    test(argv.join(" "), async () => {
      let asked = 0;
      const count = async (): Promise<never> => {
        asked++;
        throw new Error("asked");
      };
      await host.startDaemon({
        status: count,
        pause: count,
        resume: count,
        reload: count,
        scan: count,
        trust: count,
        untrust: count,
        selftest: count,
        set_alert_status: count,
        processes: count,
        process: count,
        connections: count,
        sessions: count,
        files: count,
        scan_files: count,
        verify_files: count,
      });
      const ran = await host.run(argv, { uid: 1000 });
      expect(ran.exit).toBe(5);
      expect(ran.error).toContain("run the same command with sudo");
      expect(asked).toBe(0);
    });
  }
});

describe("--json", () => {
  test("is one document on standard output, also for a fault", async () => {
    const ran = await host.run(["pause", "5m", "--json"]);
    expect(ran.exit).toBe(4);
    expect(JSON.parse(ran.out)).toMatchObject({
      exit: 4,
      fault: { kind: "gone", remedy: "start it: sudo systemctl start algo-monitor" },
    });
    expect(ran.error).toContain("algo-monitor does not run");
  });

  const wrong: readonly (readonly [string, readonly string[], string])[] = [
    ["an unknown command", ["statsu", "--json"], "unknown command 'statsu' (Did you mean status?)"],
    [
      "a value that is no choice",
      ["scan", "disk", "--json"],
      "Allowed choices are processes, network, filesystem, sessions, host.",
    ],
    ["a missing argument", ["pause", "--json"], "missing required argument 'duration'"],
  ];
  test.each(wrong)("of %s is a fault document too", async (_name, argv, message) => {
    const ran = await host.run(argv);
    expect(JSON.parse(ran.out)).toEqual({
      fault: { kind: "invalid", message: expect.stringContaining(message) },
      exit: 2,
    });
    expect(ran.exit).toBe(2);
  });

  test("of status is the daemon's report and running: true", async () => {
    await host.startDaemon();
    const ran = await host.run(["status", "--json"]);
    expect(JSON.parse(ran.out)).toEqual({ running: true, ...statusFixture() });
  });

  test("of status without a daemon says running: false and exits 4", async () => {
    const ran = await host.run(["status", "--json"]);
    expect(ran.exit).toBe(4);
    expect(JSON.parse(ran.out)).toMatchObject({ running: false, exit: 4 });
  });

  test("stands before or behind a subcommand's name", async () => {
    await host.startDaemon();
    const behind = await host.run(["alerts", "ack", "x", "--json"]);
    const before = await host.run(["alerts", "--json", "ack", "x"]);
    expect(JSON.parse(behind.out)).toEqual({ settled: [{ id: "x0000", previous: "new", status: "acknowledged" }] });
    expect(before.out).toBe(behind.out);
  });
});

describe("a daemon that misbehaves", () => {
  const PATIENT: readonly (readonly [string, string, RegExp])[] = [
    ["answers nonsense", "nonsense\n", /answer makes no sense/],
    ["answers another question", '{"id":99,"ok":true,"result":{}}\n', /answered another question/],
    ["answers neither result nor fault", '{"id":1}\n', /neither a result nor a fault/],
    ["hangs up", "", /closed the connection without an answer/],
  ];
  for (const [name, answer, expected] of PATIENT) {
    test(`that ${name} is a fault with a remedy, exit 1`, async () => {
      const listener = Bun.listen({
        unix: `${host.folder}/control.sock`,
        socket: {
          data: (socket) => {
            if (answer === "") socket.end();
            else socket.write(answer);
          },
        },
      });
      const ran = await host.run(["resume"]);
      listener.stop(true);
      expect(ran.exit).toBe(1);
      expect(ran.error).toMatch(expected);
      expect(ran.error).toContain("what to do:");
    });
  }

  test("that left its socket behind is told apart from one that never ran", async () => {
    const dead = Bun.spawn(
      [
        process.execPath,
        "-e",
        `Bun.listen({unix:"${host.folder}/control.sock",socket:{data(){}}});console.log("up");setInterval(()=>{},1000)`,
      ],
      { stdout: "pipe" },
    );
    await dead.stdout.getReader().read();
    dead.kill(9);
    await dead.exited;
    const ran = await host.run(["resume"]);
    expect([ran.exit, ran.error]).toEqual([4, expect.stringContaining("left its socket behind")]);
  });

  test("that answers in pieces and with a megabyte is understood", async () => {
    const report: StatusReport = statusFixture({
      degradations: [{ part: "ü".repeat(600_000), sinceMs: 0, reason: "r" }],
    });
    await host.startDaemon({ status: async () => ok(report) });
    const ran = await host.run(["status", "--json"]);
    expect(JSON.parse(ran.out)).toEqual({ running: true, ...report });
  });
});

describe("asking a person", () => {
  async function answering(
    answers: readonly string[],
  ): Promise<{ readonly exit: number | undefined; readonly out: string; readonly reason: string | undefined }> {
    let reason: string | undefined;
    const trust: Handlers["trust"] = async (params, caller) => {
      reason = params.reason;
      return handlersFixture().trust(params, caller);
    };
    await host.startDaemon({ trust });
    const left = [...answers];
    const ran = await host.run(["trust", "/usr/bin/true"], { interactive: true, ask: async () => left.shift() ?? "" });
    return { exit: ran.exit, out: ran.out, reason };
  }

  test("yes and a reason change the config", async () => {
    expect(await answering(["y", "because"])).toMatchObject({ exit: 0, reason: "because" });
  });
  test("anything but yes changes nothing", async () => {
    expect(await answering([""])).toMatchObject({
      exit: 0,
      reason: undefined,
      out: expect.stringContaining("Nothing was changed"),
    });
  });
  test("yes without a reason changes nothing", async () => {
    expect(await answering(["yes", " "])).toMatchObject({ exit: 2, reason: undefined });
  });
});

describe("scan without a daemon", () => {
  const RULE = readFileSync(join(import.meta.dir, "../../rules/command-and-control/reverse_shell/rule.yml"), "utf8");
  const FOLDERS: readonly (readonly [string, Readonly<Record<string, string>>, number, RegExp])[] = [
    ["sweeps by itself and says so", { "reverse_shell.yml": RULE }, 0, /this command swept by itself/],
    ["refuses an empty folder of rules", {}, 3, /there is no rule in/],
    [
      "refuses when one rule is refused",
      { "a.yml": "title: x\n", "reverse_shell.yml": RULE },
      3,
      /a\.yml:\d+ is refused/,
    ],
  ];
  for (const [name, files, exit, expected] of FOLDERS) {
    test(name, async () => {
      mkdirSync(`${host.folder}/rules`);
      for (const [file, text] of Object.entries(files)) writeFileSync(`${host.folder}/rules/${file}`, text);
      const ran = await host.run(["scan"]);
      expect([ran.exit, ran.out + ran.error]).toEqual([exit, expect.stringMatching(expected)]);
    });
  }
});

test("untrust of a link takes away what trust wrote: the path it leads to", async () => {
  const asked: (string | undefined)[] = [];
  await host.startDaemon({
    untrust: async ({ path }) => {
      asked.push(path);
      const removedPaths = path === `${realpathSync(host.folder)}/real` ? [path] : [];
      return ok({ file: "/c", removedEntries: [], removedPaths, configGeneration: 2 });
    },
  });
  writeFileSync(`${host.folder}/real`, "");
  symlinkSync(`${host.folder}/real`, `${host.folder}/link`);
  expect((await host.run(["untrust", `${host.folder}/link`])).exit).toBe(0);
  expect(asked).toEqual([`${host.folder}/link`, `${realpathSync(host.folder)}/real`]);
});

test("run starts the daemon with its options and ends with its code", async () => {
  let given: unknown;
  const runDaemon = async () => async (options: { readonly monitor: boolean }) => {
    given = options;
    return 3;
  };
  const cli = {
    runDaemon,
    rehearseOnce: async () => async () => rehearsalFixture(),
    lookOnce: async () => viewsFixture("one-shot"),
  };
  expect((await host.run(["run", "--monitor"], { daemon: cli })).exit).toBe(3);
  expect(given).toEqual({ monitor: true });
});

test("the one who asks reaches the daemon with name and pid", async () => {
  let caller: unknown;
  await host.startDaemon({
    resume: async (_params, who) => {
      caller = who;
      return ok({ wasPaused: false, mode: "enforce" });
    },
  });
  await host.run(["resume"]);
  expect(caller).toEqual({ uid: 0, pid: process.pid, user: "alice" });
});

test("rules list shows refused rules with their place and exits 3", async () => {
  writeFileSync(`${host.folder}/bad.yml`, "title: x\ntitle: y\n");
  const ran = await host.run(["rules", "list", "--dir", host.folder], { uid: 1000 });
  expect(ran.exit).toBe(3);
  expect(ran.out).toMatch(/bad\.yml:2:1/);
});

test("rules show prints a description of several lines as one paragraph", async () => {
  const rules = join(import.meta.dir, "..", "..", "rules");
  const ran = await host.run(["rules", "show", "reverse_shell", "--dir", rules], { uid: 1000 });
  expect(ran.exit).toBe(0);
  expect(ran.out).toContain("What it means\n  A command interpreter takes its input from");
  expect(ran.out).not.toContain("\\n");
});

describe("the command tree", () => {
  test("every command has a summary, a description, and --json unless it prints no data", async () => {
    const without = new Set(
      ["run", "completion", "rules", "files", "config", "help"].map((name) => `algo-monitor ${name}`),
    );
    const lacking: string[] = [];
    everyCommand(await buildProgram(host.cli()), (command) => {
      const name = fullName(command);
      if (command.description() === "") lacking.push(`${name} has no description`);
      if (command.parent === null) return;
      if (command.summary() === "" && !name.startsWith("algo-monitor config")) lacking.push(`${name} has no summary`);
      if (!without.has(name) && !command.options.some((option) => option.long === "--json"))
        lacking.push(`${name} has no --json`);
    });
    expect(lacking).toEqual([]);
  });

  test("help of every command fits 100 columns and needs no root", async () => {
    const names: string[][] = [];
    everyCommand(await buildProgram(host.cli()), (command) => names.push(fullName(command).split(" ").slice(1)));
    for (const argv of names) {
      const ran = await host.run([...argv, "--help"], { uid: 1000 });
      expect([argv, ran.exit, ran.error]).toEqual([argv, 0, ""]);
      const long = ran.out.split("\n").filter((line) => Bun.stringWidth(line) > 100);
      expect([argv, long]).toEqual([argv, []]);
    }
  });

  test("completion scripts are understood by bash", async () => {
    const script = (await host.run(["completion", "bash"])).out;
    const ask = (words: string): string => {
      const run = Bun.spawnSync([
        "bash",
        "-c",
        `${script}\nCOMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1)); _algo_monitor; echo "\${COMPREPLY[*]}"`,
      ]);
      return run.stdout.toString().trim();
    };
    expect(ask('algo-monitor st""')).toBe("status");
    expect(ask("algo-monitor alerts s")).toBe("show");
    expect(ask("algo-monitor status --p")).toBe("--prometheus");
    expect(ask("algo-monitor scan n")).toBe("network");
    expect(ask("algo-monitor alerts show --j")).toBe("--json");
  });
});
