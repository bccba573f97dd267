// `bun run check`: everything that needs no root and no built executable, in under a minute, each step with its time.
// `--without-tests` leaves the unit tests to somebody who runs them anyway.
// All steps run even when one fails, so that one run shows everything there is to mend.
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..", "..");
/** Tools of node_modules run on this bun, whatever their first line says: a bare machine has an old node or none. */
const tool = (name: string): readonly string[] => [process.execPath, join(ROOT, "node_modules", ".bin", name)];

const STEPS: readonly (readonly [name: string, command: readonly string[], mend: string])[] = [
  ["format and lint", [...tool("biome"), "ci", "--colors=off", "--max-diagnostics=50", "."], "bun run format"],
  ["types", [...tool("tsc"), "-p", "."], ""],
  ["unused code", [...tool("knip"), "--no-progress"], ""],
  ["shell scripts", ["shellcheck", "install", "uninstall", ".ci/run", "test/host/image.sh"], ""],
  ["docs fresh", [process.execPath, "src/tools/docs.ts", "--check"], "bun run docs"],
  ["unit, contract and boundary tests", [process.execPath, "src/tools/test.ts", "unit"], ""],
];

/** What only some machines have; its absence is said aloud and does not fail. */
const OPTIONAL = new Set(["shellcheck"]);

async function main(): Promise<number> {
  const broken: string[] = [];
  const began = performance.now();
  const withoutTests = process.argv.includes("--without-tests");
  for (const [name, command, mend] of STEPS) {
    if (withoutTests && command.includes("src/tools/test.ts")) continue;
    const program = command[0] ?? "";
    if (OPTIONAL.has(program) && Bun.which(program) === null) {
      console.log(`-  ${name}: not run, ${program} is not installed`);
      continue;
    }
    const started = performance.now();
    const run = Bun.spawn([...command], { cwd: ROOT, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [out, error, exitCode] = await Promise.all([
      new Response(run.stdout).text(),
      new Response(run.stderr).text(),
      run.exited,
    ]);
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    if (exitCode === 0) {
      const closing = out.trim().split("\n").at(-1) ?? "";
      console.log(`ok ${name} (${seconds} s)${/passed|fresh/.test(closing) ? `: ${closing}` : ""}`);
    } else {
      broken.push(name);
      console.log(`\n${out}${error}\nNO ${name} (${seconds} s)${mend === "" ? "" : `; to mend: ${mend}`}\n`);
    }
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(
    broken.length === 0 ? `check: all well in ${seconds} s` : `check: ${broken.join(", ")} failed (${seconds} s)`,
  );
  return broken.length === 0 ? 0 : 1;
}

process.exit(await main());
