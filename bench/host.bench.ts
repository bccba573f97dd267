// The daemon on a host with 300 processes and 200 connections: memory and CPU without the watch over files and with the old
// service's wide directory list (bars: 80 MB, 1 % and 2 % of one core), cost of a sweep, and the time from a shell's start
// to its end: at rest, and paired, during and after a first baseline. Prints; asserts nothing. Needs root.
// ALGO_BENCH_MINUTES (10) shortens each rest; ALGO_BENCH_SHELLS (20) and ALGO_BENCH_PAIRS (7) are how many die.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { endAttack, prepareAttacks, runAttack } from "../test/host/attacks.ts";
import {
  cli,
  configure,
  copyRelease,
  HOME,
  mustInstall,
  status,
  waitForScans,
  waitUntil,
} from "../test/host/product.ts";
import { PLAIN_SHELL } from "../test/host/proof.ts";
import { bootHost, type Host } from "../test/host/testhost.ts";

const MINUTES = Number(process.env["ALGO_BENCH_MINUTES"] ?? "10");
const PROCESSES = 300;
const CONNECTIONS = 200;
const SHELLS = Number(process.env["ALGO_BENCH_SHELLS"] ?? "20");
const RSS_BAR_MB = 80;
const CPU_BAR_PERCENT = 1;
const CPU_BAR_FILES_PERCENT = 2;
const PAIRS = Number(process.env["ALGO_BENCH_PAIRS"] ?? "7");
const BASELINE_TIMEOUT_MS = 600_000;
const TICKS_PER_SECOND = 100;
const filesSchema = z.looseObject({
  state: z.string(),
  entries: z.number(),
  lastRound: z.looseObject({ atMs: z.number() }).optional(),
});

const host = await bootHost();
try {
  await copyRelease(host);
  await mustInstall(host);
  await fill(host);
  await prepareAttacks(host);
  // The scans alone; with the kernel sensor: sensor.bench.ts.
  await configure(host, { "SCANNERS.filesystem": false, "SENSOR.enabled": false });
  await host.must("systemctl restart algo-monitor");
  await waitForScans(host, 2);
  await measureRest(host, "without the watch over files", CPU_BAR_PERCENT);
  await watchWidely(host);
  const { entries } = await filesStatus(host);
  await measureRest(host, `with the wide directory list, ${entries} files`, CPU_BAR_FILES_PERCENT);
  await measureKills(host);
  await measureBaseline(host);
} finally {
  await host.stop();
}
process.exit();

async function fill(on: Host): Promise<void> {
  on.copyIn(join(import.meta.dir, "../test/host/programs/crowd.c"), "/opt/crowd.c");
  await on.must("gcc -O1 -o /opt/crowd /opt/crowd.c");
  on.attacker.order({ do: "banner", port: 3307, banner: "220 ready" });
  await on.start("crowd", `exec /opt/crowd ${PROCESSES} ${CONNECTIONS} ${on.attacker.address} 3307`);
  await waitUntil(
    "the crowd stands",
    async () => Number(await on.must("ss -Htn state established dport = :3307 | wc -l")) >= CONNECTIONS,
    60_000,
  );
}

async function filesStatus(on: Host): Promise<z.infer<typeof filesSchema>> {
  const said = await cli(on, "files status --json");
  return filesSchema.parse(JSON.parse(said.stdout));
}

/** The published list of the old service; returns when the baseline stands. */
async function watchWidely(on: Host): Promise<void> {
  const old = z
    .looseObject({ PROTECTED_DIRECTORIES: z.array(z.string()) })
    .parse(JSON.parse(readFileSync(join(import.meta.dir, "../test/host/programs/old_service/config.json"), "utf8")));
  await configure(on, { PROTECTED_DIRECTORIES: old.PROTECTED_DIRECTORIES, "SCANNERS.filesystem": true });
  await on.must("systemctl restart algo-monitor");
  await untilFiles(on, "watching");
  // The round after the one that made the baseline, so that none of its work is measured as rest.
  const first = (await filesStatus(on)).lastRound?.atMs ?? 0;
  const isLater = async (): Promise<boolean> => ((await filesStatus(on)).lastRound?.atMs ?? 0) > first;
  await waitUntil("another round over the files", isLater, BASELINE_TIMEOUT_MS);
}

function untilFiles(on: Host, state: string): Promise<void> {
  const reached = async (): Promise<boolean> => (await filesStatus(on)).state === state;
  return waitUntil(`the files are ${state}`, reached, BASELINE_TIMEOUT_MS);
}

async function measureRest(on: Host, what: string, barPercent: number): Promise<void> {
  const { pid } = await status(on);
  const start = await usage(on, pid);
  const startedAt = performance.now();
  let peakMb = 0;
  for (let second = 0; second < MINUTES * 60; second += 10) {
    await Bun.sleep(10_000);
    peakMb = Math.max(peakMb, (await usage(on, pid)).residentMb);
  }
  const end = await usage(on, pid);
  const percent = ((end.ticks - start.ticks) / TICKS_PER_SECOND / ((performance.now() - startedAt) / 1000)) * 100;
  console.log(`host at rest ${what}: ${PROCESSES} processes, ${CONNECTIONS} connections, ${MINUTES} minutes`);
  console.log(
    `  memory   ${end.residentMb.toFixed(1)} MB at the end, ${peakMb.toFixed(1)} at most: ${(peakMb / RSS_BAR_MB).toFixed(2)} of the bar (${RSS_BAR_MB} MB)`,
  );
  console.log(
    `  CPU      ${percent.toFixed(3)} % of one core: ${(percent / barPercent).toFixed(2)} of the bar (${barPercent} %)`,
  );
  const children = (await on.exec(`ps --ppid ${pid} -o comm=,rss=`)).stdout.trim().split("\n").filter(Boolean);
  for (const child of children) {
    const [name, kilobytes] = child.trim().split(/\s+/);
    console.log(`  child    ${name}: ${(Number(kilobytes) / 1024).toFixed(1)} MB, not part of the above`);
  }
  for (const scanner of (await status(on)).scanners) {
    console.log(
      `  scanner  ${scanner.name}: ${scanner.items} items, median ${String(scanner["medianTookMs"])} ms, ${scanner.overruns} overruns in ${scanner.scans} scans`,
    );
  }
}

async function usage(on: Host, pid: number): Promise<{ ticks: number; residentMb: number }> {
  const stat = await on.must(`cat /proc/${pid}/stat`);
  const after = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const residentKb = Number(/VmRSS:\s+(\d+)/.exec(await on.must(`cat /proc/${pid}/status`))?.[1]);
  return { ticks: Number(after[11]) + Number(after[12]), residentMb: residentKb / 1024 };
}

/** From a shell's start to the end of its connection, seconds. */
async function killSeconds(on: Host, port: number, delayMs: number): Promise<number> {
  await Bun.sleep(delayMs);
  const startedAt = performance.now();
  const run = await runAttack(on, PLAIN_SHELL, port, "alice");
  await on.attacker.until(port, (conversation) => conversation.closed, 60_000);
  const seconds = (performance.now() - startedAt) / 1000;
  await endAttack(on, run);
  return seconds;
}

async function measureKills(on: Host): Promise<void> {
  const times: number[] = [];
  for (let index = 0; index < SHELLS; index++) {
    // Spread over the interval between two scans.
    times.push(await killSeconds(on, 8100 + index, (index * 617) % 5000));
  }
  console.log(
    `  kill     ${SHELLS} shells, from start to the end of the connection: median ${quantile(times, 0.5)} s, 90 % ${quantile(times, 0.9)} s, longest ${quantile(times, 1)} s (two scans: 10 s)`,
  );
}

/** Pairs: a shell as soon as a first baseline is under way, and one as long after a start without a baseline to make. */
async function measureBaseline(on: Host): Promise<void> {
  const during: number[] = [];
  const after: number[] = [];
  let missed = 0;
  // Slow enough that it lasts until the shell is dead.
  await configure(on, { "FILES.hash_mb_per_second": 40 });
  for (let pair = 0; pair < PAIRS; pair++) {
    const delayMs = (pair * 617) % 2500;
    await on.must(`systemctl stop algo-monitor; rm -f ${HOME}/files.db*; systemctl start algo-monitor`);
    await untilFiles(on, "baseline");
    await waitForScans(on, 1);
    during.push(await killSeconds(on, 8200 + pair, delayMs));
    if ((await filesStatus(on)).state !== "baseline") missed++;
    await untilFiles(on, "watching");
    await on.must("systemctl restart algo-monitor");
    await untilFiles(on, "watching");
    await waitForScans(on, 1);
    after.push(await killSeconds(on, 8300 + pair, delayMs));
  }
  const differences = during.map((seconds, pair) => seconds - (after[pair] ?? 0));
  console.log(
    `  kill     during a first baseline: median ${quantile(during, 0.5)} s, without: ${quantile(after, 0.5)} s; median of ${PAIRS} paired differences ${quantile(differences, 0.5)} s${missed > 0 ? ` (in ${missed} the baseline was done before the shell was dead)` : ""}`,
  );
}

function quantile(values: readonly number[], share: number): string {
  const sorted = [...values].sort((left, right) => left - right);
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(2);
}
