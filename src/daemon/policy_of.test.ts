import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseConfig } from "../config/load.ts";
import type { Policy } from "../decision/policy.ts";
import { createArgsMatcher, policyOf, poolMatcherOf, poolNames } from "./policy_of.ts";

const root = mkdtempSync(join(tmpdir(), "algo-policy-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function policy(config: object, over: Partial<Parameters<typeof policyOf>[0]> = {}): Policy {
  const parsed = parseConfig(JSON.stringify(config));
  const errors = parsed.problems.filter(({ severity }) => severity === "error");
  expect(errors).toEqual([]);
  return policyOf({
    config: parsed.config,
    generation: 7,
    monitorOnly: false,
    pausedUntilMs: 0,
    own: [],
    uidOf: (name) => (name === "backup" ? 34 : undefined),
    argsMatch: createArgsMatcher(),
    ...over,
  });
}

describe("the policy of a config", () => {
  const rows: readonly (readonly [name: string, config: object, expected: object, over?: object])[] = [
    ["enforces by default", {}, { mode: "enforce", killBudgetPerMinute: 10, generation: 7 }],
    ["monitors when it says so", { MODE: "monitor" }, { mode: "monitor" }],
    ["monitors whatever it says with --monitor", { MODE: "enforce" }, { mode: "monitor" }, { monitorOnly: true }],
    ["carries the end of a pause", {}, { pausedUntilMs: 99 }, { pausedUntilMs: 99 }],
    ["knows rules by name", { RULES: { reverse_shell: "alert" } }, { rules: new Map([["reverse_shell", "alert"]]) }],
    ["carries the budget", { KILL_BUDGET: { per_minute: 3 } }, { killBudgetPerMinute: 3 }],
  ];
  test.each(rows)("%s", (_name, config, expected, over = {}) => {
    expect(policy(config, over)).toMatchObject(expected);
  });

  test("finds a rule by its UUID however it is written", () => {
    const id = "5F0D3B0E-8A8E-4F7E-9A53-0D6F0A4F2B11";
    expect(policy({ RULES: { [id]: "off" } }).rules.get(id.toLowerCase())).toBe("off");
  });

  test("never touches what is named: paths, units, users by name and number; an unknown user is nobody", () => {
    const { neverTouch } = policy({
      NEVER_TOUCH: { executables: ["/opt/x"], units: ["db.service"], users: ["backup", "1001", "nosuchuser"] },
    });
    expect(neverTouch).toEqual({
      executables: new Set(["/opt/x"]),
      units: new Set(["db.service"]),
      userIds: new Set([34, 1001]),
      processes: [],
      ours: [],
    });
  });

  test("trusts a path only where root alone can change the file, and as the file it is now", () => {
    const [good, open] = ["good", "open"].map((name) => join(root, name));
    if (good === undefined || open === undefined) throw new Error("no paths");
    for (const path of [good, open]) writeFileSync(path, "", { mode: 0o755 });
    chmodSync(open, 0o777);
    const names = [good, open, "/no/such/file", "sshd"];
    const { dev, ino } = statSync(good);
    const trusted = policy({ TRUSTED_SYSTEM_PROCESSES: names }).trustedExecutables;
    expect(trusted.map(({ path, inode }) => [path, inode])).toEqual([[good, ino]]);
    expect(dev).toBeGreaterThan(0);
  });
});

describe("args patterns of EXCEPTIONS", () => {
  const rows: readonly (readonly [pattern: string, line: string, matches: boolean])[] = [
    ["backup\\.sh", "bash /opt/backup.sh --all", true],
    ["^bash", "dash -c x", false],
    ["(?i)BACKUP", "backup", true],
    ["(", "(", false],
    ["(?=x)x", "x", false],
    ["(a+)+$", `${"a".repeat(5_000)}b`, false],
  ];
  test.each(rows)("%p in %p: %p", (pattern, line, matches) => {
    expect(createArgsMatcher()(pattern, line.slice(0, 5_001))).toBe(matches);
  });

  test("a thousand are compiled, the next matches nothing rather than fill the memory", () => {
    const match = createArgsMatcher();
    for (let number = 0; number < 1_000; number++) match(`x${number}`, "");
    expect([match("x999", "x999"), match("y", "y")]).toEqual([true, false]);
  });
});

describe("pools of the site", () => {
  const pools = ["10.9.0.0/16", "192.0.2.7", "2001:db8:1::/48", "pool.example.org", "Hash.Example.NET"];
  const resolved = new Map([
    ["pool.example.org", ["198.51.100.1"]],
    ["hash.example.net", ["198.51.100.2", "2001:db8::9"]],
  ]);
  const byAddress: readonly (readonly [address: string, found: string | undefined])[] = [
    ["10.9.8.7", "10.9.0.0/16"],
    ["10.10.0.1", undefined],
    ["192.0.2.7", "192.0.2.7"],
    ["2001:db8:1::5", "2001:db8:1::/48"],
    ["198.51.100.1", "pool.example.org"],
    ["198.51.100.2", "hash.example.net"],
    ["2001:db8::9", "hash.example.net"],
    ["198.51.100.3", undefined],
  ];
  test.each(byAddress)("%s is %p", (address, found) => {
    expect(poolMatcherOf(pools, resolved).byAddress(address)).toBe(found);
  });

  const byWord: readonly (readonly [word: string, host: string | undefined])[] = [
    ["stratum+tcp://eu.pool.example.org:3333", "eu.pool.example.org"],
    ["pool.example.org:3333", "pool.example.org"],
    ["--url=hash.example.net:80", "hash.example.net"],
    ["notpool.example.org:3333", undefined],
    ["pool.example.org", undefined],
    ["x".repeat(100_000), undefined],
  ];
  test.each(byWord)("the word %p names %p", (word, host) => {
    expect(poolMatcherOf(pools, resolved).byWord(word)?.name).toEqual(host);
  });

  test("only names are looked up", () => {
    expect(poolNames(pools)).toEqual(["pool.example.org", "hash.example.net"]);
  });
});
