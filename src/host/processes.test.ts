import { afterAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../core/clock.ts";
import type { Descriptor, Process } from "../core/process.ts";
import { createProcessReader, type ProcessSweep } from "./processes.ts";
import { startPython, startReady, until } from "./test_processes.ts";

const scratch = mkdtempSync(join(tmpdir(), "algo-host-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function find(sweep: ProcessSweep, pid: number): Process {
  const found = sweep.processes.find((process) => process.ref.pid === pid);
  if (found === undefined) throw new Error(`process ${pid} is not in the sweep`);
  return found;
}

function descriptor(sweep: ProcessSweep, pid: number, fd: number): Descriptor {
  const found = sweep.descriptors.get(pid)?.find((entry) => entry.fd === fd);
  if (found === undefined) throw new Error(`descriptor ${fd} of ${pid} is not in the sweep`);
  return found;
}

describe("descriptors of real processes", () => {
  test("a process is described as /proc describes it", async () => {
    const { ref } = await startPython("pass");
    const sweep = createProcessReader({ clock: systemClock }).read();
    const seen = find(sweep, ref.pid);
    expect(seen).toMatchObject({
      ref,
      parentPid: process.pid,
      isKernelThread: false,
      uid: 0,
      effectiveUid: 0,
      threads: 1,
    });
    expect(seen.argv.slice(1, 2)).toEqual(["-c"]);
    expect(seen.executable?.path).toContain("python");
    expect(seen.executable?.deleted).toBe(false);
    expect(seen.namespaces.network).toBeGreaterThan(0);
    expect(seen.fileHandles).toBe(readdirSync(`/proc/${ref.pid}/fd`).length);
    expect(Math.abs(seen.startedAtMs - Date.now())).toBeLessThan(60_000);
    expect(seen.residentBytes).toBeGreaterThan(1_000_000);
  });

  test("both ends of a pipe share a channel and differ in direction", async () => {
    const { ref, line } = await startPython("import os\nr, w = os.pipe()\nout = f'{r} {w}'");
    const [r = -1, w = -1] = line.split(" ").map(Number);
    const sweep = createProcessReader({ clock: systemClock }).read();
    const reading = descriptor(sweep, ref.pid, r);
    const writing = descriptor(sweep, ref.pid, w);
    expect(reading).toMatchObject({ kind: "pipe", reads: true, writes: false });
    expect(writing).toMatchObject({ kind: "pipe", reads: false, writes: true, channel: reading.channel });
  });

  test("a descriptor that becomes the other end of the same pipe is seen to have turned", async () => {
    const { child, ref } = await startReady([
      "python3",
      "-uc",
      "import os,sys,time\nr,w=os.pipe();os.dup2(r,50);print('ready');sys.stdin.readline();os.dup2(w,50);print('turned');time.sleep(60)",
    ]);
    const reader = createProcessReader({ clock: systemClock });
    expect(descriptor(reader.read(), ref.pid, 50)).toMatchObject({ reads: true, writes: false });
    child.stdin.write("go\n");
    await child.stdin.flush();
    await child.stdout.getReader().read(); // it says that it has turned
    expect(descriptor(reader.read(), ref.pid, 50)).toMatchObject({ reads: false, writes: true });
  });

  test("a fifo is told from a file of any name, sockets carry their inode, files are not listed", async () => {
    const fifo = join(scratch, "pipe:[1]");
    const { ref, line } = await startPython(
      `import os, socket\np = ${JSON.stringify(fifo)}\nos.mkfifo(p)\nf = os.open(p, os.O_RDWR)\ns, t = socket.socketpair()\nx = os.open('/etc/passwd', 0)\nout = f'{f} {s.fileno()} {x} {os.fstat(s.fileno()).st_ino} {os.fstat(f).st_dev} {os.fstat(f).st_ino}'`,
    );
    const [f = -1, s = -1, x = -1, socketInode, device, inode] = line.split(" ").map(Number);
    const sweep = createProcessReader({ clock: systemClock }).read();
    expect(descriptor(sweep, ref.pid, f)).toMatchObject({
      kind: "fifo",
      channel: `fifo:${device}:${inode}`,
      target: fifo,
    });
    expect(descriptor(sweep, ref.pid, s)).toMatchObject({
      kind: "socket",
      channel: `socket:${socketInode}`,
      reads: true,
      writes: true,
    });
    expect(sweep.descriptors.get(ref.pid)?.some((held) => held.fd === x)).toBe(false);
  });

  test("a terminal and the master that owns it share a channel", async () => {
    const { ref, line } = await startPython("import os, pty\nm, s = pty.openpty()\nout = f'{m} {s}'");
    const [m = -1, s = -1] = line.split(" ").map(Number);
    const sweep = createProcessReader({ clock: systemClock }).read();
    const slave = descriptor(sweep, ref.pid, s);
    expect(slave.kind).toBe("terminal");
    expect(slave.channel).toMatch(/^terminal:\d+$/);
    expect(descriptor(sweep, ref.pid, m)).toMatchObject({ kind: "terminal-master", channel: slave.channel });
  });

  test("unchanged descriptors are the same objects in the next sweep", async () => {
    const { ref } = await startPython("pass");
    const reader = createProcessReader({ clock: systemClock });
    const first = descriptor(reader.read(), ref.pid, 1);
    expect(descriptor(reader.read(), ref.pid, 1)).toBe(first);
  });

  test("without descriptors none are listed, and still counted", async () => {
    const { ref } = await startPython("pass");
    const sweep = createProcessReader({ clock: systemClock }).read({ descriptors: false });
    expect(sweep.descriptors.size).toBe(0);
    expect(find(sweep, ref.pid).fileHandles).toBeGreaterThan(2);
  });
});

describe("programs of real processes", () => {
  test("an exec is seen although pid and start time stay", async () => {
    const { child, ref } = await startReady(["bash", "-c", "echo ready; read line; exec sleep 60"]);
    const reader = createProcessReader({ clock: systemClock });
    expect(find(reader.read(), ref.pid).executable?.path).toContain("bash");
    child.stdin.write("go\n");
    await child.stdin.flush();
    const after = await until(() => {
      const seen = find(reader.read(), ref.pid);
      return seen.name === "sleep" && seen;
    });
    expect(after).toMatchObject({ ref, argv: ["sleep", "60"] });
    expect(after.executable?.path).toContain("sleep");
  });

  test("an exec of the same program shows its new arguments at once", async () => {
    const { child, ref } = await startReady(["bash", "-c", "echo ready; read line; exec bash -c 'read other' second"]);
    const reader = createProcessReader({ clock: systemClock });
    expect(find(reader.read(), ref.pid).argv).toHaveLength(3);
    child.stdin.write("go\n");
    await child.stdin.flush();
    await until(() => find(reader.read(), ref.pid).argv.at(-1) === "second");
  });

  test("a program from memfd and a deleted program are told apart from files", async () => {
    const copy = join(scratch, "gone");
    cpSync("/bin/sleep", copy);
    const deleted = Bun.spawn([copy, "60"]);
    const memfd = Bun.spawn([
      "python3",
      "-c",
      "import os\nf=os.memfd_create('kworker/0:1')\nos.write(f, open('/bin/sleep','rb').read())\nos.execv(f'/proc/self/fd/{f}', ['x','60'])",
    ]);
    const reader = createProcessReader({ clock: systemClock });
    try {
      await until(() => find(reader.read(), deleted.pid).executable?.path === copy);
      unlinkSync(copy);
      expect(find(reader.read(), deleted.pid).executable).toMatchObject({ path: copy, deleted: true, memfd: false });
      const inMemory = await until(() => {
        const { executable } = find(reader.read(), memfd.pid);
        return executable?.memfd === true && executable;
      });
      expect(inMemory).toMatchObject({ path: "/memfd:kworker/0:1", deleted: true });
      expect(inMemory.buildId).toBe(find(reader.read(), deleted.pid).executable?.buildId ?? "none");
    } finally {
      deleted.kill("SIGKILL");
      memfd.kill("SIGKILL");
      await Promise.all([deleted.exited, memfd.exited]);
    }
  });

  test("a program whose first thread has ended still shows its executable and descriptors", async () => {
    const { ref } = await startReady([
      "python3",
      "-c",
      "import ctypes,threading,time\nthreading.Thread(target=lambda: time.sleep(60)).start()\nprint('ready', flush=True)\nctypes.CDLL(None).syscall(60, 0)",
    ]);
    const reader = createProcessReader({ clock: systemClock });
    const seen = await until(() => {
      const sweep = reader.read();
      const found = find(sweep, ref.pid);
      return found.state === "Z" && sweep;
    });
    expect(find(seen, ref.pid).executable?.path).toContain("python");
    expect(descriptor(seen, ref.pid, 0).kind).toBe("socket");
  });

  test("a command line of 1 MB is cut and said to be cut", async () => {
    const words = Array<string>(8).fill("x".repeat(120_000));
    const { ref } = await startReady(["bash", "-c", "echo ready; read line", ...words]);
    const sweep = createProcessReader({ clock: systemClock }).read();
    const seen = find(sweep, ref.pid);
    expect(seen.argvTruncated).toBe(true);
    expect(seen.argv.join("\0").length).toBeLessThanOrEqual(32 * 1024);
    expect(sweep.cut.arguments).toBeGreaterThan(0);
  });
});

describe("a handed-in /proc", () => {
  test("a reused pid inherits nothing, a vanished process is counted, foreign names are passed over", () => {
    const root = mkdtempSync(join(scratch, "proc-"));
    writeFileSync(join(root, "uptime"), "100000.00 0.00\n");
    mkdirSync(join(root, "sys"));
    mkdirSync(join(root, "12x"));
    mkdirSync(join(root, "99")); // nothing in it: it ended after it was listed
    fakeProcess(root, 7, { name: "a) S 1 (\nb", start: 500, argv: "old\0" });
    const clock = fakeClock();
    const reader = createProcessReader({ procRoot: root, clock, selfPid: 1 });
    const first = reader.read();
    expect(first).toMatchObject({ vanished: 1, unreadable: 0 });
    expect(first.processes).toHaveLength(1);
    expect(first.processes[0]).toMatchObject({
      ref: { pid: 7, startedAtTicks: 500 },
      name: "a) S 1 (\nb",
      argv: ["old"],
    });
    rmSync(join(root, "7"), { recursive: true });
    fakeProcess(root, 7, { name: "a) S 1 (\nb", start: 501, argv: "new\0" });
    expect(reader.read().processes[0]).toMatchObject({ ref: { pid: 7, startedAtTicks: 501 }, argv: ["new"] });
  });

  test("cpu per cent is what was used between two sweeps, and survives a sweep that follows at once", () => {
    const root = mkdtempSync(join(scratch, "proc-"));
    writeFileSync(join(root, "uptime"), "1000.00 0.00\n");
    fakeProcess(root, 7, { name: "x", start: 50_000, userTicks: 25_000 });
    const clock = fakeClock();
    const reader = createProcessReader({ procRoot: root, clock });
    expect(reader.read().processes[0]?.cpuPercent).toBeCloseTo(50, 0);
    clock.advance(5000);
    fakeProcess(root, 7, { name: "x", start: 50_000, userTicks: 25_450 });
    expect(reader.read().processes[0]?.cpuPercent).toBeCloseTo(90, 5);
    clock.advance(20);
    expect(reader.read().processes[0]?.cpuPercent).toBeCloseTo(90, 5);
  });

  test("the number of processes is bounded, and the cut is told", () => {
    const root = mkdtempSync(join(scratch, "proc-"));
    for (let pid = 2; pid < 12; pid++) fakeProcess(root, pid, { name: "x", start: 1 });
    const sweep = createProcessReader({ procRoot: root, clock: fakeClock(), processesMax: 4 }).read();
    expect(sweep.processes).toHaveLength(4);
    expect(sweep.cut.processes).toBe(1);
  });

  test("a kernel thread is known by its flag, whatever else its directory shows", () => {
    const root = mkdtempSync(join(scratch, "proc-"));
    fakeProcess(root, 3, { name: "[kworker/0:1]", start: 1 });
    fakeProcess(root, 4, { name: "kworker/0:1", start: 1, flags: 0x00208040 });
    const { processes } = createProcessReader({ procRoot: root, clock: fakeClock() }).read();
    // A directory of a real file system lists in an order of its own.
    const [impostor, real] = [3, 4].map((pid) => processes.find((process) => process.ref.pid === pid));
    expect(impostor).toMatchObject({ isKernelThread: false, argv: ["x"] });
    expect(real).toMatchObject({ isKernelThread: true, argv: [], uid: 0 });
    expect(real?.executable).toBeUndefined();
  });

  test("a garbled stat file is counted as unreadable", () => {
    const root = mkdtempSync(join(scratch, "proc-"));
    fakeProcess(root, 3, { name: "x", start: 1 });
    writeFileSync(join(root, "3/stat"), Buffer.from([0xff, 0x00, 0x28]));
    expect(createProcessReader({ procRoot: root, clock: fakeClock() }).read()).toMatchObject({
      unreadable: 1,
      processes: [],
    });
  });
});

function fakeProcess(
  root: string,
  pid: number,
  facts: { name: string; start: number; argv?: string; userTicks?: number; flags?: number },
): void {
  const directory = join(root, String(pid));
  mkdirSync(join(directory, "fd"), { recursive: true });
  const fields = Array<number>(49).fill(0);
  fields[0] = 1; // field 4
  fields[5] = facts.flags ?? 0; // field 9
  fields[10] = facts.userTicks ?? 0; // field 14
  fields[16] = 1; // field 20
  fields[18] = facts.start; // field 22
  writeFileSync(join(directory, "stat"), `${pid} (${facts.name}) S ${fields.join(" ")}\n`);
  writeFileSync(join(directory, "status"), "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n");
  writeFileSync(join(directory, "cmdline"), facts.argv ?? "x\0");
  rmSync(join(directory, "exe"), { force: true });
  symlinkSync("/bin/sh", join(directory, "exe"));
}

function fakeClock(): { nowMs(): number; monotonicMs(): number; advance(ms: number): void } {
  let elapsedMs = 0;
  return {
    nowMs: () => 1_700_000_000_000 + elapsedMs,
    monotonicMs: () => 1000 + elapsedMs,
    advance: (ms) => {
      elapsedMs += ms;
    },
  };
}
