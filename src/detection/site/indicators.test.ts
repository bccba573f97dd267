// Lists of indicators as they are found in the wild: what is understood, what is refused, and how a hit is told.
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { readIndicatorLine } from "./indicator_line.ts";
import { createIndicatorBuilder, type IndicatorSet } from "./indicators.ts";

const DIGEST = `${"a".repeat(63)}b`;

const LINES: readonly [line: string, expected: string][] = [
  ["203.0.113.7", "203.0.113.7/32"],
  ["  203.0.113.7  # feodo", "203.0.113.7/32"],
  ["203.0.113.7 ; SBL123", "203.0.113.7/32"],
  ["203.0.113.99/24", "203.0.113.0/24"],
  ["203.0.113.7:443", "203.0.113.7/32"],
  ["2001:db8::1", "2001:db8:0:0:0:0:0:1/128"],
  ["2001:db8::/32", "2001:db8::/32"],
  ["[2001:db8::1]:443", "2001:db8:0:0:0:0:0:1/128"],
  ["203[.]0[.]113[.]7", "203.0.113.7/32"],
  ["hxxp://203.0.113.7/a/b.sh", "203.0.113.7/32"],
  ["2024-01-01 was the day", "bad"],
  ['"203.0.113.7","2024-01-01","botnet"', "203.0.113.7/32"],
  ["203.0.113.7,443,online", "203.0.113.7/32"],
  ["Evil.Example", "evil.example"],
  ["evil[.]example", "evil.example"],
  ["evil(dot)example", "evil.example"],
  ["hxxps://evil[.]example/", "evil.example"],
  ["*.evil.example", "evil.example"],
  [".evil.example", "evil.example"],
  ["||evil.example^", "evil.example"],
  ["evil.example.", "evil.example"],
  ["0.0.0.0 bad.example", "bad.example"],
  ["127.0.0.1\tbad.example # x", "bad.example"],
  ["0.0.0.0 0.0.0.0", "nothing"],
  ["127.0.0.1 localhost", "nothing"],
  ["::1 ip6-localhost ip6-loopback", "nothing"],
  [DIGEST.toUpperCase(), DIGEST],
  [`${DIGEST}  bad.bin`, DIGEST],
  ["", "nothing"],
  ["# remark", "nothing"],
  ["; remark", "nothing"],
  ["// remark", "nothing"],
  ["! remark of an ad list", "nothing"],
  ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "bad"],
  ["d41d8cd98f00b204e9800998ecf8427e", "bad"],
  ["0.0.0.0/0", "bad"],
  ["::/0", "bad"],
  ["64.0.0.0/2", "bad"],
  ["10.0.0.0/8", "bad"],
  ["192.168.1.1", "bad"],
  ["192.0.0.0/8", "bad"],
  ["127.0.0.0/8", "bad"],
  ["169.254.169.254", "bad"],
  ["fe80::1", "bad"],
  ["203.0.113.7/33", "bad"],
  ["203.0.113.7/x", "bad"],
  ["1.2.3", "bad"],
  ["com", "bad"],
  ["localhost", "bad"],
  ["https://git.example/evil/repository", "bad"],
  [`${"x".repeat(5_000)}.example`, "bad"],
];

describe("a line of a list:", () => {
  test.each(LINES)("%s", (line, expected) => {
    expect(readAs(line)).toBe(expected);
  });

  test("whatever stands there, it is answered, and never with a whole region or a neighbour", () => {
    let seed = 11;
    const next = (limit: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % limit;
    };
    const alphabet = '0123456789abcdef.:/[]()#;," \thxp*-|^\u0000\uFEFF';
    for (let round = 0; round < 5_000; round++) {
      const line = Array.from({ length: next(48) }, () => alphabet[next(alphabet.length)]).join("");
      const read = readIndicatorLine(line);
      if (read.kind === "network") expect(read.length).toBeGreaterThanOrEqual(8);
      if (read.kind === "domain") expect(read.domain).toMatch(/^[a-z0-9_.-]+\.[a-z0-9-]+$/);
    }
  });
});

function readAs(line: string): string {
  const read = readIndicatorLine(line);
  switch (read.kind) {
    case "network": {
      const set = setOf(line);
      return set.addresses === 1 ? `${textOf(read)}/${read.length}` : "not in the set";
    }
    case "domain":
      return read.domain;
    case "sha256":
      return read.sha256;
    case "bad":
    case "nothing":
      return read.kind;
  }
}

function textOf(read: Extract<ReturnType<typeof readIndicatorLine>, { kind: "network" }>): string {
  const { bits, value } = read.address;
  if (bits === 32) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 255n).join(".");
  const groups = Array.from({ length: 8 }, (_, index) => ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16));
  return groups.join(":").replace(/(:0)+$/, "::");
}

function setOf(...lines: readonly string[]): IndicatorSet {
  const builder = createIndicatorBuilder();
  builder.begin("/lists/a.txt");
  for (const line of lines) builder.line(line);
  return builder.finish();
}

describe("a hit", () => {
  const set = setOf("# head", "203.0.113.0/24", "203.0.113.7", "2001:db8::/32", "evil.example", DIGEST);
  const asked: readonly [sentence: string, answer: () => unknown, expected: string][] = [
    ["on an address names the narrowest entry", () => set.address("203.0.113.7"), "ip 203.0.113.7 line 3"],
    [
      "on another address of the network names the network",
      () => set.address("203.0.113.9"),
      "ip 203.0.113.0/24 line 2",
    ],
    ["on an address as IPv6 shows it", () => set.address("::ffff:203.0.113.9"), "ip 203.0.113.0/24 line 2"],
    ["on IPv6", () => set.address("2001:db8:1::9"), "ip 2001:db8::/32 line 4"],
    ["on a domain", () => set.domain("evil.example"), "domain evil.example line 5"],
    ["on a name below it", () => set.domain("A.B.Evil.Example."), "domain evil.example line 5"],
    ["on a digest in capitals", () => set.sha256(DIGEST.toUpperCase()), `sha256 ${DIGEST} line 6`],
    ["not on a neighbour", () => set.address("203.0.114.7"), "nothing"],
    ["not on a name that only ends alike", () => set.domain("notevil.example"), "nothing"],
    ["not on a parent of the domain", () => set.domain("example"), "nothing"],
    ["not on another digest", () => set.sha256("c".repeat(64)), "nothing"],
    ["not on what is no address", () => set.address("203.0.113"), "nothing"],
  ];
  test.each(asked)("%s", (_sentence, answer, expected) => {
    const hit = answer();
    const text =
      typeof hit === "object" && hit !== null && "type" in hit && "value" in hit && "line" in hit
        ? `${hit.type} ${hit.value} line ${hit.line}`
        : "nothing";
    expect(text).toBe(expected);
  });

  test("names the list, the first of those that have it", () => {
    const builder = createIndicatorBuilder();
    for (const file of ["/lists/a", "/lists/b"]) {
      builder.begin(file);
      builder.line("evil.example");
    }
    expect(builder.finish().domain("evil.example")).toEqual({
      type: "domain",
      value: "evil.example",
      list: "/lists/a",
      line: 1,
    });
  });
});

describe("a list", () => {
  test("with bad lines is told with their places, the first five, and the rest counts", () => {
    const set = setOf("ip,first seen", "203.0.113.7,x", ...new Array<string>(9).fill("10.0.0.1"), "evil.example");
    expect(set.lists).toEqual([{ file: "/lists/a.txt", entries: 2, refused: 9 }]);
    expect(set.remarks.length).toBe(5);
    expect(set.remarks[0]).toStartWith('/lists/a.txt:3: "10.0.0.1" is or holds private addresses');
  });

  test("over the bound is told, and the first ones count", () => {
    const builder = createIndicatorBuilder(2);
    builder.begin("/lists/a");
    for (const name of ["a.example", "b.example", "c.example"]) builder.line(name);
    const set = builder.finish();
    expect([set.size, set.domain("b.example")?.line, set.domain("c.example"), set.lists[0]?.refused]).toEqual([
      2,
      2,
      undefined,
      1,
    ]);
  });

  test("of 50,000 names finds every one of them at its line, and nothing else", () => {
    const set = setOf(...Array.from({ length: 50_000 }, (_, index) => `host${index}.example`));
    const wrong = Array.from({ length: 50_000 }, (_, index) => index).filter(
      (index) =>
        set.domain(`host${index}.example`)?.line !== index + 1 || set.domain(`other${index}.example`) !== undefined,
    );
    expect(wrong).toEqual([]);
  });
});

const data = join(
  process.env["ALGO_SHARED"] ?? resolve(import.meta.dir, "../../../../shared"),
  "data/mining_hosts.jsonl.gz",
);
test.skipIf(!existsSync(data))(
  `the published list of mining hosts is understood${existsSync(data) ? "" : `: skipped, no ${data}`}`,
  () => {
    const text = new TextDecoder().decode(Bun.gunzipSync(new Uint8Array(readFileSync(data))));
    const hosts = text
      .trim()
      .split("\n")
      .flatMap((line) => {
        const row: unknown = JSON.parse(line);
        return typeof row === "object" && row !== null && "value" in row ? [String(row.value)] : [];
      });
    const set = setOf(...hosts);
    expect(hosts.length).toBeGreaterThan(3_000);
    // What it has besides hosts are parts of URLs.
    const odd = hosts.filter((host) => readIndicatorLine(host).kind === "bad" && !host.includes("/"));
    expect(odd).toEqual([]);
    expect(set.size).toBeGreaterThan(3_000);
  },
);
