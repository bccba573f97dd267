import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PackageContent } from "../../core/packages.ts";
import { dpkgReader } from "./dpkg.ts";
import { parseHashfile, parseRegistry, ucfContents } from "./ucf.ts";

const A = "a".repeat(32);
const B = "b".repeat(32);
const root = mkdtempSync(join(tmpdir(), "algo-ucf-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
}

const HASHES: readonly (readonly [name: string, line: string, found: readonly [string, string][]])[] = [
  ["a file of /etc", `${A}  /etc/ssh/sshd_config`, [["/etc/ssh/sshd_config", A]]],
  ["a name with a space", `${A}  /etc/a b`, [["/etc/a b", A]]],
  ["a program, which only dpkg may speak for", `${A}  /usr/bin/sshd`, []],
  ["a digest that is none", `${A.slice(1)}  /etc/x`, []],
  ["a path that is not absolute", `${A}  etc/x`, []],
];
for (const [name, line, found] of HASHES)
  test(`a line of the hashfile: ${name}`, () => expect([...parseHashfile(`${line}\n`)]).toEqual([...found]));

test("the registry says whose a file is, and a line that says nothing is passed over", () => {
  const found = parseRegistry("chrony \t /etc/chrony/chrony.conf\n\n/etc/nobody\nBAD /etc/x\n");
  expect([...found]).toEqual([["/etc/chrony/chrony.conf", "chrony"]]);
});

test("a package's file is read beside those of dpkg, forgotten when ucf forgets it, and the fingerprint moves", async () => {
  put("var/lib/dpkg/status", "Package: chrony\n");
  put("var/lib/dpkg/info/chrony.list", "/usr/sbin/chronyd\n");
  const reader = dpkgReader(root);
  const owners = async (): Promise<string[]> => {
    const listed = await reader?.owners();
    return listed?.ok === true ? [...listed.value.keys()].sort() : ["unreadable"];
  };
  expect(await owners()).toEqual(["chrony"]);
  const before = reader?.fingerprint();
  put("var/lib/ucf/hashfile", `${A}  /etc/chrony/chrony.conf\n${B}  /etc/ufw/after.rules\n`);
  put("var/lib/ucf/registry", "chrony \t /etc/chrony/chrony.conf\n");
  expect(reader?.fingerprint()).not.toBe(before);
  expect(await owners()).toEqual(["chrony", "ucf/chrony", "ucf/ucf"]);
  const contents: PackageContent[] = [];
  for await (const read of reader?.read(["ucf/chrony", "ucf/gone"]) ?? []) if (read.ok) contents.push(read.value);
  expect(contents.map(({ name, files }) => [name, files.map(({ path, digest }) => `${path} ${digest}`)])).toEqual([
    ["chrony", [`/etc/chrony/chrony.conf ${A}`]],
    ["ucf", []],
  ]);
});

test("an upgrade that brings other content moves the stamp of its package alone", () => {
  const stamps = () =>
    Object.fromEntries([...ucfContents(root, (path) => path)].map(([key, { stamp }]) => [key, stamp]));
  put("var/lib/ucf/hashfile", `${A}  /etc/chrony/chrony.conf\n${B}  /etc/ufw/after.rules\n`);
  const before = stamps();
  put("var/lib/ucf/hashfile", `${B}  /etc/chrony/chrony.conf\n${B}  /etc/ufw/after.rules\n`);
  const after = stamps();
  expect(after["ucf/chrony"]).not.toBe(before["ucf/chrony"]);
  expect(after["ucf/ucf"]).toBe(before["ucf/ucf"]);
});
