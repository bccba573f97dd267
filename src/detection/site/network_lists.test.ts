// TRUSTED_PORTS and SUSPICIOUS_NETWORK_PATTERNS, with the lists of the old service and their accidents.
import { describe, expect, test } from "bun:test";
import { compileNetworkLists } from "./network_lists.ts";

/** As the old service published them. */
const OLD_PATTERNS: readonly string[] = [
  "\\.onion$",
  "^45\\..*",
  "^62\\..*",
  "^192\\.99\\..*",
  ":4444$",
  ":8888$",
  ":31337$",
  "\\.ddns\\.net$",
  "\\.no-ip\\.org$",
  "^10\\.",
  "^172\\.(1[6-9]|2[0-9]|3[0-1])\\.",
  "^192\\.168\\.",
];
const lists = compileNetworkLists({ TRUSTED_PORTS: { "22": "SSH" }, SUSPICIOUS_NETWORK_PATTERNS: OLD_PATTERNS });

const ROWS: readonly [sentence: string, address: string, port: number, domains: readonly string[], expected: string][] =
  [
    ["an address", "45.1.2.3", 443, [], "ip ^45\\..*"],
    ["address and port", "203.0.113.7", 4444, [], "ip:port :4444$"],
    ["the port says more than the address", "45.1.2.3", 31337, [], "ip:port :31337$"],
    ["the domain says more than both", "45.1.2.3", 31337, ["x.ddns.net"], "domain \\.ddns\\.net$"],
    ["upper and lower case are one", "203.0.113.7", 80, ["X.DDNS.net"], "domain \\.ddns\\.net$"],
    ["IPv6 stands in brackets", "2001:db8::1", 4444, [], "ip:port :4444$"],
    ["the last group of an IPv6 address is no port", "2001:db8::4444", 443, [], "nothing"],
    ["a LAN peer", "192.168.1.9", 22, [], "ip ^192\\.168\\."],
    ["an ordinary address", "203.0.113.7", 443, ["example.org"], "nothing"],
    ["a domain that only contains it", "203.0.113.7", 443, ["ddns.net.example.org"], "nothing"],
    ["an address that only begins like it", "145.1.2.3", 443, [], "nothing"],
  ];

describe("a pattern on", () => {
  test.each(ROWS)("%s", (_sentence, address, port, domains, expected) => {
    const found = lists.match({ address, port }, domains);
    expect(found === undefined ? "nothing" : `${found.subject} ${found.pattern}`).toBe(expected);
  });

  test("an address asked about a second time is answered the same", () => {
    const ask = () => lists.match({ address: "45.9.9.9", port: 4444 }, []);
    expect(ask()).toEqual(ask());
  });
});

test("what re2 refuses is left out, the rest counts", () => {
  const some = compileNetworkLists({ TRUSTED_PORTS: {}, SUSPICIOUS_NETWORK_PATTERNS: ["(?=x)", ":1$"] });
  expect(some.match({ address: "203.0.113.7", port: 1 }, [])?.pattern).toBe(":1$");
  expect([some.hasPorts, some.hasPatterns, some.portName(22), lists.portName(22)]).toEqual([
    false,
    true,
    undefined,
    "SSH",
  ]);
});
