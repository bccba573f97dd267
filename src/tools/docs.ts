// Writes every generated reference page: runs src/tools/docs_*.ts. With --check it only says which pages are stale.
// Trusts that a generator writes below docs/ and nowhere else, and that the same source gives the same page.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const ROOT = join(import.meta.dir, "..", "..");
const DOCS = join(ROOT, "docs");

function generators(): string[] {
  return readdirSync(import.meta.dir)
    .filter((name) => /^docs_\w+\.ts$/.test(name) && !name.endsWith(".test.ts"))
    .sort();
}

function runGenerators(): void {
  for (const name of generators()) {
    const run = Bun.spawnSync([process.execPath, join(import.meta.dir, name)], {
      cwd: ROOT,
      stdout: "pipe",
      stderr: "pipe",
    });
    if (!run.success) throw new Error(`src/tools/${name} failed (exit ${run.exitCode}):\n${run.stdout}${run.stderr}`);
  }
}

function readPages(): Map<string, string> {
  const pages = new Map<string, string>();
  for (const path of new Bun.Glob("**/*").scanSync({ cwd: DOCS, onlyFiles: true })) {
    pages.set(path, readFileSync(join(DOCS, path), "utf8"));
  }
  return pages;
}

/** Pages that differ from what their generator writes; leaves docs/ as it was. */
function stalePages(): string[] {
  const before = readPages();
  runGenerators();
  const after = readPages();
  const stale = [...new Set([...before.keys(), ...after.keys()])].filter(
    (path) => before.get(path) !== after.get(path),
  );
  for (const path of stale) {
    const text = before.get(path);
    if (text === undefined) {
      rmSync(join(DOCS, path), { force: true });
    } else {
      mkdirSync(dirname(join(DOCS, path)), { recursive: true });
      writeFileSync(join(DOCS, path), text);
    }
  }
  return stale.sort();
}

try {
  if (process.argv.includes("--check")) {
    const stale = stalePages();
    if (stale.length > 0)
      throw new Error(`stale: ${stale.map((path) => `docs/${path}`).join(", ")}. Run: bun run docs`);
    console.log(`${generators().length} generators, every page is fresh`);
  } else {
    runGenerators();
    console.log(`ran ${generators().join(", ")}`);
  }
} catch (thrown) {
  console.error(`docs: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  process.exit(1);
}
