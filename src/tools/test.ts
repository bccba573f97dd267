// Runs suites of tests by name (unit, binary, host, full), shows their output as it comes and closes with one line:
// `N passed, N failed`. A suite without a single test is a failure: an empty run must not look green.
import { globSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..", "..");

interface Suite {
  readonly files: readonly string[];
  /** Options of `bun test`. Only the unit tests run side by side: the others boot hosts or build. */
  readonly options: readonly string[];
  readonly says: string;
}

const SUITES: Readonly<Record<string, Suite>> = {
  unit: {
    files: ["src/**/*.test.ts"],
    options: ["--parallel", "--timeout=30000"],
    says: "unit, contract and boundary tests",
  },
  binary: {
    files: ["test/binary/*.test.ts"],
    options: ["--timeout=60000"],
    says: "tests of the built executable and of a release folder",
  },
  host: {
    files: ["test/host/*.test.ts"],
    options: [],
    says: "short tests in throw-away hosts with a systemd of their own",
  },
  full: { files: ["test/host/full/*.test.ts"], options: [], says: "long proofs in throw-away hosts" },
};

export interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** Reads bun's closing lines (` 12 pass`, ` 0 fail`, ` 1 error`). */
export function readTally(output: string): Tally {
  const count = (word: string): number => {
    const lines = [...output.matchAll(new RegExp(`^\\s*(\\d+) ${word}s?\\s*$`, "gm"))];
    return Number(lines.at(-1)?.[1] ?? 0);
  };
  return { passed: count("pass"), failed: count("fail") + count("error") };
}

/** Runs one suite; every failure counts at least once, also one that no test reported. */
async function runSuite(name: string, suite: Suite): Promise<Tally> {
  const files = suite.files.flatMap((pattern) => globSync(pattern, { cwd: ROOT })).sort();
  console.log(`\n== ${name}: ${suite.says} (${files.length} files)`);
  if (files.length === 0) {
    console.log(`no test file matches ${suite.files.join(", ")}`);
    return { passed: 0, failed: 1 };
  }
  const run = Bun.spawn([process.execPath, "test", ...suite.options, ...files.map((file) => `./${file}`)], {
    cwd: ROOT,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "pipe",
  });
  let output = "";
  const decoder = new TextDecoder();
  for await (const chunk of run.stderr) {
    const text = decoder.decode(chunk, { stream: true });
    process.stderr.write(text);
    output = (output + text).slice(-65_536);
  }
  const exitCode = await run.exited;
  const tally = readTally(output);
  return exitCode === 0 || tally.failed > 0 ? tally : { ...tally, failed: 1 };
}

async function main(names: readonly string[]): Promise<number> {
  let passed = 0;
  let failed = 0;
  for (const name of names) {
    const suite = SUITES[name];
    if (suite === undefined) {
      console.error(`test: no suite is called ${name}; there are ${Object.keys(SUITES).join(", ")}`);
      return 2;
    }
    const tally = await runSuite(name, suite);
    passed += tally.passed;
    failed += tally.failed;
  }
  console.log(`\n${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)));
