// Real processes for tests: started here, ended here by pid, awaited until they are what the test needs.
import { afterEach } from "bun:test";
import type { ProcessRef } from "../core/process.ts";
import { refOf } from "./signals.ts";

const running: Bun.Subprocess[] = [];

afterEach(endStarted);

/** For `afterEach` of each file: the one above is registered only in the first file of a run that loads this module. */
export async function endStarted(): Promise<void> {
  for (const child of running.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
}

/** Starts a program that prints `ready` once it is set up, and lives until the test ends. */
export async function startReady(
  command: readonly string[],
): Promise<{ child: Bun.Subprocess<"pipe", "pipe", "inherit">; ref: ProcessRef; line: string }> {
  const child = Bun.spawn([...command], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  running.push(child);
  const reader = child.stdout.getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error(`${command.join(" ")} ended before it was ready: ${text}`);
    text += new TextDecoder().decode(value);
  }
  reader.releaseLock();
  const ref = refOf(child.pid);
  if (ref === undefined) throw new Error(`${command.join(" ")} vanished`);
  return { child, ref, line: text.split("\n")[0] ?? "" };
}

/** Python that prints a line when ready and then sleeps; most shapes of descriptors are one line in it. */
export function startPython(program: string): ReturnType<typeof startReady> {
  return startReady([
    "python3",
    "-c",
    `${program}\nimport time\nprint(globals().get("out", "ready"), flush=True)\ntime.sleep(60)`,
  ]);
}

/** Waits until a fact holds; the deadline is for a broken machine, not an assertion about time. */
export async function until<T>(probe: () => T | undefined | false): Promise<T> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const value = probe();
    if (value !== undefined && value !== false) return value;
    await Bun.sleep(10);
  }
  throw new Error("the awaited fact never came to be");
}
