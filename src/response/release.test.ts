import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "../core/clock.ts";
import type { ProcessRef } from "../core/process.ts";
import { childrenOf } from "../host/evidence.ts";
import { closePidfd, openPidfd, processState, type Signal, signal } from "../host/signals.ts";
import { endStarted, startPython, until } from "../host/test_processes.ts";
import { releasePlan } from "./release.ts";

afterEach(endStarted);

const children: ProcessRef[] = [];
afterEach(() => {
  for (const ref of children.splice(0)) send(ref, "SIGKILL");
});

function send(ref: ProcessRef, which: Signal): void {
  const opened = openPidfd(ref);
  if (!opened.ok) return;
  signal(opened.value, which);
  closePidfd(opened.value);
}

async function freeze(ref: ProcessRef): Promise<void> {
  send(ref, "SIGSTOP");
  await until(() => processState(ref) === "stopped");
}

function planOf(kill: readonly ProcessRef[]) {
  return { kill, sockets: [], spared: [] };
}

describe("what a predecessor froze", () => {
  test("runs again, and so do the children that no intent names", async () => {
    const { ref } = await startPython("import os\nif os.fork() == 0:\n  import time; time.sleep(60); os._exit(0)");
    const [child] = await until(() => {
      const found = childrenOf(ref.pid);
      return found.length > 0 && found;
    });
    if (child === undefined) throw new Error("no child");
    children.push(child);
    await freeze(child);
    await freeze(ref);
    const outcome = releasePlan("d1", planOf([ref]), "let go", systemClock);
    expect(outcome).toMatchObject({ result: "failed", killed: [], detail: "let go; 2 frozen processes run again" });
    await until(() => processState(ref) === "running" && processState(child) === "running");
  });

  test("nothing is said to be woken where nothing was frozen", async () => {
    const { ref } = await startPython("");
    expect(releasePlan("d1", planOf([ref]), "let go", systemClock).detail).toBe("let go; nothing of it was frozen");
  });

  test("whoever has the pid of one that is gone stays as it is", async () => {
    const { ref } = await startPython("");
    await freeze(ref);
    const reused = { ...ref, startedAtTicks: ref.startedAtTicks - 1 };
    expect(releasePlan("d1", planOf([reused]), "let go", systemClock).survived).toEqual([]);
    expect(processState(ref)).toBe("stopped");
  });
});
