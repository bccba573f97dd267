// A name of TRUSTED_SYSTEM_PROCESSES is worth what the file behind it is worth. Reads this machine's own system
// directories: /usr/bin/env and the interpreter files are those that are installed here.
import { describe, expect, test } from "bun:test";
import { baseName } from "../core/place.ts";
import type { Executable, Process } from "../core/process.ts";
import type { ProgramFacts, Script } from "../core/view.ts";
import { resolveInSystemDirectories, SYSTEM_DIRECTORIES } from "../host/executables.ts";
import { hostFixture, OUR_MOUNTS } from "./host.fixture.ts";
import { createNameTrust } from "./trust.ts";

const SLEEP = realFile("sleep");
const SHELL = realFile("sh");
const PLAIN: ProgramFacts = {
  shell: false,
  interpreter: false,
  relayTool: false,
  name: "sleep",
  isCopy: false,
  verified: true,
  temporary: false,
};
const INTERPRETER: ProgramFacts = { ...PLAIN, shell: true, interpreter: true };
const NONE: Script = { kind: "none" };
const script = (path: string, verified: boolean): Script => ({ kind: "file", path, verified, temporary: false });

function realFile(name: string): Executable {
  const [file] = resolveInSystemDirectories(name, SYSTEM_DIRECTORIES);
  if (file === undefined) throw new Error(`this machine has no ${name} in a system directory`);
  return {
    path: file.path,
    device: file.device,
    inode: file.inode,
    ownerUid: file.ownerUid,
    mode: file.mode,
    deleted: false,
    memfd: false,
  };
}

function running(executable: Executable, over: Partial<Process> = {}): Process {
  const base = hostFixture("pid 20 ppid 1 uid 0 exe /usr/bin/sleep").process(20);
  return { ...base, name: baseName(executable.path).slice(0, 15), executable, ...over };
}

type Row = readonly [
  sentence: string,
  names: readonly string[],
  process: Process,
  program: ProgramFacts,
  script: Script,
  trusted: boolean,
];
const ROWS: readonly Row[] = [
  ["the very file of that name", ["sleep"], running(SLEEP), PLAIN, NONE, true],
  ["case does not matter", ["SLEEP"], running(SLEEP), PLAIN, NONE, true],
  ["another name", ["cron"], running(SLEEP), PLAIN, NONE, false],
  [
    "a process that only calls itself so",
    ["sleep"],
    running({ ...SHELL, path: "/home/alice/sleep", inode: 1 }, { name: "sleep" }),
    PLAIN,
    NONE,
    false,
  ],
  [
    "the file of that name, which others may change",
    ["sleep"],
    running(SLEEP),
    { ...PLAIN, verified: false },
    NONE,
    false,
  ],
  ["a path is not a name", [SLEEP.path], running(SLEEP), PLAIN, NONE, false],
  [
    "a shell that reads commands, though its name is trusted",
    ["sh"],
    running(SHELL),
    INTERPRETER,
    { kind: "stdin" },
    false,
  ],
  ["a shell with inline code", ["sh"], running(SHELL), INTERPRETER, { kind: "inline" }, false],
  ["a shell with a script of root", ["sh"], running(SHELL), INTERPRETER, script("/usr/bin/x", true), true],
  ["a shell with a script of somebody", ["sh"], running(SHELL), INTERPRETER, script("/home/a/x", false), false],
  ["a script that is itself the named file", ["sleep"], running(SHELL), INTERPRETER, script(SLEEP.path, true), true],
  [
    "a process without a file",
    ["sleep"],
    (({ executable: _gone, ...rest }) => rest)(running(SLEEP)),
    PLAIN,
    NONE,
    false,
  ],
];

describe("trusts by name:", () => {
  test.each(ROWS)("%s", (_sentence, names, process, program, given, trusted) => {
    const trust = createNameTrust();
    trust.learn(names);
    expect(trust.isTrusted(process, program, given)).toBe(trusted);
  });

  test("what is learnt anew replaces the old list", () => {
    const trust = createNameTrust();
    trust.learn(["sleep"]);
    trust.learn([]);
    expect(trust.isTrusted(running(SLEEP), PLAIN, NONE)).toBe(false);
  });
});

describe("a name that is not honoured", () => {
  const home = { ...SLEEP, path: "/home/alice/sleep", inode: 1, ownerUid: 1000 };
  const unverified = { ...PLAIN, verified: false };
  const REASONS: readonly [sentence: string, process: Process, program: ProgramFacts, given: Script, says: string][] = [
    ["others can change it", running(home), unverified, NONE, "sudo chown root /home/alice/sleep"],
    [
      "in no system directory",
      running({ ...home, ownerUid: 0 }),
      unverified,
      NONE,
      "it is in no system directory; name it by its path: sudo algo-monitor trust /home/alice/sleep",
    ],
    [
      "in a container",
      running(home, { namespaces: { mount: OUR_MOUNTS + 1, network: 1, pid: 1 } }),
      unverified,
      NONE,
      "mount namespace",
    ],
    ["deleted", running({ ...home, deleted: true }), unverified, NONE, "its file was deleted"],
    [
      "a script of somebody",
      running(SHELL, { name: "sleep" }),
      INTERPRETER,
      script("/etc/hostname", false),
      "it runs the script /etc/hostname",
    ],
    [
      "a module",
      running(SHELL, { name: "sleep" }),
      INTERPRETER,
      script("/home/a/http.server", false),
      "it runs the module http.server",
    ],
    ["inline code", running(SHELL, { name: "sleep" }), INTERPRETER, { kind: "inline" }, "runs code without a file"],
  ];
  test.each(REASONS)("%s: says why and what would work", (_sentence, process, program, given, says) => {
    const trust = createNameTrust();
    trust.learn(["sleep"]);
    expect(trust.refusalOf(process, program, given, OUR_MOUNTS)?.message).toContain(says);
  });

  test("is told once for a file, and again for another file", () => {
    const trust = createNameTrust();
    trust.learn(["sleep"]);
    const tell = (path: string) =>
      trust.refusalOf(running({ ...home, path }), unverified, NONE, OUR_MOUNTS) !== undefined;
    expect([tell("/home/a/sleep"), tell("/home/a/sleep"), tell("/home/b/sleep")]).toEqual([true, false, true]);
  });

  test("is not told of who is trusted, or of names nobody asked for", () => {
    const trust = createNameTrust();
    trust.learn(["sleep"]);
    expect(trust.refusalOf(running(SLEEP), PLAIN, NONE, OUR_MOUNTS)).toBeUndefined();
    expect(trust.refusalOf(running({ ...home, path: "/home/a/other" }), unverified, NONE, OUR_MOUNTS)).toBeUndefined();
  });
});
