// The built executable for tests; built again when anything it is made of is newer.
import { existsSync, globSync, statSync } from "node:fs";
import { join } from "node:path";
import { build, EXECUTABLE } from "../../src/tools/build.ts";

export const ROOT = join(import.meta.dir, "..", "..");

export function builtExecutable(): string {
  if (!existsSync(EXECUTABLE)) return build();
  const builtAtMs = statSync(EXECUTABLE).mtimeMs;
  const parts = [...globSync("src/**/*.ts", { cwd: ROOT }), "package.json", "bun.lock"];
  return parts.some((path) => statSync(join(ROOT, path)).mtimeMs > builtAtMs) ? build() : EXECUTABLE;
}

export interface Ran {
  readonly exitCode: number;
  readonly out: string;
}

/** Runs a program with exactly this environment; output of both streams in one. */
export function run(command: readonly string[], options: { cwd?: string; env?: Record<string, string> } = {}): Ran {
  const done = Bun.spawnSync([...command], {
    cwd: options.cwd ?? "/",
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", ...options.env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  return { exitCode: done.exitCode, out: `${done.stdout}${done.stderr}` };
}
