// What two sweeps differ in, as events: each change once, the first sweep tells of everything.
import { describe, expect, test } from "bun:test";
import { createChangeWriter } from "./events.ts";
import { hostFixture } from "./host.fixture.ts";

const SHELL = "pid 20 ppid 1 uid 1000 exe /usr/bin/bash";
const CALL = "tcp 10.0.0.5:40000 -> 203.0.113.7:443 inode 5";
const LISTENER = "tcp listen 0.0.0.0:80 inode 6";

const ROWS: readonly [sentence: string, sweeps: readonly string[], last: readonly string[]][] = [
  ["the first sweep tells of all processes", [SHELL], ["process-started 1", "process-started 20"]],
  ["nothing changed", [SHELL, SHELL], []],
  ["a process that started", ["", SHELL], ["process-started 20"]],
  ["a process that ended", [SHELL, ""], ["process-ended 20"]],
  ["a process that runs another file", [SHELL, SHELL.replace("bash", "nc")], ["process-executed 20"]],
  ["a process that became a zombie did not run another file", [SHELL, "pid 20 ppid 1 uid 1000 state Z"], []],
  ["a kernel thread is nobody's news", ["", "pid 30 ppid 2 uid 0"], []],
  ["a connection with its owner", [SHELL, `${SHELL}\n  fd 3 rw socket:[5]\n${CALL}`], ["connection-opened 20"]],
  ["a connection of nobody", [SHELL, `${SHELL}\n${CALL}`], ["connection-opened -"]],
  [
    "a connection shared by two is told of both",
    [
      "",
      `${CALL}\npid 20 ppid 1 uid 0 exe /usr/bin/a\n  fd 3 rw socket:[5]\n  fd 4 rw socket:[5]\npid 21 ppid 20 uid 0 exe /usr/bin/a\n  fd 3 rw socket:[5]`,
    ],
    ["process-started 20", "process-started 21", "connection-opened 20", "connection-opened 21"],
  ],
  ["a connection that closed", [`${SHELL}\n${CALL}`, SHELL], ["connection-closed -"]],
  ["a listener that opened", [SHELL, `${SHELL}\n${LISTENER}`], ["listener-opened -"]],
  ["a listener that closed", [`${SHELL}\n${LISTENER}`, SHELL], ["listener-closed -"]],
  ["a socket without an inode is left out", [SHELL, `${SHELL}\n${CALL.replace("inode 5", "inode 0")}`], []],
];

describe("tells of", () => {
  test.each(ROWS)("%s", (_sentence, sweeps, last) => {
    const writer = createChangeWriter();
    const told = sweeps.map((text) => {
      const host = hostFixture(text);
      return [...writer.changes(host.view, host.sockets)];
    });
    expect(
      told.at(-1)?.map((event) => `${event.action} ${event.process?.pid ?? event.fields["process.pid"] ?? "-"}`),
    ).toEqual([...last]);
  });

  test("a pid that was given anew ended and started", () => {
    const writer = createChangeWriter();
    const first = hostFixture(SHELL);
    expect([...writer.changes(first.view, [])]).not.toEqual([]);
    const process = { ...first.process(20), ref: { pid: 20, startedAtTicks: 99_999 } };
    const view = { ...first.view, processes: new Map([[20, process]]) };
    expect([...writer.changes(view, [])].map((event) => event.action)).toEqual([
      "process-started",
      "process-ended",
      "process-ended",
    ]);
  });

  test("a crowd that shares a connection is told with its first four", () => {
    const crowd = Array.from(
      { length: 9 },
      (_, index) => `pid ${20 + index} ppid 1 uid 0 exe /usr/bin/a\n  fd 3 rw socket:[5]`,
    ).join("\n");
    const host = hostFixture(`${crowd}\n${CALL}`);
    const opened = [...createChangeWriter().changes(host.view, host.sockets)].filter(
      (event) => event.action === "connection-opened",
    );
    expect(opened.map((event) => event.process?.pid)).toEqual([20, 21, 22, 23]);
  });

  test("a connection says who opened it, as ECS and Sigma do", () => {
    const host = hostFixture(CALL.replace("->", "<-"));
    const opened = [...createChangeWriter().changes(host.view, host.sockets)].find(
      (event) => event.action === "connection-opened",
    );
    expect(opened?.fields).toMatchObject({
      "network.initiated": false,
      "source.ip": "203.0.113.7",
      "destination.port": 40_000,
      "peer.port": 443,
    });
    expect(opened?.logsource).toEqual({ product: "linux", category: "network_connection" });
  });
});
