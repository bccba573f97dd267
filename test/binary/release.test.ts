// A release folder as an operator gets it: what is in it, that it is whole, that install and uninstall below --prefix
// put and take exactly their files. What needs a running systemd is in test/host.
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { pack, RELEASE_FILES } from "../../src/tools/dist.ts";
import { run } from "./built.ts";

const work = mkdtempSync(join(tmpdir(), "algo-monitor-release-"));
const name = `algo-monitor-${packageJson.version}-linux-x64`;
let archive = "";

beforeAll(() => {
  archive = pack();
}, 180_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A fresh copy of the release folder. */
function unpack(into: string): string {
  const directory = join(work, into);
  mkdirSync(directory);
  expect(run(["tar", "-xzf", archive, "-C", directory])).toEqual({ exitCode: 0, out: "" });
  return join(directory, name);
}

function files(directory: string): string[] {
  return globSync("**/*", { cwd: directory, withFileTypes: false })
    .filter((path) => statSync(join(directory, path)).isFile())
    .concat(readdirSync(directory).includes(".gitkeep") ? [".gitkeep"] : [])
    .sort();
}

test("the archive has one folder with everything an install needs, and its sum beside it", () => {
  const folder = unpack("contents");
  expect(readdirSync(join(folder, ".."))).toEqual([name]);
  expect(readdirSync(folder).sort()).toEqual([...RELEASE_FILES, "algo-monitor", "SHA256SUMS"].sort());
  expect(run(["sha256sum", "--check", "--quiet", `${name}.tar.gz.sha256`], { cwd: join(archive, "..") }).exitCode).toBe(
    0,
  );
  expect(run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], { cwd: folder })).toEqual({ exitCode: 0, out: "" });
});

test("packing the same tree again gives the same bytes", () => {
  const before = readFileSync(`${archive}.sha256`, "utf8");
  pack();
  expect(readFileSync(`${archive}.sha256`, "utf8")).toBe(before);
}, 180_000);

test("install --prefix puts the documented files in place, and uninstall --prefix takes every one away", () => {
  const folder = unpack("prefix");
  const prefix = join(work, "root");
  const installed = run([join(folder, "install"), "--prefix", prefix]);
  expect(installed.exitCode, installed.out).toBe(0);
  const rules = files(join(folder, "rules")).map((path) => `opt/.monitor/rules/${path}`);
  const home = ["LICENSE", "README.md", "config.example.json", "config.schema.json", "config.json", "uninstall"].map(
    (path) => `opt/.monitor/${path}`,
  );
  const present = run(["find", ".", "-type", "f", "-printf", "%P\\n"], { cwd: prefix }).out.trim().split("\n").sort();
  expect(present).toEqual(
    [...rules, ...home, "etc/systemd/system/algo-monitor.service", "usr/local/bin/algo-monitor"].sort(),
  );
  expect(statSync(join(prefix, "opt/.monitor")).mode & 0o777).toBe(0o700);
  expect(statSync(join(prefix, "opt/.monitor/config.json")).mode & 0o777).toBe(0o600);
  expect(run([join(prefix, "usr/local/bin/algo-monitor"), "version"]).out).toContain(packageJson.version);

  const removed = run([join(prefix, "opt/.monitor/uninstall"), "--prefix", prefix, "--yes"]);
  expect(removed.exitCode, removed.out).toBe(0);
  expect(run(["find", ".", "-type", "f"], { cwd: prefix }).out).toBe("");
});

test("a second install keeps the site's configuration and rules, and renews ours", () => {
  const folder = unpack("again");
  const prefix = join(work, "kept");
  run([join(folder, "install"), "--prefix", prefix]);
  const home = join(prefix, "opt/.monitor");
  writeFileSync(join(home, "config.json"), '{\n  // ours\n  "MODE": "monitor",\n}\n');
  mkdirSync(join(home, "rules.d/site_rule"));
  writeFileSync(join(home, "rules.d/site_rule/rule.yml"), "site\n");
  writeFileSync(join(home, "rules/stale.txt"), "left over\n");
  const again = run([join(folder, "install"), "--prefix", prefix]);
  expect(again.exitCode, again.out).toBe(0);
  expect(readFileSync(join(home, "config.json"), "utf8")).toBe('{\n  // ours\n  "MODE": "monitor",\n}\n');
  expect(readFileSync(join(home, "rules.d/site_rule/rule.yml"), "utf8")).toBe("site\n");
  expect(existsSync(join(home, "rules/stale.txt"))).toBe(false);
});

/** Programs that stand before the real ones in PATH and show install another machine. */
const MACHINES: readonly [name: string, program: string, script: string, says: RegExp][] = [
  [
    "the machine is not x86_64",
    "uname",
    'case $1 in -m) echo aarch64 ;; *) exec /bin/uname "$@" ;; esac',
    /aarch64; this release is for x86_64/,
  ],
  ["the system is not Linux", "uname", "echo FreeBSD", /this is FreeBSD/],
  ["the disk is nearly full", "df", "echo Filesystem; echo none 1000000 1 300000 1% /", /only 292 MB are free/],
];

test.each(MACHINES)("install refuses before any change when %s", (label, program, script, says) => {
  const folder = unpack(label.replaceAll(" ", "-"));
  const fakes = join(folder, "..", "bin");
  mkdirSync(fakes);
  writeFileSync(join(fakes, program), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const prefix = join(folder, "..", "root");
  const refused = run([join(folder, "install"), "--prefix", prefix], {
    env: { PATH: `${fakes}:/usr/sbin:/usr/bin:/sbin:/bin` },
  });
  expect(refused.exitCode, refused.out).toBe(5);
  expect(refused.out).toMatch(says);
  expect(refused.out).toContain("Nothing was changed.");
  expect(readdirSync(prefix)).toEqual([]);
});

const DAMAGED: readonly [name: string, damage: (folder: string) => void, says: RegExp][] = [
  ["a rule was changed", (folder) => appendFileSync(join(folder, "README.md"), "x"), /do not match SHA256SUMS/],
  [
    "the executable is cut short",
    (folder) => writeFileSync(join(folder, "algo-monitor"), "#!/bin/sh\n"),
    /do not match SHA256SUMS/,
  ],
  ["the unit is missing", (folder) => rmSync(join(folder, "algo-monitor.service")), /do not match SHA256SUMS/],
  [
    "it is neither release nor checkout",
    (folder) => rmSync(join(folder, "SHA256SUMS")),
    /neither a release folder nor a source checkout/,
  ],
];

test.each(DAMAGED)("install refuses a folder where %s", (label, damage, says) => {
  const folder = unpack(label.replaceAll(" ", "-"));
  damage(folder);
  const prefix = join(folder, "..", "root");
  const refused = run([join(folder, "install"), "--prefix", prefix]);
  expect(refused.exitCode, refused.out).toBe(5);
  expect(refused.out).toMatch(says);
  expect(readdirSync(prefix)).toEqual([]);
});

test("a copy that cannot start is rolled back: nothing of the install stays", () => {
  const folder = unpack("broken");
  writeFileSync(join(folder, "algo-monitor"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const sums = run(["sh", "-c", "sed -i '/  algo-monitor$/d' SHA256SUMS; sha256sum algo-monitor >>SHA256SUMS"], {
    cwd: folder,
  });
  expect(sums.exitCode).toBe(0);
  const prefix = join(work, "rolled-back");
  const failed = run([join(folder, "install"), "--prefix", prefix]);
  expect(failed.exitCode, failed.out).toBe(1);
  expect(run(["find", ".", "-type", "f"], { cwd: prefix }).out).toBe("");
});

test("uninstall says so when there is nothing to remove, and refuses to guess without a terminal", () => {
  const folder = unpack("nothing");
  const prefix = join(work, "empty");
  mkdirSync(prefix);
  expect(run([join(folder, "uninstall"), "--prefix", prefix]).out).toContain("nothing to remove");
  run([join(folder, "install"), "--prefix", prefix]);
  const refused = run([join(folder, "uninstall"), "--prefix", prefix]);
  expect(refused.exitCode).toBe(5);
  expect(refused.out).toContain("--yes");
  expect(existsSync(join(prefix, "usr/local/bin/algo-monitor"))).toBe(true);
});
