// From a finding to what is done about it: every branch, its reasons, and who of the host dies, is spared, loses a socket.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { hostFixture } from "../context/host.fixture.ts";
import { eventFixture, findingFixture } from "../core/nouns.fixture.ts";
import type { Decision, Event, Finding, ResponseKind } from "../core/nouns.ts";
import { processFields, socketRef } from "../core/render.ts";
import type { HostView } from "../core/view.ts";
import { createKillBudget, type Incident, type KillBudget } from "./budget.ts";
import { decide } from "./decide.ts";
import { untouchable } from "./never_touch.ts";
import { neverTouchFixture, policyFixture } from "./policy.fixture.ts";
import type { Policy } from "./policy.ts";

/** A shell (100, child 101) behind nc (90); the connection is socket 1. */
const HOST = `pid 90 ppid 1 uid 1000 exe /usr/bin/nc.openbsd
  argv ["nc","203.0.113.7","4444"]
  fd 3 rw socket:[1]
pid 100 ppid 1 uid 1000 exe /usr/bin/bash
  argv ["bash","-i"]
pid 101 ppid 100 uid 1000 exe /usr/bin/sleep
tcp 10.0.0.5:40000 -> 203.0.113.7:4444 inode 1 sent 1 1 received 1 1`;

interface Case {
  readonly host?: string;
  readonly response?: ResponseKind;
  readonly policy?: Partial<Policy>;
  readonly event?: Partial<Event>;
  readonly actors?: readonly number[];
  readonly relays?: readonly number[];
  readonly sockets?: readonly number[];
}

interface Expected {
  readonly do: Decision["do"];
  readonly would?: "kill" | "disconnect";
  readonly kill?: readonly number[];
  readonly sockets?: readonly number[];
  readonly reasons?: readonly string[];
}

const AT_MS = Date.UTC(2026, 2, 14, 12, 0, 0);
const RULE = findingFixture().rule;
const NO_TREE = { host: "" };

const ROWS: readonly [sentence: string, what: Case, expected: Expected][] = [
  [
    "kills the shell, its children and the relay, and the connection",
    {},
    { do: "kill", kill: [90, 100, 101], sockets: [1], reasons: ["the rule asks for: kill"] },
  ],
  ["only records what a rule reports", { response: "alert" }, { do: "record", reasons: ["the rule asks for: alert"] }],
  ["only records a rule that is off", { response: "off" }, { do: "record" }],
  [
    "disconnects and kills nobody where the rule asks for that",
    { response: "disconnect" },
    { do: "disconnect", kill: [], sockets: [1] },
  ],
  [
    "rehearses a rule that is set to monitor",
    { response: "monitor" },
    { do: "rehearse", would: "kill", kill: [90, 100, 101], reasons: ["this rule is set to monitor"] },
  ],
  [
    "rehearses in monitor mode",
    { policy: { mode: "monitor" } },
    { do: "rehearse", would: "kill", reasons: ["MODE is monitor"] },
  ],
  [
    "rehearses a disconnect in monitor mode",
    { response: "disconnect", policy: { mode: "monitor" } },
    { do: "rehearse", would: "disconnect", kill: [] },
  ],
  [
    "rehearses while paused",
    { policy: { pausedUntilMs: AT_MS + 1 } },
    { do: "rehearse", would: "kill", reasons: ["protection is paused"] },
  ],
  ["kills again when the pause is over", { policy: { pausedUntilMs: AT_MS } }, { do: "kill" }],
  [
    "RULES moves a rule down by its name",
    { policy: { rules: new Map([[RULE.name, "alert"]]) } },
    { do: "record", reasons: ["RULES sets this rule to: alert (the rule itself asks for kill)"] },
  ],
  [
    "RULES moves a rule up by its id",
    { response: "alert", policy: { rules: new Map([[RULE.id.toLowerCase(), "kill"]]) } },
    { do: "kill", reasons: ["RULES sets this rule to: kill (the rule itself asks for alert)"] },
  ],
  [
    "RULES moves a rule to disconnect",
    { policy: { rules: new Map([[RULE.name, "disconnect"]]) } },
    { do: "disconnect" },
  ],
  ["RULES says nothing of another rule", { policy: { rules: new Map([["bind_shell", "off"]]) } }, { do: "kill" }],
  [
    "an exception covers it",
    { policy: { exceptions: [{ rule: RULE.name, exe: "/usr/bin/bash", reason: "our console" }] } },
    { do: "record", reasons: ["EXCEPTIONS covers it: our console"] },
  ],
  [
    "an exception for a pattern of the command line covers it",
    { policy: { exceptions: [{ rule: RULE.id, args: "bash -i", reason: "r" }] } },
    { do: "record" },
  ],
  [
    "an exception for another executable does not",
    { policy: { exceptions: [{ rule: RULE.name, exe: "/usr/bin/dash", reason: "r" }] } },
    { do: "kill" },
  ],
  [
    "an exception that has run out does not",
    { policy: { exceptions: [{ rule: RULE.name, exe: "/usr/bin/bash", until: "2026-03-01", reason: "r" }] } },
    { do: "kill" },
  ],
  [
    "an exception covers in monitor mode too, so nothing is told",
    { policy: { mode: "monitor", exceptions: [{ rule: RULE.name, exe: "/usr/bin/bash", reason: "r" }] } },
    { do: "record" },
  ],
  [
    "processes that are gone are refused",
    { ...NO_TREE, sockets: [] },
    { do: "refuse", reasons: ["nothing is left that may be touched"] },
  ],
  ["a finding that concerns nobody is refused", { actors: [], relays: [], sockets: [] }, { do: "refuse" }],
  [
    "when all processes are spared only the connection goes",
    { policy: { neverTouch: neverTouchFixture({ executables: new Set(["/usr/bin/bash"]) }) }, relays: [] },
    { do: "disconnect", kill: [], sockets: [1], reasons: ["spares pid 100: NEVER_TOUCH names /usr/bin/bash"] },
  ],
  [
    "below a spared actor nobody is looked for",
    { policy: { neverTouch: neverTouchFixture({ executables: new Set(["/usr/bin/bash"]) }) } },
    { do: "kill", kill: [90] },
  ],
  [
    "a child that is never touched lives, the rest of the tree dies",
    { policy: { neverTouch: neverTouchFixture({ executables: new Set(["/usr/bin/sleep"]) }) } },
    { do: "kill", kill: [90, 100], reasons: ["spares pid 101: NEVER_TOUCH names /usr/bin/sleep"] },
  ],
  [
    "a relay that is never touched lives, and so does its connection",
    { policy: { neverTouch: neverTouchFixture({ executables: new Set(["/usr/bin/nc.openbsd"]) }) } },
    { do: "kill", kill: [100, 101], sockets: [] },
  ],
  [
    "everything is never touched",
    { policy: { neverTouch: neverTouchFixture({ userIds: new Set([1000]) }) } },
    { do: "refuse", reasons: ["nothing is left that may be touched"] },
  ],
  [
    "a relay that listens is spared and only loses its connection",
    {
      host: `${HOST.replace("fd 3 rw socket:[1]", "fd 3 rw socket:[1]\n  fd 4 rw socket:[2]")}\ntcp listen 0.0.0.0:8080 inode 2`,
    },
    { do: "kill", kill: [100, 101], sockets: [1], reasons: ["spares pid 90: it listens on port 8080"] },
  ],
  [
    "a relay that listens on a local socket is spared",
    {
      host: `${HOST.replace("fd 3 rw socket:[1]", "fd 3 rw socket:[1]\n  fd 4 rw socket:[2]")}\nunix listen 2 /run/agent.sock`,
    },
    { do: "kill", kill: [100, 101], sockets: [1], reasons: ["spares pid 90: it listens on a local socket"] },
  ],
  [
    "a relay with other connections is spared",
    {
      host: `${HOST.replace("fd 3 rw socket:[1]", "fd 3 rw socket:[1]\n  fd 4 rw socket:[2]")}\ntcp 10.0.0.5:40001 -> 10.0.0.6:5432 inode 2`,
    },
    {
      do: "kill",
      kill: [100, 101],
      sockets: [1],
      reasons: ["spares pid 90: it has other connections (10.0.0.6:5432)"],
    },
  ],
  [
    "a relay whose other socket is its own second end of the behaviour dies",
    {
      host: `${HOST.replace("fd 3 rw socket:[1]", "fd 3 rw socket:[1]\n  fd 4 rw socket:[2]")}\ntcp 10.0.0.5:40001 -> 203.0.113.7:4445 inode 2`,
      sockets: [1, 2],
    },
    { do: "kill", kill: [90, 100, 101] },
  ],
  [
    "the main process of a unit is spared",
    { host: `unit agent.service main 90\n${HOST}` },
    { do: "kill", kill: [100, 101], reasons: ["spares pid 90: it is the main process of its unit"] },
  ],
  [
    "the main process of a unit that systemd-run made is not",
    { host: `unit run-7.service main 90 transient\n${HOST}` },
    { do: "kill", kill: [90, 100, 101] },
  ],
  [
    "another process of a unit is not spared for it",
    { host: `unit agent.service main 80\n${HOST}` },
    { do: "kill", kill: [90, 100, 101] },
  ],
  [
    "a relay below the shell falls with its tree, whatever else it does",
    {
      host: `${HOST.replace("pid 90 ppid 1 ", "pid 90 ppid 100 ").replace("fd 3 rw socket:[1]", "fd 3 rw socket:[1]\n  fd 4 rw socket:[2]")}\ntcp listen 0.0.0.0:8080 inode 2`,
    },
    { do: "kill", kill: [90, 100, 101], reasons: [] },
  ],
  [
    "an actor is not spared for listening",
    {
      host: `${HOST.replace(`["bash","-i"]`, `["bash","-i"]\n  fd 4 rw socket:[2]`)}\ntcp listen 0.0.0.0:8080 inode 2`,
    },
    { do: "kill", kill: [90, 100, 101] },
  ],
];

describe("decides", () => {
  test.each(ROWS)("%s", (_sentence, what, expected) => {
    const decision = decided(what);
    expect(summaryOf(decision, expected)).toEqual(expected);
    expect(decision).toMatchObject({ by: "policy", atMs: AT_MS, id: "decision" });
  });

  test("marks what an exception or trust pardons, and nothing else", () => {
    const pardoned = decided({ policy: { exceptions: [{ rule: RULE.name, exe: "/usr/bin/bash", reason: "r" }] } });
    expect(pardoned).toHaveProperty("pardoned", true);
    expect(decided({ response: "alert" })).not.toHaveProperty("pardoned");
  });

  test("a process that died and whose pid was given anew is not touched", () => {
    const { host, finding } = prepared({ sockets: [] });
    const later = {
      ...finding,
      event: {
        ...finding.event,
        subject: { actors: [{ pid: 100, startedAtTicks: 1 }], relays: [{ pid: 90, startedAtTicks: 1 }], sockets: [] },
      },
    };
    expect(decide(later, host, policyFixture(), createKillBudget(), { id: "d", atMs: AT_MS }).do).toBe("refuse");
  });

  test("a relay dies alone: what else it started is none of the behaviour", () => {
    const decision = decided({ host: `${HOST}\npid 95 ppid 90 uid 1000 exe /usr/bin/less` });
    expect(decision.do === "kill" && decision.plan.kill.map((ref) => ref.pid)).not.toContain(95);
    expect(decision.do === "kill" && decision.plan.aloneWithoutTree?.map((ref) => ref.pid)).toEqual([90]);
  });

  test("nobody is told to be spared and killed", () => {
    const host = `${HOST.replace("pid 90 ppid 1 ", "pid 90 ppid 100 ").replace("fd 3 rw socket:[1]", "fd 3 rw socket:[1]\n  fd 4 rw socket:[2]")}\ntcp listen 0.0.0.0:8080 inode 2`;
    const decision = decided({ host });
    expect(decision.do === "kill" && decision.plan.spared).toEqual([]);
    expect(decision.do === "kill" && decision.plan.aloneWithoutTree).toEqual([]);
  });

  test("a relay that is a parent of the shell dies alone too, but the shell with its tree", () => {
    const decision = decided({ host: HOST.replace("pid 100 ppid 1 ", "pid 100 ppid 90 ") });
    expect(decision.do === "kill" && decision.plan.aloneWithoutTree?.map((ref) => ref.pid)).toEqual([90]);
  });
});

describe("trust", () => {
  const bash = (host: HostView) => host.processes.get(100)?.executable;
  const trustedFile = (pid: number): Partial<Policy> => {
    const executable = hostFixture(HOST).process(pid).executable;
    return {
      trustedExecutables: [
        { path: executable?.path ?? "", device: executable?.device ?? 0, inode: executable?.inode ?? 0 },
      ],
    };
  };

  test("an absolute path exempts the shell that it is", () => {
    expect(bash(hostFixture(HOST).view)).toBeDefined();
    expect(summaryOf(decided({ policy: trustedFile(100) }), { do: "record", reasons: [] })).toMatchObject({
      do: "record",
    });
  });

  test("an absolute path exempts the relay that controls it, and says so", () => {
    const decision = decided({ policy: trustedFile(90) });
    expect(decision.do).toBe("record");
    expect(decision.reasons.join()).toContain("TRUSTED_SYSTEM_PROCESSES names /usr/bin/nc.openbsd");
  });

  test("another file under the same path is not the trusted one", () => {
    const policy = { trustedExecutables: [{ path: "/usr/bin/bash", device: 2049, inode: 999_999 }] };
    expect(decided({ policy }).do).toBe("kill");
  });

  const NAMES: readonly [category: string, silenced: boolean][] = [
    ["process_creation", true],
    ["network_connection", true],
    ["program_place", true],
    ["unknown_process", true],
    ["name_pattern", true],
    ["shell_indicator", true],
    ["threshold", true],
    ["listener", true],
    ["network_pattern", true],
    ["remote_port", true],
    ["indicator", false],
    ["tor", false],
    ["session", false],
    ["wired_shell", false],
    ["miner", false],
    ["service_child", false],
    ["masquerade", false],
  ];
  test.each(NAMES)("a trusted name silences findings of %s: %p", (category, silenced) => {
    const event = { logsource: { product: "linux" as const, category }, fields: { "process.trusted_name": true } };
    expect(decided({ event })).toHaveProperty("do", silenced ? "record" : "kill");
  });

  test("a name that is not honoured silences nothing", () => {
    const event = {
      logsource: { product: "linux" as const, category: "process_creation" },
      fields: { "process.trusted_name": false },
    };
    expect(decided({ event }).do).toBe("kill");
  });
});

describe("the budget", () => {
  test("a pair that spent it is rehearsed, and says why", () => {
    const budget = spentBudget("spent");
    const decision = decided({}, budget);
    expect(
      summaryOf(decision, { do: "rehearse", would: "kill", reasons: ["the kill budget of 10 a minute"] }),
    ).toMatchObject({ do: "rehearse", would: "kill" });
    expect(decision.reasons.join()).toContain("the kill budget of 10 a minute for this rule and executable is spent");
  });

  test("neither a rehearsal nor a disconnect nor a record spends it", () => {
    const asked: Incident[] = [];
    const budget = listeningBudget(asked);
    for (const response of ["off", "alert", "monitor", "disconnect"] as const) decided({ response }, budget);
    decided({ policy: { mode: "monitor" } }, budget);
    expect(asked).toEqual([]);
    decided({}, budget);
    expect(asked.length).toBe(1);
  });

  test("of root is asked by unit, of an ordinary account by its number, however many sessions it opens", () => {
    const asked: Incident[] = [];
    for (const [unit, uid] of [
      ["session-1.scope", 1000],
      ["session-2.scope", 1000],
      ["web.service", 0],
    ] as const)
      decided({ host: `unit ${unit} main 5\n${HOST.replaceAll("uid 1000", `uid ${uid}`)}` }, listeningBudget(asked));
    expect(asked.map((incident) => incident.lineage)).toEqual(["uid 1000", "uid 1000", "web.service"]);
  });

  test("does not limit a shape that is its own proof", () => {
    const { host, finding } = prepared({});
    const subject = { actors: [], relays: [], sockets: [], ...finding.event.subject, certain: true as const };
    const certain = { ...finding, event: { ...finding.event, subject } };
    const decision = decide(certain, host, policyFixture(), spentBudget("spent"), { id: "d", atMs: AT_MS });
    expect(decision.do).toBe("kill");
    expect(decision.reasons.join()).toContain("the shape is certain");
  });

  test("is asked by rule, file, lineage and peer", () => {
    const asked: Incident[] = [];
    decided(
      { host: `unit web.service main 5\n${HOST}`, event: { fields: { "peer.ip": "203.0.113.7" } } },
      listeningBudget(asked),
    );
    expect(asked).toEqual([
      {
        rule: RULE.name,
        executable: expect.stringMatching(/^\/usr\/bin\/bash \(2049:\d+\)$/),
        lineage: "uid 1000",
        peer: "203.0.113.7",
      },
    ]);
  });

  const SPAWNERS: readonly [sentence: string, above: string, also: readonly number[]][] = [
    [
      "inline code that starts it again dies with it",
      `pid 80 ppid 1 uid 1000 exe /usr/bin/bash\n  argv ["bash","-c","while :; do ...; done"]`,
      [80],
    ],
    [
      "so does what starts that",
      `pid 70 ppid 1 uid 1000 exe /usr/bin/python3.11\n  argv ["python3","-c","x"]\npid 80 ppid 70 uid 1000 exe /usr/bin/bash\n  argv ["bash","-c","x"]`,
      [70, 80],
    ],
    ["never an interactive shell", `pid 80 ppid 1 uid 1000 exe /usr/bin/bash\n  argv ["-bash"]`, []],
    ["never a script from a file", `pid 80 ppid 1 uid 1000 exe /usr/bin/bash\n  argv ["bash","/srv/run.sh"]`, []],
    ["never a program", `pid 80 ppid 1 uid 0 exe /usr/sbin/cron`, []],
    [
      "nobody above somebody who is spared",
      `pid 70 ppid 1 uid 1000 exe /usr/bin/bash\n  argv ["bash","-c","x"]\npid 80 ppid 70 uid 33 exe /usr/bin/dash\n  argv ["sh","-c","x"]`,
      [],
    ],
  ];
  test.each(SPAWNERS)("when a lineage comes back after a kill: %s", (_sentence, above, also) => {
    const policy = { neverTouch: neverTouchFixture({ userIds: new Set([33]) }) };
    const what = { host: `${above}\n${HOST.replace("pid 100 ppid 1 ", "pid 100 ppid 80 ")}`, policy };
    const first = decided(what, spentBudget("counted"));
    expect(first.do === "kill" && pidsOf(first)).toEqual([90, 100, 101]);
    const again = decided(what, spentBudget("repeat"));
    expect(again.do === "kill" && pidsOf(again)).toEqual([...also, 90, 100, 101]);
    expect(again.reasons.some((reason) => reason.startsWith("it came back after a kill"))).toBe(also.length > 0);
    // The rest of what a spawner started is not condemned with it.
    expect(again.do === "kill" && again.plan.aloneWithoutTree?.map((ref) => ref.pid).sort()).toEqual([...also, 90]);
  });
});

test("no plan, of whatever host and order, names pid 1, ourselves or anybody on the list", () => {
  const process = fc.record({
    parent: fc.nat(24),
    uid: fc.constantFrom(0, 33, 1000),
    file: fc.constantFrom("/usr/bin/bash", "/usr/sbin/sshd", "/usr/lib/systemd/systemd", "/opt/app/app", "/tmp/x", ""),
  });
  const names = fc.record({
    actors: fc.array(fc.nat(26), { maxLength: 5 }),
    relays: fc.array(fc.nat(26), { maxLength: 5 }),
    own: fc.array(fc.nat(26), { maxLength: 3 }),
    repeat: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(process, { minLength: 1, maxLength: 24 }), names, (tree, { actors, relays, own, repeat }) => {
      const text = tree
        .map(
          ({ parent, uid, file }, index) =>
            `pid ${index + 2} ppid ${parent} uid ${uid}${file === "" ? "" : ` exe ${file}\n  argv ["sh","-c","x"]`}`,
        )
        .join("\n");
      const neverTouch = neverTouchFixture({
        executables: new Set(["/opt/app/app"]),
        userIds: new Set([33]),
        processes: own.map((pid) => ({ pid, startedAtTicks: 1_000 + pid })),
      });
      const { host, finding } = prepared({ host: text, actors, relays, sockets: [] });
      const decision = decide(
        finding,
        host,
        policyFixture({ neverTouch }),
        spentBudget(repeat ? "repeat" : "counted"),
        { id: "d", atMs: AT_MS },
      );
      if (!("plan" in decision)) return;
      for (const ref of [...decision.plan.kill, ...(decision.plan.aloneWithoutTree ?? [])]) {
        const victim = host.processes.get(ref.pid);
        expect(ref.pid).toBeGreaterThan(1);
        expect(victim === undefined ? "not there" : untouchable(host, victim, neverTouch)).toBeUndefined();
      }
      const keys = decision.plan.kill.map((ref) => ref.pid);
      expect(new Set(keys).size).toBe(keys.length);
    }),
    { seed: 11, numRuns: 500 },
  );
});

function prepared(what: Case): { readonly host: HostView; readonly finding: Finding } {
  const fixture = hostFixture(what.host ?? HOST, { atMs: AT_MS });
  const host = fixture.view;
  const ref = (pid: number) => host.processes.get(pid)?.ref ?? { pid, startedAtTicks: 1_000 + pid };
  const shell = host.processes.get(100);
  const event = eventFixture({
    ...what.event,
    process: ref(100),
    fields: {
      ...(shell === undefined ? {} : processFields(host, shell)),
      "peer.ip": "203.0.113.7",
      ...what.event?.fields,
    },
    subject: {
      actors: (what.actors ?? [100]).map(ref),
      relays: (what.relays ?? [90]).map(ref),
      sockets: fixture.sockets.filter((socket) => (what.sockets ?? [1]).includes(socket.inode)).map(socketRef),
    },
  });
  return { host, finding: findingFixture({ response: what.response ?? "kill", event }) };
}

function decided(what: Case, budget: KillBudget = createKillBudget()): Decision {
  const { host, finding } = prepared(what);
  return decide(finding, host, policyFixture(what.policy), budget, { id: "decision", atMs: AT_MS });
}

function listeningBudget(asked: Incident[]): KillBudget {
  return {
    spend: (incident) => {
      asked.push(incident);
      return "counted";
    },
    note: () => false,
    states: () => [],
  };
}

function spentBudget(says: "counted" | "repeat" | "spent"): KillBudget {
  return { spend: () => says, note: () => false, states: () => [] };
}

function pidsOf(decision: Extract<Decision, { plan: unknown }>): number[] {
  return decision.plan.kill.map((ref) => ref.pid).sort((left, right) => left - right);
}

/** Of a decision only what the row names; of the reasons those that it names, where they are there. */
function summaryOf(decision: Decision, named: Expected): Expected {
  const plan = "plan" in decision ? decision.plan : undefined;
  return {
    do: decision.do,
    ...(named.would === undefined || decision.do !== "rehearse" ? {} : { would: decision.would }),
    ...(named.kill === undefined ? {} : { kill: "plan" in decision ? pidsOf(decision) : [] }),
    ...(named.sockets === undefined ? {} : { sockets: plan?.sockets.map((socket) => socket.inode) ?? [] }),
    ...(named.reasons === undefined
      ? {}
      : { reasons: named.reasons.filter((reason) => decision.reasons.includes(reason)) }),
  };
}
