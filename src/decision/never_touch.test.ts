// The one list: each entry keeps its process alive, and its nearest look-alike is not protected by it.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../context/host.fixture.ts";
import { untouchable } from "./never_touch.ts";
import { neverTouchFixture } from "./policy.fixture.ts";
import type { NeverTouch } from "./policy.ts";

const NOTHING = neverTouchFixture();
const ROWS: readonly [sentence: string, pid: number, host: string, list: NeverTouch, reason: string | undefined][] = [
  ["pid 1", 1, "", NOTHING, "pid 1"],
  ["a kernel thread", 20, "pid 20 ppid 2 uid 0", NOTHING, "kernel thread"],
  [
    "ourselves",
    20,
    "pid 20 ppid 1 uid 0 exe /usr/local/bin/algo-monitor",
    neverTouchFixture({ processes: [{ pid: 20, startedAtTicks: 1_020 }] }),
    "algo-monitor or the session",
  ],
  [
    "somebody who got our pid later",
    20,
    "pid 20 ppid 1 uid 0 exe /usr/bin/bash",
    neverTouchFixture({ processes: [{ pid: 20, startedAtTicks: 7 }] }),
    undefined,
  ],
  ["systemd of a user", 20, "pid 20 ppid 1 uid 1000 exe /usr/lib/systemd/systemd", NOTHING, "keeps the system alive"],
  [
    "the journal",
    20,
    "pid 20 ppid 1 uid 0 exe /usr/lib/systemd/systemd-journald",
    NOTHING,
    "systemd-journald keeps the system alive",
  ],
  ["the bus", 20, "pid 20 ppid 1 uid 102 exe /usr/bin/dbus-daemon", NOTHING, "dbus-daemon keeps the system alive"],
  ["a copy of systemd in a home directory", 20, "pid 20 ppid 1 uid 1000 exe /home/alice/systemd", NOTHING, undefined],
  [
    "a systemd that somebody else may write",
    20,
    "pid 20 ppid 1 uid 0 mode 777 exe /usr/lib/systemd/systemd",
    NOTHING,
    undefined,
  ],
  [
    "a systemd that root does not own",
    20,
    "pid 20 ppid 1 uid 0 owner 1000 exe /usr/lib/systemd/systemd",
    NOTHING,
    undefined,
  ],
  [
    "a file in /tmp called systemd-journald that root made",
    20,
    "pid 20 ppid 1 uid 0 owner 0 exe /tmp/systemd-journald",
    NOTHING,
    undefined,
  ],
  ["the sshd listener", 20, "pid 20 ppid 1 uid 0 exe /usr/sbin/sshd", NOTHING, "sshd listener"],
  [
    "the sshd of one login",
    21,
    "pid 20 ppid 1 uid 0 exe /usr/sbin/sshd\npid 21 ppid 20 uid 0 exe /usr/sbin/sshd",
    NOTHING,
    undefined,
  ],
  [
    "an executable of NEVER_TOUCH",
    20,
    "pid 20 ppid 1 uid 33 exe /opt/app/app",
    neverTouchFixture({ executables: new Set(["/opt/app/app"]) }),
    "NEVER_TOUCH names /opt/app/app",
  ],
  [
    "its neighbour",
    20,
    "pid 20 ppid 1 uid 33 exe /opt/app/app2",
    neverTouchFixture({ executables: new Set(["/opt/app/app"]) }),
    undefined,
  ],
  [
    "a user of NEVER_TOUCH",
    20,
    "pid 20 ppid 1 uid 33 exe /usr/bin/bash",
    neverTouchFixture({ userIds: new Set([33]) }),
    "its user (uid 33)",
  ],
  [
    "a program that became that user",
    20,
    "pid 20 ppid 1 uid 0 euid 33 exe /usr/bin/bash",
    neverTouchFixture({ userIds: new Set([33]) }),
    "NEVER_TOUCH names its user",
  ],
  [
    "another user",
    20,
    "pid 20 ppid 1 uid 34 exe /usr/bin/bash",
    neverTouchFixture({ userIds: new Set([33]) }),
    undefined,
  ],
  [
    "a unit of NEVER_TOUCH",
    20,
    "unit db.service main 20\npid 20 ppid 1 uid 33 exe /usr/bin/bash",
    neverTouchFixture({ units: new Set(["db.service"]) }),
    "its unit db.service",
  ],
  [
    "another unit",
    20,
    "unit web.service main 20\npid 20 ppid 1 uid 33 exe /usr/bin/bash",
    neverTouchFixture({ units: new Set(["db.service"]) }),
    undefined,
  ],
  ["a shell of nobody in particular", 20, "pid 20 ppid 1 uid 1000 exe /usr/bin/bash", NOTHING, undefined],
];

describe("never touched:", () => {
  test.each(ROWS)("%s", (_sentence, pid, text, list, reason) => {
    const host = hostFixture(text);
    const says = untouchable(host.view, host.process(pid), list);
    if (reason === undefined) expect(says).toBeUndefined();
    else expect(says).toContain(reason);
  });
});
