import { describe, expect, test } from "bun:test";
import { createNetworksSeen, networkOf } from "./networks_seen.ts";

describe("the network of an address", () => {
  const ROWS: readonly (readonly [string, string, string | undefined])[] = [
    ["of IPv4 is its /24", "192.0.2.77", "192.0.2.0/24"],
    ["of IPv6 is its /64", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["of IPv4 in IPv6 is that of IPv4", "::ffff:192.0.2.77", "192.0.2.0/24"],
    ["with a scope is that without", "fe80::1%eth0", "fe80::/64"],
    ["of a name is none", "desk.example.org", undefined],
    ["of nothing is none", "", undefined],
  ];
  for (const [name, address, expected] of ROWS) test(name, () => expect(networkOf(address)).toBe(expected));
});

describe("what is remembered of users", () => {
  test("begins with their first network, which is not new", () => {
    const seen = createNetworksSeen();
    expect(seen.learn("alice", "192.0.2.0/24", 1)).toEqual({ isNew: false, isFirst: true });
    expect(seen.learn("alice", "192.0.2.0/24", 2)).toEqual({ isNew: false, isFirst: false });
    expect(seen.learn("alice", "198.51.100.0/24", 3)).toEqual({ isNew: true, isFirst: false });
    expect(seen.learn("bob", "198.51.100.0/24", 4)).toEqual({ isNew: false, isFirst: true });
  });

  test("survives a restart", () => {
    const before = createNetworksSeen();
    before.learn("alice", "192.0.2.0/24", 1);
    const after = createNetworksSeen(JSON.parse(JSON.stringify(before.all())));
    expect(after.learn("alice", "192.0.2.0/24", 2)).toEqual({ isNew: false, isFirst: false });
  });

  test("is bounded in users, the least recently seen goes", () => {
    const seen = createNetworksSeen();
    for (let at = 0; at < 1_500; at++) {
      seen.learn("alice", "192.0.2.0/24", at);
      seen.learn(`u${at}`, "192.0.2.0/24", at);
    }
    expect(seen.all()).toHaveLength(1_000);
    expect(seen.learn("alice", "192.0.2.0/24", 9)).toEqual({ isNew: false, isFirst: false });
    expect(seen.learn("u0", "192.0.2.0/24", 9).isFirst).toBe(true);
  });

  test("calls no network new for who comes from everywhere", () => {
    const seen = createNetworksSeen();
    const told = Array.from({ length: 200 }, (_, at) => seen.learn("git", `10.0.${at}.0/24`, at).isNew);
    expect(told.filter(Boolean)).toHaveLength(63);
    expect(told.slice(64)).not.toContain(true);
    expect(seen.all()[0]?.networks).toHaveLength(64);
  });
});
