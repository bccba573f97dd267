import { expect, test } from "bun:test";
import { closePidfd, openPidfd, pidfdSupported, processState, refOf, signal } from "./signals.ts";
import { startPython, startReady, until } from "./test_processes.ts";

test("a process is frozen, continued and ended, and its state tells so", async () => {
  const { child, ref } = await startPython("pass");
  const opened = openPidfd(ref);
  if (!opened.ok) throw new Error(opened.fault.message);
  const handle = opened.value;
  expect(signal(handle, 0).ok).toBe(true);
  expect(processState(ref)).toBe("running");
  expect(signal(handle, "SIGSTOP").ok).toBe(true);
  await until(() => processState(ref) === "stopped");
  expect(signal(handle, "SIGCONT").ok).toBe(true);
  await until(() => processState(ref) === "running");
  expect(signal(handle, "SIGKILL").ok).toBe(true);
  await child.exited;
  await until(() => processState(ref) === "gone");
  expect(signal(handle, "SIGKILL")).toMatchObject({ ok: false, fault: { kind: "gone" } });
  closePidfd(handle);
});

test("a pid that now belongs to a later process is gone, and that one is left alone", async () => {
  const { ref } = await startPython("pass");
  const earlier = { ...ref, startedAtTicks: ref.startedAtTicks - 1 };
  expect(openPidfd(earlier)).toMatchObject({ ok: false, fault: { kind: "gone" } });
  expect(processState(earlier)).toBe("gone");
  expect(signal({ ref: earlier, pidfd: -1 }, "SIGKILL")).toMatchObject({ ok: false, fault: { kind: "gone" } });
  expect(processState(ref)).toBe("running");
});

test("without pidfd the start time is read again, and the process still ends", async () => {
  const { child, ref } = await startPython("pass");
  expect(signal({ ref, pidfd: -1 }, "SIGKILL").ok).toBe(true);
  await child.exited;
  expect(child.signalCode).toBe("SIGKILL");
});

const refused: [string, number][] = [
  ["pid 1", 1],
  ["pid 0, which would be our own group", 0],
  ["a negative pid, which would be a group", -5],
  ["a pid that is no whole number", 2.5],
  ["ourselves", process.pid],
];
test.each(refused)("%s is never signalled", (_, pid) => {
  const ref = refOf(pid) ?? { pid, startedAtTicks: 1 };
  expect(openPidfd(ref)).toMatchObject({ ok: false, fault: { kind: "denied" } });
});

test("a zombie is a zombie until it is waited for", async () => {
  const { line } = await startReady([
    "python3",
    "-c",
    "import os,time\np=os.fork()\nif p==0: os._exit(0)\nprint(p,flush=True)\ntime.sleep(60)",
  ]);
  const ref = await until(() => refOf(Number(line)));
  await until(() => processState(ref) === "zombie");
});

test("this kernel has pidfd", () => expect(pidfdSupported()).toBe(true));
