// Which sockets are new, and whose they are.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../../context/host.fixture.ts";
import { createNewSockets } from "./new_sockets.ts";

const HELD = "pid 50 ppid 1 uid 0 exe /usr/sbin/x\n  fd 3 rw socket:[1]";
const NOBODY = "pid 50 ppid 1 uid 0 exe /usr/sbin/x";
const CONNECTION = "tcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 1";
const LISTENER = "tcp listen 0.0.0.0:80 inode 1";

/** In each sweep: how many are new, and the pids of their owners. */
const ROWS: readonly [sentence: string, sweeps: readonly string[], told: readonly string[]][] = [
  ["is new once", [`${HELD}\n${CONNECTION}`, `${HELD}\n${CONNECTION}`], ["50", ""]],
  ["is new again after it was gone", [`${HELD}\n${CONNECTION}`, HELD, `${HELD}\n${CONNECTION}`], ["50", "", "50"]],
  [
    "waits a sweep for an owner that was not met yet",
    [`${NOBODY}\n${CONNECTION}`, `${HELD}\n${CONNECTION}`],
    ["", "50"],
  ],
  [
    "without an owner is told at the second sweep",
    [`${NOBODY}\n${CONNECTION}`, `${NOBODY}\n${CONNECTION}`, `${NOBODY}\n${CONNECTION}`],
    ["", "nobody", ""],
  ],
  [
    "that is gone before an owner was met is told all the same",
    [`${NOBODY}\n${CONNECTION}`, NOBODY, NOBODY],
    ["", "nobody", ""],
  ],
  ["that listens is new at once", [`${HELD}\n${LISTENER}`, `${HELD}\n${LISTENER}`], ["50", ""]],
  [
    "shared by many is one, its oldest owner first",
    [
      "pid 51 ppid 50 uid 0 exe /usr/sbin/x\n  fd 3 rw socket:[1]\n  fd 4 rw socket:[1]\npid 50 ppid 1 uid 0 exe /usr/sbin/x\n  fd 3 rw socket:[1]\n" +
        LISTENER,
    ],
    ["50,51"],
  ],
];

describe("a socket", () => {
  test.each(ROWS)("%s", (_sentence, sweeps, told) => {
    const sockets = createNewSockets();
    const seen = sweeps.map((host) => {
      const { connections, listeners } = sockets.of(hostFixture(host).view);
      return [...connections, ...listeners]
        .map(({ owners }) => owners.map(({ ref }) => ref.pid).join(",") || "nobody")
        .join(" ");
    });
    expect(seen).toEqual([...told]);
  });

  test("is the same news for everybody who asks about one view", () => {
    const sockets = createNewSockets();
    const { view } = hostFixture(`${HELD}\n${CONNECTION}`);
    expect(sockets.of(view)).toBe(sockets.of(view));
    expect(sockets.of(view).connections.length).toBe(1);
  });
});
