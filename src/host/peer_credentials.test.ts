import { afterEach, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PeerCredentials, peerCredentialsOf } from "./peer_credentials.ts";

const folder = mkdtempSync(join(tmpdir(), "algo-peer-"));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("the kernel names the other end of an accepted unix socket", async () => {
  const asked = Promise.withResolvers<PeerCredentials | undefined>();
  const path = join(folder, "s");
  const listener = Bun.listen({
    unix: path,
    socket: {
      open: (socket) => {
        const fd: unknown = Reflect.get(socket, "fd");
        asked.resolve(peerCredentialsOf(typeof fd === "number" ? fd : -1));
      },
      data: () => undefined,
    },
  });
  const child = Bun.spawn(["python3", "-c", CONNECT, path], { stdin: "pipe", stdout: "ignore", stderr: "inherit" });
  const peer = await asked.promise;
  child.stdin.end();
  await child.exited;
  listener.stop(true);
  expect(peer).toEqual({ uid: process.getuid?.() ?? -1, pid: child.pid });
});

const CONNECT = `
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
sys.stdin.read()
`;

test("what is no connected unix socket has no peer", () => {
  const fd = openSync("/dev/null", "r");
  expect([peerCredentialsOf(fd), peerCredentialsOf(-1), peerCredentialsOf(9_999)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  closeSync(fd);
});
