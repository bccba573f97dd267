// Following bytes between processes: where it gets, where it stops, and that it always ends.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { hostFixture } from "../../context/host.fixture.ts";
import { reachFrom, remoteSockets } from "./channels.ts";

const OUT = "tcp 10.0.0.5:40000 -> 203.0.113.7:4444 inode 1";
/** A line of processes, each with the pipe of its neighbours on 0 and 1; the last one holds the connection. */
function pipeline(length: number): string {
  const lines = Array.from(
    { length },
    (_, index) =>
      `pid ${10 + index} ppid 1 uid 1000 exe /usr/bin/cat\n  fd 0 r pipe:[${100 + index}]\n  fd 1 w pipe:[${99 + index}]`,
  );
  return `${lines.join("\n")}\n  fd 3 rw socket:[1]\n${OUT}`;
}

const ROWS: readonly [sentence: string, host: string, flow: "source" | "sink", expected: readonly string[]][] = [
  [
    "the connection is its own",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 rw socket:[1]\n${OUT}`,
    "source",
    ["10:"],
  ],
  ["over one pipe", pipeline(2), "source", ["11:pipe"]],
  ["over a line of pipes", pipeline(5), "source", ["14:pipe,pipe,pipe,pipe"]],
  ["over thirty pipes", pipeline(31), "source", [`40:${Array.from({ length: 30 }, () => "pipe").join()}`]],
  [
    "what only reads the same pipe is no source",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 r pipe:[5]\npid 11 ppid 1 uid 0 exe /usr/bin/cat\n  fd 0 r pipe:[5]\n  fd 3 rw socket:[1]\n${OUT}`,
    "source",
    [],
  ],
  [
    "what only writes the same pipe is no sink",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 1 w pipe:[5]\npid 11 ppid 1 uid 0 exe /usr/bin/cat\n  fd 1 w pipe:[5]\n  fd 3 rw socket:[1]\n${OUT}`,
    "sink",
    [],
  ],
  [
    "over a fifo that a tool opened by its name",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 r pipe:[5]\npid 11 ppid 1 uid 0 exe /usr/bin/cat\n  fd 1 w pipe:[5]\n  fd 3 r fifo /tmp/f\npid 12 ppid 1 uid 0 exe /usr/bin/nc.openbsd\n  fd 1 w fifo /tmp/f\n  fd 4 rw socket:[1]\n${OUT}`,
    "source",
    ["12:pipe,fifo"],
  ],
  [
    "over a terminal to its master",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 rw /dev/pts/2\npid 11 ppid 1 uid 0 exe /usr/bin/socat\n  fd 3 rw /dev/pts/ptmx (tty-index 2)\n  fd 4 rw socket:[1]\n${OUT}`,
    "source",
    ["11:terminal"],
  ],
  [
    "not to others on the same terminal",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 rw /dev/pts/2\npid 11 ppid 1 uid 0 exe /usr/bin/ssh\n  fd 0 rw /dev/pts/2\n  fd 4 rw socket:[1]\n${OUT}`,
    "source",
    [],
  ],
  [
    "over an unnamed pair",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 rw socket:[20]\npid 11 ppid 1 uid 0 exe /usr/bin/ssh\n  fd 3 rw socket:[21]\n  fd 4 rw socket:[1]\npair 20 21\n${OUT}`,
    "source",
    ["11:socketpair"],
  ],
  [
    "not over a service's named socket",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 rw socket:[20]\npid 11 ppid 1 uid 0 exe /usr/bin/dbus-daemon\n  fd 3 rw socket:[21]\n  fd 4 rw socket:[1]\npair 20 21 /run/dbus/socket\n${OUT}`,
    "source",
    [],
  ],
  [
    "over a named socket of a tool that only carries bytes",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 rw socket:[20]\npid 11 ppid 1 uid 0 exe /usr/bin/socat\n  argv ["socat","TCP:h:1","UNIX-CONNECT:/tmp/s"]\n  fd 3 rw socket:[21]\n  fd 4 rw socket:[1]\npair 20 21 /tmp/s\n${OUT}`,
    "source",
    ["11:socketpair"],
  ],
  [
    "over pipes on high descriptors of inline code",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 r pipe:[5]\npid 11 ppid 1 uid 0 exe /usr/bin/python3.11\n  argv ["python3","-c","x"]\n  fd 8 w pipe:[5]\n  fd 9 r pipe:[6]\npid 12 ppid 1 uid 0 exe /usr/bin/nc.openbsd\n  fd 1 w pipe:[6]\n  fd 3 rw socket:[1]\n${OUT}`,
    "source",
    ["12:pipe,pipe"],
  ],
  [
    "a file leads nowhere",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 r /etc/passwd\n  fd 3 rw socket:[1]\n${OUT}`,
    "source",
    [],
  ],
  ["a descriptor that is not there leads nowhere", `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n${OUT}`, "source", []],
  [
    "a listener is no far end",
    `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 rw socket:[1]\ntcp listen 0.0.0.0:80 inode 1`,
    "source",
    [],
  ],
];

describe("reaches", () => {
  test.each(ROWS)("%s", (_sentence, text, flow, expected) => {
    const host = hostFixture(text);
    const reached = reachFrom(host.view, host.process(10), flow === "source" ? 0 : 1, flow);
    expect(reached.map((reach) => `${reach.holder.ref.pid}:${reach.through.join()}`)).toEqual([...expected]);
  });

  test("the connection though a crowd of bystanders holds the same pipe", () => {
    const crowd = Array.from(
      { length: 300 },
      (_, index) => `pid ${100 + index} ppid 1 uid 0 exe /usr/bin/sleep\n  fd 1 w pipe:[5]`,
    ).join("\n");
    const host = hostFixture(
      `pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 r pipe:[5]\n${crowd}\npid 900 ppid 1 uid 0 exe /usr/bin/nc.openbsd\n  fd 1 w pipe:[5]\n  fd 3 rw socket:[1]\n${OUT}`,
    );
    expect(reachFrom(host.view, host.process(10), 0, "source").map((reach) => reach.holder.ref.pid)).toEqual([900]);
  });
});

test("a socket held on many descriptors is held once, by the lowest", () => {
  const host = hostFixture(`pid 10 ppid 1 uid 0 exe /usr/bin/bash\n  fd 0 rw socket:[1]\n  fd 5 rw socket:[1]\n${OUT}`);
  expect(remoteSockets(host.view, host.process(10)).map((held) => [held.fd, held.socket.inode])).toEqual([[0, 1]]);
});

test("ends on every graph, circles too, and names only real holders over real channels", () => {
  const end = fc.record({
    pid: fc.integer({ min: 10, max: 25 }),
    fd: fc.nat(5),
    mode: fc.constantFrom("r", "w", "rw"),
    channel: fc.constantFrom(
      "pipe:[1]",
      "pipe:[2]",
      "pipe:[3]",
      "fifo /f",
      "fifo /g",
      "/dev/pts/1",
      "/dev/pts/ptmx (tty-index 1)",
      "socket:[20]",
      "socket:[21]",
      "socket:[1]",
      "socket:[2]",
    ),
  });
  const files = fc.constantFrom("/usr/bin/cat", "/usr/bin/bash", "/tmp/x", "/usr/bin/socat");
  fc.assert(
    fc.property(
      fc.array(end, { maxLength: 80 }),
      fc.array(files, { minLength: 16, maxLength: 16 }),
      (ends, programs) => {
        const text = programs.map((file, index) => {
          const held = new Map(ends.filter((one) => one.pid === 10 + index).map((one) => [one.fd, one]));
          return [
            `pid ${10 + index} ppid 1 uid 0 exe ${file}`,
            ...[...held.values()].map((one) => `  fd ${one.fd} ${one.mode} ${one.channel}`),
          ].join("\n");
        });
        const host = hostFixture(
          `${text.join("\n")}\npair 20 21\n${OUT}\n${OUT.replace("40000", "40001").replace("inode 1", "inode 2")}`,
        );
        for (const process of host.view.processes.values()) {
          for (const flow of ["source", "sink"] as const) {
            for (const reach of reachFrom(host.view, process, flow === "source" ? 0 : 1, flow)) {
              expect(remoteSockets(host.view, reach.holder).map((held) => held.socket.inode)).toContain(
                reach.socket.inode,
              );
              expect(reach.hops.length).toBe(reach.through.length);
              expect(new Set([process, ...reach.hops]).size).toBe(reach.hops.length + 1);
            }
          }
        }
      },
    ),
    { seed: 5, numRuns: 300 },
  );
});
