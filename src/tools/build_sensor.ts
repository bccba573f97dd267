// Makes dist/algo-sensor.bin, the native half: BPF programs by clang, put into one static executable by gcc. No kernel
// headers are needed, nor anything on the host it will run on. Costs about 5 s, nothing when no source has changed.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..", "..");
const SOURCES = join(ROOT, "src", "sensor");
const WORKSHOP = join(ROOT, "dist", ".sensor");
export const SENSOR = join(ROOT, "dist", "algo-sensor.bin");
/** Of Debian; other distributions have the same under similar names. */
export const SENSOR_PACKAGES = ["clang", "llvm", "libbpf-dev", "libelf-dev", "zlib1g-dev", "gcc", "libc6-dev"] as const;
const C_FILES = [
  "sensor.c",
  "loader.c",
  "output.c",
  "policy.c",
  "guard.c",
  "connector.c",
  "proc.c",
  "environment.c",
  "files.c",
  "watches.c",
] as const;

/** Builds where a source changed; returns the path. Throws with a message for whoever builds. */
export function buildSensor(): string {
  const key = sourceDigest();
  const keyFile = join(WORKSHOP, "key");
  if (existsSync(SENSOR) && existsSync(keyFile) && readFileSync(keyFile, "utf8") === key) return SENSOR;
  rmSync(WORKSHOP, { recursive: true, force: true });
  mkdirSync(WORKSHOP, { recursive: true });
  const object = join(WORKSHOP, "sensor.bpf.o");
  const embedded = join(WORKSHOP, "embedded.S");
  const unfinished = join(WORKSHOP, "algo-sensor");
  must(["clang", ...BPF_FLAGS, "-c", join(SOURCES, "bpf", "sensor.bpf.c"), "-o", object]);
  must([tool("llvm-strip"), "-g", object]);
  writeFileSync(embedded, embedding(object));
  const sources = C_FILES.map((file) => join(SOURCES, file));
  must(["gcc", ...C_FLAGS, "-static", "-s", "-o", unfinished, ...sources, embedded, "-lbpf", "-lelf", "-lz"]);
  renameSync(unfinished, SENSOR);
  writeFileSync(keyFile, key);
  return SENSOR;
}

const BPF_FLAGS = ["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-D__TARGET_ARCH_x86", "-Wall", "-Werror"];
export const C_FLAGS = ["-Os", "-Wall", "-Wextra", "-Werror", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"];

/** The object as it is between two symbols that loader.c knows. */
export function embedding(object: string): string {
  return `.section .rodata
.balign 16
.global sensor_bpf
.global sensor_bpf_end
sensor_bpf:
.incbin ${JSON.stringify(object)}
sensor_bpf_end:
.section .note.GNU-stack,"",@progbits
`;
}

/** llvm's tools carry a version in their name on some distributions. */
function tool(name: string): string {
  if (Bun.which(name) !== null) return name;
  for (let version = 25; version >= 11; version--)
    if (Bun.which(`${name}-${version}`) !== null) return `${name}-${version}`;
  return name;
}

function must(argv: readonly string[]): void {
  const [program = ""] = argv;
  if (Bun.which(program) === null) throw new Error(missing(program));
  const run = Bun.spawnSync([...argv], { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  if (run.success) return;
  const said = `${run.stdout}${run.stderr}`.trim();
  const lacks = /bpf\/|libelf|-lelf|-lbpf|-lz\b|No such file or directory/.test(said);
  throw new Error(
    `the sensor cannot be built (${argv.slice(0, 2).join(" ")}):\n${said}${lacks ? `\n${missing("a library")}` : ""}`,
  );
}

function missing(what: string): string {
  return (
    `building the kernel sensor needs ${what}. On Debian: apt-get install ${SENSOR_PACKAGES.join(" ")}\n` +
    "Without it: ALGO_WITHOUT_SENSOR=1 builds an executable that only scans every five seconds, and `doctor` says so."
  );
}

function sourceDigest(): string {
  const hasher = new Bun.CryptoHasher("sha256");
  const files = [SOURCES, join(SOURCES, "bpf")].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /\.[ch]$/.test(name))
      .map((name) => join(folder, name)),
  );
  for (const file of [...files.sort(), import.meta.path])
    hasher.update(file.slice(ROOT.length)).update(readFileSync(file));
  return hasher.digest("hex");
}

if (import.meta.main) {
  try {
    console.log(`built ${buildSensor()}`);
  } catch (thrown) {
    console.error(thrown instanceof Error ? thrown.message : String(thrown));
    process.exit(1);
  }
}
