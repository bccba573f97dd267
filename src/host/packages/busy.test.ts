import { Database } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageManagerBusy, parseLocks } from "./busy.ts";

const work = mkdtempSync(join(tmpdir(), "algo-busy-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

// SQLite takes the same kind of lock as dpkg, apt and rpm do.
test.skipIf(process.getuid?.() !== 0)("a lock is seen while it is held by root, and on its own file only", () => {
  const lockFiles = [join(work, "lock"), join(work, "not-there")];
  const other = [join(work, "other")];
  const database = new Database(join(work, "lock"));
  const bystander = new Database(join(work, "other"));
  bystander.run("CREATE TABLE t (x)");
  database.run("CREATE TABLE t (x)");
  expect(packageManagerBusy({ lockFiles })).toBe(false);
  database.run("BEGIN EXCLUSIVE");
  expect([packageManagerBusy({ lockFiles }), packageManagerBusy({ lockFiles: other })]).toEqual([true, false]);
  database.run("COMMIT");
  expect(packageManagerBusy({ lockFiles })).toBe(false);
  database.close();
  bystander.close();
});

test("only held write locks of fcntl count", () => {
  const text = `1: POSIX  ADVISORY  READ 10 07:00:100 128 128
2: POSIX  ADVISORY  WRITE 11 fe:00:101 0 EOF
3: FLOCK  ADVISORY  WRITE 12 00:2b:102 0 EOF
3: -> POSIX  ADVISORY  WRITE 13 00:2b:103 0 EOF
4: OFDLCK ADVISORY  WRITE -1 fe:00:104 0 EOF
garbage
`;
  expect([...parseLocks(text)]).toEqual([{ pid: 11, inode: 101 }]);
});
