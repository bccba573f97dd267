import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { createTreeWalker } from "./tree.ts";
import { createTreeHash, highOf, joined, keyOfPath, lowOf } from "./tree_hash.ts";
import { bytesOfPath, textOfPath } from "./tree_names.ts";
import { createTreeTable } from "./tree_table.ts";
import type { TreeEntry, TreeVisitor } from "./tree_types.ts";

let home = "";

beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/algo-tree-`);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

interface Seen {
  readonly differing: string[];
  readonly missing: number;
  readonly entries: number;
  readonly unreadable: string[];
}

function watcher(change: Partial<TreeVisitor> = {}) {
  const hash = createTreeHash(new Uint32Array([1, 2, 3, 4]));
  const table = createTreeTable();
  const walker = createTreeWalker(hash, table);
  return { hash, table, look };

  async function look(directory = home): Promise<Seen> {
    const differing: string[] = [];
    const unreadable: string[] = [];
    const path = bytesOfPath(directory);
    table.beginRound();
    const { entries } = await walker.walk([{ path, ...keyOfPath(hash, path), tag: 0 }], {
      closed: new Set(),
      closedIn: new Set(),
      closedPrefixes: new Map(),
      tags: new Map(),
      largeBytes: 1e9,
      differs(entry: TreeEntry) {
        differing.push(textOfPath(entry.path()));
        entry.accept();
        return undefined;
      },
      unreadable: (at, reason) => unreadable.push(`${textOfPath(at)}: ${reason}`),
      pause: async () => true,
      ...change,
    });
    const unseen = table.unseen();
    for (const key of unseen) table.remove(lowOf(key), highOf(key));
    return { differing: differing.sort(), missing: unseen.length, entries, unreadable };
  }
}

test("a directory that did not change has no entry that differs", async () => {
  mkdirSync(`${home}/a/b`, { recursive: true });
  writeFileSync(`${home}/a/b/c`, "text");
  const { look } = watcher();
  expect((await look()).differing).toEqual([home, `${home}/a`, `${home}/a/b`, `${home}/a/b/c`]);
  expect(await look()).toEqual({ differing: [], missing: 0, entries: 4, unreadable: [] });
});

const CHANGES: readonly [name: string, change: () => void, differing: readonly string[], missing: number][] = [
  ["another content is seen", () => writeFileSync(`${home}/d/file`, "other"), ["/d/file"], 0],
  ["another mode is seen", () => chmodSync(`${home}/d/file`, 0o600), ["/d/file"], 0],
  ["a new file is seen, and its directory is not", () => writeFileSync(`${home}/d/new`, ""), ["/d/new"], 0],
  ["a file that is gone is missing", () => rmSync(`${home}/d/file`), [], 1],
  ["a renamed file is missing and new", () => renameSync(`${home}/d/file`, `${home}/d/g`), ["/d/g"], 1],
  [
    "a renamed directory is, with all that is in it",
    () => renameSync(`${home}/d`, `${home}/e`),
    ["/e", "/e/file", "/e/loop"],
    3,
  ],
  [
    "a directory replaced by a link is entered no more",
    () => {
      renameSync(`${home}/d`, `${home}/../moved-${process.pid}`);
      symlinkSync(`${home}/../moved-${process.pid}`, `${home}/d`);
    },
    ["/d"],
    2,
  ],
];

test.each([...CHANGES])("%s", async (_, change, differing, missing) => {
  mkdirSync(`${home}/d`);
  writeFileSync(`${home}/d/file`, "content");
  symlinkSync("../..", `${home}/d/loop`);
  const { look } = watcher();
  await look();
  change();
  const seen = await look();
  rmSync(`${home}/../moved-${process.pid}`, { recursive: true, force: true });
  expect(seen.differing).toEqual(differing.map((path) => home + path));
  expect(seen.missing).toBe(missing);
});

test("names that are no UTF-8 or hold control characters are told escaped, and told apart", async () => {
  const base = Buffer.from(`${home}/`);
  for (const name of [[0xff], [0xfe], [0x61, 0x0a], [0x1b, 0x5b, 0x32, 0x4a]])
    writeFileSync(Buffer.concat([base, Buffer.from(name)]), "");
  const { look } = watcher();
  const names = (await look()).differing.slice(1).map((path) => path.slice(home.length + 1));
  expect(names).toEqual(["\\x1b[2J", "\\xfe", "\\xff", "a\\x0a"]);
  expect((await look()).differing).toEqual([]);
});

test("a name of 255 bytes and a path longer than one call takes are told or watched, never lost in silence", async () => {
  // Node takes no path over 4096 bytes either, so the tree is built by renaming directories into one another.
  const name = "n".repeat(255);
  const half = `${home}/${Array.from({ length: 14 }, () => name).join("/")}`;
  mkdirSync(half, { recursive: true });
  mkdirSync(`${home}/x/${Array.from({ length: 8 }, () => name).join("/")}`, { recursive: true });
  renameSync(`${home}/x`, `${half}/x`);
  const seen = await watcher().look();
  expect(seen.unreadable).toHaveLength(1);
  expect(seen.unreadable[0]).toEndWith("longer than 4095 bytes: nothing below it is watched");
  expect(seen.entries).toBeGreaterThan(15);
});

test("what is closed is neither looked at nor entered", async () => {
  mkdirSync(`${home}/mount/below`, { recursive: true });
  writeFileSync(`${home}/files.db-wal`, "");
  writeFileSync(`${home}/kept`, "");
  const { hash } = watcher();
  const mount = keyOfPath(hash, bytesOfPath(`${home}/mount`));
  const seen = await watcher({
    closed: new Set([mount.key]),
    closedIn: new Set([mount.directoryKey]),
    closedPrefixes: new Map([[mount.directoryKey, [bytesOfPath("files.db")]]]),
  }).look();
  expect(seen.differing).toEqual([home, `${home}/kept`]);
});

test("a directory with thousands of entries is read to its end, and pauses let others in", async () => {
  mkdirSync(`${home}/many`);
  for (let number = 0; number < 5000; number++) writeFileSync(`${home}/many/file-number-${number}`, "");
  let pauses = 0;
  const { look } = watcher({
    pause: async () => {
      pauses++;
      return true;
    },
  });
  expect((await look()).differing).toHaveLength(5002);
  expect(pauses).toBeGreaterThanOrEqual(2);
});

test("random changes of random trees are seen exactly as a naive comparison sees them", async () => {
  const random = generator(20_261_120);
  const { look, table } = watcher();
  await look();
  let before = naive(home);
  for (let round = 0; round < 60; round++) {
    for (let change = random(12); change > 0; change--) mutate(random);
    const after = naive(home);
    const expected = [...after].filter(([path, facts]) => before.get(path) !== facts).map(([path]) => escaped(path));
    const gone = [...before.keys()].filter((path) => !after.has(path));
    const seen = await look();
    expect(seen.differing).toEqual(expected.sort());
    expect(seen.missing).toBe(gone.length);
    expect(table.size).toBe(after.size);
    before = after;
  }
});

test("the table agrees with a Map through random insertions, removals and growth", () => {
  const random = generator(7);
  const table = createTreeTable();
  const model = new Map<number, number>();
  for (let step = 0; step < 40_000; step++) {
    // Few low words: many entries meet in the same slots, at the end of the table too.
    const low = random(4) === 0 ? 0xffff_ffff - random(50) : random(300) * 10_000_000;
    const high = random(8);
    const key = joined(low, high);
    if (random(3) === 0) expect(table.remove(low, high)).toBe(model.delete(key));
    else {
      table.set(low, high, step, 5);
      model.set(key, step);
    }
    const probe = random(300) * 10_000_000;
    const known = model.get(joined(probe, 3));
    expect(table.confirm(probe, 3, known ?? 0, 5)).toBe(known !== undefined);
    expect(table.size).toBe(model.size);
  }
  table.beginRound();
  expect(table.unseen().sort()).toEqual([...model.keys()].sort());
});

function naive(directory: string, into = new Map<string, string>()): Map<string, string> {
  const stats = lstatSync(directory, { bigint: true });
  const identity = [stats.mode, stats.uid, stats.gid, stats.ino];
  const rest = stats.isDirectory() ? [] : [stats.size, stats.mtimeNs, stats.ctimeNs];
  into.set(directory, [...identity, ...rest].join(" "));
  if (stats.isDirectory()) for (const name of readdirSync(directory)) naive(`${directory}/${name}`, into);
  return into;
}

function escaped(path: string): string {
  return textOfPath(bytesOfPath(path));
}

function mutate(random: (below: number) => number): void {
  const all = [...naive(home).keys()];
  const pick = (): string => all[random(all.length)] ?? home;
  const path = pick();
  const isDirectory = lstatSync(path).isDirectory();
  const parent = isDirectory ? path : home;
  const fresh = `${parent}/${"é\n x-".slice(random(5))}${random(1000)}`;
  try {
    switch (random(6)) {
      case 0:
        return mkdirSync(fresh);
      case 1:
        return writeFileSync(fresh, String(random(100)));
      case 2:
        return symlinkSync(pick(), fresh);
      case 3:
        return path === home ? undefined : rmSync(path, { recursive: true });
      case 4:
        return path === home ? undefined : renameSync(path, `${home}/${random(1000)}`);
      default:
        return isDirectory ? chmodSync(path, 0o700 + random(8)) : writeFileSync(path, String(random(1e6)));
    }
  } catch {
    // A move into itself, a name that is taken: the next one.
  }
}

/** Numbers below a bound, the same for a seed. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
