// Makes dist/algo-monitor: one executable for any x86_64 Linux (no AVX2 needed), with version and commit inside.
// Trusts package.json and git; fetches Bun's baseline runtime from the package registry once (then cached).
// Costs about 2 s and 110 MB.
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { buildSensor } from "./build_sensor.ts";

const ROOT = join(import.meta.dir, "..", "..");
export const EXECUTABLE = join(ROOT, "dist", "algo-monitor");
const TARGET = "bun-linux-x64-baseline";

/**
 * ARCHITECTURE, musts 1 and 2: a default build runs a `preload` of the bunfig.toml and takes over the .env of whatever
 * directory it is started in. test/binary/musts.test.ts starts the result in such a directory.
 */
const DEAF_TO_ITS_DIRECTORY = [
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-tsconfig",
  "--no-compile-autoload-package-json",
];

/** Builds and smoke-runs; returns the path. Throws with a message for whoever builds. */
export function build(): string {
  if (!existsSync(join(ROOT, "node_modules", "commander"))) {
    throw new Error("the dependencies are not installed. Run: bun install --frozen-lockfile");
  }
  // The name of the file is part of its bytes, so the same source gives the same bytes only under the same name.
  const workshop = join(ROOT, "dist", `.building-${process.pid}`);
  const unfinished = join(workshop, "algo-monitor");
  mkdirSync(workshop, { recursive: true });
  try {
    compile(unfinished);
    smokeRun(unfinished);
    // A rename replaces an executable that is running; writing into it would fail with "text file busy".
    renameSync(unfinished, EXECUTABLE);
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
  return EXECUTABLE;
}

function compile(outfile: string): void {
  const withSensor = process.env["ALGO_WITHOUT_SENSOR"] !== "1";
  const result = Bun.spawnSync(
    [
      process.execPath,
      "build",
      "--compile",
      // Every entry is found by its path below it (files_worker_spawn.ts).
      "--root=src",
      "--minify",
      "--bytecode",
      "--format=esm",
      `--target=${TARGET}`,
      ...DEAF_TO_ITS_DIRECTORY,
      "--reject-unresolved",
      "--compile-exec-argv=--smol",
      ...defines(),
      "src/main.ts",
      // A thread's entry is found by its path below src/ (files_worker_spawn.ts).
      "src/daemon/files_worker.ts",
      // The native sensor, found again among the embedded files (src/sensor/embedded.ts).
      ...(withSensor ? ["--loader=.bin:file", buildSensor()] : []),
      `--outfile=${outfile}`,
    ],
    { cwd: ROOT, stdout: "pipe", stderr: "pipe" },
  );
  const said = `${result.stdout}${result.stderr}`.trim();
  if (!result.success || !existsSync(outfile)) throw new Error(explain(said));
}

function defines(): string[] {
  const values = { ALGO_BUILD_VERSION: packageJson.version, ALGO_BUILD_COMMIT: commit() };
  return Object.entries(values).flatMap(([name, value]) => ["--define", `${name}=${JSON.stringify(value)}`]);
}

/** Twelve characters, `-dirty` where tracked files were changed, `unknown` outside a git checkout. */
export function commit(): string {
  const head = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { cwd: ROOT, stderr: "ignore" });
  if (!head.success) return "unknown";
  const changes = Bun.spawnSync(["git", "status", "--porcelain"], { cwd: ROOT, stderr: "ignore" });
  return `${head.stdout.toString().trim()}${changes.stdout.toString().trim() === "" ? "" : "-dirty"}`;
}

function explain(said: string): string {
  const offline = /download|fetch|ENOTFOUND|ConnectionRefused|registry|network/i.test(said);
  const hint = offline
    ? `\nThe runtime ${TARGET} comes from the package registry on the first build; the machine could not fetch it.` +
      "\nConnect it (or set the registry in ~/.npmrc) and run the build again; afterwards builds work offline."
    : "";
  return `the build failed:\n${said}${hint}`;
}

function smokeRun(executable: string): void {
  const run = Bun.spawnSync([executable, "version"], { cwd: "/", env: {}, stdout: "pipe", stderr: "pipe" });
  const answer = run.stdout.toString();
  if (!run.success || !answer.includes(packageJson.version)) {
    throw new Error(`the built executable does not answer \`version\` (exit ${run.exitCode}):\n${answer}${run.stderr}`);
  }
}

if (import.meta.main) {
  try {
    const started = performance.now();
    const path = build();
    const size = Math.round(statSync(path).size / 1e6);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`built ${path}: ${packageJson.version} (${commit()}), ${size} MB, in ${seconds} s`);
  } catch (thrown) {
    console.error(`build: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    process.exit(1);
  }
}
