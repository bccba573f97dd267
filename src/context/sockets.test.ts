// Which side opened a connection and who listened: what one dump cannot say and the memory of earlier ones can.
import { describe, expect, test } from "bun:test";
import type { Direction } from "../core/socket.ts";
import { hostFixture } from "./host.fixture.ts";
import { createSocketMemory } from "./sockets.ts";

const PORTS = [32_768, 60_999] as const;
const MINUTE_MS = 60_000;
const SERVER = "pid 90 ppid 1 uid 0 exe /usr/sbin/nginx\n  fd 3 rw socket:[2]";

const ROWS: readonly [sentence: string, host: string, direction: Direction][] = [
  ["the kernel's counters come first", "tcp 10.0.0.5:80 -> 203.0.113.7:50000 inode 1", "connected"],
  [
    "the kernel's counters come before a listener",
    `${SERVER}\ntcp listen 0.0.0.0:80 inode 2\ntcp 10.0.0.5:80 -> 203.0.113.7:50000 inode 1`,
    "connected",
  ],
  [
    "a listener on its port",
    `${SERVER}\ntcp listen 0.0.0.0:40000 inode 2\ntcp 10.0.0.5:40000 -- 203.0.113.7:443 inode 1`,
    "accepted",
  ],
  [
    "a listener that nobody holds says nothing",
    "tcp listen 0.0.0.0:40000 inode 2\ntcp 10.0.0.5:40000 -- 203.0.113.7:443 inode 1",
    "connected",
  ],
  ["a port outside those given to clients", "tcp 10.0.0.5:8080 -- 203.0.113.7:50000 inode 1", "accepted"],
  ["the first port given to clients", "tcp 10.0.0.5:32768 -- 203.0.113.7:443 inode 1", "connected"],
  ["the last port given to clients", "tcp 10.0.0.5:60999 -- 203.0.113.7:443 inode 1", "connected"],
  ["two ports of the same kind settle nothing", "tcp 10.0.0.5:40000 -- 203.0.113.7:50000 inode 1", "unknown"],
  [
    "a listener of another protocol says nothing of a datagram",
    `${SERVER}\ntcp listen 0.0.0.0:40000 inode 2\nudp 10.0.0.5:40000 -- 203.0.113.7:53 inode 1`,
    "connected",
  ],
];

describe("direction:", () => {
  test.each(ROWS)("%s", (_sentence, host, direction) => {
    expect(hostFixture(host).view.internetSocket(1)?.direction).toBe(direction);
  });

  test("what was settled once stays, though the listener and the counters are gone", () => {
    const memory = createSocketMemory(PORTS);
    hostFixture("tcp 10.0.0.5:40000 <- 203.0.113.7:50000 inode 1", { memory });
    const later = hostFixture("tcp 10.0.0.5:40000 -- 203.0.113.7:50000 inode 1", { memory });
    expect(later.view.internetSocket(1)?.direction).toBe("accepted");
  });

  test("a socket that was gone in between is another one", () => {
    const memory = createSocketMemory(PORTS);
    hostFixture("tcp 10.0.0.5:40000 <- 203.0.113.7:50000 inode 1", { memory });
    hostFixture("", { memory });
    const later = hostFixture("tcp 10.0.0.5:40000 -- 203.0.113.7:50000 inode 1", { memory });
    expect(later.view.internetSocket(1)?.direction).toBe("unknown");
  });

  test("sockets without an inode (time-wait) are left out", () => {
    expect(hostFixture("tcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 0").view.internetSocket(0)).toBeUndefined();
  });
});

describe("listeners", () => {
  const CALL = "tcp 10.0.0.5:8080 <- 203.0.113.7:50000 inode 1";
  const listening = (pid: number) =>
    `pid ${pid} ppid 1 uid 0 exe /usr/bin/ncat\n  fd 3 rw socket:[2]\ntcp listen 0.0.0.0:8080 inode 2\n${CALL}`;
  const pidsAfter = (hosts: readonly (readonly [text: string, atMs: number])[]): readonly number[] => {
    const memory = createSocketMemory(PORTS);
    const views = hosts.map(([text, atMs]) => hostFixture(text, { memory, atMs }).view);
    const view = views.at(-1);
    const socket = view?.internetSocket(1);
    return view === undefined || socket === undefined
      ? []
      : view.listenersFor(socket).map((process) => process.ref.pid);
  };

  test("are all who hold the listening socket", () => {
    expect(pidsAfter([[`${listening(90)}\npid 91 ppid 90 uid 0 exe /usr/bin/ncat\n  fd 3 rw socket:[2]`, 0]])).toEqual([
      90, 91,
    ]);
  });

  test("are remembered when they stopped listening but live on", () => {
    expect(
      pidsAfter([
        [listening(90), 0],
        [`pid 90 ppid 1 uid 0 exe /usr/bin/ncat\n${CALL}`, MINUTE_MS],
      ]),
    ).toEqual([90]);
  });

  test("are forgotten after an hour", () => {
    expect(
      pidsAfter([
        [listening(90), 0],
        [`pid 90 ppid 1 uid 0 exe /usr/bin/ncat\n${CALL}`, 61 * MINUTE_MS],
      ]),
    ).toEqual([]);
  });

  test("are those of now, not those of an earlier listener on the port", () => {
    expect(
      pidsAfter([
        [listening(90), 0],
        [`pid 90 ppid 1 uid 0 exe /usr/bin/ncat\n${listening(95)}`, MINUTE_MS],
      ]),
    ).toEqual([95]);
  });

  test("that died are nobody", () => {
    expect(
      pidsAfter([
        [listening(90), 0],
        [CALL, MINUTE_MS],
      ]),
    ).toEqual([]);
  });
});
