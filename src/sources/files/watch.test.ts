/** The watch on real files, with the real baseline; the package database and the clock are the test's. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import type { FilesStatus } from "../../core/files.ts";
import { statOf } from "../../host/executables.ts";
import { type Mounts, mountsOf, NO_MOUNTS } from "../../host/mounts.ts";
import { openBaseline } from "../../store/baseline.ts";
import type { Packages } from "./packages.ts";
import type { FileChange, FilesSettings, FromWorker } from "./protocol.ts";
import { createWatch, type Watch } from "./watch.ts";

let home = "";
let tree = "";
let nowMs = 0;
let busy = false;
let newPackages = false;
let packaged = new Map<string, string>();
let mounts: Mounts = NO_MOUNTS;
let opened: (() => void)[] = [];

beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/algo-watch-`);
  tree = `${home}/tree`;
  nowMs = 1_800_000_000_000;
  busy = false;
  newPackages = false;
  packaged = new Map();
  mounts = NO_MOUNTS;
  opened = [];
  mkdirSync(`${tree}/log`, { recursive: true });
  writeFileSync(`${tree}/file`, "content");
  writeFileSync(`${tree}/program`, "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(`${tree}/log/some.log`, "line\nline\n");
  symlinkSync("file", `${tree}/link`);
});
afterEach(() => {
  for (const close of opened) close();
  rmSync(home, { recursive: true, force: true });
});

const packages: Packages = {
  refresh: async () => ({ changed: newPackages, faults: [] }),
  lookup: (path) => {
    const digest = packaged.get(path);
    return digest === undefined ? undefined : { package: "parcel", algorithm: "md5", digest, config: false };
  },
  judge: (file, { md5 }) => (file.digest === md5 ? "matches" : "differs"),
  busy: () => busy,
};

interface Watched {
  readonly watch: Watch;
  readonly said: FromWorker[];
  /** One round a minute later; what it told, by path below the tree. */
  round(change?: Partial<FilesSettings>, verify?: boolean): Promise<Record<string, readonly string[]>>;
  told(): readonly FileChange[];
  status(): FilesStatus;
  close(): Promise<void>;
}

function begin(databasePath = `${home}/files.db`): Watched {
  const said: FromWorker[] = [];
  const database = openBaseline(databasePath, nowMs, (fault) => said.push({ kind: "fault", part: "store", fault }));
  const watch = createWatch({
    clock: { nowMs: () => nowMs, monotonicMs: () => nowMs },
    baseline: database.baseline,
    packages,
    databasePath,
    persistent: database.persistent,
    persist: database.persist,
    say: (message) => said.push(structuredClone(message)),
    mounts: () => mounts,
  });
  let isOpen = true;
  const shut = (): void => {
    if (isOpen) database.baseline.close();
    isOpen = false;
  };
  opened.push(shut);
  const told = (): readonly FileChange[] => said.flatMap((one) => (one.kind === "changes" ? one.changes : []));
  return {
    watch,
    said,
    told,
    status: watch.status,
    async round(change = {}, verify = false) {
      nowMs += 60_000;
      const before = told().length;
      await watch.round({ ...SETTINGS, directories: [tree], ...change }, verify);
      const news = told().slice(before);
      return Object.fromEntries(news.map(({ path, changes }) => [path.slice(tree.length), changes]));
    },
    async close() {
      await watch.stop();
      shut();
    },
  };
}

const SETTINGS: FilesSettings = {
  directories: [],
  trustedDirectories: [],
  excluded: [],
  hashMbMax: 1,
  hashMbPerSecond: 0,
  verifyHours: 24,
  otherFilesystems: false,
  filesMax: 1000,
};

const CHANGES: readonly [name: string, change: () => void, told: Record<string, readonly string[]>][] = [
  ["nothing changed: nothing is told", () => {}, {}],
  ["a new file", () => writeFileSync(`${tree}/new`, ""), { "/new": ["created"] }],
  ["a file that is gone", () => rmSync(`${tree}/file`), { "/file": ["deleted"] }],
  ["another content of the same length", () => writeFileSync(`${tree}/file`, "CONTENT"), { "/file": ["content"] }],
  ["the same content written again is silent", () => writeFileSync(`${tree}/file`, "content"), {}],
  ["a mode", () => chmodSync(`${tree}/program`, 0o4755), { "/program": ["mode"] }],
  ["an owner and a group", () => chownSync(`${tree}/file`, 1, 2), { "/file": ["owner", "group"] }],
  [
    "content with the old modification time put back",
    () => {
      utimesSync(`${tree}/file`, 1, 1);
      writeFileSync(`${tree}/file`, "CONTENT");
      utimesSync(`${tree}/file`, 1, 1);
    },
    { "/file": ["content"] },
  ],
  ["a touched file is silent", () => utimesSync(`${tree}/file`, 5, 5), {}],
  [
    "a second name of the same file is new, the first is silent",
    () => linkSync(`${tree}/file`, `${tree}/twin`),
    { "/twin": ["created"] },
  ],
  [
    "another file with the same content",
    () => {
      writeFileSync(`${tree}/copy`, "content");
      renameSync(`${tree}/copy`, `${tree}/file`);
    },
    { "/file": ["inode"] },
  ],
  [
    "a link that points elsewhere",
    () => {
      rmSync(`${tree}/link`);
      symlinkSync("program", `${tree}/link`);
    },
    { "/link": ["target"] },
  ],
  [
    "a file that became a link",
    () => {
      rmSync(`${tree}/file`);
      symlinkSync("program", `${tree}/file`);
    },
    { "/file": ["type"] },
  ],
  ["a log that grows is silent", () => appendFileSync(`${tree}/log/some.log`, "more\n"), {}],
  ["a log that is cut", () => truncateSync(`${tree}/log/some.log`, 3), { "/log/some.log": ["truncated"] }],
  ["the mode of a log", () => chmodSync(`${tree}/log/some.log`, 0o666), { "/log/some.log": ["mode"] }],
  [
    "a rotated log",
    () => {
      renameSync(`${tree}/log/some.log`, `${tree}/log/some.log.1`);
      writeFileSync(`${tree}/log/some.log`, "");
    },
    { "/log/some.log": ["inode"], "/log/some.log.1": ["created"] },
  ],
  [
    "a removed directory, with all below",
    () => rmSync(`${tree}/log`, { recursive: true }),
    { "/log": ["deleted"], "/log/some.log": ["deleted"] },
  ],
];

test.each([...CHANGES])("seen while running: %s", async (_, change, expected) => {
  const { round } = begin();
  expect(await round()).toEqual({});
  change();
  expect(await round()).toEqual(expected);
  expect(await round()).toEqual({});
});

test.each([...CHANGES])("seen after a restart: %s", async (_, change, expected) => {
  const first = begin();
  await first.round();
  await first.close();
  change();
  const second = begin();
  expect(await second.round()).toEqual(expected);
  await second.close();
  expect(await begin().round()).toEqual({});
});

test("the first round tells nothing but that the baseline is made", async () => {
  const { round, said, status } = begin();
  await round();
  expect(said.find((one) => one.kind === "baseline")).toMatchObject({ entries: 6, bytes: 17 });
  expect(status()).toMatchObject({ state: "watching", entries: 6, roots: [{ pattern: tree, directories: 1 }] });
});

test("a change carries what the file was and is", async () => {
  const { round, told } = begin();
  await round();
  writeFileSync(`${tree}/file`, "other content");
  await round();
  const [change] = told();
  expect(change?.before).toMatchObject({ sizeBytes: 7, sha256: sha256("content") });
  expect(change?.now).toMatchObject({ sizeBytes: 13, sha256: sha256("other content") });
});

test("a change that the daemon may not have taken over before a crash is told again", async () => {
  const first = begin();
  await first.round();
  await first.round();
  writeFileSync(`${tree}/new`, "");
  expect(await first.round()).toEqual({ "/new": ["created"] });
  // No stop: the thread died with the daemon.
  expect(await begin().round()).toEqual({ "/new": ["created"] });
});

test("a directory that is named later is a baseline, one that appears under a known pattern is news", async () => {
  mkdirSync(`${home}/users/anna/.ssh`, { recursive: true });
  const directories = [tree, `${home}/users/*/.ssh/`];
  const { round, told } = begin();
  await round();
  expect(await round({ directories })).toEqual({});
  mkdirSync(`${home}/users/bert/.ssh`, { recursive: true });
  writeFileSync(`${home}/users/bert/.ssh/authorized_keys`, "key");
  await round({ directories });
  expect(told().map(({ path, changes }) => [path.slice(home.length), ...changes])).toEqual([
    ["/users/bert/.ssh", "created"],
    ["/users/bert/.ssh/authorized_keys", "created"],
  ]);
  rmSync(`${home}/users/bert`, { recursive: true });
  await round({ directories });
  expect(
    told()
      .slice(2)
      .map(({ changes }) => changes),
  ).toEqual([["deleted"], ["deleted"]]);
});

test("a directory that is named no more is forgotten in silence", async () => {
  const { round, status } = begin();
  await round();
  expect(await round({ directories: [`${tree}/log`] })).toEqual({});
  expect(status().entries).toBe(2);
});

test("directories named twice, in one another and through links are watched once", async () => {
  symlinkSync(tree, `${home}/alias`);
  const { round, status } = begin();
  await round({ directories: [tree, `${home}/alias/`, `${tree}/log`, `${tree}/**`, `${home}/none`] });
  expect(status().entries).toBe(6);
  expect(status().roots.map(({ directories, entries }) => [directories, entries])).toEqual([
    [1, 4],
    [1, 4],
    [1, 1],
    [1, 4],
    [0, 0],
  ]);
  expect(status().roots[4]?.reason).toBe("there is no such directory");
});

test("excluded files are not looked at", async () => {
  writeFileSync(`${tree}/own.db-wal`, "");
  const { round, status } = begin();
  const excluded = [`${tree}/log/`, `${tree}/own.db*`];
  await round({ excluded });
  expect(status().entries).toBe(4);
  writeFileSync(`${tree}/own.db-shm`, "");
  writeFileSync(`${tree}/log/other`, "");
  expect(await round({ excluded })).toEqual({});
});

test("another filesystem below a directory is not entered, and what lay there before is not told as deleted", async () => {
  const { round, status } = begin();
  await round();
  mounts = mountsOf([
    { path: "/", type: "ext4", device: "8:1" },
    { path: `${tree}/log`, type: "nfs4", device: "0:9" },
  ]);
  expect(await round()).toEqual({});
  expect(status().skipped).toEqual([{ path: `${tree}/log`, reason: "another filesystem (nfs4)" }]);
  expect(await round({ otherFilesystems: true })).toEqual({});
  expect(status().skipped).toEqual([]);
});

test("changes wait while a package manager works, and then match its database", async () => {
  const { round, told, status } = begin();
  await round();
  await round();
  writeFileSync(`${tree}/program`, "new version");
  packaged.set(`${tree}/program`, md5("new version"));
  busy = true;
  expect(await round()).toEqual({});
  busy = false;
  expect(await round()).toEqual({ "/program": ["content"] });
  expect(told()[0]?.package).toEqual({ name: "parcel", state: "matches" });
  busy = true;
  writeFileSync(`${tree}/program`, "trojan");
  for (let minute = 0; minute < 10; minute++) expect(await round()).toEqual({});
  expect(await round()).toEqual({ "/program": ["content"] });
  expect(told()[1]?.package).toEqual({ name: "parcel", state: "differs" });
  expect(status().held).toBe(0);
});

test("a file larger than the limit is watched by its metadata", async () => {
  writeFileSync(`${tree}/large`, Buffer.alloc(2 * 1024 * 1024));
  const { round, status } = begin();
  await round();
  expect(status().unhashed).toBe(1);
  appendFileSync(`${tree}/large`, "x");
  expect(await round()).toEqual({ "/large": ["content"] });
});

test("files over the limit of their number are counted and told once", async () => {
  const { round, said, status } = begin();
  await round({ filesMax: 4 });
  await round({ filesMax: 4 });
  expect(status().entries).toBe(4);
  expect(said.filter((one) => one.kind === "fault")).toHaveLength(1);
});

test("a content that changed without a trace in the times is found when everything is read", async () => {
  const first = begin();
  await first.round();
  await first.close();
  // As if somebody had written to the disk below the filesystem: what is remembered is another content.
  forgeDigest();
  const { round } = begin();
  expect(await round()).toEqual({});
  expect(await round({}, true)).toEqual({ "/file": ["content"] });
  expect(await round({}, true)).toEqual({});
});

test("everything is read again within the period, a part in each round", async () => {
  const first = begin();
  await first.round();
  await first.close();
  forgeDigest();
  const { round, status } = begin();
  const before = status().lastVerifiedAtMs ?? 0;
  const found: Record<string, readonly string[]> = {};
  for (let minute = 0; minute < 121; minute++) Object.assign(found, await round({ verifyHours: 2 }));
  expect(found).toEqual({ "/file": ["content"] });
  expect(status().lastVerifiedAtMs).toBeGreaterThan(before);
});

test("digests of programs come on demand, and not of a file that was swapped", async () => {
  const { watch, said, round } = begin();
  await round();
  const { device, inode } = identityOf(`${tree}/program`);
  packaged.set(`${tree}/program`, md5("#!/bin/sh\n"));
  await watch.identify({ path: `${tree}/program`, device, inode });
  await watch.identify({ path: `${tree}/program`, device, inode: inode + 1 });
  expect(said.filter((one) => one.kind === "identified").map((one) => one.identity)).toEqual([
    { sha256: sha256("#!/bin/sh\n"), packageName: "parcel", packageState: "matches" },
    undefined,
  ]);
});

function sha256(text: string): string {
  return new Bun.CryptoHasher("sha256").update(text).digest("hex");
}

function md5(text: string): string {
  return new Bun.CryptoHasher("md5").update(text).digest("hex");
}

function forgeDigest(): void {
  const database = new Database(`${home}/files.db`);
  database.run("UPDATE entries SET sha256 = zeroblob(32) WHERE name = CAST('file' AS BLOB)");
  database.close();
}

function identityOf(path: string): { device: number; inode: number } {
  const file = statOf(path);
  return { device: file?.device ?? 0, inode: file?.inode ?? 0 };
}

test("the thread may end after the first reading, and after new packages once what was told is written", async () => {
  const first = begin();
  await first.round();
  expect(wasHeavy(first)).toBe(true);
  await first.close();
  const later = begin();
  await later.round();
  expect(wasHeavy(later)).toBe(false);
  writeFileSync(`${tree}/file`, "another");
  newPackages = true;
  expect(await later.round()).toEqual({ "/file": ["content"] });
  expect(wasHeavy(later)).toBe(false);
  await later.round();
  expect(wasHeavy(later)).toBe(true);
});

test("without a place on the disk the thread lives on, says so, and writes all of it down once there is one", async () => {
  const place = `${home}/full/files.db`;
  const first = begin(place);
  expect(await first.round()).toEqual({});
  await first.round();
  expect(first.status().inMemoryOnly).toBe(true);
  expect(wasHeavy(first)).toBe(false);
  mkdirSync(`${home}/full`);
  await first.round();
  expect(first.status().inMemoryOnly).toBeUndefined();
  expect(wasHeavy(first)).toBe(true);
  await first.close();
  writeFileSync(`${tree}/file`, "while nobody looked");
  expect(await begin(place).round()).toEqual({ "/file": ["content"] });
});

test("an account's crowd of files hides neither a program nor what root's files do", async () => {
  const watched = begin();
  await watched.round();
  mkdirSync(`${tree}/crowd`);
  for (let number = 0; number < 1_100; number++) {
    writeFileSync(`${tree}/crowd/${number}`, "");
    chownSync(`${tree}/crowd/${number}`, 1000, 1000);
  }
  writeFileSync(`${tree}/crowd/zz-program`, "#!/bin/sh\n", { mode: 0o755 });
  chownSync(`${tree}/crowd/zz-program`, 1000, 1000);
  writeFileSync(`${tree}/zz-root`, "");
  const told = Object.keys(await watched.round({ filesMax: 10_000 }));
  expect(told).toContain("/crowd/zz-program");
  expect(told).toContain("/zz-root");
  expect(told.filter((path) => /^\/crowd\/\d+$/.test(path))).toHaveLength(1_000);
  expect(watched.said.filter((message) => message.kind === "fault")).toHaveLength(1);
});

test("the last tenth of files_max is kept for root's files", async () => {
  const watched = begin();
  await watched.round();
  for (let number = 0; number < 100; number++) {
    writeFileSync(`${tree}/a${number}`, "");
    chownSync(`${tree}/a${number}`, 1000, 1000);
  }
  writeFileSync(`${tree}/zz-root`, "");
  const told = Object.keys(await watched.round({ filesMax: 100 }));
  expect(told).toContain("/zz-root");
  expect(told.filter((path) => path.startsWith("/a")).length).toBeLessThan(90);
});

function wasHeavy({ said }: Watched): boolean | undefined {
  return said.findLast((message) => message.kind === "round-ended")?.wasHeavy;
}
