// Which libraries of an environment are somebody's own.
import { describe, expect, test } from "bun:test";
import { foreignLibraries, type LibraryFile } from "./foreign_libraries.ts";

const FILES: Readonly<Record<string, LibraryFile>> = {
  "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2": { ownerUid: 0, mode: 0o644 },
  "/usr/lib/own.so": { ownerUid: 1000, mode: 0o644 },
  "/usr/lib/open.so": { ownerUid: 0, mode: 0o666 },
  "/home/user/libs/libz.so": { ownerUid: 1000, mode: 0o644 },
  "/tmp/root.so": { ownerUid: 0, mode: 0o644 },
};

const ROWS: readonly (readonly [name: string, environment: readonly string[], foreign: readonly string[]])[] = [
  ["nothing is named", ["LD_LIBRARY_PATH=/home/user/libs", "PYTHONPATH=/x"], []],
  ["a library of the system", ["LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libjemalloc.so.2"], []],
  ["a user's file in a system directory", ["LD_PRELOAD=/usr/lib/own.so"], ["/usr/lib/own.so"]],
  ["a file there that everybody may write", ["LD_PRELOAD=/usr/lib/open.so"], ["/usr/lib/open.so"]],
  ["root's file in /tmp", ["LD_PRELOAD=/tmp/root.so"], ["/tmp/root.so"]],
  ["a path outside that is gone already", ["LD_AUDIT=/dev/shm/a.so"], ["/dev/shm/a.so"]],
  ["a path inside that nobody can see", ["LD_PRELOAD=/usr/$LIB/libgone.so"], []],
  ["a system path that leads out of it", ["LD_PRELOAD=/usr/../tmp/root.so"], ["/usr/../tmp/root.so"]],
  [
    "several, parted by spaces and colons, each told once",
    ["LD_PRELOAD=/tmp/a.so /usr/lib/own.so:/tmp/a.so", "LD_AUDIT=/tmp/b.so"],
    ["/tmp/a.so", "/usr/lib/own.so", "/tmp/b.so"],
  ],
  ["a name that the system's directories have", ["LD_PRELOAD=libfakeroot.so"], []],
  [
    "a name found in a directory that was handed over",
    ["LD_PRELOAD=libz.so", "LD_LIBRARY_PATH=/opt/x:/home/user/libs"],
    ["/home/user/libs/libz.so"],
  ],
  ["a path from the working directory", ["LD_PRELOAD=./hook.so"], ["/home/user/hook.so"]],
];

describe("libraries that an environment loads", () => {
  for (const [name, environment, foreign] of ROWS)
    test(name, () => expect(foreignLibraries(environment, "/home/user", (path) => FILES[path])).toEqual(foreign));

  test("a relative one whose directory nobody knows stays as it is", () =>
    expect(foreignLibraries(["LD_PRELOAD=lib/hook.so"], "", () => undefined)).toEqual(["lib/hook.so"]));
});
