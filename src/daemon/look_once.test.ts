import { expect, test } from "bun:test";
import { oneShotViews } from "./look_once.ts";

const LISTENER = `
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
  console.log(server.port);
  process.stdin.on("end", () => process.exit()).resume();
`;

test("a look without a daemon sees a process, its parent, its pipes and what it listens on", async () => {
  const child = Bun.spawn([process.execPath, "-e", LISTENER], { stdin: "pipe", stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  const found = await oneShotViews.process(child.pid);
  const listening = await oneShotViews.connections({ listening: true, pid: child.pid });
  child.stdin.end();
  await child.exited;
  if (!found.ok) throw new Error(found.fault.message);
  expect(found.value.sweptBy).toBe("one-shot");
  expect(found.value.process.executable).toBe(process.execPath);
  expect(found.value.ancestors[0]?.pid).toBe(process.pid);
  expect(listening.connections).toEqual(found.value.connections);
  expect(listening.connections.map((row) => `${row.local}:${row.localPort} ${row.state} ${row.scope}`)).toEqual([
    `127.0.0.1:${new TextDecoder().decode(value).trim()} listen loopback`,
  ]);
});

test("logins read without a daemon are of known shape", async () => {
  const sessions = await oneShotViews.sessions();
  expect(sessions.ok && sessions.value.every((session) => session.id !== "" && session.user !== "")).toBeTrue();
});
