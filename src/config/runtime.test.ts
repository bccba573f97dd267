import { afterAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "bun";
import { systemClock } from "../core/clock.ts";
import { GARBAGE } from "./garbage.fixture.ts";
import { type ConfigReload, type ConfigSource, createConfigSource } from "./runtime.ts";

const root = mkdtempSync(join(tmpdir(), "algo-config-run-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const ownerUid = process.getuid?.() ?? 0;
let folders = 0;

interface Site {
  readonly path: string;
  readonly lastGoodPath: string;
  write(text: string | Uint8Array): void;
  open(more?: { readonly ownerUid?: number; readonly pollMs?: number; readonly debounceMs?: number }): ConfigSource;
}

function site(text?: string | Uint8Array, lastGood?: string): Site {
  folders++;
  const folder = join(root, String(folders));
  mkdirSync(folder);
  const path = join(folder, "config.json");
  const lastGoodPath = join(folder, "config.last-good.json");
  const write = (content: string | Uint8Array): void => writeFileSync(path, content, { mode: 0o600 });
  if (text !== undefined) write(text);
  if (lastGood !== undefined) writeFileSync(lastGoodPath, lastGood, { mode: 0o600 });
  return {
    path,
    lastGoodPath,
    write,
    open: (more) => createConfigSource({ path, lastGoodPath, clock: systemClock, ownerUid, ...more }),
  };
}

const MONITOR = '{"MODE": "monitor"} // site';
const ENFORCE = '{"MODE": "enforce", "KILL_BUDGET": {"per_minute": 7}}';

describe("the first load", () => {
  const rows: readonly (readonly [string, string | undefined, string | undefined, string, string])[] = [
    ["takes the file", ENFORCE, MONITOR, "file", "enforce"],
    ["takes the file also with errors in it", '{"MODE": "enforce", "XYZ": 1}', MONITOR, "file", "enforce"],
    ["takes the last good copy when the file does not parse", '{"MODE": ', ENFORCE, "last-good", "enforce"],
    ["takes the last good copy when the file is gone", undefined, ENFORCE, "last-good", "enforce"],
    ["starts with built-in defaults in monitor without either", '{"MODE": ', undefined, "built-in", "monitor"],
    ["starts with built-in defaults in monitor when both are spoilt", "", "[", "built-in", "monitor"],
  ];
  test.each(rows)("%s", (_name, text, lastGood, origin, mode) => {
    const { origin: from, config, generation, problems } = site(text, lastGood).open().current();
    expect([from as string, config.MODE as string, generation]).toEqual([origin, mode, 1]);
    if (origin !== "file") expect(problems.at(-1)?.message).toContain("was not applied");
  });

  test("keeps a copy of the file, to the letter, that only its owner may read", () => {
    const { lastGoodPath, open } = site(MONITOR);
    open();
    expect(readFileSync(lastGoodPath, "utf8")).toBe(MONITOR);
    expect(statSync(lastGoodPath).mode & 0o777).toBe(0o600);
  });

  test("says that the copy could not be kept, and goes on", () => {
    const { lastGoodPath, open } = site(MONITOR);
    mkdirSync(join(lastGoodPath, "in the way"), { recursive: true });
    const state = open().current();
    expect(state.config.MODE).toBe("monitor");
    expect(state.problems.map((problem) => problem.severity)).toEqual(["warning"]);
  });

  test("does not hang on a fifo in the place of the file", () => {
    const { path, open } = site();
    expect(spawnSync(["mkfifo", path]).exitCode).toBe(0);
    expect(open().current().problems[0]?.message).toContain("not a regular file");
  });
});

describe("trust in the file", () => {
  const rows: readonly (readonly [string, number, number, string])[] = [
    ["another owner", 0o600, ownerUid + 1, "not to"],
    ["writable by everybody", 0o602, ownerUid, "everybody may write"],
  ];
  test.each(rows)("%s: not obeyed, the last good copy stays", (_name, mode, owner, message) => {
    const { path, open, lastGoodPath } = site(ENFORCE);
    chmodSync(path, mode);
    const state = open({ ownerUid: owner }).current();
    expect(state.origin).toBe("built-in");
    expect(state.problems[0]?.message).toContain(message);
    expect(() => statSync(lastGoodPath)).toThrow();
  });

  test("a file that loses trust while running leaves the running configuration", () => {
    const { path, open, write } = site(ENFORCE);
    const source = open();
    write(MONITOR);
    chmodSync(path, 0o666);
    const reload = source.reload();
    expect([reload.applied, reload.config.MODE]).toEqual([false, "enforce"]);
    chmodSync(path, 0o600);
    expect(source.reload().config.MODE).toBe("monitor");
  });
});

describe("reload", () => {
  test("counts a generation for each configuration that came into force", () => {
    const { open, write } = site(ENFORCE);
    const source = open();
    const seen: (readonly [boolean, boolean, number])[] = [];
    for (const text of [ENFORCE, `${ENFORCE} // same`, MONITOR, "{", ENFORCE]) {
      write(text);
      const { changed, applied, generation } = source.reload();
      seen.push([changed, applied, generation]);
    }
    expect(seen).toEqual([
      [false, true, 1],
      [false, true, 1],
      [true, true, 2],
      [false, false, 2],
      [true, true, 3],
    ]);
  });

  test("a vanished file leaves the running configuration, and its return is taken", () => {
    const { path, open, write } = site(ENFORCE);
    const source = open();
    unlinkSync(path);
    expect([source.reload().config.MODE, source.current().generation]).toEqual(["enforce", 1]);
    write(MONITOR);
    expect(source.reload().config.MODE).toBe("monitor");
  });

  test("what does not parse never becomes the last good copy", () => {
    const { open, write, lastGoodPath } = site(ENFORCE);
    const source = open();
    write('{"MODE": ');
    source.reload();
    expect(readFileSync(lastGoodPath, "utf8")).toBe(ENFORCE);
  });

  test.each(GARBAGE.map((row) => [row.name, row] as const))("%s: whole or not at all", (_name, row) => {
    const { open, write } = site(ENFORCE);
    const source = open();
    write(row.text);
    const reload = source.reload();
    expect(reload.problems.some((problem) => problem.severity === "error")).toBe(true);
    if (row.expect === "kept-running")
      expect([reload.applied, reload.config.KILL_BUDGET.per_minute]).toEqual([false, 7]);
    else expect([reload.applied, reload.config.KILL_BUDGET.per_minute]).toEqual([true, 3]);
  });
});

describe("watch", () => {
  /** Resolves with the next call; the test's own time limit is the only clock. */
  function nextReload(source: ConfigSource): Promise<ConfigReload> {
    const { promise, resolve } = Promise.withResolvers<ConfigReload>();
    const watcher = source.watch((reload) => {
      watcher.stop();
      resolve(reload);
    });
    return promise;
  }

  test("a file written in place is taken", async () => {
    const { open, write } = site(ENFORCE);
    const pending = nextReload(open({ debounceMs: 20 }));
    write(MONITOR);
    expect((await pending).config.MODE).toBe("monitor");
  });

  test("a file renamed over it, as editors do, is taken", async () => {
    const { path, open } = site(ENFORCE);
    const pending = nextReload(open({ debounceMs: 20 }));
    writeFileSync(`${path}.new`, MONITOR, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    expect((await pending).config.MODE).toBe("monitor");
  });

  test("the poll alone sees it where the folder cannot be watched", async () => {
    const { open, write } = site(ENFORCE);
    // A debounce that never ends takes the events away; the poll is on its own.
    const pending = nextReload(open({ debounceMs: 2 ** 30, pollMs: 20 }));
    write(MONITOR);
    expect((await pending).config.MODE).toBe("monitor");
  });

  test("a change that does not parse is told, and is not told again", async () => {
    const { open, write } = site(ENFORCE);
    const source = open({ debounceMs: 10, pollMs: 10 });
    const calls: ConfigReload[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const watcher = source.watch((reload) => {
      calls.push(reload);
      if (calls.length === 1) write(MONITOR);
      else resolve();
    });
    write("{");
    await promise;
    watcher.stop();
    expect(calls.map((call) => [call.applied, call.config.MODE])).toEqual([
      [false, "enforce"],
      [true, "monitor"],
    ]);
  });
});
