// Sweeps joined into a view with this machine's own shells and directories; what was not swept is what was seen last.
import { describe, expect, test } from "bun:test";
import type { Executable, Process } from "../core/process.ts";
import type { Swept } from "../core/sweep.ts";
import { resolveInSystemDirectories, SYSTEM_DIRECTORIES } from "../host/executables.ts";
import { type ContextOptions, createContext } from "./context.ts";
import { hostFixture, OUR_MOUNTS } from "./host.fixture.ts";

const NOON_MS = Date.UTC(2026, 2, 14, 12, 0, 0);

function shellFile(): Executable {
  const [file] = resolveInSystemDirectories("bash", SYSTEM_DIRECTORIES);
  if (file === undefined) throw new Error("this machine has no bash in a system directory");
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

function contextWith(over: Partial<ContextOptions> = {}) {
  return createContext({
    ourMountNamespace: OUR_MOUNTS,
    ephemeralPorts: [32_768, 60_999],
    memoryTotalBytes: 2 ** 30,
    userName: String,
    trustedProcesses: () => [],
    onFault: () => undefined,
    ...over,
  });
}

/** One process, this machine's bash unless said otherwise, in no unit. */
function swept(argv: readonly string[], over: Partial<Process> = {}, atMs = NOON_MS): Swept {
  const host = hostFixture(
    `pid 20 ppid 1 uid 0 cgroup / exe /usr/bin/bash\n  argv ${JSON.stringify(argv)}\n  fd 3 rw socket:[5]\ntcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 5`,
  );
  const process = { ...host.process(20), executable: shellFile(), ...over };
  return {
    processes: { atMs, processes: [process], descriptors: host.descriptors },
    sockets: { internet: host.sockets, unix: [], packet: [] },
  };
}

async function viewOf(sweep: Swept, over: Partial<ContextOptions> = {}) {
  const view = await contextWith(over).update(sweep);
  const process = view.processes.get(20);
  if (process === undefined) throw new Error("the sweep has no pid 20");
  return { view, process };
}

describe("a process of this machine", () => {
  test("is known by its file, whatever it calls itself", async () => {
    const { view, process } = await viewOf(swept(["kworker"], { name: "kworker" }));
    expect(view.program(process)).toMatchObject({ shell: true, interpreter: true, verified: true, isCopy: false });
    expect(view.scriptOf(process)).toEqual({ kind: "stdin" });
  });

  const ELSEWHERE = { mount: OUR_MOUNTS + 1, network: 1, pid: 1 };

  test("in a service's own mount namespace is verified when it runs the very file of ours", async () => {
    const { view, process } = await viewOf(swept(["bash"], { namespaces: ELSEWHERE }));
    expect(view.program(process).verified).toBe(true);
  });

  test("of a container, under the same path but another file, is not verified", async () => {
    const { process: own } = await viewOf(swept(["bash"]));
    if (own.executable === undefined) throw new Error("bash has an executable");
    const executable = { ...own.executable, inode: own.executable.inode + 1 };
    const { view, process } = await viewOf(swept(["bash"], { namespaces: ELSEWHERE, executable }));
    expect(view.program(process).verified).toBe(false);
  });

  const SCRIPTS: readonly [sentence: string, argv: readonly string[], cwd: string, expected: object][] = [
    ["inline code", ["bash", "-c", "id"], "/", { kind: "inline" }],
    [
      "a script of root in a system directory",
      ["bash", "/usr/bin/env"],
      "/",
      { kind: "file", path: "/usr/bin/env", verified: true, temporary: false },
    ],
    [
      "a script named from where it was started",
      ["bash", "env"],
      "/usr/bin",
      { kind: "file", path: "/usr/bin/env", verified: true },
    ],
    ["a script that is gone", ["bash", "/usr/bin/no-such-file"], "/", { kind: "file", verified: false }],
    [
      "a file of root that is in no system directory",
      ["bash", "/etc/passwd"],
      "/",
      { kind: "file", verified: false, temporary: false },
    ],
  ];
  test.each(SCRIPTS)("runs %s", async (_sentence, argv, workingDirectory, expected) => {
    const { view, process } = await viewOf(swept(argv, { workingDirectory }));
    expect(view.scriptOf(process)).toMatchObject(expected);
  });

  const BY_NAME = ["bash", "/usr/bin/env"];

  test("in a mount namespace of its own runs an installed script only where it sees the very file", async () => {
    const verified = async (pid: number) => {
      const view = await contextWith().update(
        swept(BY_NAME, { ref: { pid, startedAtTicks: 1 }, namespaces: ELSEWHERE }),
      );
      const process = view.processes.get(pid);
      const script = process === undefined ? undefined : view.scriptOf(process);
      return script?.kind === "file" ? script.verified : undefined;
    };
    expect(await verified(globalThis.process.pid)).toBe(true);
    // Nobody can say what a process sees that is gone.
    expect(await verified(2 ** 22 + 1)).toBe(false);
    const unshare = Bun.which("unshare");
    if (globalThis.process.getuid?.() !== 0 || unshare === null) return;
    const bound = Bun.spawn(
      [unshare, "-m", "sh", "-c", "mount --bind /etc/hostname /usr/bin/env && echo ready && exec sleep 60"],
      { stdout: "pipe", stderr: "ignore" },
    );
    try {
      const first = await bound.stdout.getReader().read();
      // Where mounts are forbidden there is nothing to see.
      if (first.done) return;
      expect(await verified(bound.pid)).toBe(false);
    } finally {
      bound.kill("SIGKILL");
    }
  });

  test("whose file was deleted, with another of root in its place, was upgraded", async () => {
    const file = { ...shellFile(), inode: 1, deleted: true };
    expect((await viewOf(swept(["bash"], { executable: file }))).process.executable?.replaced).toBe(true);
    const gone = { ...file, path: "/usr/bin/no-such-file" };
    expect((await viewOf(swept(["bash"], { executable: gone }))).process.executable?.replaced).toBe(false);
    const home = { ...file, path: "/etc/passwd" };
    expect((await viewOf(swept(["bash"], { executable: home }))).process.executable?.replaced).toBe(false);
  });

  test("without a file is of unknown kind", async () => {
    const zombie = swept(["bash"], { state: "Z" });
    const processes = zombie.processes?.processes.map(({ executable: _gone, ...rest }) => rest) ?? [];
    const view = await contextWith().update({
      ...zombie,
      processes: { atMs: NOON_MS, processes, descriptors: new Map() },
    });
    expect([...view.processes.values()].map((process) => view.program(process).name)).toEqual([""]);
  });
});

describe("between sweeps", () => {
  test("sockets that were not swept are those of the last time, and so are processes", async () => {
    const context = contextWith();
    const { processes, sockets } = swept(["bash"]);
    await context.update({
      ...(processes === undefined ? {} : { processes }),
      ...(sockets === undefined ? {} : { sockets }),
    });
    const onlyProcesses = await context.update(processes === undefined ? {} : { processes });
    expect(onlyProcesses.internetSocket(5)?.remote?.port).toBe(443);
    const onlySockets = await context.update({ sockets: { internet: [], unix: [], packet: [] } });
    expect([onlySockets.processes.size, onlySockets.internetSocket(5)]).toEqual([1, undefined]);
  });

  test("a program that ran another file is looked at anew", async () => {
    const context = contextWith();
    await context.update(swept(["bash", "-c", "x"]));
    const view = await context.update(
      swept(["x"], { executable: { ...shellFile(), path: "/home/a/x", inode: 1, ownerUid: 1000 } }),
    );
    const process = view.processes.get(20);
    expect(process && view.program(process)).toMatchObject({ shell: false, name: "/home/a/x" });
    expect(process && view.scriptOf(process)).toEqual({ kind: "none" });
  });

  test("a changed list of trusted names counts after relearn, and a minute later by itself, though the clock was set back", async () => {
    let names: readonly string[] = [];
    const trusted = async (context: ReturnType<typeof contextWith>, atMs: number) => {
      const view = await context.update(swept(["bash", "/usr/bin/env"], {}, atMs));
      return [...view.processes.values()].map((process) => view.isTrustedByName(process)).join();
    };
    const context = contextWith({ trustedProcesses: () => names });
    expect(await trusted(context, NOON_MS)).toBe("false");
    names = ["bash"];
    expect(await trusted(context, NOON_MS + 1_000)).toBe("false");
    context.relearn();
    expect(await trusted(context, NOON_MS + 2_000)).toBe("true");
    names = [];
    expect(await trusted(context, NOON_MS + 30_000)).toBe("true");
    expect(await trusted(context, NOON_MS - 3_600_000)).toBe("false");
  });

  test("a name that is not honoured is told once", async () => {
    const told: string[] = [];
    const context = contextWith({
      trustedProcesses: () => ["bash"],
      onNameRefused: (refusal) => told.push(refusal.name),
    });
    for (let sweep = 0; sweep < 3; sweep++) await context.update(swept(["bash", "-i"], {}, NOON_MS + sweep));
    expect(told).toEqual(["bash"]);
  });

  test("a unit that systemd knows nothing of is told, and its processes count as unverified", async () => {
    const told: string[] = [];
    const { view, process } = await viewOf(swept(["bash"], { cgroup: "/system.slice/no-such-unit-here.service" }), {
      onFault: (message) => told.push(message),
    });
    expect(view.unit(process)).toMatchObject({ name: "no-such-unit-here.service", mainPid: 0, transient: true });
    expect(told.length).toBeLessThanOrEqual(1);
  });
});
