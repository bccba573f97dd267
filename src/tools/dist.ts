// Makes dist/algo-monitor-<version>-linux-x64.tar.gz: what `sudo ./install` needs, nothing downloaded.
// The same tree gives the same bytes: sorted names, fixed owner, times of the last commit, no gzip timestamp.
// Costs about 10 s, most of it gzip.
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { build } from "./build.ts";

const ROOT = join(import.meta.dir, "..", "..");
const NAME = `algo-monitor-${packageJson.version}-linux-x64`;

/** Everything of a release folder besides the executable. test/binary/release.test.ts compares it with the archive. */
export const RELEASE_FILES = [
  "install",
  "uninstall",
  "algo-monitor.service",
  "config.example.json",
  "config.schema.json",
  "LICENSE",
  "README.md",
  "CHANGELOG.md",
  "rules",
  "docs",
] as const;

const EXECUTABLES = new Set(["install", "uninstall", "algo-monitor"]);

/** Builds and packs; returns the archive's path. */
export function pack(): string {
  const executable = build();
  const work = mkdtempSync(join(tmpdir(), "algo-monitor-dist-"));
  try {
    const folder = join(work, NAME);
    mkdirSync(folder);
    cpSync(executable, join(folder, "algo-monitor"));
    for (const file of RELEASE_FILES) cpSync(join(ROOT, file), join(folder, file), { recursive: true });
    for (const file of EXECUTABLES) chmodSync(join(folder, file), 0o755);
    writeSums(folder);
    const archive = join(ROOT, "dist", `${NAME}.tar.gz`);
    tar(work, archive);
    writeFileSync(`${archive}.sha256`, `${sha256(archive)}  ${NAME}.tar.gz\n`);
    return archive;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** SHA256SUMS lets `install` notice a damaged or half-copied folder before it changes anything. */
function writeSums(folder: string): void {
  const files = [...new Bun.Glob("**/*").scanSync({ cwd: folder, onlyFiles: true, dot: true })].sort();
  const lines = files.map((file) => `${sha256(join(folder, file))}  ${file}`);
  writeFileSync(join(folder, "SHA256SUMS"), `${lines.join("\n")}\n`);
}

function sha256(path: string): string {
  const sum = Bun.spawnSync(["sha256sum", path]);
  if (!sum.success) throw new Error(`sha256sum ${path} failed: ${sum.stderr}`);
  return sum.stdout.toString().slice(0, 64);
}

function tar(work: string, archive: string): void {
  const result = Bun.spawnSync(
    [
      "tar",
      "--create",
      "--sort=name",
      "--format=ustar",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--mode=u=rwX,go=rX",
      `--mtime=@${sourceDateSeconds()}`,
      "--use-compress-program=gzip --no-name -6",
      `--file=${archive}`,
      NAME,
    ],
    { cwd: work, stderr: "pipe" },
  );
  if (!result.success) throw new Error(`tar failed: ${result.stderr}`);
}

/** SOURCE_DATE_EPOCH, else the last commit's time, else the first day of 2026. */
function sourceDateSeconds(): number {
  const given = Number(process.env["SOURCE_DATE_EPOCH"]);
  if (Number.isSafeInteger(given) && given > 0) return given;
  const log = Bun.spawnSync(["git", "log", "-1", "--format=%ct"], { cwd: ROOT, stderr: "ignore" });
  const seconds = Number(log.stdout.toString().trim());
  return log.success && seconds > 0 ? seconds : 1_767_225_600;
}

if (import.meta.main) {
  try {
    const archive = pack();
    console.log(`packed ${archive} (${Math.round(Bun.file(archive).size / 1e6)} MB)\nsha256 ${sha256(archive)}`);
  } catch (thrown) {
    console.error(`dist: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    process.exit(1);
  }
}
