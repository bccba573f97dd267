// What the place of a file or an address says.
import { describe, expect, test } from "bun:test";
import { baseName, isHiddenPath, isLoopback, isRootOnly, isSystemPath, isTemporaryPath } from "./place.ts";

const PATHS: readonly [path: string, says: string][] = [
  ["/usr/bin/bash", "system"],
  ["/bin/sh", "system"],
  ["/lib64/ld-linux.so", "system"],
  ["/opt/agent/agent", "system"],
  ["/snap/core/1/usr/bin/x", "system"],
  ["/usr/../home/a/x", ""],
  ["/usrx/bin/x", ""],
  ["/home/a/usr/bin/x", ""],
  ["/tmp/x", "temporary"],
  ["/var/tmp/a/x", "temporary"],
  ["/dev/shm/x", "temporary"],
  ["/tmpx/x", ""],
  ["/home/a/tmp/x", ""],
  ["/home/a/.local/x", "hidden"],
  ["/tmp/.x/y", "temporary hidden"],
  ["/usr/lib/.build-id/x", "system hidden"],
  ["/home/a/./x", ""],
  ["/srv/a.b/x", ""],
  ["", ""],
];

test.each(PATHS)("%p is %p", (path, says) => {
  const facts = [isSystemPath(path) && "system", isTemporaryPath(path) && "temporary", isHiddenPath(path) && "hidden"];
  expect(facts.filter(Boolean).join(" ")).toBe(says);
});

describe("a file is root's alone", () => {
  const FILES: readonly [ownerUid: number, mode: number, alone: boolean][] = [
    [0, 0o755, true],
    [0, 0o4755, true],
    [0, 0o775, false],
    [0, 0o757, false],
    [1000, 0o755, false],
  ];
  test.each(FILES)("owner %p mode %p: %p", (ownerUid, mode, alone) => {
    expect(isRootOnly({ ownerUid, mode })).toBe(alone);
  });
});

const ADDRESSES: readonly [address: string, loopback: boolean][] = [
  ["127.0.0.1", true],
  ["127.9.9.9", true],
  ["::1", true],
  ["128.0.0.1", false],
  ["::", false],
  ["::11", false],
];
test.each(ADDRESSES)("%s is loopback: %p", (address, loopback) => {
  expect(isLoopback(address)).toBe(loopback);
});

test("the base name is what follows the last slash", () => {
  expect([baseName("/a/b"), baseName("b"), baseName("/a/"), baseName("")]).toEqual(["b", "b", "", ""]);
});
