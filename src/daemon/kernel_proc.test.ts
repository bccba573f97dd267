// Records that the sensor makes in user space: of /proc where BPF is refused, against what is true of a real process; and
// an exec joined with its environment.
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
const FLAGS = ["-Wall", "-Wextra", "-Werror"];
const SOURCES = [join(import.meta.dir, "kernel_proc.fixture.c"), ...["proc.c", "environment.c"].map(sensorFile)];

function sensorFile(name: string): string {
  return join(import.meta.dir, "../sensor", name);
}

function built(cc: string): string {
  const run = Bun.spawnSync([cc, ...FLAGS, "-o", program, ...SOURCES]);
  if (run.exitCode !== 0) throw new Error(run.stderr.toString());
  return program;
}

function recordOf(pid: number): KernelExec | undefined {
  const word = wordOf(new Uint8Array(Bun.spawnSync([program, String(pid)]).stdout), 0);
  return word?.kind === "exec" ? word.exec : undefined;
}

const SLEEP = realpathSync(Bun.which("sleep") ?? "/bin/sleep");
const LONG = "x".repeat(400);

if (compiler !== null) built(compiler);

test.skipIf(compiler === null)("an exec gets the environment that came before it, once, and nobody else's", () => {
  const bytes = new Uint8Array(Bun.spawnSync([program]).stdout);
  const found: (readonly string[])[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = new DataView(bytes.buffer, at).getUint16(0, true);
    const word = wordOf(bytes.slice(at, at + size), 0);
    if (word?.kind === "exec") found.push([word.exec.argv.join(" "), word.exec.directory, ...word.exec.environment]);
    at += size;
  }
  expect(found).toEqual([
    ["sh", "/tmp"],
    ["sh", "/tmp", "LD_PRELOAD=/tmp/a.so", "ENV=/x"],
    ["sh", "/tmp"],
  ]);
});

describe.skipIf(compiler === null)("without BPF", () => {
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
