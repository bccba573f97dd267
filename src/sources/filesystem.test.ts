/** The scanner with the real worker thread on real files; and with one that dies. */
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { systemClock } from "../core/clock.ts";
import { createInbox } from "../core/inbox.ts";
import { spawnFilesWorker } from "../daemon/files_worker_spawn.ts";
import { statOf } from "../host/executables.ts";
import { createFilesystemScanner, type FilesWorker, type FilesystemParts } from "./filesystem.ts";

// The thread has the priority of what nobody waits for: beside a full machine it comes late.
setDefaultTimeout(120_000);

let home = "";
let faults: string[] = [];

beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/algo-files-`);
  mkdirSync(`${home}/tree`);
  writeFileSync(`${home}/tree/file`, "content");
  faults = [];
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function begin(change: Partial<FilesystemParts> = {}) {
  const inbox = createInbox();
  const notices: string[] = [];
  let living = 0;
  const files = createFilesystemScanner({
    clock: systemClock,
    inbox,
    settings: () => ({
      directories: [`${home}/tree`],
      trustedDirectories: [],
      excluded: [],
      hashMbMax: 1,
      hashMbPerSecond: 0,
      verifyHours: 24,
      otherFilesystems: false,
      filesMax: 1000,
    }),
    databasePath: `${home}/files.db`,
    onFault: (_, message) => faults.push(message),
    onNotice: (message) => notices.push(message),
    spawnWorker() {
      const worker = spawnFilesWorker();
      living++;
      worker.addEventListener("close", () => living--);
      return worker;
    },
    ...change,
  });
  return { ...files, inbox, notices, living: () => living };
}

test("a change becomes an event of a later sweep, and nothing waits for it", async () => {
  const { scanner, inbox, status, notices, stop } = begin();
  expect(status().state).toBe("off");
  scanner.scan();
  expect(status().state).toBe("starting");
  await until(() => status().lastRound !== undefined);
  expect(notices).toHaveLength(1);
  writeFileSync(`${home}/tree/new`, "x", { mode: 0o755 });
  await until(() => {
    scanner.scan();
    return inbox.size > 0;
  });
  const [draft] = inbox.take(1);
  expect(draft).toMatchObject({
    action: "file-created",
    logsource: { category: "file_event", product: "linux" },
    fields: { "file.path": `${home}/tree/new`, "file.mode": "0755", "file.owner": "root", "file.executable": true },
  });
  await stop();
  expect(faults).toEqual([]);
});

test("the digest of a running program is asked for once, and is known a little later", async () => {
  const { identify, stop } = begin();
  const path = process.execPath;
  const file = statOf(path);
  const executable = { path, device: 0, inode: 0, ownerUid: 0, mode: 0, ...file, deleted: false, memfd: false };
  expect(identify(executable)).toBeUndefined();
  await until(() => identify(executable) !== undefined);
  const expected = new Bun.CryptoHasher("sha256").update(await Bun.file(path).arrayBuffer()).digest("hex");
  expect(identify(executable)?.sha256).toBe(expected);
  await stop();
});

test("a worker that dies is told and started again later, and a scan meanwhile does no harm", () => {
  let nowMs = 0;
  const workers: FilesWorker[] = [];
  const { scanner } = begin({
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    spawnWorker() {
      const worker: FilesWorker = {
        postMessage() {},
        terminate() {},
        onmessage: null,
        onerror: null,
        addEventListener() {},
      };
      workers.push(worker);
      return worker;
    },
  });
  for (const [second, started] of [
    [0, 1],
    [4, 1],
    [5, 2],
    [14, 2],
    [15, 3],
  ] as const) {
    nowMs = second * 1000;
    scanner.scan();
    expect(workers).toHaveLength(started);
    workers.at(-1)?.onerror?.(new ErrorEvent("error", { message: "out of memory" }));
  }
  expect(faults).toHaveLength(3);
  expect(faults[0]).toBe(
    "the thread that watches files ended (out of memory) and is started again in 5 s; until then no file is looked at",
  );
});

test("the thread of the first reading ends with it, and the next round has another with the same memory", async () => {
  const { scanner, inbox, status, living, stop } = begin();
  scanner.scan();
  await until(() => status().state === "watching" && living() === 0);
  writeFileSync(`${home}/tree/new`, "x");
  scanner.scan();
  await until(() => inbox.size > 0);
  expect(living()).toBe(1);
  expect(inbox.take(9).map((draft) => draft.fields["file.path"])).toEqual([`${home}/tree/new`]);
  await stop();
});

test("switched off no thread lives, and what changed meanwhile is told when it is switched on", async () => {
  const { scanner, inbox, status, switchOff, living, stop } = begin();
  switchOff();
  expect(living()).toBe(0);
  scanner.scan();
  await until(() => status().state === "watching" && living() === 0);
  scanner.scan();
  await until(() => living() > 0);
  switchOff();
  switchOff();
  await until(() => living() === 0 && status().state === "off");
  writeFileSync(`${home}/tree/file`, "another content");
  scanner.scan();
  await until(() => inbox.size > 0);
  expect(inbox.take(9).map((draft) => draft.action)).toEqual(["file-modified"]);
  await until(() => status().state === "watching");
  await stop();
  expect(faults).toEqual([]);
});

test("a worker that dies while it is switched off is no fault, and the next scan starts another", async () => {
  const workers: FilesWorker[] = [];
  const { scanner, switchOff } = begin({
    spawnWorker() {
      const worker: FilesWorker = {
        postMessage: ({ kind }) => kind === "stop" && worker.onerror?.(new ErrorEvent("error", { message: "gone" })),
        terminate() {},
        onmessage: null,
        onerror: null,
        addEventListener() {},
      };
      workers.push(worker);
      return worker;
    },
  });
  scanner.scan();
  switchOff();
  scanner.scan();
  expect(workers).toHaveLength(1);
  await until(() => {
    scanner.scan();
    return workers.length > 1;
  });
  expect(workers).toHaveLength(2);
  expect(faults).toEqual([]);
});

test("a round that is asked for while the thread ends begins when it has ended, unless it is switched off again", async () => {
  const { scanner, status, switchOff, living, stop } = begin();
  scanner.scan();
  await until(() => status().state === "watching" && living() === 0);
  const firstAtMs = status().lastRound?.atMs ?? 0;
  scanner.scan();
  switchOff();
  scanner.scan();
  await until(() => (status().lastRound?.atMs ?? 0) > firstAtMs && living() === 1);
  switchOff();
  scanner.scan();
  switchOff();
  await until(() => living() === 0);
  await Bun.sleep(20);
  expect([living(), status().state]).toEqual([0, "off"]);
  await stop();
});

test("all files are read at once where that was asked for while the thread ends", async () => {
  const { scanner, status, verifyNow, switchOff, stop } = begin();
  scanner.scan();
  await until(() => status().state === "watching");
  switchOff();
  verifyNow();
  const readAtMs = status().lastVerifiedAtMs ?? 0;
  await until(() => (status().lastVerifiedAtMs ?? 0) > readAtMs);
  await stop();
});

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await Bun.sleep(5);
}
