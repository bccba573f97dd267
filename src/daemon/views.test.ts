import { describe, expect, test } from "bun:test";
import { hostFixture } from "../context/host.fixture.ts";
import type { ConnectionsParams, ProcessesParams, ProcessKind } from "../core/control_views.ts";
import type { FilesStatus } from "../core/files.ts";
import { viewHandlers } from "./handlers_views.ts";
import { filesFixture, lookFixture, SESSIONS, viewHandlersFixture } from "./views.fixture.ts";
import { connectionsReport, processesReport, processReport } from "./views.ts";

const CALLER = { uid: 0, pid: 1, user: "alice" } as const;

describe("processes", () => {
  const ROWS: readonly (readonly [string, ProcessesParams, readonly number[]])[] = [
    ["are all but kernel threads, by number", {}, [1, 700, 701, 900, 901, 902, 903]],
    ["are kernel threads too when asked", { kernel: true }, [1, 2, 700, 701, 900, 901, 902, 903]],
    ["that nothing vouches for: a home directory's, a container's", { unknown: true }, [901, 903]],
    ["of an account by name", { user: "www-data" }, [701]],
    ["of an account by number", { user: "1000" }, [900, 901, 902]],
    ["of nobody", { user: "mallory" }, []],
    ["begin with the busiest", { sort: "cpu", limit: 2 }, [901, 701]],
    ["begin with the newest", { sort: "start", limit: 2 }, [903, 902]],
  ];
  test.each(ROWS)("%s", (_name, params, pids) => {
    const report = processesReport(lookFixture(), params);
    expect(report.processes.map((row) => row.pid)).toEqual([...pids]);
    expect(report.total).toBe(8);
  });

  test("say how many fit where the limit cut them", () => {
    const report = processesReport(lookFixture(), { limit: 1 });
    expect([report.processes.length, report.matching]).toEqual([1, 7]);
  });

  const KINDS: readonly (readonly [string, string, Parameters<typeof hostFixture>[1], ProcessKind])[] = [
    ["a program of the system", "pid 50 uid 1000 exe /usr/bin/vim", {}, "verified"],
    ["one in a home directory", "pid 50 uid 1000 exe /home/a/x", {}, "unknown"],
    ["one that trust names", "pid 50 uid 1000 exe /home/a/x", { trusted: [50] }, "trusted"],
    [
      "one that a package brought elsewhere",
      "pid 50 uid 1000 exe /srv/x",
      { identities: new Map([["/srv/x", { sha256: "00", packageName: "x", packageState: "matches" }]]) },
      "packaged",
    ],
    [
      "one that differs from its package",
      "pid 50 uid 1000 exe /srv/x",
      { identities: new Map([["/srv/x", { sha256: "00", packageName: "x", packageState: "differs" }]]) },
      "unknown",
    ],
    ["one of a container", "pid 50 uid 0 mount 7 exe /usr/bin/x", {}, "container"],
    ["a zombie", "pid 50 uid 0 state Z", {}, "ended"],
    ["a thread of the kernel", "pid 50 ppid 2 uid 0", {}, "kernel"],
  ];
  test.each(KINDS)("call %s by what is known of it", (_name, host, options, kind) => {
    const { view, sockets } = hostFixture(host, options);
    const report = processReport({ view, sockets, sweptBy: "daemon" }, 50);
    expect(report.ok && report.value.process.kind).toBe(kind);
  });
});

describe("one process in full", () => {
  test("has its lineage, what it holds with whom, its connections and what its file is", () => {
    const report = processReport(lookFixture(), 901);
    if (!report.ok) throw new Error(report.fault.message);
    const { ancestors, descriptors, connections, identity, hints } = report.value;
    expect(ancestors.map((row) => row.pid)).toEqual([900, 1]);
    expect(descriptors).toEqual([
      { fd: 0, kind: "pipe", target: "pipe:[77]", reads: true, writes: false, others: ["python3.11 (902)"] },
      { fd: 1, kind: "file", target: "/dev/null", reads: false, writes: true, others: [] },
      { fd: 3, kind: "socket", target: "socket:[9003]", reads: true, writes: true, others: [] },
    ]);
    expect(connections.map((row) => `${row.remote}:${row.remotePort} ${row.direction} ${row.scope}`)).toEqual([
      "203.0.113.9:4444 connected public",
    ]);
    expect(identity).toEqual({ sha256: "ab".repeat(32), packageName: "", packageState: "none" });
    expect(hints).toEqual(["SUSPICIOUS_PATTERNS evil"]);
  });

  test("that the sweep did not see is gone, with what to do", () => {
    const report = processReport(lookFixture(), 4711);
    expect(report).toMatchObject({ ok: false, fault: { kind: "gone", remedy: expect.stringContaining("try again") } });
  });
});

describe("connections", () => {
  const ROWS: readonly (readonly [string, ConnectionsParams, readonly number[]])[] = [
    ["are those with another end", {}, [9002, 9003, 9005]],
    ["that only listen", { listening: true }, [9001, 9004]],
    ["in every state", { all: true }, [9001, 9002, 9004, 9003, 9005]],
    ["of one process", { pid: 701, all: true }, [9001, 9002]],
    ["with a public other end", { public: true }, [9002, 9003]],
    ["that listen for other hosts", { listening: true, public: true }, [9001]],
    ["not more than asked for", { all: true, limit: 2 }, [9001, 9002]],
  ];
  test.each(ROWS)("%s", (_name, params, inodes) => {
    expect(connectionsReport(lookFixture(), params).connections.map((row) => row.inode)).toEqual([...inodes]);
  });

  test("name every holder of a shared socket, and none where the kernel alone has it", () => {
    const { connections } = connectionsReport(lookFixture(), { all: true });
    const pids = (inode: number) => connections.find((row) => row.inode === inode)?.holders.map((holder) => holder.pid);
    expect([pids(9001), pids(9005)]).toEqual([[700, 701], []]);
  });
});

describe("the handlers", () => {
  const handlers = viewHandlersFixture();

  test("answer what survives JSON", async () => {
    const answers = [
      await handlers.processes({ kernel: true }, CALLER),
      await handlers.process({ pid: 901 }, CALLER),
      await handlers.connections({ all: true }, CALLER),
      await handlers.sessions({}, CALLER),
      await handlers.files({}, CALLER),
    ];
    expect(JSON.parse(JSON.stringify(answers))).toEqual(answers);
    expect(answers.every((answer) => answer.ok)).toBeTrue();
  });

  test("say that no sweep has succeeded yet", async () => {
    const early = viewHandlers({ ...PARTS, lastSweep: () => undefined });
    for (const answer of [await early.processes({}, CALLER), await early.process({ pid: 1 }, CALLER)])
      expect(answer).toMatchObject({ ok: false, fault: { kind: "timeout" } });
  });

  test("refuse the connections of a process that is not there", async () => {
    expect(await handlers.connections({ pid: 4711 }, CALLER)).toMatchObject({ ok: false, fault: { kind: "gone" } });
  });

  test("wait for a digest that comes a moment later", async () => {
    let asked = 0;
    const late = viewHandlers({
      ...PARTS,
      lastSweep: () => {
        const { view, sockets } = lookFixture();
        return {
          sockets,
          view: { ...view, identityOf: (process) => (++asked > 2 ? view.identityOf(process) : undefined) },
        };
      },
    });
    const answer = await late.process({ pid: 901 }, CALLER);
    expect(answer.ok && answer.value.identity?.sha256).toBe("ab".repeat(32));
  });

  const STARTS: readonly (readonly [string, Partial<FilesStatus>, readonly [boolean, boolean]])[] = [
    ["a round and a verification while nothing is under way", {}, [true, true]],
    ["only a verification during a round", { progress: { entries: 1, bytesRead: 1, startedAtMs: 1 } }, [false, true]],
    ["nothing during the first reading", { state: "baseline" }, [false, false]],
    ["nothing where files are not watched", { state: "off" }, [false, false]],
  ];
  test.each(STARTS)("begin %s", async (_name, status, [scans, verifies]) => {
    const begun: string[] = [];
    const made = viewHandlers({
      ...PARTS,
      files: () => filesFixture(status),
      scanFiles: () => begun.push("scan"),
      verifyFiles: () => begun.push("verify"),
    });
    const answers = [await made.scan_files({}, CALLER), await made.verify_files({}, CALLER)];
    expect(answers.map((answer) => answer.ok && answer.value.started)).toEqual([scans, verifies]);
    expect(begun).toEqual([...(scans ? ["scan"] : []), ...(verifies ? ["verify"] : [])]);
  });
});

const PARTS = {
  lastSweep: lookFixture,
  sessions: () => SESSIONS,
  files: filesFixture,
  scanFiles: () => undefined,
  verifyFiles: () => undefined,
  nowMs: () => 0,
} as const;
