// Runs bench/*.bench.ts one after the other (all, or those whose name contains an argument).
import { globSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..", "..");
const wanted = process.argv.slice(2);
const files = globSync("bench/**/*.bench.ts", { cwd: ROOT })
  .sort()
  .filter((file) => wanted.length === 0 || wanted.some((name) => file.includes(name)));

let failed = files.length === 0 ? 1 : 0;
if (files.length === 0) console.error(`bench: no benchmark is called ${wanted.join(", ")}`);
for (const file of files) {
  console.log(`\n== ${file}`);
  const run = Bun.spawnSync([process.execPath, file], { cwd: ROOT, stdout: "inherit", stderr: "inherit" });
  if (!run.success) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);
