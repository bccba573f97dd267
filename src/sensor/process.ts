/** The sensor's process: two pipes, its last words, its end. */
import { existsSync } from "node:fs";
import { fail, messageOf, ok, type Result } from "../core/result.ts";

const WORDS_MAX = 500;
/** What waits to be written; policy is small, and a sensor that takes none is as good as dead. */
const WAITING_BYTES_MAX = 4 << 20;

export interface SensorProcess {
  readonly pid: number;
  write(bytes: Uint8Array): boolean;
  /** True when it ended within the time. */
  ended(withinMs: number): Promise<boolean>;
  kill(): void;
}

export interface Ears {
  readonly onBytes: (bytes: Uint8Array) => void;
  readonly onExit: (said: string) => void;
}

export function startedSensor(path: string, ears: Ears): Result<SensorProcess> {
  try {
    const child = Bun.spawn([path, "run", "--cgroup", cgroupRoot()], {
      cwd: "/",
      env: {},
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    void listen(child, ears);
    return ok({
      pid: child.pid,
      write: (bytes) => write(child.stdin, bytes),
      ended: async (withinMs) => (await Promise.race([child.exited, Bun.sleep(withinMs)])) !== undefined,
      kill: () => child.kill("SIGKILL"),
    });
  } catch (thrown) {
    return fail("denied", `the sensor cannot be started: ${messageOf(thrown)}`);
  }
}

type Child = Bun.Subprocess<"pipe", "pipe", "pipe">;

async function listen(child: Child, ears: Ears): Promise<void> {
  const words = lastWords(child);
  try {
    for await (const bytes of child.stdout) ears.onBytes(bytes);
  } catch (thrown) {
    ears.onExit(messageOf(thrown));
    return;
  }
  const code = await child.exited;
  const said = (await words).trim();
  ears.onExit(said === "" ? `it ended (${child.signalCode ?? `exit code ${code}`})` : said.replace(/^sensor: /, ""));
}

async function lastWords(child: Child): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const bytes of child.stderr) text = (text + decoder.decode(bytes, { stream: true })).slice(-WORDS_MAX);
  return text;
}

function write(sink: Child["stdin"], bytes: Uint8Array): boolean {
  try {
    const waiting = sink.write(bytes);
    void sink.flush();
    return typeof waiting !== "number" || waiting < WAITING_BYTES_MAX;
  } catch {
    // It is gone; its end is told by the other pipe.
    return false;
  }
}

/** Where cgroup v2 lies: alone, or beside v1 as systemd's hybrid has it. */
function cgroupRoot(): string {
  const [alone, beside] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] as const;
  return !existsSync(`${alone}/cgroup.controllers`) && existsSync(`${beside}/cgroup.controllers`) ? beside : alone;
}
