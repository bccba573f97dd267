// A pool and sustained work are a miner; a port, a name or being busy is only a trait.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import type { Fields } from "../../core/nouns.ts";
import { createMinerDetector, type PoolMatcher } from "./miner.ts";
import { POOL_DOMAINS } from "./pools.ts";

const POOLS: PoolMatcher = {
  byAddress: (address) => (address === "198.51.100.9" ? "pool.example" : undefined),
  byWord: (word) => (word === "stratum+tcp://pool.example:443" ? { name: "pool.example", port: 443 } : undefined),
};
const program = (head: string, argv = `["app"]`) => `pid 50 ppid 1 uid 1000 ${head}
  argv ${argv}
  fd 3 rw socket:[1]`;
const to = (endpoint: string) => `tcp 10.0.0.5:40000 -> ${endpoint} inode 1`;
const HUGE = 256 * 1024 * 1024;

const ROWS: readonly [sentence: string, host: string, expected: Fields | "nothing"][] = [
  [
    "a pool by address, and busy",
    `${program("cpu 90 exe /usr/bin/app")}\n${to("198.51.100.9:3333")}`,
    { "miner.confirmed": true, "miner.pool": "pool.example", "miner.traits": ["sustained-cpu", "pool-port"] },
  ],
  [
    "a pool by address, and huge pages",
    `${program(`huge ${HUGE} exe /usr/bin/app`)}\n${to("198.51.100.9:3333")}`,
    { "miner.confirmed": true, "miner.traits": ["huge-pages", "pool-port"] },
  ],
  [
    "a pool named in argv, with a connection to its port, and busy",
    `${program("cpu 90 exe /usr/bin/app", `["app","stratum+tcp://pool.example:443"]`)}\n${to("203.0.113.7:443")}`,
    { "miner.confirmed": true, "miner.pool": "pool.example" },
  ],
  [
    "a throttled miner: half a core",
    `${program("cpu 50 exe /usr/bin/app")}\n${to("198.51.100.9:3333")}`,
    { "miner.confirmed": true },
  ],
  [
    "a pool and little work is not confirmed",
    `${program("cpu 49 exe /usr/bin/app")}\n${to("198.51.100.9:3333")}`,
    { "miner.confirmed": false, "miner.traits": ["pool-port"] },
  ],
  [
    "a pool named in argv without a connection to its port",
    `${program("cpu 90 exe /usr/bin/app", `["app","stratum+tcp://pool.example:443"]`)}\n${to("203.0.113.7:80")}`,
    { "miner.confirmed": false, "miner.pool": "", "miner.traits": ["sustained-cpu", "marker-argv"] },
  ],
  [
    "a pool named in argv without any connection",
    `pid 50 ppid 1 uid 0 cpu 90 exe /usr/bin/app\n  argv ["app","stratum+tcp://pool.example:443"]`,
    { "miner.confirmed": false, "miner.pool": "" },
  ],
  [
    "work and a pool's port",
    `${program("cpu 90 exe /usr/bin/app")}\n${to("203.0.113.7:3333")}`,
    { "miner.confirmed": false, "miner.traits": ["sustained-cpu", "pool-port"] },
  ],
  [
    "work in /tmp",
    "pid 50 ppid 1 uid 1000 cpu 90 exe /tmp/app",
    { "miner.confirmed": false, "miner.traits": ["sustained-cpu", "temporary-file"] },
  ],
  [
    "work from a file in /dev/shm that is gone",
    "pid 50 ppid 1 uid 1000 cpu 90 exe /dev/shm/app (deleted)",
    { "miner.traits": ["sustained-cpu", "temporary-file", "deleted"] },
  ],
  [
    "work from memory",
    "pid 50 ppid 1 uid 1000 cpu 90 exe /memfd:x (deleted)",
    { "miner.traits": ["sustained-cpu", "deleted"] },
  ],
  ["work alone is what servers do", `${program("cpu 90 exe /usr/bin/app")}\n${to("203.0.113.7:443")}`, "nothing"],
  [
    "huge pages alone are what databases do",
    `${program(`huge ${8 * HUGE} exe /usr/bin/postgres`)}\n${to("203.0.113.7:5432")}`,
    "nothing",
  ],
  ["a pool's port alone", `${program("exe /usr/bin/app")}\n${to("203.0.113.7:3333")}`, "nothing"],
  ["a marker alone", 'pid 50 ppid 1 uid 0 exe /usr/bin/grep\n  argv ["grep","--donate-level"]', "nothing"],
  ["a deleted file of an upgraded package, busy", "pid 50 ppid 1 uid 0 cpu 90 exe /usr/bin/app (deleted)", "nothing"],
  [
    "who is called on such a port is a server",
    `${program("cpu 90 exe /usr/bin/app")}\n${to("203.0.113.7:3333").replace("->", "<-")}`,
    "nothing",
  ],
  [
    "a datagram to such a port",
    `${program("cpu 90 exe /usr/bin/app")}\nudp 10.0.0.5:40000 -> 198.51.100.9:3333 inode 1`,
    "nothing",
  ],
  [
    "the connection in a parent, the work in its children",
    `${program("cpu 1 exe /usr/bin/app")}\npid 51 ppid 50 uid 1000 cpu 60 exe /usr/bin/app\n${to("198.51.100.9:3333")}`,
    { "miner.confirmed": true },
  ],
  [
    "the work of another program below it does not count",
    `${program("cpu 1 exe /usr/bin/app")}\npid 51 ppid 50 uid 1000 cpu 60 exe /usr/bin/gcc\n${to("198.51.100.9:3333")}`,
    { "miner.confirmed": false },
  ],
];

describe("of the second busy sweep:", () => {
  test.each(ROWS)("%s", (_sentence, host, expected) => {
    const detector = createMinerDetector(() => POOLS);
    detector.sweep(hostFixture(host).view);
    const events = detector.sweep(hostFixture(host).view).filter((event) => event.process?.pid === 50);
    if (expected === "nothing") expect(events).toEqual([]);
    else expect(events.map((event) => event.fields)).toEqual([expect.objectContaining(expected)]);
  });

  test("one busy sweep is no sustained work, and an idle one in between begins anew", () => {
    const detector = createMinerDetector(() => POOLS);
    const busy = hostFixture(`${program("cpu 90 exe /usr/bin/app")}\n${to("198.51.100.9:3333")}`).view;
    const idle = hostFixture(`${program("cpu 3 exe /usr/bin/app")}\n${to("198.51.100.9:3333")}`).view;
    const confirmed = [busy, idle, busy, busy].map((view) => detector.sweep(view)[0]?.fields["miner.confirmed"]);
    expect(confirmed).toEqual([false, false, false, true]);
  });

  test("only a pool's connection is named to be cut", () => {
    const detector = createMinerDetector(() => POOLS);
    const suspected = hostFixture(`${program("cpu 90 exe /tmp/app")}\n${to("203.0.113.7:443")}`).view;
    detector.sweep(suspected);
    expect(detector.sweep(suspected)[0]?.subject?.sockets).toEqual([]);
  });
});

test("the list of pools is sorted, lower case, without repeats or ports", () => {
  expect([...new Set(POOL_DOMAINS)].sort()).toEqual([...POOL_DOMAINS].sort());
  expect(POOL_DOMAINS.filter((domain) => !/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(domain))).toEqual([]);
});
