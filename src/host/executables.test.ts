import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import type { Executable } from "../core/process.ts";
import { parseBuildId, type ReadAt } from "./elf.ts";
import {
  buildIdOf,
  createExecutableReader,
  isInSystemDirectory,
  resolveInSystemDirectories,
  statOf,
} from "./executables.ts";
import { AT } from "./libc.ts";
import { openDirectory } from "./procfs.ts";
import { until } from "./test_processes.ts";

const scratch = mkdtempSync(join(tmpdir(), "algo-exe-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const PROGRAM = realpathSync("/bin/sleep");

function over(bytes: Uint8Array): ReadAt {
  return (offset, length) => bytes.subarray(offset, offset + length);
}

describe("parseBuildId", () => {
  const program = readFileSync(PROGRAM);
  const buildId = buildIdOf(PROGRAM);

  test("finds the build-id that stands in the file's note", () => {
    expect(buildId).toMatch(/^[0-9a-f]{40}$/);
    expect(program.includes(Buffer.from(buildId ?? "", "hex"))).toBe(true);
  });

  test("reads a 32-bit big-endian file as well", () => {
    const file = Buffer.alloc(52 + 32 + 24);
    file.set([0x7f, 0x45, 0x4c, 0x46, 1, 2, 1]);
    file.writeUInt32BE(52, 28);
    file.writeUInt16BE(32, 42);
    file.writeUInt16BE(1, 44);
    file.writeUInt32BE(4, 52); // PT_NOTE
    file.writeUInt32BE(84, 56);
    file.writeUInt32BE(24, 68);
    file.writeUInt32BE(4, 84);
    file.writeUInt32BE(8, 88);
    file.writeUInt32BE(3, 92);
    file.write("GNU\0", 96);
    file.write("0123456789abcdef", 100, "hex");
    expect(parseBuildId(over(file))).toBe("0123456789abcdef");
  });

  const refused: [string, Uint8Array][] = [
    ["an empty file", new Uint8Array()],
    ["a script", new TextEncoder().encode(`#!/bin/sh\n${"x".repeat(100)}`)],
    ["a header alone", program.subarray(0, 64)],
    ["a file cut before its note", program.subarray(0, 200)],
  ];
  test.each(refused)("finds none in %s", (_, bytes) => expect(parseBuildId(over(bytes))).toBeUndefined());

  test("survives every change of its headers, and reads no more than is bounded", () => {
    const head = program.subarray(0, 4096);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1023), fc.nat(255)), { maxLength: 12 }), fc.nat(4096), (changes, cut) => {
        const bytes = Uint8Array.from(head.subarray(0, cut));
        for (const [at, value] of changes) bytes[at] = value;
        parseBuildId((offset, length) => {
          expect(length).toBeLessThanOrEqual(128 * 1024);
          return over(bytes)(offset, length);
        });
      }),
      { seed: 20, numRuns: 1000 },
    );
  });
});

describe("executables of running programs", () => {
  const cases: [string, (path: string) => void, (path: string) => Partial<Executable>][] = [
    ["a file with its name on disk", () => {}, (path) => ({ path, deleted: false, memfd: false })],
    ["a deleted file", (path) => unlinkSync(path), (path) => ({ path, deleted: true, memfd: false })],
    [
      "a renamed file, by its new name",
      (path) => renameSync(path, `${path}-new`),
      (path) => ({ path: `${path}-new`, deleted: false }),
    ],
    [
      "a file whose run name is gone but that has another link",
      (path) => {
        linkSync(path, `${path}-link`);
        unlinkSync(path);
      },
      (path) => ({ path, deleted: false }),
    ],
  ];
  test.each(cases)("%s", async (_, change, expected) => {
    const path = join(scratch, `p${Math.random().toString(36).slice(2)}`);
    copyFileSync(PROGRAM, path);
    chmodSync(path, 0o4755);
    const { dev, ino } = statSync(path);
    await withRunning(path, (directory) => {
      const reader = createExecutableReader();
      change(path);
      const seen = reader.read(directory, undefined, true);
      expect(seen).toMatchObject({ ...expected(path), device: dev, inode: ino, ownerUid: 0, mode: 0o4755 });
      expect(seen?.buildId).toBe(buildIdOf(PROGRAM) ?? "none");
      expect(reader.read(directory, seen, true)).toBe(seen);
    });
  });

  test("a file that is really called `x (deleted)` is not deleted", async () => {
    const path = join(scratch, "x (deleted)");
    copyFileSync(PROGRAM, path);
    await withRunning(path, (directory) =>
      expect(createExecutableReader().read(directory, undefined, true)).toMatchObject({ path, deleted: false }),
    );
  });

  test("a change of mode makes a new fact", async () => {
    const path = join(scratch, "moded");
    copyFileSync(PROGRAM, path);
    await withRunning(path, (directory) => {
      const reader = createExecutableReader();
      const before = reader.read(directory, undefined, true);
      chmodSync(path, 0o777);
      expect(reader.read(directory, before, false)).toMatchObject({ mode: 0o777, path });
    });
  });
});

async function withRunning(path: string, look: (directory: number) => void): Promise<void> {
  const child = Bun.spawn([path, "60"]);
  try {
    await until(() => realpathSync(`/proc/${child.pid}/exe`) === path);
    look(openDirectory(AT.currentDirectory, `/proc/${child.pid}`));
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}

describe("names in system directories", () => {
  test("a name resolves through links to the files it stands for, each once", () => {
    const bin = mkdtempSync(join(scratch, "bin-"));
    const sbin = mkdtempSync(join(scratch, "sbin-"));
    writeFileSync(join(bin, "python3.11"), "x", { mode: 0o755 });
    symlinkSync("python3.11", join(bin, "python3"));
    symlinkSync(join(bin, "python3.11"), join(sbin, "python3"));
    const { dev, ino } = statSync(join(bin, "python3.11"));
    expect(resolveInSystemDirectories("python3", [bin, sbin])).toEqual([
      { path: join(bin, "python3"), device: dev, inode: ino, ownerUid: 0, mode: 0o755 },
    ]);
  });

  const none = ["", ".", "..", "../bin/sh", "/bin/sh", "a\0b", "x".repeat(300), "surely-not-installed-here"];
  test.each(none)("%j resolves to nothing", (name) => expect(resolveInSystemDirectories(name)).toEqual([]));

  test("a directory is no program", () => expect(statOf("/usr/bin")).toBeUndefined());

  const places: [string, boolean][] = [
    ["/usr/bin/bash", true],
    ["/usr/lib/systemd/systemd-journald", true],
    ["/tmp/usr/bin/bash", false],
    ["/usr/bin/../../tmp/x", false],
    ["/usr/binx/y", false],
  ];
  test.each(places)("%s: %p", (path, expected) => expect(isInSystemDirectory(path)).toBe(expected));
});
