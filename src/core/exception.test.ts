import { describe, expect, test } from "bun:test";
import {
  type ExceptionEntry,
  type ExceptionFacts,
  exceptionFacts,
  exceptionFor,
  exceptionWarnings,
  isNarrowed,
  matchesException,
  untilMs,
} from "./exception.ts";
import type { Fields, Finding } from "./nouns.ts";

const NOW_MS = new Date(2026, 2, 14, 12).getTime();
const RULE = { id: "5f0c1f0e-1111-4222-8333-444455556666", name: "reverse_shell" } as const;

const FACTS: ExceptionFacts = {
  rule: RULE,
  executable: "/usr/bin/dash",
  parentExecutable: "/usr/bin/python3.11",
  userName: "www-data",
  userId: 33,
  commandLine: "sh -c id",
  peer: "10.20.3.4",
};

function entry(over: Partial<ExceptionEntry> = {}): ExceptionEntry {
  return { rule: "reverse_shell", exe: "/usr/bin/dash", reason: "r", ...over };
}

function without(key: keyof ExceptionFacts): ExceptionFacts {
  return Object.fromEntries(Object.entries(FACTS).filter(([name]) => name !== key)) as unknown as ExceptionFacts;
}

const MATCHES: readonly (readonly [string, ExceptionEntry, ExceptionFacts, boolean])[] = [
  ["rule and executable are enough", entry(), FACTS, true],
  ["the rule may be named by its id in any case", entry({ rule: RULE.id.toUpperCase() }), FACTS, true],
  ["another rule is not covered", entry({ rule: "bind_shell" }), FACTS, false],
  ["another executable is not covered", entry({ exe: "/usr/bin/bash" }), FACTS, false],
  ["a longer path is another executable", entry({ exe: "/usr/bin/das" }), FACTS, false],
  ["an unknown executable is not covered", entry(), without("executable"), false],
  ["the parent must hold too", entry({ parent: "/usr/bin/perl" }), FACTS, false],
  ["an unknown parent does not hold", entry({ parent: "/usr/bin/python3.11" }), without("parentExecutable"), false],
  ["a user by name", entry({ user: "www-data" }), FACTS, true],
  ["a user by number", entry({ user: "33" }), FACTS, true],
  ["another user is not covered", entry({ user: "root" }), FACTS, false],
  ["an empty user is nobody, also where the uid is unknown", entry({ user: "" }), without("userId"), false],
  ["a peer by address", entry({ peer: "10.20.3.4" }), FACTS, true],
  ["a peer by network", entry({ peer: "10.20.0.0/16" }), FACTS, true],
  ["a peer outside the network", entry({ peer: "10.21.0.0/16" }), FACTS, false],
  ["a network of everything", entry({ peer: "0.0.0.0/0" }), FACTS, true],
  ["an IPv4 peer is not in an IPv6 network", entry({ peer: "::/0" }), FACTS, false],
  ["a mapped address is the address", entry({ peer: "::ffff:10.20.3.4" }), FACTS, true],
  ["a mapped network is the network", entry({ peer: "::ffff:10.20.0.0/112" }), FACTS, true],
  ["an IPv6 network", entry({ peer: "2001:db8::/32" }), { ...FACTS, peer: "2001:db8:1::5" }, true],
  ["an IPv6 scope does not matter", entry({ peer: "fe80::1" }), { ...FACTS, peer: "fe80::1%eth0" }, true],
  ["a peer that is no address covers nothing", entry({ peer: "attacker" }), { ...FACTS, peer: "attacker" }, false],
  ["a network longer than an address covers nothing", entry({ peer: "10.20.0.0/33" }), FACTS, false],
  ["an octal-looking address is no address", entry({ peer: "010.20.3.4" }), FACTS, false],
  ["no peer is no match", entry({ peer: "0.0.0.0/0" }), without("peer"), false],
  ["args are asked of the matcher", entry({ args: "c id" }), FACTS, true],
  ["args that the matcher refuses", entry({ args: "nothing" }), FACTS, false],
  ["args without a command line do not hold", entry({ args: "." }), without("commandLine"), false],
  ["an entry that names nothing but the rule covers nothing", { rule: "reverse_shell", reason: "r" }, FACTS, false],
  ["a file by its path", { rule: "reverse_shell", file: "/etc/a", reason: "r" }, { rule: RULE, file: "/etc/a" }, true],
  [
    "a file by a glob",
    { rule: "reverse_shell", file: "/etc/*.d/**", reason: "r" },
    { rule: RULE, file: "/etc/a.d/b" },
    true,
  ],
  ["another file", { rule: "reverse_shell", file: "/etc/a", reason: "r" }, { rule: RULE, file: "/etc/b" }, false],
  ["a file does not cover a process", entry({ file: "/etc/a" }), FACTS, false],
  ["holds through the end of its last day", entry({ until: "2026-03-14" }), FACTS, true],
  ["has ended the day after", entry({ until: "2026-03-13" }), FACTS, false],
  ["holds until a moment", entry({ until: "2099-01-01T00:00:00Z" }), FACTS, true],
  ["a day that does not exist has passed", entry({ until: "2099-02-30" }), FACTS, false],
  ["a date that cannot be read has passed", entry({ until: "never" }), FACTS, false],
];

describe("an exception covers exactly what it names", () => {
  for (const [name, given, facts, expected] of MATCHES) {
    test(name, () =>
      expect(matchesException(given, facts, NOW_MS, (pattern, line) => pattern === "." || line.includes(pattern))).toBe(
        expected,
      ),
    );
  }
});

function finding(fields: Fields): Finding {
  const logsource = { product: "linux", service: "algo-monitor", category: "wired_shell" } as const;
  const event = { id: "e", atMs: 0, action: "shell-wired", logsource, fields };
  const rule = { ...RULE, version: 1 };
  return {
    id: "f",
    atMs: 0,
    rule,
    level: "critical",
    score: 90,
    title: "t",
    reasons: [],
    tags: [],
    response: "kill",
    event,
    foldKey: "k",
    triage: "",
  };
}

const FIELDS: Fields = {
  "process.executable": "/usr/bin/dash",
  "process.parent.executable": "/usr/bin/python3.11",
  "user.name": "www-data",
  "user.id": 33,
  "destination.ip": "10.20.3.4",
  "process.command_line": "sh -c id",
};

describe("the entry proposed for a finding", () => {
  const PROPOSED: (readonly [string, Fields, ExceptionEntry])[] = [
    [
      "names all that is known",
      FIELDS,
      {
        rule: "reverse_shell",
        exe: "/usr/bin/dash",
        parent: "/usr/bin/python3.11",
        user: "www-data",
        peer: "10.20.3.4",
        reason: "r",
      },
    ],
    [
      "names the uid where the user has no name",
      { "process.executable": "/x", "user.id": 1001 },
      { rule: "reverse_shell", exe: "/x", user: "1001", reason: "r" },
    ],
    [
      "leaves out an executable that is no path",
      { "process.executable": "memfd:x", "user.name": "a" },
      { rule: "reverse_shell", user: "a", reason: "r" },
    ],
    [
      "leaves out what is empty",
      { "process.executable": "/x", "user.name": "", "destination.ip": "" },
      { rule: "reverse_shell", exe: "/x", reason: "r" },
    ],
  ];
  const FILE: Fields = { "file.path": "/etc/cron.d/x", "file.fold": "/etc/cron.d/x" };
  PROPOSED.push(
    ["names the file of a finding about a file", FILE, { rule: "reverse_shell", file: "/etc/cron.d/x", reason: "r" }],
    [
      "names the directory of many files that are one alert",
      { ...FILE, "file.fold": "/etc/cron.d/" },
      { rule: "reverse_shell", file: "/etc/cron.d/*", reason: "r" },
    ],
    [
      "writes no control characters",
      { "file.path": "/etc/cron.d/a\n\u001bb" },
      { rule: "reverse_shell", file: "/etc/cron.d/a*b", reason: "r" },
    ],
    [
      "names no file beside a process",
      { "process.executable": "/x", "file.path": "/x" },
      { rule: "reverse_shell", exe: "/x", reason: "r" },
    ],
  );
  for (const [name, fields, expected] of PROPOSED) {
    test(name, () => {
      const proposed = exceptionFor(finding(fields), { reason: "r" });
      expect(proposed).toEqual(expected);
      expect(matchesException(proposed, exceptionFacts(RULE, finding(fields).event), NOW_MS, () => false)).toBe(true);
    });
  }
  test("does not cover the same with one fact changed", () => {
    const proposed = exceptionFor(finding(FIELDS), { reason: "r" });
    for (const name of ["process.executable", "process.parent.executable", "user.name", "destination.ip"]) {
      const other = finding({ ...FIELDS, "user.id": 0, [name]: name === "destination.ip" ? "10.20.3.5" : "/other" });
      expect([name, matchesException(proposed, exceptionFacts(RULE, other.event), NOW_MS, () => false)]).toEqual([
        name,
        false,
      ]);
    }
  });
  test("narrows nothing where the finding names nothing, and says so", () => {
    const proposed = exceptionFor(finding({ "host.resource": "disk" }), { reason: "r" });
    expect([isNarrowed(proposed), exceptionWarnings(proposed).join()]).toEqual([
      false,
      expect.stringContaining("refused"),
    ]);
  });
  test("carries author and end", () => {
    expect(exceptionFor(finding(FIELDS), { reason: "r", author: "alice", until: "2027-01-01" })).toMatchObject({
      author: "alice",
      until: "2027-01-01",
    });
  });
});

describe("warnings before an entry is accepted", () => {
  const WARNED: readonly (readonly [string, ExceptionEntry, RegExp | undefined])[] = [
    ["none for a narrow one", entry({ exe: "/opt/agent", user: "backup" }), undefined],
    ["an interpreter without args or peer", entry({ user: "a" }), /runs whatever it is given/],
    [
      "python with a version is an interpreter",
      entry({ exe: "/usr/bin/python3.11", user: "a" }),
      /runs whatever it is given/,
    ],
    ["an interpreter with a peer is narrow enough", entry({ user: "a", peer: "10.0.0.1" }), undefined],
    ["a file where anybody writes", entry({ exe: "/tmp/x", user: "a" }), /anybody can write/],
    ["every user", entry({ exe: "/opt/agent" }), /every user/],
    ["no executable", { rule: "r", user: "a", reason: "r" }, /names no executable/],
    ["a file for ever", { rule: "r", file: "/etc/a", reason: "r" }, /every later change/],
    ["many files", { rule: "r", file: "/etc/**", reason: "r" }, /every file that fits/],
    ["nothing at all", { rule: "r", reason: "r" }, /refused/],
  ];
  for (const [name, given, expected] of WARNED) {
    test(name, () => {
      const warnings = exceptionWarnings(given).join("\n");
      if (expected === undefined) expect(warnings).toBe("");
      else expect(warnings).toMatch(expected);
    });
  }
});

test("a day ends at local midnight, also where clocks change", () => {
  expect(new Date(untilMs("2026-03-29")).getDate()).toBe(30);
  expect(new Date(untilMs("2026-03-29")).getHours()).toBe(0);
});
