import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseFile, rpmReader } from "./rpm.ts";

const SHA = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
const MD5 = "b1946ac92492d2347c6235b4d2611184";

const LINES: readonly (readonly [string, string, string, string | undefined])[] = [
  ["a file", `33261 0 0 -${SHA} /usr/bin/tiny`, "8", "/usr/bin/tiny sha256"],
  ["a file of a package of old", `33261 0 0 -${MD5} /usr/bin/tiny`, "1", "/usr/bin/tiny md5"],
  ["a digest we cannot make", `33261 0 0 -${SHA}${SHA} /usr/bin/tiny`, "10", "/usr/bin/tiny none"],
  ["a configuration file", `33188 17 0 -${SHA} /etc/tiny.conf`, "8", "/etc/tiny.conf sha256 config"],
  ["a file the package only owns", "33188 64 0 - /var/log/tiny.log", "8", "/var/log/tiny.log none config"],
  ["a link", "41471 0 0 - /usr/bin/tiny-link", "8", "/usr/bin/tiny-link none"],
  ["a name with spaces", `33188 0 0 -${SHA} /usr/share/tiny docs/read me`, "8", "/usr/share/tiny docs/read me sha256"],
  ["a mode printed as a signed number", `-32348 0 0 -${SHA} /usr/bin/x`, "8", "/usr/bin/x sha256"],
  ["a directory", "16877 0 0 - /usr/share/tiny docs", "8", undefined],
  ["a file that another package replaced", `33261 0 1 -${SHA} /usr/bin/tiny`, "8", undefined],
  ["documentation left out", `33188 2 2 -${SHA} /usr/share/doc/x`, "8", undefined],
  ["a line that is none", "package tiny is not installed", "8", undefined],
];

describe("a line of rpm is read as", () => {
  test.each(LINES)("%s", (_name, line, algorithm, expected) => {
    const file = parseFile(line, algorithm);
    const text = file && `${file.path} ${file.algorithm}${file.config ? " config" : ""}`;
    expect(text).toBe(expected);
  });
});

const SPEC = `Name: tiny
Version: 1.0
Release: 2
Summary: t
License: x
BuildArch: noarch
%description
t
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/etc %{buildroot}/var/log
printf 'hello\\n' > %{buildroot}/usr/bin/tiny
printf 'conf\\n' > %{buildroot}/etc/tiny.conf
touch %{buildroot}/var/log/tiny.log
%files
/usr/bin/tiny
%config(noreplace) /etc/tiny.conf
%ghost /var/log/tiny.log
`;

const program = "/usr/bin/rpm";
const hasTools = Bun.which("rpm") === program && Bun.which("rpmbuild") !== null;
const work = mkdtempSync(join(tmpdir(), "algo-rpm-"));
afterAll(() => rmSync(work, { recursive: true, force: true }));

function run(...command: string[]): void {
  const done = Bun.spawnSync(command, { cwd: work, timeout: 60_000 });
  if (done.exitCode !== 0) throw new Error(`${command.join(" ")}: ${done.stderr.toString()}`);
}

describe.skipIf(!hasTools)(`a real database${hasTools ? "" : ": skipped, rpm and rpmbuild are not installed"}`, () => {
  const databaseDirectory = join(work, "db");
  const reader = () => rpmReader("/", { program, databaseDirectory });

  test("is read package by package", async () => {
    writeFileSync(join(work, "tiny.spec"), SPEC);
    mkdirSync(databaseDirectory);
    run("rpmbuild", "-bb", "--quiet", "--define", `_topdir ${work}/top`, "tiny.spec");
    run(program, "--dbpath", databaseDirectory, "--initdb");
    const file = join(work, "top/RPMS/noarch/tiny-1.0-2.noarch.rpm");
    run(program, "--dbpath", databaseDirectory, "--justdb", "--nodeps", "--noscripts", "-i", file);
    const owners = await reader()?.owners();
    if (owners?.ok !== true) throw new Error("no owners");
    expect([...owners.value.keys()]).toEqual(["tiny-1.0-2.noarch"]);
    const contents: unknown[] = [];
    for await (const content of reader()?.read([...owners.value.keys(), "gone-1-1.noarch"]) ?? [])
      contents.push(content);
    expect(contents).toEqual([
      {
        ok: true,
        value: {
          owner: "tiny-1.0-2.noarch",
          name: "tiny",
          files: [
            { path: "/etc/tiny.conf", algorithm: "sha256", digest: expect.stringMatching(/^8d0d/), config: true },
            { path: "/usr/bin/tiny", algorithm: "sha256", digest: SHA, config: false },
            { path: "/var/log/tiny.log", algorithm: "none", digest: "", config: true },
          ],
        },
      },
    ]);
  });

  test("our reading does not look like a change, a removal does", async () => {
    const before = reader()?.fingerprint();
    await reader()?.owners();
    expect(reader()?.fingerprint()).toBe(before ?? "");
    run(program, "--dbpath", databaseDirectory, "--justdb", "-e", "tiny");
    expect(reader()?.fingerprint()).not.toBe(before);
  });

  test("that is damaged is a fault, not a crash", async () => {
    writeFileSync(join(databaseDirectory, "rpmdb.sqlite"), "no database at all".repeat(1000));
    const owners = await reader()?.owners();
    expect(owners?.ok === false && owners.fault.remedy).toContain("rpm -qa");
  });
});

test("a program that does not exist is a fault", async () => {
  const owners = await rpmReader("/", { program: join(work, "none"), databaseDirectory: work })?.owners();
  expect(owners?.ok === false && owners.fault.message).toContain("cannot be read");
});
