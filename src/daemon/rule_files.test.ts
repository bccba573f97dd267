import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { blindness, readRules, ruleFolders } from "./rule_files.ts";

const root = mkdtempSync(join(tmpdir(), "algo-rules-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const RULE = readFileSync(join(import.meta.dir, "../../rules/command-and-control/reverse_shell/rule.yml"), "utf8");
const OTHER = RULE.replace(/^id: .*$/m, "id: 11111111-2222-4333-8444-555555555555");

let own = "";
let site = "";
let serial = 0;
beforeEach(() => {
  const home = join(root, String(++serial));
  own = `${home}/rules`;
  site = `${home}/rules.d`;
  mkdirSync(own, { recursive: true });
});

function read() {
  return readRules(ruleFolders({ rulesDirectory: own, siteRulesDirectory: site }));
}

function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

function namesOf(loaded: ReturnType<typeof read>): readonly string[] {
  return loaded.rules.map(({ ref, origin }) => `${origin} ${ref.name}`);
}

describe("rule folders", () => {
  test("are read to their depth; what is no rule is passed by", () => {
    put(`${own}/a/b/one/rule.yml`, RULE);
    put(`${own}/a/b/one/hit.jsonl`, "{}");
    put(`${own}/two.yaml`, OTHER);
    const loaded = read();
    expect([namesOf(loaded), loaded.problems, loaded.unreadable]).toEqual([["own one", "own two"], [], []]);
    expect(blindness(loaded)).toBeUndefined();
  });

  test("the site's rule takes the place of ours with the same id", () => {
    put(`${own}/one/rule.yml`, RULE);
    put(`${site}/mine.yml`, RULE);
    expect(namesOf(read())).toEqual(["site mine"]);
  });

  test("links are followed, one that leads nowhere is told, one in a circle ends", () => {
    put(`${root}/elsewhere-${serial}/rule.yml`, RULE);
    mkdirSync(site);
    symlinkSync(`${root}/elsewhere-${serial}`, `${site}/linked`);
    symlinkSync(`${root}/nowhere`, `${site}/gone.yml`);
    symlinkSync(own, `${own}/circle`);
    const loaded = read();
    expect(namesOf(loaded)).toEqual(["site linked"]);
    expect(loaded.problems.map(({ file, message }) => [file, message.slice(0, 14)])).toEqual([
      [`${site}/gone.yml`, "cannot be read"],
    ]);
  });

  test("one refused rule leaves the others, and makes a sweep blind in part", () => {
    put(`${own}/one/rule.yml`, RULE);
    put(`${own}/two/rule.yml`, "title: x\n");
    const loaded = read();
    expect(namesOf(loaded)).toEqual(["own one"]);
    expect(blindness(loaded)).toMatch(/would not see everything: .*two\/rule\.yml:1 is refused: .*\(and \d+ more\)$/);
  });

  test("no rule at all is blindness", () => {
    expect(blindness(read())).toBe("a sweep would see nothing: there is no rule in the rule folders");
  });

  test("a folder of ours that is missing is a fault, one of the site is not", () => {
    rmSync(own, { recursive: true });
    const { unreadable, problems } = read();
    expect(unreadable).toMatchObject([{ kind: "io", message: expect.stringContaining(own) }]);
    expect(problems).toHaveLength(1);
  });

  test("a file that is too large is refused by name and not read", () => {
    put(`${own}/big.yml`, `${RULE}#${"x".repeat(256 * 1024)}`);
    expect(read().problems).toMatchObject([{ file: `${own}/big.yml`, message: "is larger than 262144 bytes" }]);
  });
});
