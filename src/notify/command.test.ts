// Real programs: scripts in a folder that only root can change (these tests run as root, as the daemon does).
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import type { Notice } from "../core/notice.ts";
import { type FakeClock, fakeClock, findingFixture, killFixture, outcomeFixture } from "../core/nouns.fixture.ts";
import { type Fault, ok } from "../core/result.ts";
import { killOwnGroup } from "../host/process_group.ts";
import { type CommandSettings, commandOutput, trustedCommand } from "./command.ts";
import { noticeOf } from "./messages.ts";
import type { Output } from "./output.ts";

const isRoot = process.getuid?.() === 0;

let home: string;
let clock: FakeClock;
let faults: Fault[];

beforeEach(() => {
  // Not below /tmp: everybody may write there, which is refused.
  home = mkdtempSync(isRoot ? "/root/algo-command-" : `${tmpdir()}/algo-command-`);
  chmodSync(home, 0o755);
  clock = fakeClock();
  faults = [];
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function script(name: string, body: string): string {
  const path = `${home}/${name}`;
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

function command(argv: readonly string[], overrides: Partial<CommandSettings> = {}): Output {
  return commandOutput({
    clock,
    settings: () => ({
      argv,
      timeoutMs: 10_000,
      minimumLevel: "WARNING",
      cooldownMs: 300_000,
      perHour: 10_000,
      ...overrides,
    }),
    directory: `${home}/spool`,
    hostName: "guarded",
    version: "0.2.0",
    onFault: (fault) => faults.push(fault),
    killGroup: killOwnGroup,
  });
}

function notice(message: string, overrides: Partial<Notice> = {}): Notice {
  return { kind: "finding", severity: "WARNING", atMs: clock.nowMs(), message, fields: {}, ...overrides };
}

function kill(): Notice {
  const finding = findingFixture();
  return noticeOf({ finding, alertId: finding.id, count: 1, decision: killFixture(), outcome: outcomeFixture() });
}

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000 && !condition(); turn++) await Bun.sleep(5);
  expect(condition()).toBeTrue();
}

const settled = (output: Output) => until(() => output.status?.().waiting === 0);

describe.skipIf(!isRoot)("a command", () => {
  test("reads the envelope from its standard input and the basics from its environment", async () => {
    const output = command([script("tell", `cat >${home}/input; env >${home}/environment; pwd >${home}/place`)]);
    output.send(kill());
    await settled(output);
    expect(output.status?.()).toEqual({ sent: 1, failed: 0, waiting: 0, heldBack: 0 });
    const document = JSON.parse(readFileSync(`${home}/input`, "utf8"));
    expect(document).toMatchObject({ rule: { name: "reverse_shell" }, host: { name: "guarded" } });
    const environment = readFileSync(`${home}/environment`, "utf8").split("\n");
    for (const line of [
      "ALGO_SEVERITY=ALERT",
      "ALGO_KIND=kill",
      "ALGO_RULE=reverse_shell",
      "ALGO_RESULT=done",
      "ALGO_PID=31337",
      "ALGO_HOST=guarded",
      "ALGO_TIME=2026-03-14T12:00:00.020Z",
      `ALGO_MESSAGE_ID=${document.algo_monitor.message_id}`,
    ])
      expect(environment).toContain(line);
    expect(readFileSync(`${home}/place`, "utf8")).toBe("/\n");
  });

  test("is given nothing else of ours: no variable, no descriptor, no file left behind", async () => {
    process.env["ALGO_TEST_LEAK"] = "x";
    const output = command([script("look", `env >${home}/environment; ls -l /proc/self/fd >${home}/descriptors`)]);
    output.send(notice("x", { fields: { home: "/elsewhere" } }));
    await settled(output);
    delete process.env["ALGO_TEST_LEAK"];
    const names = readFileSync(`${home}/environment`, "utf8")
      .split("\n")
      .map((line) => line.split("=")[0]);
    expect(
      names.filter((name) => name !== "" && !/^(ALGO_|PATH$|LANG$|HOME$|PWD$|_$|SHLVL$|OLDPWD$)/.test(name ?? "")),
    ).toEqual([]);
    expect(names).not.toContain("ALGO_TEST_LEAK");
    expect(names).not.toContain("ALGO_HOME");
    expect(readFileSync(`${home}/descriptors`, "utf8")).not.toMatch(/socket:|pipe:/);
    expect(readdirSync(`${home}/spool`)).toEqual([]);
  });

  test("gets hostile text as text: no shell reads it", async () => {
    const output = command([
      script("tell", `cat >${home}/input; printf %s "$ALGO_MESSAGE" >${home}/message`),
      "$(touch x)",
    ]);
    output.send(notice("`id` $(touch /owned); \n\0 ' \""));
    await settled(output);
    expect(readFileSync(`${home}/message`, "utf8")).toBe("`id` $(touch /owned); \\n\\x00 ' \"");
    expect(existsSync("/owned")).toBeFalse();
  });

  test("that takes too long dies with all it started", async () => {
    const slow = script("slow", `(sleep 600 & echo $! >${home}/child; wait) & echo $$ >${home}/leader; wait`);
    const output = command([slow], { timeoutMs: 300 });
    output.send(notice("x"));
    await settled(output);
    expect(faults[0]?.message).toContain("took more than 0.3 s and was killed");
    for (const name of ["leader", "child"]) {
      const pid = readFileSync(`${home}/${name}`, "utf8").trim();
      await until(() => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z"));
    }
  });

  const rows: readonly [string, string, { sent: number; failed: number }][] = [
    ["that fails is counted", "exit 3", { sent: 0, failed: 1 }],
    ["that dies of a signal is counted", "kill -9 $$", { sent: 0, failed: 1 }],
    ["that ignores its input is fine", "exit 0", { sent: 1, failed: 0 }],
    ["that closes its input at once is fine", "exec <&-; exit 0", { sent: 1, failed: 0 }],
    ["that says a hundred megabytes is fine", "head -c 100000000 /dev/zero; exit 0", { sent: 1, failed: 0 }],
  ];
  for (const [name, body, expected] of rows) {
    test(name, async () => {
      const output = command([script("some", body)]);
      output.send(kill());
      await settled(output);
      expect(output.status?.()).toMatchObject(expected);
    });
  }

  test("that fails all the time is told once an hour, with how often", async () => {
    const output = command([script("bad", "exit 3")]);
    for (let index = 0; index < 10; index++) output.send(notice(`n${index}`));
    await settled(output);
    expect(faults.length).toBe(1);
    expect(faults[0]?.message).toContain("ended with exit code 3");
    clock.advance(3_600_000);
    output.send(notice("again"));
    await settled(output);
    expect(faults[1]?.message).toContain("(and 9 times before)");
  });

  test("runs twice at once at most, and no more than a hundred wait: the least goes first", async () => {
    const output = command([
      script(
        "count",
        `touch ${home}/run-$ALGO_MESSAGE_ID; ls ${home} | grep -c run- >>${home}/together; sleep 0.02; rm ${home}/run-$ALGO_MESSAGE_ID`,
      ),
    ]);
    output.send(kill());
    for (let index = 0; index < 150; index++) output.send(notice(`n${index}`));
    expect(output.status?.().waiting).toBe(102);
    await settled(output);
    const together = readFileSync(`${home}/together`, "utf8").trim().split("\n").map(Number);
    expect(together.length).toBe(102);
    expect(Math.max(...together)).toBeLessThanOrEqual(2);
    expect(output.status?.()).toMatchObject({ sent: 102, failed: 49 });
  });
});

/** The argv, after something was done to it. */
function given(_done: unknown, argv: readonly string[]): readonly string[] {
  return argv;
}

describe.skipIf(!isRoot)("a command that others than root could change is refused:", () => {
  const rows: readonly [string, (good: string) => readonly string[], string][] = [
    ["a file of another user", (good) => given(chownSync(good, 1000, 1000), [good]), "belongs to uid 1000"],
    ["a file others may write", (good) => given(chmodSync(good, 0o757), [good]), "can be written by others"],
    ["a file its group may write", (good) => given(chmodSync(good, 0o775), [good]), "can be written by others"],
    ["a folder others may write", (good) => given(chmodSync(home, 0o777), [good]), "can be written by others"],
    ["a folder of another user", (good) => given(chownSync(home, 1000, 1000), [good]), "belongs to uid 1000"],
    ["a sticky folder for all", (good) => given(chmodSync(home, 0o1777), [good]), "can be written by others"],
    [
      "a link in somebody's folder",
      (good) => {
        mkdirSync(`${home}/theirs`);
        symlinkSync(good, `${home}/theirs/link`);
        chownSync(`${home}/theirs`, 1000, 1000);
        return [`${home}/theirs/link`];
      },
      "belongs to uid 1000",
    ],
    [
      "a link to somebody's file",
      (good) => {
        mkdirSync(`${home}/theirs`);
        writeFileSync(`${home}/theirs/file`, "#!/bin/sh\n", { mode: 0o755 });
        chownSync(`${home}/theirs`, 1000, 1000);
        rmSync(good);
        symlinkSync(`${home}/theirs/file`, good);
        return [good];
      },
      "belongs to uid 1000",
    ],
    [
      "a script of somebody for an interpreter",
      (good) => given(chownSync(good, 1000, 1000), ["/bin/sh", good]),
      "belongs to uid 1000",
    ],
    ["a path that is not absolute", () => ["page-me"], "is no absolute path"],
    ["a program that is not there", () => ["/usr/local/bin/no-such-program"], "does not exist"],
    ["a folder", () => ["/usr/bin"], "is not a file"],
  ];
  for (const [name, argv, says] of rows) {
    test(name, () => {
      const result = trustedCommand(argv(script("good", "exit 0")));
      expect(result.ok ? "accepted" : result.fault.message).toContain(says);
    });
  }

  test("and is not started", async () => {
    const output = command([script("owned", `touch ${home}/started`)]);
    chmodSync(`${home}/owned`, 0o777);
    output.send(notice("x"));
    await settled(output);
    expect(existsSync(`${home}/started`)).toBeFalse();
    expect(faults[0]?.remedy).toBe(`sudo chmod go-w ${home}/owned`);
  });

  const accepted: readonly [string, () => readonly string[]][] = [
    ["a program of the distribution behind links", () => ["/bin/sh", "-c", "exit 0"]],
    ["a script of root", () => [script("good", "exit 0")]],
    ["arguments that name no file", () => ["/bin/true", "/no/such/file", "--to=/tmp", "/tmp"]],
  ];
  for (const [name, argv] of accepted)
    test(`but not ${name}`, () => expect(trustedCommand(argv())).toEqual(ok(undefined)));
});
