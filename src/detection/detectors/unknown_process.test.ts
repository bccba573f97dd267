// Which programs nobody vouches for, by what they are one alert, and how long a digest is waited for.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import type { Process } from "../../core/process.ts";
import type { FileIdentity, PackageState } from "../../core/view.ts";
import { processListsOf, WIDE_LISTS } from "../site/process_lists.fixture.ts";
import { createUnknownProcessDetector } from "./unknown_process.ts";

const DIGEST = "ab".repeat(32);
const lists = () => processListsOf({ ...WIDE_LISTS, TRUSTED_USERS_PATTERNS: ["panel-"] });
const identity = (packageState: PackageState = "none", sha256 = DIGEST): FileIdentity => ({ sha256, packageState });

function told(host: string, change: Partial<Process> = {}, known: FileIdentity | undefined = identity()) {
  const path = /exe (\S+)/.exec(host)?.[1] ?? "";
  const fixture = hostFixture(host, { identities: known === undefined ? new Map() : new Map([[path, known]]) });
  const process = { ...fixture.process(50), ...change };
  const view = { ...fixture.view, processes: new Map([...fixture.view.processes, [50, process]]) };
  const events = createUnknownProcessDetector(lists).sweep(view);
  return events.map(({ fields }) => `${fields["unknown.origin"]} ${fields["unknown.fold"]}`);
}

const SERVICE = "pid 50 ppid 1 uid 33 exe /srv/app/bin/agentd";
const HOME = "pid 50 ppid 1 uid 1000 exe /home/alice/project/target/debug/app";
const DOCKER = `/system.slice/docker-${"0".repeat(64)}.scope`;

const ROWS: readonly [sentence: string, host: string, change: Partial<Process>, expected: string][] = [
  ["a service's own file", SERVICE, {}, `elsewhere ${DIGEST}`],
  ["root's file in no system directory", "pid 50 ppid 1 uid 0 exe /srv/x", {}, `elsewhere ${DIGEST}`],
  [
    "a file in a system directory that is not root's",
    "pid 50 ppid 1 uid 33 owner 33 exe /opt/x/y",
    {},
    `elsewhere ${DIGEST}`,
  ],
  ["root's file in a system directory", "pid 50 ppid 1 uid 33 exe /opt/x/y", {}, ""],
  ["root's file below a protected directory", "pid 50 ppid 1 uid 0 exe /root/tool", {}, ""],
  [
    "another's file below a protected directory",
    "pid 50 ppid 1 uid 0 owner 33 exe /root/tool",
    {},
    `elsewhere ${DIGEST}`,
  ],
  ["root's file of another package manager", "pid 50 ppid 1 uid 33 owner 0 exe /nix/store/abc/bin/x", {}, ""],
  ["a name that the site knows", SERVICE.replace("exe", "name panel-1 exe"), {}, ""],
  ["a name that only holds the known one", SERVICE.replace("exe", "name xpanel-1 exe"), {}, `elsewhere ${DIGEST}`],
  ["a file in /tmp, of which others tell", "pid 50 ppid 1 uid 33 exe /tmp/x", {}, ""],
  ["a file in memory, of which others tell", "pid 50 ppid 1 uid 33 exe /memfd:x (deleted)", {}, ""],
  ["a person's build", HOME, { loginUid: 1000 }, "own-home /home/alice/project"],
  [
    "a person's build where the kernel keeps no logins",
    HOME.replace("uid 1000", "uid 1000 cgroup /user.slice/user-1000.slice/session-3.scope"),
    {},
    "own-home /home/alice/project",
  ],
  [
    "a person's file that a service runs",
    HOME.replace("uid 1000", "uid 1000 cgroup /system.slice/ci.service"),
    {},
    `elsewhere ${DIGEST}`,
  ],
  [
    "a person's file that root runs",
    HOME.replace("uid 1000", "uid 0 owner 1000"),
    { loginUid: 1000 },
    `elsewhere ${DIGEST}`,
  ],
  ["another person's file", HOME.replace("uid 1000", "uid 1000 owner 1001"), { loginUid: 1000 }, `elsewhere ${DIGEST}`],
  [
    "a container's program",
    `${SERVICE.replace("uid 33", `uid 33 cgroup ${DOCKER} mount 7`)}`,
    {},
    `container ${DOCKER}`,
  ],
  ["a sandbox's program", "pid 50 ppid 1 uid 1000 owner 0 mount 7 exe /app/bin/editor", {}, "container /app/bin"],
  [
    "somebody's own file in a mount namespace of his own",
    "pid 50 ppid 1 uid 33 mount 7 exe /var/www/x",
    {},
    `elsewhere ${DIGEST}`,
  ],
];

describe("an unknown program:", () => {
  test.each(ROWS)("%s", (_sentence, host, change, expected) => {
    expect(told(host, change)).toEqual(expected === "" ? [] : [expected]);
  });

  const PACKAGES: readonly [state: PackageState, told: boolean][] = [
    ["matches", false],
    ["config", false],
    ["differs", true],
    ["none", true],
    ["unknown", true],
  ];
  test.each(PACKAGES)("of which the package database says: %s", (state, expected) => {
    expect(told(SERVICE, {}, identity(state)).length).toBe(expected ? 1 : 0);
  });

  test("is known by its digest: once for each user, however many processes and places", () => {
    const detector = createUnknownProcessDetector(lists);
    const host = `pid 50 ppid 1 uid 33 exe /srv/a/x\npid 51 ppid 1 uid 33 exe /srv/a/x\npid 52 ppid 1 uid 33 exe /srv/b/y\npid 53 ppid 1 uid 34 exe /srv/a/x`;
    const identities = new Map(["/srv/a/x", "/srv/b/y"].map((path) => [path, identity()]));
    const events = detector.sweep(hostFixture(host, { identities }).view);
    expect(events.map((event) => event.process?.pid)).toEqual([50, 53]);
    expect(events[0]?.fields).toMatchObject({ "process.hash.sha256": DIGEST, "process.package.state": "none" });
  });
});

describe("the digest", () => {
  const sweeps = (count: number, answerAt: number, text = SERVICE): readonly (string | undefined)[] => {
    const detector = createUnknownProcessDetector(lists);
    return Array.from({ length: count }, (_, index) => {
      const identities = new Map(index >= answerAt ? [["/srv/app/bin/agentd", identity()] as const] : []);
      const fold = detector.sweep(hostFixture(text, { identities }).view)[0]?.fields["unknown.fold"];
      return typeof fold === "string" ? fold : undefined;
    });
  };

  test("is waited for", () => {
    expect(sweeps(5, 3)).toEqual([undefined, undefined, undefined, DIGEST, undefined]);
  });

  test("is waited for six sweeps, then device and inode stand for it", () => {
    const answers = sweeps(8, 99);
    expect(answers.findIndex((fold) => fold !== undefined)).toBe(5);
    expect(answers[5]).toMatch(/^2049:\d+$/);
  });

  test("of a process that is gone is not waited for", () => {
    const detector = createUnknownProcessDetector(lists);
    expect(detector.sweep(hostFixture(SERVICE).view)).toEqual([]);
    const [event] = detector.sweep(hostFixture("pid 60 ppid 1 uid 0 exe /usr/bin/x").view);
    expect(event?.fields["process.executable"]).toBe("/srv/app/bin/agentd");
    expect(event?.fields["unknown.fold"]).toMatch(/^2049:\d+$/);
  });
});

test("many unknown programs of one directory: five by digest, the others of an hour as one", () => {
  const detector = createUnknownProcessDetector(lists);
  const paths = Array.from({ length: 9 }, (_, index) => `/srv/ci/work/build${index}`);
  const identities = new Map(paths.map((path, index) => [path, identity("none", String(index).repeat(64))]));
  const sweep = (atMs: number, from: number): readonly (string | undefined)[] => {
    const text = paths.map((path, index) => `pid ${from + index} ppid 1 uid 33 exe ${path}`).join("\n");
    const events = detector.sweep(hostFixture(text, { identities, atMs }).view);
    return events.map(({ fields }) => String(fields["unknown.fold"]).slice(0, 12));
  };
  const first = sweep(3_600_000_000, 100);
  expect(first.filter((fold) => fold === "/srv/ci/work").length).toBe(1);
  expect(first.length).toBe(6);
  expect(sweep(3_600_000_000, 200)).toEqual([]);
  expect(sweep(3_603_600_000, 300)).toEqual(["/srv/ci/work"]);
});
