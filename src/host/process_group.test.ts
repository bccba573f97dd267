import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { killOwnGroup } from "./process_group.ts";

test("ends a child that leads a group with what it started, and no child that leads none", async () => {
  const start = (detached: boolean) =>
    Bun.spawn(["/bin/sh", "-c", "sleep 600 & echo $!; wait"], { stdout: "pipe", stderr: "ignore", detached });
  const [leader, member] = [start(true), start(false)];
  const grandchild = await firstLine(leader.stdout);
  expect(killOwnGroup(leader.pid).ok).toBeTrue();
  await leader.exited;
  expect(leader.signalCode).toBe("SIGKILL");
  for (let turn = 0; turn < 1_000 && !isDead(grandchild); turn++) await Bun.sleep(5);
  expect(isDead(grandchild)).toBeTrue();

  const refused = killOwnGroup(member.pid);
  expect(refused.ok ? "ended" : refused.fault.message).toContain("no child of ours that leads a group");
  expect(member.exitCode).toBeNull();
  const second = await firstLine(member.stdout);
  process.kill(Number(second), "SIGKILL");
  await member.exited;
});

test.each([
  ["pid 1", 1],
  ["our parent", process.ppid],
  ["ourselves", process.pid],
  ["a pid that nobody has", 2 ** 22 + 1],
  ["no pid at all", -1],
])("refuses %s", (_name, pid) => {
  expect(killOwnGroup(pid).ok).toBeFalse();
});

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk);
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0] ?? "";
}

function isDead(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return true;
  }
}
