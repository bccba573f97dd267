// What os-release says, as systems write it and as they get it wrong; and whose allowances count then.
import { describe, expect, test } from "bun:test";
import { distroAllowances, parseOsRelease, readOsRelease } from "./os_release.ts";

const LINES: readonly [line: string, value: string | undefined][] = [
  ["ID=debian", "debian"],
  ['ID="opensuse-leap"', "opensuse-leap"],
  ["ID='arch'", "arch"],
  ['ID="a \\"b\\" \\$c"', 'a "b" $c'],
  ["  ID=debian  \r", "debian"],
  ["ID=", ""],
  ["ID=two words", undefined],
  ["ID=$(reboot)", undefined],
  ['ID="$HOME"', undefined],
  ['ID="open', undefined],
  ["# ID=debian", undefined],
  ["id=debian", undefined],
  ["ID = debian", undefined],
];

test.each(LINES)("%s", (line, value) => {
  expect(parseOsRelease(`NAME=x\n${line}\n`).get("ID")).toBe(value);
});

const ALLOWANCES = { debian: ["apt-config"], Ubuntu: ["snapd", "/usr/bin/x"], "": ["everywhere"], linux: ["init"] };
const ROWS: readonly [sentence: string, text: string, names: readonly string[]][] = [
  ["its own names", "ID=debian", ["apt-config"]],
  ["names of what it is like", 'ID=pop\nID_LIKE="ubuntu debian"', ["apt-config", "snapd"]],
  ["whatever the case", "ID=DEBIAN", ["apt-config"]],
  ["of another distribution", "ID=fedora", []],
  ["of a host that does not say who it is", "", ["init"]],
];

describe("allowances", () => {
  test.each(ROWS)("%s", (_sentence, text, names) => {
    expect(distroAllowances(ALLOWANCES, parseOsRelease(text))).toEqual([...names]);
  });
});

test("a host without the first file is read by the second, without both nothing is known", () => {
  expect(readOsRelease(["/nowhere/os-release", "/etc/os-release"]).has("ID")).toBe(readOsRelease().has("ID"));
  expect(readOsRelease(["/nowhere/os-release"]).size).toBe(0);
});
