// Real connections over the loopback interface, inside one process that the test starts.
import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "../core/clock.ts";
import type { SocketRef } from "../core/nouns.ts";
import { socketRef } from "../core/render.ts";
import type { InternetSocket } from "../core/socket.ts";
import { createSocketReader } from "../host/sockets.ts";
import { endStarted, startPython } from "../host/test_processes.ts";
import { disconnectPlan } from "./disconnect.ts";

const PAIRS = `
import os, socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen()
held = []
for n in range(2):
  c = socket.socket(); c.connect(s.getsockname()); a, _ = s.accept(); held += [c, a]
out = " ".join(str(os.fstat(x.fileno()).st_ino) for x in [*held, s])`;

afterEach(endStarted);

function find(inode: number | undefined): InternetSocket | undefined {
  return createSocketReader()
    .read([])
    .internet.find((socket) => socket.inode === inode);
}

async function connections(): Promise<{ refs: readonly SocketRef[]; inodes: readonly number[] }> {
  const { line } = await startPython(PAIRS);
  const inodes = line.split(" ").map(Number);
  const refs = [inodes[0], inodes[2]].map((inode) => {
    const socket = find(inode);
    if (socket === undefined) throw new Error(`socket ${inode} is not there`);
    return socketRef(socket);
  });
  return { refs, inodes };
}

function cut(sockets: readonly SocketRef[]) {
  return disconnectPlan("d1", { kill: [], sockets, spared: [] }, systemClock);
}

describe("disconnect", () => {
  test("ends the connections of the plan, and no other of the same process", async () => {
    const { refs, inodes } = await connections();
    const outcome = cut(refs.slice(0, 1));
    expect(outcome).toMatchObject({
      decisionId: "d1",
      result: "done",
      verified: true,
      killed: [],
      socketsDestroyed: 1,
    });
    expect(outcome.detail).toBe("destroyed 1 of 1 connections");
    expect(find(inodes[0])?.state).not.toBe("established");
    expect([find(inodes[2])?.state, find(inodes[4])?.state]).toEqual(["established", "listen"]);
  });

  test("one that is closed already is told apart from one that we closed", async () => {
    const { refs } = await connections();
    cut(refs.slice(0, 1));
    expect(cut(refs)).toMatchObject({
      result: "done",
      socketsDestroyed: 1,
      detail: "destroyed 1 of 2 connections, 1 were already closed",
    });
  });

  test("one that cannot be named is a failure beside those that could", async () => {
    const { refs } = await connections();
    const [first, second] = refs;
    if (first === undefined || second === undefined) throw new Error("no sockets");
    const outcome = cut([{ ...first, cookie: 0n }, second]);
    expect(outcome).toMatchObject({ result: "partial", verified: false, socketsDestroyed: 1 });
    expect(outcome.detail).toContain(`the tcp connection to 127.0.0.1:${first.remotePort} is still open`);
    expect(cut([{ ...first, cookie: 0n }])).toMatchObject({ result: "failed", socketsDestroyed: 0 });
  });
});
