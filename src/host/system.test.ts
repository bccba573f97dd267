import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cgroupRootOf, parseKernelVersion, parseMemoryTotal, readSystemFacts } from "./system.ts";
import { parseUnits, readUnits, unitNameOf } from "./units.ts";
import { createUsers, parsePasswd } from "./users.ts";

const scratch = mkdtempSync(join(tmpdir(), "algo-system-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe("unitNameOf", () => {
  const rows: [string, string, string, string | undefined][] = [
    ["a service", "/system.slice/ssh.service", "", "ssh.service"],
    [
      "an escaped name, kept",
      "/system.slice/system-getty.slice/getty@tty1\\x2dx.service",
      "",
      "getty@tty1\\x2dx.service",
    ],
    ["a login session", "/user.slice/user-1000.slice/session-3.scope", "", "session-3.scope"],
    [
      "a user's own unit: the manager's, for a user may name units as he likes",
      "/user.slice/user-1000.slice/user@1000.service/app.slice/ssh.service",
      "",
      "user@1000.service",
    ],
    [
      "a service inside a machine: the machine's",
      "/machine.slice/x.service/payload/system.slice/ssh.service",
      "",
      "x.service",
    ],
    ["pid 1", "/init.scope", "", "init.scope"],
    ["no unit", "/", "", undefined],
    ["a slice alone", "/user.slice", "", undefined],
    ["a cgroup that systemd did not make", "/docker/4711/evil.service", "", undefined],
    ["below the root of a container", "/docker/4711/system.slice/ssh.service", "/docker/4711", "ssh.service"],
    ["above the root of a container", "/system.slice/ssh.service", "/docker/4711", undefined],
    ["a name that systemctl would read as an option", "/system.slice/-x.service", "", undefined],
  ];
  test.each(rows)("%s", (_, cgroup, root, expected) => expect(unitNameOf(cgroup, root)).toBe(expected));
});

describe("units", () => {
  const output = [
    "Id=ssh.service\nLoadState=loaded\nMainPID=1234\nFragmentPath=/lib/systemd/system/ssh.service\nTransient=no",
    "Id=session-3.scope\nLoadState=loaded\nFragmentPath=/run/systemd/transient/session-3.scope\nTransient=yes",
    "Id=nope.service\nLoadState=not-found\nMainPID=0\nFragmentPath=\nTransient=no",
    "Id=half.service\nMainPID=5",
    "Id=odd.service\nLoadState=loaded\nMainPID=-4\nFragmentPath=/x\nTransient=no",
    "Id=unasked.service\nLoadState=loaded\nMainPID=6\nFragmentPath=/x\nTransient=no\n",
  ].join("\n\n");
  const wanted = ["ssh.service", "session-3.scope", "nope.service", "half.service", "odd.service"];

  test("are read as systemd prints them; unknown, half and unasked ones are left out", () => {
    expect([...parseUnits(output, wanted).values()]).toEqual([
      { name: "ssh.service", mainPid: 1234, transient: false, fragmentPath: "/lib/systemd/system/ssh.service" },
      { name: "session-3.scope", mainPid: 0, transient: true, fragmentPath: "/run/systemd/transient/session-3.scope" },
    ]);
  });

  test("are asked for in one call, without names that are no unit names", async () => {
    const recorder = join(scratch, "systemctl");
    writeFileSync(recorder, `#!/bin/sh\necho "$@" >> ${scratch}/asked\nprintf '%s' '${output.split("\n\n")[0]}'\n`, {
      mode: 0o755,
    });
    const units = await readUnits(["ssh.service", "--help", "ssh.service", "a b.service", "x/y.service"], [recorder]);
    expect(units.get("ssh.service")?.mainPid).toBe(1234);
    expect(readFileSync(join(scratch, "asked"), "utf8")).toEndWith(" -- ssh.service\n");
  });

  const failing: [string, string[]][] = [
    ["systemctl is missing", [join(scratch, "missing")]],
    ["systemctl fails", ["false"]],
  ];
  test.each(failing)("are none where %s", async (_, command) => {
    expect((await readUnits(["ssh.service"], command)).size).toBe(0);
  });
});

describe("users", () => {
  test("the first line of a uid counts, broken lines are passed over", () => {
    const { names, uids } = parsePasswd(
      "root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:\n\n#a:x:5:\nbad:x:-1:\nlong:x:99999999999:\nalice:x:1000:1000::/:\n",
    );
    expect([...names]).toEqual([
      [0, "root"],
      [1000, "alice"],
    ]);
    expect(uids.get("toor")).toBe(0);
  });

  test("a changed file is read again, a missing one leaves the last names", () => {
    const path = join(scratch, "passwd");
    let nowMs = 0;
    const users = createUsers(path, () => {
      nowMs += 2000;
      return nowMs;
    });
    expect(users.nameOf(7)).toBeUndefined();
    writeFileSync(path, "seven:x:7:7\n");
    expect(users.nameOf(7)).toBe("seven");
    writeFileSync(path, "seventh:x:7:7\n");
    expect(users.nameOf(7)).toBe("seventh");
    rmSync(path);
    expect(users.nameOf(7)).toBe("seventh");
  });

  test("this host's root is called so", () => expect(createUsers().nameOf(0)).toBe("root"));
});

describe("system facts", () => {
  test("are those of this host", () => {
    const facts = readSystemFacts();
    expect(facts.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(facts.kernel.major).toBeGreaterThan(3);
    expect(facts.memoryTotalBytes).toBeGreaterThan(100_000_000);
    expect(facts.self.pid).toBe(process.pid);
    expect(facts.ancestors[0]?.pid).toBe(process.ppid);
    expect(facts.ancestors.at(-1)?.pid).toBe(1);
    expect(facts.namespaces.network).toBe(statSync("/proc/self/ns/net").ino);
    expect(facts.ticksPerSecond).toBe(100);
  });

  test("versions, memory and cgroup roots parse, and garbage is zero or empty", () => {
    expect(parseKernelVersion("6.1.0-18-amd64")).toMatchObject({ major: 6, minor: 1 });
    expect(parseKernelVersion("")).toMatchObject({ major: 0, minor: 0 });
    expect(parseMemoryTotal("MemTotal:       2048 kB\nMemFree: 1 kB")).toBe(2048 * 1024);
    expect(parseMemoryTotal("")).toBe(0);
    expect(cgroupRootOf("/init.scope")).toBe("");
    expect(cgroupRootOf("/docker/4711/init.scope")).toBe("/docker/4711");
    expect(cgroupRootOf("/")).toBe("");
  });
});
