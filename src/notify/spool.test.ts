import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { openSpool, type Spool, type SpoolEntry, type SpoolOptions } from "./spool.ts";

let home: string;
let directory: string;
let path: string;

beforeEach(() => {
  home = mkdtempSync(`${tmpdir()}/algo-spool-`);
  directory = `${home}/spool`;
  path = `${directory}/webhook.jsonl`;
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const open = (overrides: Partial<SpoolOptions> = {}) => openSpool({ directory, name: "webhook", ...overrides });
const entry = (id: string, rank = 1, body = `{"of":"${id}"}`): SpoolEntry => ({ id, atMs: 1_000, rank, body });

/** Everything that waits, in order; empties the spool. */
function drain(spool: Spool): string[] {
  const ids: string[] = [];
  for (let head = spool.head(); head !== undefined; head = spool.head()) {
    ids.push(head.id);
    spool.done(head.id);
  }
  return ids;
}

describe("a spool", () => {
  test("keeps order, and what is done stays done", () => {
    const spool = open();
    for (const id of ["a", "b", "c"]) expect(spool.put(entry(id)).ok).toBeTrue();
    expect(spool.head()).toEqual(entry("a"));
    spool.done("b");
    expect(drain(spool)).toEqual(["a", "c"]);
    expect(statSync(path).size).toBe(0);
  });

  test("makes nothing on disk before there is something to keep, and nobody else may read it then", () => {
    const spool = open();
    expect(spool.head()).toBeUndefined();
    expect(existsSync(directory)).toBeFalse();
    spool.put(entry("a"));
    expect((statSync(directory).mode & 0o777).toString(8)).toBe("700");
    expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
  });

  test("survives an end without a close, whatever was done before it", () => {
    const first = open();
    for (const id of ["a", "b", "c"]) first.put(entry(id));
    first.done("a");
    const second = open();
    expect(second.size).toBe(2);
    second.put(entry("d"));
    expect(drain(second)).toEqual(["b", "c", "d"]);
  });

  test("survives SIGKILL of the process that writes", async () => {
    const script = `import { openSpool } from ${JSON.stringify(`${import.meta.dir}/spool.ts`)};
      const spool = openSpool({ directory: ${JSON.stringify(directory)}, name: "webhook" });
      for (let index = 0; index < 50; index++) spool.put({ id: "n" + index, atMs: 1, rank: 1, body: "x" });
      spool.done("n0");
      console.log("written");
      setInterval(() => {}, 1000);`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
    for await (const chunk of child.stdout) if (new TextDecoder().decode(chunk).includes("written")) break;
    child.kill("SIGKILL");
    await child.exited;
    expect(drain(open())).toEqual(Array.from({ length: 49 }, (_, index) => `n${index + 1}`));
  });

  const torn: readonly [string, string, readonly string[]][] = [
    ["half a line at the end", '{"put":{"id":"z","atMs":1,"ra', ["a", "b"]],
    ["a line that is no JSON", "garbage\n", ["a", "b"]],
    ["an entry without a body", '{"put":{"id":"z","atMs":1,"rank":1}}\n', ["a", "b"]],
    ["null, a number and a list", "null\n7\n[]\n\n", ["a", "b"]],
    ["an entry that is there twice", `${JSON.stringify({ put: entry("a") })}\n`, ["a", "b"]],
    ["done of something unknown", '{"done":"nobody"}\n', ["a", "b"]],
    ["done of the first", '{"done":"a"}\n', ["b"]],
  ];
  for (const [name, text, expected] of torn) {
    test(`skips ${name}, and goes on behind it`, () => {
      const first = open();
      first.put(entry("a"));
      first.put(entry("b"));
      appendFileSync(path, text);
      const second = open();
      second.put(entry("c"));
      expect(drain(open())).toEqual([...expected, "c"]);
    });
  }

  test("any bytes at all are read without a fault (seeded)", () => {
    let state = 3;
    const random = (below: number) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 4_294_967_296) * below);
    };
    mkdirSync(directory);
    for (let round = 0; round < 200; round++) {
      const valid = Buffer.from(`${JSON.stringify({ put: entry(`v${round}`) })}\n`);
      const noise = Buffer.from(Array.from({ length: random(200) }, () => random(256)));
      for (let index = 0; index < random(4); index++) valid[random(valid.length)] = random(256);
      writeFileSync(path, Buffer.concat(random(2) === 0 ? [noise, valid] : [valid, noise]));
      const spool = open();
      spool.put(entry("own"));
      expect(drain(spool)).toContain("own");
      spool.close();
    }
  });
});

describe("bounds", () => {
  test("the oldest of the lowest rank goes first, and is counted", () => {
    const spool = open({ entriesMax: 3 });
    for (const one of [entry("kill", 4), entry("info", 0), entry("warning", 1), entry("alert", 3)]) spool.put(one);
    expect(spool.dropped).toBe(1);
    spool.put(entry("late info", 0));
    expect(spool.dropped).toBe(2);
    spool.put(entry("kill 2", 4));
    expect(drain(spool)).toEqual(["kill", "alert", "kill 2"]);
    expect(spool.dropped).toBe(3);
  });

  test("a thousand notices that nobody takes stay within their bytes, in memory and on disk", () => {
    const spool = open({ bytesMax: 20_000 });
    for (let index = 0; index < 1_000; index++) spool.put(entry(`n${index}`, 1, "x".repeat(1_000)));
    expect(spool.size).toBeLessThan(20);
    expect(spool.size + spool.dropped).toBe(1_000);
    expect(statSync(path).size).toBeLessThan(20_000 + 1_100_000);
    expect(drain(spool).at(-1)).toBe("n999");
  });

  test("the file is written anew when what is done fills it, and nothing is lost by that", () => {
    const spool = open({ bytesMax: 10_000 });
    spool.put(entry("kept", 4, "important"));
    for (let index = 0; index < 2_000; index++) {
      spool.put(entry(`n${index}`, 1, "y".repeat(800)));
      spool.done(`n${index}`);
    }
    expect(statSync(path).size).toBeLessThan(1_100_000);
    expect(spool.head()).toEqual(entry("kept", 4, "important"));
    expect(drain(open({ bytesMax: 10_000 }))).toEqual(["kept"]);
  });

  test("a file that is far too large is none of ours and is emptied", () => {
    mkdirSync(directory);
    writeFileSync(path, Buffer.alloc(3_000_000, 0x41));
    const spool = open({ bytesMax: 10_000 });
    spool.put(entry("a"));
    expect(drain(spool)).toEqual(["a"]);
  });
});

describe("a disk that refuses", () => {
  test("a link in its place is never followed: notices wait in memory, and the fault is told", () => {
    mkdirSync(directory);
    const elsewhere = `${home}/elsewhere`;
    writeFileSync(elsewhere, "precious");
    symlinkSync(elsewhere, path);
    const spool = open();
    const put = spool.put(entry("a"));
    expect(put.ok ? "" : put.fault.message).toContain("notices wait in memory only");
    expect(drain(spool)).toEqual(["a"]);
    expect(readFileSync(elsewhere, "utf8")).toBe("precious");
  });

  test("memory is bounded too", () => {
    writeFileSync(directory, "a file where the folder should be");
    const spool = open();
    for (let index = 0; index < 300; index++) expect(spool.put(entry(`n${index}`)).ok).toBeFalse();
    expect(spool.size).toBe(100);
    expect(spool.dropped).toBe(200);
  });

  test("a file that others may read is closed to them", () => {
    mkdirSync(directory);
    writeFileSync(path, "");
    chmodSync(path, 0o644);
    open().put(entry("a"));
    expect((statSync(path).mode & 0o777).toString(8)).toBe("600");
  });

  test("a file that was cut below us costs what was in it, not what comes after", () => {
    const spool = open();
    spool.put(entry("a"));
    spool.put(entry("b"));
    writeFileSync(path, "");
    expect(spool.head()).toBeUndefined();
    expect(spool.dropped).toBe(2);
    spool.put(entry("c"));
    expect(drain(spool)).toEqual(["c"]);
  });
});
