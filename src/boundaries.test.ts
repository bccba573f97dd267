// The walls of the architecture: the real tree has no breach, and the checker finds each kind of breach it exists for.
import { expect, test } from "bun:test";
import { join } from "node:path";
import { findBreaches, LAYERS, type SourceFile } from "./tools/boundaries.ts";

async function sourceTree(): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  for await (const path of new Bun.Glob("**/*.ts").scan({ cwd: import.meta.dir })) {
    files.push({ path, text: await Bun.file(join(import.meta.dir, path)).text() });
  }
  return files.sort((left, right) => left.path.localeCompare(right.path));
}

test("every file under src/ keeps to the table of who may import whom and who may touch what", async () => {
  const files = await sourceTree();
  expect(files.length).toBeGreaterThan(8);
  expect(findBreaches(files)).toEqual([]);
});

test("every layer of the table exists as a folder or a file, except those of later issues", async () => {
  const present = new Set((await sourceTree()).map((file) => file.path.replace(/[/.].*$/, "")));
  const later = ["sensor"];
  expect(Object.keys(LAYERS).filter((layer) => !present.has(layer) && !later.includes(layer))).toEqual([]);
});

const BREACHES: readonly [name: string, path: string, text: string, says: string][] = [
  ["core imports anything", "core/a.ts", `import { x } from "../host/x.ts"; x();`, "core may import nothing, not host"],
  [
    "a type import crosses a wall",
    "decision/a.ts",
    `import type { X } from "../store/x.ts";\nexport type Y = X;`,
    "not store",
  ],
  [
    "a type import inside braces crosses a wall",
    "decision/a.ts",
    `import { type X } from "../store/x.ts";\nexport type Y = X;`,
    "not store",
  ],
  [
    "an import of several lines crosses a wall",
    "store/a.ts",
    `import type {\n  X,\n  Y,\n} from "../host/x.ts";\nexport type Z = X | Y;`,
    "not host",
  ],
  ["a re-export crosses a wall", "core/a.ts", `export { x } from "../store/x.ts";`, "not store"],
  ["a lazy import crosses a wall", "cli/a.ts", `export const f = () => import("../daemon/boot.ts");`, "not daemon"],
  [
    "the command line opens the store for writing",
    "cli/alerts.ts",
    `import { openStore } from "../store/store.ts"; openStore();`,
    "not store",
  ],
  [
    "detection reads a file",
    "detection/a.ts",
    `import { readFileSync } from "node:fs"; readFileSync("/x");`,
    "does no I/O",
  ],
  ["decision uses a package", "decision/a.ts", `import { z } from "zod"; z.any();`, "may use nothing of the packages"],
  [
    "the database is opened outside the store",
    "daemon/a.ts",
    `import { Database } from "bun:sqlite"; new Database("x");`,
    "belongs to store",
  ],
  [
    "foreign functions outside host",
    "sources/a.ts",
    `import { dlopen } from "bun:ffi"; dlopen("x", {});`,
    "belongs to host",
  ],
  ["a source starts a process", "sources/a.ts", `Bun.spawn(["ls"]);`, "starting processes belongs to"],
  ["a command starts a process by the shell", "cli/a.ts", "await Bun.$`ls`;", "starting processes belongs to"],
  [
    "a command writes a file",
    "cli/a.ts",
    `import { writeFileSync } from "node:fs"; writeFileSync("x", "");`,
    "writing files belongs to",
  ],
  [
    "a source writes a file by promise",
    "sources/a.ts",
    `import { readFile, rename } from "node:fs/promises"; rename("a", "b"); readFile("a");`,
    "writing files belongs to",
  ],
  [
    "a whole file system module is imported",
    "sources/a.ts",
    `import * as fs from "node:fs"; fs.readFileSync("a");`,
    "writing files belongs to",
  ],
  [
    "host opens for writing",
    "host/a.ts",
    `import { constants, openSync } from "node:fs"; openSync("a", constants.O_RDWR);`,
    "writing files belongs to",
  ],
  ["Bun.write in daemon", "daemon/a.ts", `Bun.write("x", "y");`, "writing files belongs to"],
  ["a kill by bare pid", "response/a.ts", `process.kill(1234, 9);`, "signals by bare pid"],
  ["detection builds a pattern from data", "detection/a.ts", `export const f = (x: string) => new RegExp(x);`, "re2js"],
  [
    "config parses JSON loosely",
    "config/a.ts",
    `export const f = (x: string): unknown => JSON.parse(x);`,
    "repeated keys",
  ],
  [
    "rules are parsed by Bun",
    "detection/a.ts",
    `export const f = (x: string): unknown => Bun.YAML.parse(x);`,
    "repeated keys",
  ],
  ["decision looks at the clock", "decision/a.ts", `export const f = () => Date.now();`, "pure"],
  ["decision reads the environment", "decision/a.ts", `export const f = () => process.env["X"];`, "pure"],
  ["detection waits", "detection/a.ts", `export async function f() { await 1; }`, "pure"],
  ["code is made from text", "daemon/a.ts", `new Function("return 1")();`, "code from text"],
  ["a folder nobody agreed on", "helpers/a.ts", `export const x = 1;`, "not in the table of layers"],
];

const ALLOWED: readonly [name: string, path: string, text: string][] = [
  [
    "the command line reads the store",
    "cli/alerts.ts",
    `import { openReader } from "../store/reader.ts"; openReader("x");`,
  ],
  ["run starts the daemon", "cli/run.ts", `export const f = () => import("../daemon/boot.ts");`],
  [
    "host reads a file",
    "host/a.ts",
    `import { openSync, readSync } from "node:fs"; openSync("a", "r"); readSync(0, new Uint8Array(1));`,
  ],
  [
    "a comment names what is forbidden",
    "decision/a.ts",
    `// Date.now() and Bun.spawn are not used here\nexport const x = 1;`,
  ],
  [
    "a literal pattern of our own in detection",
    "detection/a.ts",
    `export const f = (x: string) => /^[a-z]+$/.test(x);`,
  ],
  ["a process is called process", "decision/a.ts", "export const f = (process: { pid: number }) => process.pid;"],
  ["a test may do anything", "decision/a.test.ts", `import { x } from "../store/x.ts"; x(Date.now());`],
  ["a tool may do anything", "tools/a.ts", `Bun.spawn(["ls"]); Bun.write("x", "y");`],
];

test.each(BREACHES)("refuses when %s", (_name, path, text, says) => {
  const breaches = findBreaches([{ path, text }]);
  expect(breaches.join("\n")).toContain(says);
  expect(breaches.every((breach) => breach.startsWith(path))).toBe(true);
});

test.each(ALLOWED)("allows that %s", (_name, path, text) => {
  expect(findBreaches([{ path, text }])).toEqual([]);
});

test("refuses imports that go in a circle, and names the way", () => {
  const files = [
    { path: "core/a.ts", text: `import { b } from "./b.ts"; export const a = b;` },
    { path: "core/b.ts", text: `import { c } from "./c.ts"; export const b = c;` },
    { path: "core/c.ts", text: `import { a } from "./a.ts"; export const c = a;` },
  ];
  expect(findBreaches(files)).toEqual(["imports go in a circle: core/a.ts -> core/b.ts -> core/c.ts -> core/a.ts"]);
});
