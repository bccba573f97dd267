// Where a new process's file lies, and whose name it borrows.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import type { Fields } from "../../core/nouns.ts";
import { processListsOf } from "../site/process_lists.fixture.ts";
import { createProgramPlaceDetector } from "./program_place.ts";

const ROWS: readonly [sentence: string, host: string, expected: Fields | "nothing"][] = [
  ["in memory", "exe /memfd:x (deleted)", { "process.executable_memfd": true }],
  [
    "deleted",
    "exe /home/a/x (deleted)",
    { "process.executable_deleted": true, "process.executable_replaced_by_package": false },
  ],
  ["in /tmp", "exe /tmp/x", { "process.executable_temporary": true }],
  ["in /dev/shm", "exe /dev/shm/x", { "process.executable_temporary": true }],
  ["in a hidden directory", "exe /home/a/.cache/x", { "process.executable_hidden": true }],
  [
    "with a connection",
    "exe /tmp/x\n  fd 3 rw socket:[1]\ntcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1",
    { "process.has_network": true },
  ],
  [
    "with a listener only",
    "exe /tmp/x\n  fd 3 rw socket:[1]\ntcp listen 0.0.0.0:80 inode 1",
    { "process.has_network": false },
  ],
  ["in a system directory", "exe /usr/bin/x", "nothing"],
  ["in a home directory", "exe /home/a/x", "nothing"],
  ["in a directory with dots in its name", "exe /opt/app-1.2.3/x..y", "nothing"],
];

describe("a program", () => {
  test.each(ROWS)("%s", (_sentence, head, expected) => {
    const events = createProgramPlaceDetector().sweep(hostFixture(`pid 50 ppid 1 uid 1000 ${head}`).view);
    if (expected === "nothing") expect(events).toEqual([]);
    else
      expect(events).toEqual([
        expect.objectContaining({ action: "program-in-unusual-place", fields: expect.objectContaining(expected) }),
      ]);
  });

  test("is stated once, and again when it runs another file", () => {
    const detector = createProgramPlaceDetector();
    const sweep = (path: string) => detector.sweep(hostFixture(`pid 50 ppid 1 uid 1000 exe ${path}`).view).length;
    expect([sweep("/tmp/x"), sweep("/tmp/x"), sweep("/tmp/y"), sweep("/tmp/y")]).toEqual([1, 0, 1, 0]);
  });
});

const NAMES: readonly [sentence: string, head: string, argv: string, claimed: string | undefined][] = [
  ["a file called sshd in a home directory", "exe /home/a/sshd", `["sshd"]`, "sshd"],
  ["argv says cron", "exe /home/a/x", `["/usr/sbin/cron"]`, "cron"],
  ["argv says sshd as sshd itself shows its sessions", "exe /home/a/x", `["sshd: root@pts/0"]`, "sshd"],
  ["comm says rsyslogd", "name rsyslogd exe /home/a/x", `["x"]`, "rsyslogd"],
  ["a kernel thread's name in brackets", "exe /home/a/x", `["[kworker/0:1]"]`, "[kworker/0:1]"],
  ["a kernel thread's name with a version of another spelling", "exe /usr/bin/python3.11", `["kswapd0"]`, "kswapd0"],
  ["the real sshd", "exe /usr/sbin/sshd", `["sshd: /usr/sbin/sshd -D"]`, undefined],
  [
    "the real udevd under its other file",
    "name systemd-udevd exe /usr/bin/udevadm",
    `["/usr/lib/systemd/systemd-udevd"]`,
    undefined,
  ],
  ["a name that a site added", "exe /home/a/backupd", `["backupd"]`, undefined],
  ["a name that only begins so", "exe /home/a/cronolog", `["cronolog"]`, undefined],
  ["a program about kernel threads", "exe /usr/bin/ps", `["ps","-C","kworker"]`, undefined],
];

describe("a borrowed name:", () => {
  test.each(NAMES)("%s", (_sentence, head, argv, claimed) => {
    const events = createProgramPlaceDetector().sweep(
      hostFixture(`pid 50 ppid 1 uid 1000 ${head}\n  argv ${argv}`).view,
    );
    const names = events
      .filter((event) => event.logsource.category === "masquerade")
      .map((event) => event.fields["process.name_claimed"]);
    expect(names).toEqual(claimed === undefined ? [] : [claimed]);
  });

  test("pid 1 may be called as it likes: a container's init lies where its image put it", () => {
    const host = hostFixture('pid 1 ppid 0 uid 0 name systemd exe /sysroot/init\n  argv ["/sbin/init"]');
    expect(createProgramPlaceDetector().sweep(host.view)).toEqual([]);
  });

  test("a real kernel thread borrows nothing", () => {
    expect(createProgramPlaceDetector().sweep(hostFixture("pid 50 ppid 2 uid 0 name kworker/0:1").view)).toEqual([]);
  });
});

const PREFIXES: readonly [sentence: string, head: string, argv: string, claimed: string | undefined][] = [
  ["in argv", "exe /home/a/x", `["kcryptd/3"]`, "kcryptd/3"],
  ["in brackets", "exe /usr/bin/perl", `["[kcryptd/3]"]`, "[kcryptd/3]"],
  ["in comm, which no file's name can be", "name kcryptd/3 exe /home/a/x", `["x"]`, "kcryptd/3"],
  ["a name that goes on as a path", "exe /home/a/x", `["kcryptd/../x"]`, undefined],
  ["a prefix that no kernel thread has", "exe /home/a/x", `["ng serve"]`, undefined],
  ["a prefix of a directory", "exe /home/a/x", `["bin/x"]`, undefined],
];

describe("a name with a prefix of TRUSTED_SYSTEM_PATTERNS:", () => {
  const lists = processListsOf({ TRUSTED_SYSTEM_PATTERNS: ["kcryptd/", "ng ", "bin/"] });
  test.each(PREFIXES)("%s", (_sentence, head, argv, claimed) => {
    const events = createProgramPlaceDetector(() => lists).sweep(
      hostFixture(`pid 50 ppid 1 uid 1000 ${head}\n  argv ${argv}`).view,
    );
    const names = events
      .filter((event) => event.logsource.category === "masquerade")
      .map((event) => event.fields["process.name_claimed"]);
    expect(names).toEqual(claimed === undefined ? [] : [claimed]);
  });
});
