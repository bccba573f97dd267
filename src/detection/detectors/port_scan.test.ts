// One peer at many ports: scanners, and those who come to many ports every day.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import type { HostView } from "../../core/view.ts";
import { createPortScanDetector } from "./port_scan.ts";

const PORTS = [21, 22, 25, 80, 110, 143, 443, 993, 3306, 5432];
const SERVER = "pid 50 ppid 1 uid 0 exe /usr/sbin/x\n  fd 3 rw socket:[1]";
const LISTENERS = PORTS.map((port, index) => `tcp listen 0.0.0.0:${port} inode ${1 + index}`).join("\n");
const START_MS = 1_000_000;

/** `peer` has an accepted connection at each port. */
function host(second: number, peer: string, ports: readonly number[], connectionsFrom = 100): HostView {
  const lines = ports.map((port, index) => `tcp 10.0.0.5:${port} <- ${peer}:40000 inode ${connectionsFrom + index}`);
  return hostFixture([SERVER, LISTENERS, ...lines].join("\n"), { atMs: START_MS + second * 1000 }).view;
}

type Sweep = readonly [second: number, peer: string, ports: readonly number[]];

/** What the detector says at each second, after it has learnt for two minutes. */
function told(...sweeps: Sweep[]): readonly number[] {
  const detector = createPortScanDetector();
  detector.sweep(host(-130, "192.0.2.1", []));
  return sweeps.map(([second, peer, ports]) => detector.sweep(host(second, peer, ports)).length);
}

const STRANGER = "203.0.113.7";
const ROWS: readonly [sentence: string, sweeps: readonly Sweep[], expected: readonly number[]][] = [
  [
    "eight ports, then gone",
    [
      [0, STRANGER, PORTS.slice(0, 8)],
      [5, STRANGER, []],
    ],
    [0, 1],
  ],
  [
    "ports one after the other within a minute",
    [
      [0, STRANGER, PORTS.slice(0, 4)],
      [20, STRANGER, PORTS.slice(4, 8)],
      [25, STRANGER, []],
    ],
    [0, 0, 1],
  ],
  [
    "told once",
    [
      [0, STRANGER, PORTS],
      [5, STRANGER, []],
      [10, STRANGER, PORTS],
      [15, STRANGER, []],
    ],
    [0, 1, 0, 0],
  ],
  [
    "a neighbour of the LAN does it too",
    [
      [0, "192.168.0.9", PORTS],
      [5, "192.168.0.9", []],
    ],
    [0, 1],
  ],
  [
    "seven ports are not many",
    [
      [0, STRANGER, PORTS.slice(0, 7)],
      [5, STRANGER, []],
    ],
    [0, 0],
  ],
  [
    "connections that stay are work",
    [
      [0, STRANGER, PORTS],
      [5, STRANGER, PORTS],
      [70, STRANGER, PORTS],
      [75, STRANGER, []],
    ],
    [0, 0, 0, 0],
  ],
  [
    "ports over hours are not a burst",
    [
      [0, STRANGER, PORTS.slice(0, 4)],
      [5, STRANGER, []],
      [90, STRANGER, PORTS.slice(4, 8)],
      [95, STRANGER, []],
    ],
    [0, 0, 0, 0],
  ],
  [
    "loopback",
    [
      [0, "127.0.0.1", PORTS],
      [5, "127.0.0.1", []],
    ],
    [0, 0],
  ],
  [
    "this host by its own address",
    [
      [0, "10.0.0.5", PORTS],
      [5, "10.0.0.5", []],
    ],
    [0, 0],
  ],
];

describe("one peer at many ports:", () => {
  test.each(ROWS)("%s", (_sentence, sweeps, expected) => {
    expect(told(...sweeps)).toEqual([...expected]);
  });

  test("a scraper that was here when we started is known, whenever it comes again", () => {
    const detector = createPortScanDetector();
    const seconds = [0, 5, 60, 65, 300, 305, 4_000, 4_005];
    const found = seconds.map(
      (second, index) => detector.sweep(host(second, STRANGER, index % 2 === 0 ? PORTS : [])).length,
    );
    expect(found).toEqual(seconds.map(() => 0));
  });

  test("half open connections that no process has count", () => {
    const detector = createPortScanDetector();
    detector.sweep(host(-130, STRANGER, []));
    const { view } = hostFixture([SERVER, LISTENERS].join("\n"), { atMs: START_MS });
    const ownerlessSockets = PORTS.map((port) => ({
      inode: 0,
      protocol: "tcp" as const,
      state: "syn-received" as const,
      local: { address: "10.0.0.5", port },
      remote: { address: STRANGER, port: 40_000 },
      networkNamespace: 1,
      uid: 0,
      cookie: 0n,
    }));
    const [event] = detector.sweep({ ...view, ownerlessSockets });
    expect(event?.fields).toEqual({
      "peer.ip": STRANGER,
      "peer.scope": "public",
      "scan.kind": "ports",
      "scan.ports": 10,
    });
  });

  test("ten thousand strangers are forgotten, oldest first", () => {
    const detector = createPortScanDetector();
    detector.sweep(host(-130, STRANGER, []));
    detector.sweep(host(0, STRANGER, PORTS.slice(0, 7)));
    for (let index = 0; index < 1_100; index++)
      detector.sweep(host(1, `198.51.${100 + (index >> 8)}.${index & 255}`, [80]));
    // Its first seven ports are forgotten with it.
    expect(detector.sweep(host(2, STRANGER, [5432])).length).toBe(0);
    expect(detector.sweep(host(7, STRANGER, [])).length).toBe(0);
  });
});
