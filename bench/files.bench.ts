// The first baseline of a directory next to tools that read the same files, and what an idle round costs. Prints, asserts nothing.
// One run, one after the other, the page cache warmed by a first pass over the files; directory as argument, else /usr.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { systemClock } from "../src/core/clock.ts";
import { createInbox } from "../src/core/inbox.ts";
import { spawnFilesWorker } from "../src/daemon/files_worker_spawn.ts";
import { createFilesystemScanner } from "../src/sources/filesystem.ts";

const DIRECTORY = process.argv[2] ?? "/usr";
const IDLE_ROUNDS = 9;
const DIGESTS = `find ${DIRECTORY} -xdev -type f -print0 | xargs -0 -P2 -n64 sha256sum > /dev/null`;

const home = mkdtempSync(`${tmpdir()}/algo-bench-`);
const memoryBeforeMb = anonymousMb();
const files = createFilesystemScanner({
  clock: systemClock,
  inbox: createInbox(),
  settings: () => ({
    directories: [DIRECTORY],
    trustedDirectories: [],
    excluded: [],
    hashMbMax: 1024,
    hashMbPerSecond: 0,
    verifyHours: 24,
    otherFilesystems: false,
    filesMax: 10_000_000,
  }),
  databasePath: `${home}/files.db`,
  onFault: (part, message) => console.log(`${part}: ${message}`),
  spawnWorker: spawnFilesWorker,
});

try {
  run(["sh", "-c", DIGESTS]);
  const digestsMs = run(["sh", "-c", DIGESTS]);
  const baselineCpu = process.cpuUsage();
  const baselineMs = await round();
  const { user, system } = process.cpuUsage(baselineCpu);
  const { entries, bytes } = files.status();
  console.log(`${DIRECTORY}: ${entries} entries, ${Math.round(bytes / 1e6)} MB`);
  console.log(`first baseline   ${seconds(baselineMs)} s, ${seconds((user + system) / 1000)} s of CPU`);
  console.log(`sha256sum -P2    ${seconds(digestsMs)} s; the baseline takes ${ratio(baselineMs, digestsMs)} of it`);
  aide(baselineMs);
  await idle(entries);
} finally {
  await files.stop();
  rmSync(home, { recursive: true });
}

async function idle(entries: number): Promise<void> {
  await round();
  const before = process.cpuUsage();
  const startMs = performance.now();
  for (let number = 0; number < IDLE_ROUNDS; number++) await round();
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1000 / IDLE_ROUNDS;
  const perEntryUs = ((cpuMs * 1000) / entries).toFixed(2);
  console.log(
    `idle round       ${cpuMs.toFixed(0)} ms of CPU, ${((performance.now() - startMs) / IDLE_ROUNDS).toFixed(0)} ms; ${perEntryUs} us an entry (bar 3), ${(cpuMs / 600).toFixed(2)} % of a core each 60 s`,
  );
  Bun.gc(true);
  console.log(`memory           ${(anonymousMb() - memoryBeforeMb).toFixed(1)} MB more than without the worker`);
}

/** The rules that the issue names; two workers where this aide knows them (0.18 and later). */
function aide(baselineMs: number): void {
  if (Bun.which("aide") === null) return console.log("aide             is not installed");
  const config = `${home}/aide.conf`;
  const rules = `${DIRECTORY} p+u+g+s+m+c+i+n+sha256`;
  const lines = [`database_out=file:${home}/aide.db`, "gzip_dbout=no", "num_workers=2", rules];
  writeFileSync(config, `${lines.join("\n")}\n`);
  const tookMs = run(["aide", "--init", "-c", config]);
  console.log(`aide --init      ${seconds(tookMs)} s; the baseline takes ${ratio(baselineMs, tookMs)} of it`);
}

async function round(): Promise<number> {
  const before = files.status().lastRound?.atMs;
  const startMs = performance.now();
  files.scanner.scan();
  while (files.status().lastRound?.atMs === before) await Bun.sleep(2);
  const tookMs = performance.now() - startMs;
  await Bun.sleep(10);
  return tookMs;
}

function run(command: string[]): number {
  const startMs = performance.now();
  const { exitCode, stderr } = Bun.spawnSync(command, { stdout: "ignore", stderr: "pipe" });
  if (exitCode !== 0) console.log(`${command[0]} ended with ${exitCode}: ${stderr.toString().trim().slice(0, 300)}`);
  return performance.now() - startMs;
}

/** Memory of our own, without the pages of files. */
function anonymousMb(): number {
  const status = new TextDecoder().decode(Bun.spawnSync(["cat", `/proc/${process.pid}/status`]).stdout);
  return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1);
}

function ratio(ms: number, peerMs: number): string {
  return (ms / peerMs).toFixed(2);
}
