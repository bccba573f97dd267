// Which program a file is: by inode, by build-id, by place; never by what it calls itself.
import { describe, expect, test } from "bun:test";
import type { Executable } from "../core/process.ts";
import { classifyName, createProgramCatalogue, isLoader } from "./programs.ts";

const NAMES: readonly [name: string, family: string][] = [
  ["bash", "shell"],
  ["rbash", "shell"],
  ["dash", "shell"],
  ["sh", "shell"],
  ["zsh5", "shell"],
  ["ksh93", "shell"],
  ["mksh", "shell"],
  ["bash-5.2", "shell"],
  ["busybox", "busybox"],
  ["busybox-static", "busybox"],
  ["python3.11", "python"],
  ["pypy3", "python"],
  ["perl5.36.0", "perl"],
  ["ruby3.1", "ruby"],
  ["php8.2", "php"],
  ["php-cgi8.2", "php"],
  ["luajit-2.1.0-beta3", "lua"],
  ["nodejs", "node"],
  ["bun", "node"],
  ["mawk", "awk"],
  ["gawk", "awk"],
  ["tclsh8.6", "tcl"],
  ["expect", "expect"],
  ["nc.traditional", "netcat"],
  ["ncat", "netcat"],
  ["socat1", "socat"],
  ["inetutils-telnet", "telnet"],
  ["openssl", "openssl"],
  ["bashbug", ""],
  ["shred", ""],
  ["python3-config", ""],
  ["php-fpm8.2", ""],
  ["ssh", ""],
  ["telnetd", ""],
  ["ncdu", ""],
  ["perlbug", ""],
  ["nodemon", ""],
  ["awkward", ""],
];

test.each(NAMES)("%s is of family %p", (name, family) => {
  expect(classifyName(name).family).toBe(family);
});

test("busybox and awk run code and carry bytes, a netcat only carries", () => {
  expect(classifyName("busybox")).toEqual({ shell: true, interpreter: true, relayTool: true, family: "busybox" });
  expect(classifyName("gawk")).toEqual({ shell: false, interpreter: true, relayTool: true, family: "awk" });
  expect(classifyName("ncat")).toEqual({ shell: false, interpreter: false, relayTool: true, family: "netcat" });
});

const file = (over: Partial<Executable> = {}): Executable => ({
  path: "/usr/bin/bash",
  device: 1,
  inode: 10,
  ownerUid: 0,
  mode: 0o755,
  deleted: false,
  memfd: false,
  ...over,
});

describe("a file", () => {
  const catalogue = createProgramCatalogue();
  catalogue.learn(
    [
      { name: "sh", device: 1, inode: 11, buildId: "d1" },
      { name: "dash", device: 1, inode: 11, buildId: "d1" },
      { name: "bash", device: 1, inode: 10, buildId: "b1" },
      { name: "python3.11", device: 1, inode: 12, buildId: undefined },
    ],
    new Set([7]),
  );

  const ROWS: readonly [sentence: string, executable: Executable, facts: Readonly<Record<string, unknown>>][] = [
    ["by inode", file(), { shell: true, name: "bash", isCopy: false, verified: true }],
    ["of several names has the longest", file({ path: "/usr/bin/dash", inode: 11 }), { name: "dash", shell: true }],
    ["moved away under another name", file({ path: "/home/a/x" }), { name: "bash", shell: true, verified: false }],
    [
      "copied away, by build-id",
      file({ path: "/tmp/x", inode: 99, device: 7, ownerUid: 1000, buildId: "b1" }),
      { name: "bash", shell: true, isCopy: true, verified: false, temporary: true },
    ],
    [
      "in /tmp on a mount of its own (an AppImage)",
      file({ path: "/tmp/.mount_x/usr/bin/app", inode: 99, device: 8, ownerUid: 0 }),
      { temporary: false, shell: false },
    ],
    [
      "that only calls itself bash",
      file({ path: "/home/a/bash", inode: 99, ownerUid: 1000 }),
      { shell: false, interpreter: false, name: "/home/a/bash" },
    ],
    [
      "of an older package, by its place",
      file({ path: "/usr/bin/python3.10", inode: 77 }),
      { interpreter: true, name: "python3.10", verified: true },
    ],
    ["that others may write", file({ mode: 0o775 }), { verified: false }],
    ["that root does not own", file({ ownerUid: 1000 }), { verified: false }],
    ["in memory", file({ memfd: true, path: "/memfd:x", inode: 99 }), { verified: false, shell: false }],
    ["with the same inode on another device", file({ device: 2, path: "/srv/x" }), { shell: false }],
    ["with .. in its path", file({ path: "/usr/../home/a/x", inode: 99 }), { verified: false }],
  ];
  test.each(ROWS)("%s", (_sentence, executable, facts) => {
    expect(catalogue.recognise(executable, true)).toMatchObject(facts);
  });

  test("in another mount namespace is known by its path, never verified, and temporary by its path alone", () => {
    expect(catalogue.recognise(file({ inode: 55 }), false)).toMatchObject({ shell: true, verified: false });
    expect(catalogue.recognise(file({ path: "/tmp/x", device: 99, inode: 5 }), false)).toMatchObject({
      temporary: true,
    });
  });

  test("what is learnt anew replaces what was known", () => {
    const other = createProgramCatalogue();
    other.learn([{ name: "bash", device: 1, inode: 10, buildId: "b1" }], new Set());
    other.learn([], new Set());
    expect(other.recognise(file({ path: "/home/a/x", buildId: "b1" }), true).shell).toBe(false);
  });
});

const LOADERS: readonly [path: string, loader: boolean][] = [
  ["/usr/lib64/ld-linux-x86-64.so.2", true],
  ["/usr/lib/x86_64-linux-gnu/ld-2.31.so", true],
  ["/lib/ld-musl-x86_64.so.1", true],
  ["/usr/bin/ld", false],
  ["/usr/lib/libc.so.6", false],
  ["/tmp/ld-linux-x86-64.so.2", false],
];
test.each(LOADERS)("%s is a loader: %p", (path, loader) => {
  expect(isLoader(file({ path }))).toBe(loader);
});
