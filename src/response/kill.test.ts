// Real processes, all started here. What a test leaves alive is ended by its proven identity.
import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { systemClock } from "../core/clock.ts";
import type { ActionPlan } from "../core/nouns.ts";
import type { ProcessRef } from "../core/process.ts";
import { childrenOf } from "../host/evidence.ts";
import { closePidfd, openPidfd, processState, refOf, signal } from "../host/signals.ts";
import { endStarted, startPython, startReady, until } from "../host/test_processes.ts";
import { killPlan } from "./kill.ts";

const seen: ProcessRef[] = [];
afterEach(() => {
  for (const ref of seen.splice(0)) {
    const opened = openPidfd(ref);
    if (!opened.ok) continue;
    signal(opened.value, "SIGKILL");
    closePidfd(opened.value);
  }
});

function planOf(kill: readonly ProcessRef[], over: Partial<ActionPlan> = {}): ActionPlan {
  return { kill, sockets: [], spared: [], ...over };
}

/** The tree below a process as it is now. */
function treeOf(ref: ProcessRef): readonly ProcessRef[] {
  const children = childrenOf(ref.pid);
  seen.push(...children);
  return [...children, ...children.flatMap(treeOf)];
}

async function treeOfSize(ref: ProcessRef, size: number): Promise<readonly ProcessRef[]> {
  return until(() => {
    const tree = treeOf(ref);
    return tree.length >= size && tree;
  });
}

function isGone(ref: ProcessRef): boolean {
  const state = processState(ref);
  return state === "gone" || state === "zombie";
}

/** Of those that have not ended: a zombie shows no command line. */
function pidsWith(marker: string): readonly string[] {
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && commandLineOf(name).includes(marker));
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

const FORK = (count: number, child: string) => `
import os, signal, time
for n in range(${count}):
  if os.fork() == 0:
    ${child}
    time.sleep(60)
    os._exit(0)`;

describe("who dies", () => {
  const rows: readonly (readonly [name: string, program: string, below: number])[] = [
    ["a single process", "", 0],
    [
      "one that ignores every signal it can",
      "import signal\nfor n in (1, 2, 3, 15, 18): signal.signal(n, signal.SIG_IGN)",
      0,
    ],
    ["children of a session of their own", FORK(3, "os.setsid()"), 3],
    ["children that changed their process group", FORK(3, "os.setpgid(0, 0)"), 3],
    ["grandchildren of three levels", FORK(1, "os.fork(); os.fork(); os.fork()"), 8],
    ["a tree of two hundred", FORK(200, "pass"), 200],
    ["stopped ones", FORK(2, "os.kill(os.getpid(), signal.SIGSTOP)"), 2],
  ];
  test.each(rows)("%s", async (_name, program, below) => {
    const { ref } = await startPython(program);
    const tree = await treeOfSize(ref, below);
    const outcome = await killPlan("d1", planOf([ref]), systemClock);
    expect(outcome).toMatchObject({ decisionId: "d1", result: "done", verified: true, survived: [] });
    expect(outcome.killed).toHaveLength(1 + below);
    expect([ref, ...tree].filter((one) => !isGone(one))).toEqual([]);
    expect(outcome.evidence[0]).toMatchObject({ process: ref, commandLine: expect.stringContaining("python3") });
    expect(outcome.evidence.length).toBeLessThanOrEqual(16);
  });

  test("a tree that grows while it is being frozen, to the last one", async () => {
    // Ten forking loops, each child of which forks on: at most a few thousand, for the case that this test fails.
    const { ref } = await startPython(`
import os, time
marker = "algo-growing-${process.pid}"
for n in range(10):
  if os.fork() == 0:
    for m in range(200):
      if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
      time.sleep(0.002)
    time.sleep(20)
    os._exit(0)`);

    afterEach(endStarted);
    await treeOfSize(ref, 40);
    const outcome = await killPlan("d1", planOf([ref]), systemClock);
    expect(outcome).toMatchObject({ result: "done", survived: [] });
    expect(outcome.killed.length).toBeGreaterThan(40);
    expect(seen.filter((one) => !isGone(one))).toEqual([]);
    expect(pidsWith(`algo-growing-${process.pid}`)).toEqual([]);
  });

  test("a parent that cannot be stopped (state D, in vfork) and its child", async () => {
    const { child, ref } = await startReady([
      "python3",
      "-c",
      "import ctypes\nlibc = ctypes.CDLL(None)\nprint('ready', flush=True)\nlibc.vfork() == 0 and libc.pause()",
    ]);
    const tree = await treeOfSize(ref, 1);
    const outcome = await killPlan("d1", planOf([ref]), systemClock);
    expect(outcome).toMatchObject({ result: "done", survived: [] });
    expect(outcome.killed).toHaveLength(2);
    expect([ref, ...tree].every(isGone)).toBe(true);
    await child.exited;
  });
});

describe("who lives", () => {
  test("a spared child, and it is not frozen", async () => {
    const { ref } = await startPython(FORK(2, "pass"));
    const [spared] = await treeOfSize(ref, 2);
    if (spared === undefined) throw new Error("no child");
    const plan = planOf([ref], { spared: [{ process: spared, reason: "NEVER_TOUCH names it" }] });
    const outcome = await killPlan("d1", plan, systemClock);
    expect(outcome.killed).toHaveLength(2);
    expect(processState(spared)).toBe("running");
  });

  test("the other children of a relay that dies alone", async () => {
    const { ref } = await startPython(FORK(2, "pass"));
    const tree = await treeOfSize(ref, 2);
    const outcome = await killPlan("d1", planOf([ref], { aloneWithoutTree: [ref] }), systemClock);
    expect(outcome.killed).toEqual([ref]);
    expect(tree.map(processState)).toEqual(["running", "running"]);
  });

  test("whoever has the pid of one that is gone", async () => {
    const { ref } = await startPython("");
    const reused = { ...ref, startedAtTicks: ref.startedAtTicks - 1 };
    const outcome = await killPlan("d1", planOf([reused]), systemClock);
    expect(outcome).toMatchObject({ result: "done", killed: [], detail: "the processes were already gone" });
    expect(processState(ref)).toBe("running");
  });

  test("ourselves, though a plan names us, and the rest of the plan still dies", async () => {
    const self = refOf(process.pid);
    const { ref } = await startPython("");
    if (self === undefined) throw new Error("no self");
    const outcome = await killPlan("d1", planOf([self, ref]), systemClock);
    expect(outcome).toMatchObject({ result: "partial", verified: false, killed: [ref], survived: [self] });
    expect(outcome.detail).toContain(`pid ${process.pid} is algo-monitor itself`.replace("pid", "process"));
  });
});

describe("what is no kill", () => {
  test("one that ended before we came", async () => {
    const { child, ref } = await startPython("");
    child.kill("SIGKILL");
    await child.exited;
    const outcome = await killPlan("d1", planOf([ref]), systemClock);
    expect(outcome).toMatchObject({ result: "done", verified: true, killed: [], evidence: [] });
  });

  test("a zombie", async () => {
    const { line } = await startPython("import os\npid = os.fork()\nif pid == 0: os._exit(0)\nout = pid");
    const zombie = await until(() => {
      const ref = refOf(Number(line));
      return ref !== undefined && processState(ref) === "zombie" && ref;
    });
    expect(await killPlan("d1", planOf([zombie]), systemClock)).toMatchObject({ result: "done", killed: [] });
  });
});

describe("nothing is left frozen", () => {
  test("when a step throws between freezing and killing", async () => {
    const { ref } = await startPython(FORK(3, "pass"));
    const tree = await treeOfSize(ref, 3);
    let asked = 0;
    const failing = {
      ...systemClock,
      monotonicMs: () => {
        // First for the duration, second for the deadline; from the third on the tree is (partly) frozen.
        if (++asked > 2) throw new Error("the clock is gone");
        return systemClock.monotonicMs();
      },
    };
    await expect(killPlan("d1", planOf([ref]), failing)).rejects.toThrow("the clock is gone");
    await until(() => [ref, ...tree].every((one) => processState(one) === "running"));
  });
});

describe("what the kernel has killed already", () => {
  const stoppedOf = (process: ProcessRef) => ({
    action: "killed" as const,
    stage: "exec" as const,
    generation: 7,
    process,
    ancestors: [],
    evidence: {
      process,
      executable: "/usr/bin/bash",
      commandLine: "bash -i",
      workingDirectory: "",
      userId: 0,
      parentPid: 1,
      descriptors: [],
    },
  });
  const GONE: ProcessRef = { pid: 4_194_303, startedAtTicks: 1 };

  test("counts as dead, is looked at, and keeps the evidence of the record", async () => {
    const outcome = await killPlan("d", planOf([], { stopped: stoppedOf(GONE) }), systemClock);
    expect(outcome).toMatchObject({ result: "done", verified: true, killed: [GONE], survived: [] });
    expect(outcome.detail).toBe("pid 4194303 was killed in the kernel at exec, policy generation 7");
    expect(outcome.evidence.map(({ commandLine }) => commandLine)).toEqual(["bash -i"]);
  });

  test("and what is left of it are one outcome", async () => {
    const { ref: rest } = await startPython("");
    seen.push(rest);
    const outcome = await killPlan("d", planOf([rest], { stopped: stoppedOf(GONE) }), systemClock);
    expect(outcome.killed).toEqual([GONE, rest]);
    expect(outcome.detail).toBe(
      `pid 4194303 was killed in the kernel at exec, policy generation 7; then killed pid ${rest.pid}`,
    );
    expect(isGone(rest)).toBe(true);
  });

  test("but lives all the same is said to live", async () => {
    const { ref: rest } = await startPython("");
    seen.push(rest);
    const outcome = await killPlan("d", planOf([], { stopped: stoppedOf(rest) }), systemClock);
    expect(outcome).toMatchObject({ verified: false, survived: [rest], killed: [] });
    expect(outcome.detail).toContain("was to be killed in the kernel");
  });
});
