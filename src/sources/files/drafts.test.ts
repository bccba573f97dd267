import { expect, test } from "bun:test";
import { FIELDS } from "../../core/fields.ts";
import type { Fields } from "../../core/nouns.ts";
import { isGrowingLog } from "./compare.ts";
import { directoryMatcher, draftOf } from "./drafts.ts";
import type { FileChange, FileFacts } from "./protocol.ts";

const FACTS: FileFacts = {
  mode: 0o100644,
  uid: 0,
  gid: 0,
  inode: 42,
  sizeBytes: 7,
  modifiedUs: 1_795_000_000_123_456,
  changedUs: 1_795_000_000_123_456,
  sha256: "ab",
  target: "",
};
const CHANGED: FileChange = {
  path: "/usr/bin/tool.sh",
  changes: ["content"],
  now: FACTS,
  before: FACTS,
  log: false,
  package: { state: "none" },
  inDirectory: 1,
};
const { now: _now, ...DELETED } = { ...CHANGED, changes: ["deleted"] as const };
const { before: _before, ...CREATED } = { ...CHANGED, changes: ["created"] as const };

const rows: readonly [name: string, change: FileChange, action: string, fields: Fields][] = [
  [
    "a new content",
    CHANGED,
    "file-modified",
    { "file.extension": "sh", "file.previous.hash.sha256": "ab", "file.mtime": 1_795_000_000_123 },
  ],
  [
    "a new file",
    CREATED,
    "file-created",
    { "file.setuid_added": false, "file.directory": "/usr/bin", "file.name": "tool.sh" },
  ],
  ["a deleted file keeps what it was", DELETED, "file-deleted", { "file.inode": "42", "file.size": 7 }],
  [
    "a mode",
    { ...CHANGED, changes: ["mode"], now: { ...FACTS, mode: 0o104755 } },
    "file-attributes-changed",
    {
      "file.mode": "4755",
      "file.previous.mode": "0644",
      "file.setuid": true,
      "file.setuid_added": true,
      "file.executable_added": true,
    },
  ],
  [
    "setgid without execution is locking, not power",
    { ...CHANGED, now: { ...FACTS, mode: 0o102644 } },
    "file-modified",
    { "file.setuid": false },
  ],
  [
    "setgid with execution is",
    { ...CHANGED, now: { ...FACTS, mode: 0o102755 } },
    "file-modified",
    { "file.setuid": true, "file.setuid_added": true },
  ],
  [
    "a sticky directory is not for others to change",
    { ...CHANGED, now: { ...FACTS, mode: 0o041777 } },
    "file-modified",
    { "file.type": "dir", "file.writable_by_others": false },
  ],
  [
    "a file of everybody",
    { ...CHANGED, now: { ...FACTS, mode: 0o100666 } },
    "file-modified",
    { "file.writable_by_others": true },
  ],
  [
    "the mode of a link means nothing",
    { ...CHANGED, now: { ...FACTS, mode: 0o120777, target: "x" } },
    "file-modified",
    { "file.type": "symlink", "file.writable_by_others": false, "file.executable": false, "file.target_path": "x" },
  ],
  [
    "twenty changes in a directory stand alone",
    { ...CHANGED, inDirectory: 20 },
    "file-modified",
    { "file.fold": "/usr/bin/tool.sh" },
  ],
  [
    "twenty-one are one",
    { ...CHANGED, inDirectory: 21 },
    "file-modified",
    { "file.fold": "/usr/bin/", "file.changes_in_directory": 21 },
  ],
  [
    "a file in the root of all",
    { ...CHANGED, path: "/vmlinuz" },
    "file-modified",
    { "file.directory": "/", "file.system_directory": false },
  ],
];

test.each([...rows])("%s", (_, change, action, fields) => {
  const draft = draftOf(change, { userName: String, isTrustedDirectory: () => false });
  expect(draft.action).toBe(action);
  expect(draft.fields).toMatchObject(fields);
  const known = new Set(FIELDS.map(({ name }) => name));
  expect(Object.keys(draft.fields).filter((name) => !known.has(name))).toEqual([]);
});

const systemPaths: readonly [path: string, isSystem: boolean][] = [
  ["/usr/bin/ls", true],
  ["/usr/local/sbin/x", true],
  ["/lib64/ld-linux-x86-64.so.2", true],
  ["/usr/libexec/x/y", true],
  ["/usr/share/doc/x", false],
  ["/usr/local/lib/x", false],
  ["/etc/passwd", false],
  ["/home/bin/x", false],
];

test.each([...systemPaths])("%s in a system directory: %p", (path, isSystem) => {
  const { fields } = draftOf({ ...CHANGED, path }, { userName: String, isTrustedDirectory: () => false });
  expect(fields["file.system_directory"]).toBe(isSystem);
});

const trusted: readonly [path: string, isTrusted: boolean][] = [
  ["/var/lib/snapd/snap/x", true],
  ["/var/lib/snapd", false],
  ["/var/lib/snapd2/x", false],
  ["/home/anna/games/x/y", true],
  ["/home/anna/gamesx/y", false],
  ["/opt/deep/x", true],
];

test.each([...trusted])("%s below a trusted directory: %p", (path, isTrusted) => {
  expect(directoryMatcher(["/var/lib/snapd/", "/home/*/games", "/opt/**"])(path)).toBe(isTrusted);
});

const logs: readonly [path: string, mode: number, growth: number, isLog: boolean][] = [
  ["/var/log/syslog", 0o100640, 0, true],
  ["/srv/app/access.log", 0o100644, 0, true],
  ["/srv/app/access.log.1", 0o100644, 0, true],
  ["/etc/evil.log", 0o100755, 0, false],
  ["/var/log/dir", 0o040755, 0, false],
  ["/var/lib/app/data", 0o100644, 4, false],
  ["/var/lib/app/data", 0o100644, 5, true],
  ["/etc/passwd", 0o100644, 9, false],
  ["/root/.ssh/authorized_keys", 0o100600, 9, false],
  ["/var/spool/cron/crontabs/root", 0o100600, 9, false],
];

test.each([...logs])("%s with mode %p after growing %p times is a log: %p", (path, mode, growth, isLog) => {
  expect(isGrowingLog(path, mode, growth)).toBe(isLog);
});
