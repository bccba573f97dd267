// Where a holder comes from: each kind, its nearest look-alike, and which of several counts.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import { hardest, isServedByUnit, ORIGINS, type Origin, originOf, softest } from "./origin.ts";

const ROWS: readonly [sentence: string, host: string, origin: Origin][] = [
  ["inline code", `exe /usr/bin/python3.11\n  argv ["python3","-c","x"]`, "inline"],
  ["an interpreter that reads its code", `exe /usr/bin/python3.11\n  argv ["python3","-"]`, "inline"],
  ["inline code of a copy of bash", `build bash exe /home/a/x\n  argv ["x","-c","y"]`, "inline"],
  ["a relay tool", `exe /usr/bin/ncat\n  argv ["ncat"]`, "relay-tool"],
  ["awk with its program in argv", `exe /usr/bin/mawk\n  argv ["awk","BEGIN{}"]`, "inline"],
  ["awk with a script of root", `exe /usr/bin/mawk\n  argv ["awk","-f","/usr/share/x.awk"]`, "verified-file"],
  ["memory", `exe /memfd:x (deleted)\n  argv ["x"]`, "memfd"],
  ["/tmp", `exe /tmp/x\n  argv ["x"]`, "temporary-file"],
  ["a script in /var/tmp", `exe /usr/bin/perl\n  argv ["perl","/var/tmp/x.pl"]`, "temporary-file"],
  ["a file that is gone", `exe /home/a/x (deleted)\n  argv ["x"]`, "deleted"],
  ["an upgraded package's file", `exe /usr/sbin/x (deleted)\n  argv ["x"]`, "verified-file"],
  ["a home directory", `exe /home/a/x\n  argv ["x"]`, "unverified-file"],
  ["a script in a home directory", `exe /usr/bin/python3.11\n  argv ["python3","/home/a/x.py"]`, "unverified-file"],
  ["a system directory", `exe /usr/bin/ssh\n  argv ["ssh"]`, "verified-file"],
  ["a system directory, writable by others", `mode 777 exe /usr/bin/x\n  argv ["x"]`, "unverified-file"],
  ["another mount namespace", `mount 7 exe /usr/bin/ssh\n  argv ["ssh"]`, "unverified-file"],
  ["sshd", `exe /usr/sbin/sshd\n  argv ["sshd"]`, "login-service"],
  ["dropbear in a home directory", `exe /home/a/dropbear\n  argv ["dropbear"]`, "unverified-file"],
  ["a program without a file", "state Z", "unverified-file"],
];

describe("the origin of", () => {
  test.each(ROWS)("%s", (_sentence, head, origin) => {
    const host = hostFixture(`pid 50 ppid 1 uid 1000 ${head}`);
    expect(originOf(host.view, host.process(50))).toBe(origin);
  });

  test("pid 1 is pid 1", () => {
    const host = hostFixture("");
    expect(originOf(host.view, host.process(1))).toBe("pid1");
  });
});

const MAIN = `unit app.service main 40\npid 40 ppid 1 uid 0 exe /opt/app/bin/app\n  argv ["app"]`;
const UNITS: readonly [sentence: string, host: string, served: boolean][] = [
  [
    "the main process",
    `${MAIN}\npid 50 ppid 40 uid 0 exe /usr/bin/true`
      .replaceAll("40", "50")
      .replace("pid 50 ppid 50", "pid 51 ppid 50"),
    true,
  ],
  ["an installed helper below it", `${MAIN}\npid 50 ppid 40 uid 0 exe /usr/bin/ssh\n  argv ["ssh"]`, true],
  [
    "a helper from the same directory",
    `${MAIN}\npid 50 ppid 40 uid 0 owner 1000 exe /opt/app/bin/helper\n  argv ["helper"]`,
    true,
  ],
  ["a program from elsewhere", `${MAIN}\npid 50 ppid 40 uid 0 exe /home/a/x\n  argv ["x"]`, false],
  ["inline code", `${MAIN}\npid 50 ppid 40 uid 0 exe /usr/bin/python3.11\n  argv ["python3","-c","x"]`, false],
  [
    "a shell that reads commands, below a daemon of the same system directory",
    `unit r.service main 40\npid 40 ppid 1 uid 0 exe /usr/bin/redis-server\n  argv ["redis-server"]\npid 50 ppid 40 uid 0 exe /usr/bin/bash\n  argv ["bash","-i"]`,
    false,
  ],
  [
    "a program below a main process of inline code",
    `unit r.service main 40\npid 40 ppid 1 uid 0 exe /usr/bin/bash\n  argv ["bash","-c","x"]\npid 50 ppid 40 uid 0 exe /home/a/x\n  argv ["x"]`,
    false,
  ],
  [
    "somebody of the unit who is not below its main process",
    `${MAIN}\npid 50 ppid 1 uid 0 exe /usr/bin/ssh\n  argv ["ssh"]`,
    false,
  ],
  ["a unit without a main process", "unit app.service main 0\npid 50 ppid 1 uid 0 exe /usr/bin/ssh", false],
  [
    "a login's own manager",
    "unit user@1000.service main 50\npid 50 ppid 1 uid 1000 exe /usr/lib/systemd/systemd",
    false,
  ],
];

describe("the service stands for", () => {
  test.each(UNITS)("%s: %s", (_sentence, text, served) => {
    const host = hostFixture(text);
    expect(isServedByUnit(host.view, host.process(50))).toBe(served);
  });
});

test("of several the hardest or the softest counts, and of none none", () => {
  expect(hardest(["verified-file", "memfd", "unit-main"])).toBe("memfd");
  expect(softest(["verified-file", "memfd", "unit-main"])).toBe("unit-main");
  expect([hardest([]), softest([])]).toEqual([undefined, undefined]);
  expect(new Set(ORIGINS).size).toBe(ORIGINS.length);
});
