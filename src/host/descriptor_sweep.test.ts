import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, systemClock } from "../core/clock.ts";
import type { ShareLimits } from "./descriptor_share.ts";
import { createDescriptorReader } from "./descriptors.ts";
import { AT, closeDescriptor } from "./libc.ts";
import { createProcessReader, type ProcessReader, type ProcessSweep } from "./processes.ts";
import { openDirectory } from "./procfs.ts";
import { endStarted, startPython } from "./test_processes.ts";

afterEach(endStarted);

/** Python that opens `count` copies of a descriptor; what else it has is opened before or behind them. */
const RAISE_LIMIT =
  "import os,resource,socket\nhard=resource.getrlimit(resource.RLIMIT_NOFILE)[1]\nresource.setrlimit(resource.RLIMIT_NOFILE,(hard,hard))\n";

function python(before: string, count: number, behind: string): Promise<Awaited<ReturnType<typeof startPython>>> {
  return startPython(
    `${RAISE_LIMIT}n=os.open('/dev/null',0)\n${before}\nkeep=[os.dup(n) for _ in range(${count})]\n${behind}`,
  );
}

function reader(descriptorLimits: Partial<ShareLimits> = {}, clock: Clock = systemClock): ProcessReader {
  return createProcessReader({ clock, descriptorLimits });
}

function fds(sweep: ProcessSweep, pid: number): readonly number[] {
  return (sweep.descriptors.get(pid) ?? []).map((held) => held.fd);
}

function cutOf(sweep: ProcessSweep, pid: number): ProcessSweep["cutProcesses"][number] | undefined {
  return sweep.cutProcesses.find((process) => process.pid === pid);
}

/** Only processes of tests are large here: what else the host runs must not be cut by a test's limits. */
const FEW: Partial<ShareLimits> = { largeTotalMax: 2000 };

describe("a process with 3,000 descriptors", () => {
  test("is read whole: its socket at a high number is seen, its files are counted and not listed", async () => {
    const { ref, line } = await python("", 3000, "s=socket.socket()\nout=str(s.fileno())");
    const sweep = reader().read();
    expect(Number(line)).toBeGreaterThan(3000);
    expect(fds(sweep, ref.pid)).toEqual([0, 1, 2, Number(line)]);
    const seen = sweep.processes.find((process) => process.ref.pid === ref.pid);
    expect(seen?.fileHandles).toBeGreaterThan(3000);
    expect(cutOf(sweep, ref.pid)).toBeUndefined();
  });

  test("is named where it has more than its share, and read on from sweep to sweep", async () => {
    const { ref, line } = await python("a,b=os.pipe()", 3000, "s=socket.socket()\nout=f'{a} {b} {s.fileno()}'");
    const [a = -1, b = -1, s = -1] = line.split(" ").map(Number);
    const it = reader(FEW);
    const first = it.read();
    expect(fds(first, ref.pid)).toEqual([0, 1, 2, a, b]);
    expect(first.cut.descriptors).toBeGreaterThan(0);
    expect(cutOf(first, ref.pid)).toMatchObject({ ...ref, uid: process.getuid?.() ?? -1 });
    expect(cutOf(first, ref.pid)?.descriptors).toBeGreaterThan(3000);
    let last = first;
    for (let sweep = 0; sweep < 12 && !fds(last, ref.pid).includes(s); sweep++) last = it.read();
    // The pipe that an earlier part showed is still there beside the socket of the last part.
    expect(fds(last, ref.pid)).toEqual([0, 1, 2, a, b, s]);
  });

  test("that closes what an earlier part showed is seen to have closed it", async () => {
    const { ref, child, line } = await startPython(
      `${RAISE_LIMIT}import sys,time\na,b=os.pipe()\nn=os.open('/dev/null',0)\nkeep=[os.dup(n) for _ in range(3000)]\nprint(f'{a} {b}',flush=True)\nsys.stdin.readline()\nos.close(a)\nout='closed'`,
    );
    const [a = -1, b = -1] = line.split(" ").map(Number);
    const it = reader(FEW);
    expect(fds(it.read(), ref.pid)).toEqual([0, 1, 2, a, b]);
    child.stdin.write("go\n");
    await child.stdin.flush();
    await child.stdout.getReader().read();
    expect(fds(it.read(), ref.pid)).toEqual([0, 1, 2, b]);
  });
});

test("without any time or share left, 0 to 2 of every process are read all the same", async () => {
  const { ref } = await python("", 3000, "");
  const sweep = reader({ ordinaryMax: 0, largeTotalMax: 0 }).read();
  expect(fds(sweep, ref.pid)).toEqual([0, 1, 2]);
  expect(sweep.cut.descriptors).toBeGreaterThan(1);
  expect(sweep.cutProcesses.length).toBeLessThanOrEqual(16);
});

test("time that runs out stops the second pass, not the first", async () => {
  const large = await python("", 3000, "s=socket.socket()\nout=str(s.fileno())");
  const small = await python("", 10, "s=socket.socket()\nout=str(s.fileno())");
  const sweep = reader({ largeMs: 0 }).read();
  expect(fds(sweep, large.ref.pid)).toEqual([0, 1, 2]);
  expect(fds(sweep, small.ref.pid)).toEqual([0, 1, 2, Number(small.line)]);
  expect(cutOf(sweep, large.ref.pid)).toBeDefined();
});

test("many small processes of one uid are cut too, and each has its turn", async () => {
  const started = await Promise.all([1, 2, 3].map(() => python("", 200, "s=socket.socket()\nout=str(s.fileno())")));
  const it = reader({ ordinaryPerUidMax: 0, largeTotalMax: 1000 });
  const seen = new Set<number>();
  // Every process of this uid on the machine waits in the same line: how long a round is depends on how many there are.
  for (let sweep = 0; sweep < 400 && seen.size < started.length; sweep++) {
    const found = it.read();
    for (const { ref, line } of started) if (fds(found, ref.pid).includes(Number(line))) seen.add(ref.pid);
  }
  expect(seen.size).toBe(started.length);
}, 60_000);

describe("how many descriptors there are", () => {
  const scratch = mkdtempSync(join(tmpdir(), "algo-descriptors-"));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  // A directory that is not procfs has no count for its size, as /proc/pid/fd before Linux 6.2.
  test.each([
    ["few are counted one by one", 3, 256, 3],
    ["as many as are counted are exact", 10, 256, 10],
    ["more are told by the size of their table", 11, 256, 256],
    ["more without a table are told to be more", 50, 0, 11],
  ])("%s", (name, links, tableSize, expected) => {
    const directory = join(scratch, name);
    mkdirSync(join(directory, "fd"), { recursive: true });
    for (let fd = 0; fd < links; fd++) symlinkSync("/dev/null", join(directory, "fd", String(fd)));
    const opened = openDirectory(AT.currentDirectory, directory);
    expect(createDescriptorReader().count(opened, 10, tableSize)).toBe(expected);
    closeDescriptor(opened);
  });
});
