import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KEY_NAMES } from "../config/schema.ts";
import { pathsOf } from "../core/paths.ts";
import { fail, ok } from "../core/result.ts";
import { configCommand } from "./config.ts";
import { fakeHost } from "./world.fixture.ts";

const root = mkdtempSync(join(tmpdir(), "algo-cli-config-"));
const host = fakeHost();
afterAll(async () => {
  rmSync(root, { recursive: true, force: true });
  await host.close();
});
let sites = 0;

interface Ran {
  readonly out: string;
  readonly error: string;
  readonly exit: number;
  /** The config file afterwards; empty where there is none. */
  readonly text: string;
}

async function run(argv: readonly string[], text?: string): Promise<Ran> {
  sites++;
  const home = join(root, String(sites));
  mkdirSync(home);
  const file = join(home, "config.json");
  if (text !== undefined) writeFileSync(file, text);
  const cli = host.cli({ paths: pathsOf({ ALGO_HOME: home, ALGO_RUN: home }) });
  await configCommand(cli).parseAsync([...argv], { from: "user" });
  const { out, error, exit } = cli.ran();
  return { out, error, exit: exit ?? -1, text: existsSync(file) ? readFileSync(file, "utf8") : "" };
}

describe("exit codes and what is said", () => {
  const rows: readonly (readonly [string, readonly string[], string | undefined, number, string])[] = [
    ["a valid file", ["check"], '{"MODE": "enforce"}', 0, "is valid."],
    ["warnings exit 0", ["check"], '{"MODE": "enforce", "LOG_LEVELS": []}', 0, "is valid, 1 warning."],
    [
      "an error exits 3",
      ["check"],
      '{"MOED": "enforce"}',
      3,
      "1:2 MOED: no such key; it is ignored. Did you mean MODE?",
    ],
    ["a file that does not parse exits 3", ["check"], "{", 3, "cannot be used"],
    ["no file exits 6", ["check"], undefined, 6, "there is no such file"],
    ["a folder is no file", ["check", root], undefined, 2, "not a regular file"],
    ["show names what has its default", ["show"], '{"MODE": "monitor"}', 0, '"per_minute":10}  (default)'],
    ["show of a broken file exits 3", ["show"], "[", 3, "cannot be used"],
    ["explain a key", ["explain", "KILL_BUDGET"], undefined, 0, "incidents a minute"],
    ["explain a field", ["explain", "RETENTION.days"], undefined, 0, "90"],
    ["explain suggests the nearest key", ["explain", "KILLBUDGET"], undefined, 6, "did you mean KILL_BUDGET?"],
    ["explain names a missing field", ["explain", "RETENTION.weeks"], undefined, 6, "RETENTION has no field weeks"],
    ["explain lists all keys", ["explain"], undefined, 0, "TRUSTED_SYSTEM_PROCESSES"],
    ["schema is JSON", ["schema"], undefined, 0, '"additionalProperties": false'],
    ["new keys are named", ["new-keys"], '{"MODE": "monitor"}', 0, "RETENTION"],
    ["set refuses an unknown key", ["set", "MOED", "monitor"], "{}", 2, "did you mean MODE?"],
    ["set refuses a value", ["set", "MODE", "off"], "{}", 2, "is not one of"],
    ["set refuses broken JSON", ["set", "LOG_LEVELS", "[ALERT]"], "{}", 2, "is not JSON"],
    ["set leaves a broken file", ["set", "MODE", "monitor"], "{", 3, "config check"],
  ];
  test.each(rows)("%s", async (_name, argv, text, exit, said) => {
    const ran = await run(argv, text);
    expect(`${ran.out}${ran.error}`).toContain(said);
    expect(ran.exit).toBe(exit);
    expect(ran.text).toBe(text ?? "");
  });
});

describe("set", () => {
  const rows: readonly (readonly [string, readonly string[], string, string])[] = [
    ["a plain word", ["set", "MODE", "monitor"], '{"MODE": "enforce" /* ask */}', '{"MODE": "monitor" /* ask */}'],
    [
      "a number",
      ["set", "KILL_BUDGET.per_minute", "5"],
      '{"KILL_BUDGET": {"per_minute": 9}}',
      '{"KILL_BUDGET": {"per_minute": 5}}',
    ],
    [
      "a rule",
      ["set", "RULES.bind_shell", "alert"],
      '{"RULES": {"bind_shell": "kill"}}',
      '{"RULES": {"bind_shell": "alert"}}',
    ],
    ["a list", ["set", "LOG_LEVELS", '["ALERT"]'], '{"LOG_LEVELS": []}', '{"LOG_LEVELS": ["ALERT"]}'],
  ];
  test.each(rows)("%s", async (_name, argv, text, expected) => {
    const ran = await run(argv, text);
    expect([ran.exit, ran.error, ran.text]).toEqual([0, "", expected]);
  });
});

describe("an edit and the daemon", () => {
  afterEach(() => rmSync(join(host.folder, "config.json"), { force: true }));

  async function set(...argv: readonly string[]): Promise<{ readonly out: string; readonly exit: number | undefined }> {
    writeFileSync(join(host.folder, "config.json"), '{"MODE": "enforce"}');
    return host.run(["config", "set", ...argv]);
  }

  test("without a daemon the file is changed, and that is said", async () => {
    const { out, exit } = await set("MODE", "monitor");
    expect([exit, out]).toEqual([
      0,
      expect.stringContaining("The daemon does not run; it reads the file when it starts."),
    ]);
  });

  test("a running daemon is told key, value and who, once, and only of a change", async () => {
    const told: unknown[] = [];
    const stop = await host.startDaemon({
      config_edited: async (params, { user, uid }) => {
        told.push({ ...params, user, uid });
        return ok({ changed: true, rulesChanged: false, configGeneration: 8, problems: [] });
      },
    });
    expect((await set("MODE", "monitor")).out).toContain("Generation 8 of the configuration is in force.");
    expect((await set("MODE", "enforce")).out).toContain('is "enforce" already');
    expect((await set("MODE", "off")).exit).toBe(2);
    expect(told).toEqual([{ key: "MODE", value: '"monitor"', user: "alice", uid: process.getuid?.() ?? -1 }]);
    await stop();
  });

  test("a rule that does not exist is written and warned about at once", async () => {
    const rules = pathsOf({ ALGO_HOME: host.folder }).rulesDirectory;
    cpSync(join(import.meta.dir, "../../rules"), rules, { recursive: true });
    const wrong = await set("RULES.reverse_shel", "alert");
    const right = await set("RULES.reverse_shell", "alert");
    rmSync(rules, { recursive: true });
    expect([wrong.exit, wrong.out]).toEqual([0, expect.stringContaining("Did you mean reverse_shell?")]);
    expect(right.out).not.toContain("WARNING");
  });

  test("a daemon that does not take it is no failure of the edit", async () => {
    const stop = await host.startDaemon({ config_edited: async () => fail("io", "not now") });
    const { out, exit } = await set("MODE", "monitor");
    expect([exit, out]).toEqual([0, expect.stringContaining("did not take the audit entry: not now")]);
    await stop();
  });
});

describe("--json", () => {
  test("every subcommand prints one document", async () => {
    for (const argv of [
      ["check"],
      ["show"],
      ["explain"],
      ["explain", "MODE"],
      ["schema"],
      ["new-keys"],
      ["set", "MODE", "monitor"],
    ]) {
      const ran = await run([...argv, "--json"], '{"MODE": "enforce"}');
      expect(typeof JSON.parse(ran.out)).toBe("object");
      expect(ran.exit).toBe(0);
    }
  });

  test("check names place, key and remedy of each problem", async () => {
    const { problems, valid } = JSON.parse((await run(["check", "--json"], '{"MODE": "enforce",\n "X": 1}')).out);
    expect(valid).toBe(false);
    expect(problems[0]).toMatchObject({ severity: "error", line: 2, column: 2, key: "X" });
  });

  test("explain describes every key", async () => {
    const { keys } = JSON.parse((await run(["explain", "--json"])).out);
    expect(keys.map((row: { key: string }) => row.key)).toEqual([...KEY_NAMES]);
  });

  test("a fault is a document too", async () => {
    const ran = await run(["check", "--json"]);
    expect(JSON.parse(ran.out)).toMatchObject({ fault: { kind: "gone" }, exit: 6 });
  });
});

test("a hostile file cannot reach the terminal", async () => {
  const ran = await run(["check"], '{"\\u001b]0;x\\u0007\u009b2J\u202e": 1}');
  expect(ran.out).not.toMatch(/[^\P{C}\n]/u);
  expect(readFileSync(join(root, String(sites), "config.json"), "utf8")).toContain("\\u001b");
});
