import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PackageReader } from "../../core/packages.ts";
import { dpkgReader, parseDiversions, parseList, parseMd5sums, parseStatus } from "./dpkg.ts";

const A = "a".repeat(32);
const B = "b".repeat(32);
const root = mkdtempSync(join(tmpdir(), "algo-dpkg-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text: string): void {
  writeFileSync(join(root, "var/lib/dpkg", path), text);
}

function world(): void {
  mkdirSync(join(root, "var/lib/dpkg/info"), { recursive: true });
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  symlinkSync("usr/bin", join(root, "bin"));
  put(
    "status",
    `Package: tool\nArchitecture: amd64\nConffiles:\n /etc/tool.conf ${A}\n /etc/with space ${B} obsolete\n /etc/fresh newconffile\nDescription: d\n text /etc/none ${A}\n\nPackage: libtool\nArchitecture: i386\nMulti-Arch: same\nConffiles:\n /etc/lib.conf ${A}\n`,
  );
  put("diversions", "/usr/bin/tool\n/usr/bin/tool.real\nwrapper\n");
  put(
    "info/tool.list",
    "/.\n/bin\n/bin/old\n/usr\n/usr/bin\n/usr/bin/tool\n/usr/lib\n/usr/lib/empty\n/usr/lib/tool.so\n/etc\n/etc/tool.conf\n/etc/with space\n/etc/fresh\n",
  );
  put("info/tool.md5sums", `${A}  bin/old\n${B}  usr/bin/tool\n${A}  usr/share/moved-to-another-package\n`);
  put("info/wrapper.list", "/usr\n/usr/bin\n/usr/bin/tool\n");
  put("info/wrapper.md5sums", `${A}  usr/bin/tool\n`);
  put("info/libtool:i386.list", "/etc\n/etc/lib.conf\n");
}

async function all(reader: PackageReader | undefined): Promise<string[]> {
  const owners = await reader?.owners();
  if (reader === undefined || owners?.ok !== true) throw new Error("no owners");
  const rows: string[] = [];
  for await (const read of reader.read([...owners.value.keys()].sort())) {
    if (!read.ok) throw new Error(read.fault.message);
    const { name, files } = read.value;
    for (const file of files)
      rows.push(`${name} ${file.path} ${file.digest.slice(0, 2)}${file.config ? " config" : ""}`);
  }
  return rows;
}

test("reads what every package has where, through the merge of /usr and through diversions", async () => {
  world();
  expect(await all(dpkgReader(root))).toEqual([
    "libtool /etc/lib.conf aa config",
    "tool /usr/bin/old aa",
    "tool /usr/bin/tool.real bb",
    "tool /usr/lib/empty ",
    "tool /usr/lib/tool.so ",
    "tool /etc/tool.conf aa config",
    "tool /etc/with space bb config",
    "tool /etc/fresh 00 config",
    "wrapper /usr/bin/tool aa",
  ]);
});

test("a diversion of /usr/bin counts for a package that lists /bin, where that is a link", async () => {
  put("diversions", "/usr/bin/old\n/usr/bin/old.distrib\n:\n");
  expect(await all(dpkgReader(root))).toContain("tool /usr/bin/old.distrib aa");
  put("diversions", "/usr/bin/tool\n/usr/bin/tool.real\nwrapper\n");
});

test("a host without dpkg has no reader", () => {
  expect(dpkgReader(join(root, "usr"))).toBeUndefined();
});

describe("a stamp moves with what it stands for and with nothing else:", () => {
  const stamps = async () => {
    const owners = await dpkgReader(root)?.owners();
    return owners?.ok === true ? owners.value : new Map<string, string>();
  };
  const moved = (before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) =>
    [...after].filter(([owner, stamp]) => before.get(owner) !== stamp).map(([owner]) => owner);

  const ROWS: readonly (readonly [string, () => void, readonly string[]])[] = [
    ["nothing", () => {}, []],
    ["a list", () => put("info/wrapper.list", "/usr\n/usr/bin\n/usr/bin/tool\n/usr/bin/x\n"), ["wrapper"]],
    ["sums", () => put("info/tool.md5sums", `${B}  bin/old\n${B}  usr/bin/tool2\n`), ["tool"]],
    [
      "a configuration file's sum in status",
      () => put("status", `Package: tool\nConffiles:\n /etc/tool.conf ${B}\n`),
      ["libtool:i386", "tool"],
    ],
    ["a diversion", () => put("diversions", ""), ["libtool:i386", "tool", "wrapper"]],
  ];
  for (const [name, change, expected] of ROWS) {
    test(name, async () => {
      const before = await stamps();
      change();
      expect(moved(before, await stamps()).sort()).toEqual([...expected]);
    });
  }
});

test("the fingerprint moves with the status file and stands otherwise", () => {
  const reader = dpkgReader(root);
  const before = reader?.fingerprint();
  expect(reader?.fingerprint()).toBe(before ?? "");
  put("status", "Package: other\n");
  expect(reader?.fingerprint()).not.toBe(before);
});

test("a name with a newline or backslash is written escaped", () => {
  expect([...parseMd5sums(`\\${A}  usr/a\\nb\\\\c\n${B} *./d e\nnonsense\n${A}\n`)]).toEqual([
    ["/usr/a\nb\\c", A],
    ["/d e", B],
  ]);
});

test("whatever is in the files, reading them ends and gives absolute paths", () => {
  let seed = 7;
  const random = (): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed;
  };
  const pieces = ["\n", " ", "/", A, "Conffiles:", "Package: x", "\\", ":", ".", "é", "\0", "newconffile", " /a "];
  for (let round = 0; round < 2000; round++) {
    const text = Array.from({ length: random() % 30 }, () => pieces[random() % pieces.length]).join("");
    const paths = [...parseList(text), ...parseMd5sums(text).keys()];
    for (const entry of parseStatus(text)) paths.push(...entry.conffiles.keys());
    expect(paths.filter((path) => !path.startsWith("/"))).toEqual([]);
    expect(parseDiversions(text).size).toBeLessThanOrEqual(text.split("\n").length / 3);
  }
});
