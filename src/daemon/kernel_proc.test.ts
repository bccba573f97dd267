// What the sensor reads of /proc where BPF is refused, against what is true of a real process.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KernelExec } from "../core/kernel.ts";
import { refOf } from "../host/signals.ts";
import { wordOf } from "./kernel_words.ts";

const workshop = mkdtempSync(join(tmpdir(), "kernel-proc-"));
afterAll(() => rmSync(workshop, { recursive: true, force: true }));
const compiler = Bun.which("cc") ?? Bun.which("gcc") ?? Bun.which("clang");
const program = join(workshop, "record");
const SOURCES = [join(import.meta.dir, "kernel_proc.fixture.c"), ...["proc.c", "environment.c"].map(sensorFile)];

function sensorFile(name: string): string {
  return join(import.meta.dir, "../sensor", name);
}

function built(cc: string): string {
  const run = Bun.spawnSync([cc, "-Wall", "-Wextra", "-Werror", "-o", program, ...SOURCES]);
  if (run.exitCode !== 0) throw new Error(run.stderr.toString());
  return program;
}

function recordOf(pid: number): KernelExec | undefined {
  const word = wordOf(new Uint8Array(Bun.spawnSync([program, String(pid)]).stdout), 0);
  return word?.kind === "exec" ? word.exec : undefined;
}

const SLEEP = realpathSync(Bun.which("sleep") ?? "/bin/sleep");
const LONG = "x".repeat(400);

describe.skipIf(compiler === null)("without BPF", () => {
  if (compiler !== null) built(compiler);
  const child = Bun.spawn([SLEEP, "60"], {
    cwd: workshop,
    env: { HOME: "/", LD_PRELOAD: "", PATH: "/bin", LD_LIBRARY_PATH: LONG, PYTHONPATH: "/a:/b", NODE_OPTIONS_NOT: "1" },
    stdin: "pipe",
  });
  afterAll(() => child.kill());
  const { device, inode } = { device: statSync(SLEEP).dev, inode: statSync(SLEEP).ino };
  const record = recordOf(child.pid);

  test("an exec is read from /proc and says that it is incomplete", () => {
    expect(record).toMatchObject({
      path: SLEEP,
      argv: [SLEEP, "60"],
      directory: realpathSync(workshop),
      argvTruncated: false,
      incomplete: true,
    });
  });

  test("who it is, by the same start, file and user as everywhere", () => {
    const uid = process.getuid?.() ?? 0;
    const ref = refOf(child.pid);
    if (ref === undefined) throw new Error("it ended");
    expect(record?.task).toMatchObject({ ref, uid, effectiveUid: uid, device, inode, isNamed: true });
    expect(record?.task.parent).toEqual(refOf(process.pid));
    expect(record?.task.namespaces.mount).toBe(statSync("/proc/self/ns/mnt").ino);
    expect(record?.task.marks).toEqual({ memfd: false, deleted: false, setuid: false });
  });

  test("of its environment what loads code and is not empty, each cut after 256 bytes", () => {
    expect(record?.environment).toEqual([`LD_LIBRARY_PATH=${LONG}`.slice(0, 255), "PYTHONPATH=/a:/b"]);
  });

  test("a process that is gone makes no record", () => {
    expect(recordOf(4_194_304)).toBeUndefined();
  });
});
