import { afterEach, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";
import { ok } from "../core/result.ts";
import { statusFixture } from "../daemon/control.fixture.ts";
import { fakeHost, type Host } from "./world.fixture.ts";

/** The real main.ts as a process: pipes, signals, exit codes. */
const MAIN = join(import.meta.dir, "..", "main.ts");

let host: Host;
beforeEach(() => {
  host = fakeHost();
});
afterEach(async () => host.close());

function start(argv: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  return Bun.spawn([process.execPath, MAIN, ...argv], {
    env: { PATH: "/usr/bin:/bin", ALGO_HOME: host.folder, ALGO_RUN: host.folder, ...environment },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

test("exit code and both streams arrive", async () => {
  const child = start(["resume", "--json"]);
  const [out, error] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(await child.exited).toBe(4);
  expect(JSON.parse(out)).toMatchObject({ exit: 4 });
  expect(error).toContain("sudo systemctl start algo-monitor");
});

test("a reader that closes the pipe early is no failure and no noise", async () => {
  // More than a pipe holds, so that the write meets the closed end.
  const report = statusFixture({ degradations: [{ part: "x".repeat(1_000_000), sinceMs: 0, reason: "r" }] });
  await host.startDaemon({ status: async () => ok(report) });
  const script = `{ "$@"; echo "exit $?" >&2; } | head -c 10 >/dev/null`;
  const env = { PATH: "/usr/bin:/bin", ALGO_HOME: host.folder, ALGO_RUN: host.folder };
  const child = Bun.spawn(["bash", "-c", script, "bash", process.execPath, MAIN, "status", "--json"], {
    env,
    stdout: "pipe",
    stderr: "pipe",
  });
  await child.exited;
  expect(await child.stderr.text()).toBe("exit 0\n");
});

test("Ctrl-C ends following quietly with 0", async () => {
  const child = start(["alerts", "--follow"]);
  const reader = child.stderr.getReader();
  await reader.read();
  child.kill("SIGINT");
  expect(await child.exited).toBe(0);
  expect(await child.stdout.text()).toBe("");
});

test("nothing is coloured outside a terminal", async () => {
  const child = start(["doctor"], { FORCE_COLOR: "1", TERM: "xterm-256color" });
  expect(await child.stdout.text()).not.toContain("\u001b");
  await child.exited;
});
