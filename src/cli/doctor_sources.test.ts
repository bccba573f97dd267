import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Finding } from "./doctor.ts";
import { CHECKS } from "./doctor_checks.ts";
import {
  desktopFinding,
  filesDatabaseAt,
  journalReader,
  logins,
  packageDatabase,
  rootsFinding,
} from "./doctor_sources.ts";
import { fakeHost } from "./world.fixture.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "algo-doctor-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text = ""): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

type Row = readonly [
  name: string,
  files: Readonly<Record<string, string>>,
  run: () => Finding,
  state: string,
  detail: RegExp,
];
const PERSON = "UID=1000\nTYPE=wayland\nCLASS=user\n";

const ROWS: readonly Row[] = [
  ["journalctl is there", { "usr/bin/journalctl": "" }, () => journalReader(root), "works", /is there/],
  ["journalctl is not there", {}, () => journalReader(root), "degraded", /no journalctl/],
  [
    "logind alone says who is logged in",
    { "run/systemd/sessions/1": "" },
    () => logins(root),
    "works",
    /^systemd-logind says/,
  ],
  [
    "logind and utmp say it",
    { "run/systemd/sessions/1": "", "run/utmp": "" },
    () => logins(root),
    "works",
    / and utmp say /,
  ],
  ["nobody says who is logged in", {}, () => logins(root), "degraded", /neither/],
  ["dpkg's database", { "var/lib/dpkg/status": "" }, () => packageDatabase(root), "works", /dpkg/],
  ["rpm's database", { "usr/lib/sysimage/rpm/x": "", "usr/bin/rpm": "" }, () => packageDatabase(root), "works", /rpm/],
  ["rpm's database without rpm", { "var/lib/rpm/x": "" }, () => packageDatabase(root), "degraded", /no rpm to read it/],
  ["no package database", {}, () => packageDatabase(root), "degraded", /neither dpkg's nor rpm's/],
  [
    "no graphical session",
    { "run/systemd/sessions/1": "TYPE=tty\nCLASS=user\n" },
    () => desktopFinding(root),
    "works",
    /off by itself/,
  ],
  [
    "a greeter alone is nobody",
    { "run/systemd/sessions/c1": "TYPE=x11\nCLASS=greeter\n" },
    () => desktopFinding(root),
    "works",
    /off by itself/,
  ],
  [
    "somebody at the desktop without notify-send",
    { "run/systemd/sessions/2": PERSON },
    () => desktopFinding(root),
    "degraded",
    /no notify-send/,
  ],
  [
    "somebody at the desktop",
    { "run/systemd/sessions/2": PERSON, "usr/bin/notify-send": "" },
    () => desktopFinding(root),
    "works",
    /is there/,
  ],
  ["no database of files yet", {}, () => filesDatabaseAt(join(root, "files.db")), "works", /none yet/],
  [
    "a database of files",
    { "files.db": "SQLite format 3\0rest" },
    () => filesDatabaseAt(join(root, "files.db")),
    "works",
    /files\.db, 20 B/,
  ],
  [
    "a database of files that is none",
    { "files.db": "hello" },
    () => filesDatabaseAt(join(root, "files.db")),
    "degraded",
    /is no database/,
  ],
  [
    "every protected directory exists",
    { "etc/x": "" },
    () => rootsFinding([`${root}/etc/`, `${root}/e*/`]),
    "works",
    /^all 2 entries exist/,
  ],
  [
    "some do not exist, which is normal",
    { "etc/x": "" },
    () => rootsFinding([`${root}/etc/`, `${root}/srv/*/www/`]),
    "works",
    /^1 of 2 do not exist/,
  ],
  ["none exists", {}, () => rootsFinding([`${root}/nothing/`]), "degraded", /none of PROTECTED_DIRECTORIES/],
  ["none is named", {}, () => rootsFinding([]), "degraded", /names nothing/],
];

describe("doctor sees", () => {
  for (const [name, files, run, state, detail] of ROWS)
    test(name, () => {
      for (const [path, text] of Object.entries(files)) put(path, text);
      const finding = run();
      expect([finding.state, finding.detail]).toEqual([state as Finding["state"], expect.stringMatching(detail)]);
      expect(finding.remedy === undefined).toBe(state === "works");
    });
});

test("status and doctor say the same of a daemon that a container hides", async () => {
  mkdirSync(join(root, "self/ns"), { recursive: true });
  symlinkSync("pid:[4026532999]", join(root, "self/ns/pid"));
  const host = fakeHost();
  const status = await host.run(["status"], { procRoot: root });
  const check = CHECKS.find(({ name }) => name === "daemon");
  const finding = await check?.run(host.cli({ procRoot: root }));
  await host.close();
  const said = "this is a container, and a daemon on the host outside this container cannot be seen from here";
  expect(status.exit).toBe(4);
  expect(status.out).toContain(said);
  expect(finding).toMatchObject({ state: "fails", detail: expect.stringContaining(said) });
  expect(finding?.remedy).toBe("start it: sudo systemctl start algo-monitor");
});
