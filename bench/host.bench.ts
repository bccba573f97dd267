// The daemon on a host with 300 processes and 200 connections: memory and CPU over ten minutes (bars: 80 MB, 1 % of one
// core), cost of a sweep, and the time from a shell's start to its end. Prints; asserts nothing. Needs root.
// ALGO_BENCH_MINUTES shortens it.
import { join } from "node:path";
import { endAttack, prepareAttacks, runAttack } from "../test/host/attacks.ts";
import { copyRelease, mustInstall, status, waitForScans, waitUntil } from "../test/host/product.ts";
import { PLAIN_SHELL } from "../test/host/proof.ts";
import { bootHost, type Host } from "../test/host/testhost.ts";

const MINUTES = Number(process.env["ALGO_BENCH_MINUTES"] ?? "10");
const PROCESSES = 300;
const CONNECTIONS = 200;
const SHELLS = 20;
const RSS_BAR_MB = 80;
const CPU_BAR_PERCENT = 1;
const TICKS_PER_SECOND = 100;

const host = await bootHost();
try {
  await copyRelease(host);
  await mustInstall(host);
  await fill(host);
  await waitForScans(host, 2);
  await measureRest(host);
  await measureKills(host);
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

async function measureRest(on: Host): Promise<void> {
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
  console.log(`host at rest, ${PROCESSES} processes, ${CONNECTIONS} connections, ${MINUTES} minutes`);
  console.log(
    `  memory   ${end.residentMb.toFixed(1)} MB at the end, ${peakMb.toFixed(1)} at most: ${(peakMb / RSS_BAR_MB).toFixed(2)} of the bar (${RSS_BAR_MB} MB)`,
  );
  console.log(
    `  CPU      ${percent.toFixed(3)} % of one core: ${(percent / CPU_BAR_PERCENT).toFixed(2)} of the bar (${CPU_BAR_PERCENT} %)`,
  );
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

/** From the attacker's accept to the end of its connection. */
async function measureKills(on: Host): Promise<void> {
  await prepareAttacks(on);
  const times: number[] = [];
  for (let index = 0; index < SHELLS; index++) {
    const port = 8100 + index;
    // Spread over the interval between two scans.
    await Bun.sleep((index * 617) % 5000);
    const startedAt = performance.now();
    const run = await runAttack(on, PLAIN_SHELL, port, "alice");
    await on.attacker.until(port, (conversation) => conversation.closed, 60_000);
    times.push(performance.now() - startedAt);
    await endAttack(on, run);
  }
  times.sort((left, right) => left - right);
  const at = (share: number): string =>
    ((times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0) / 1000).toFixed(2);
  console.log(
    `  kill     ${SHELLS} shells, from start to the end of the connection: median ${at(0.5)} s, 90 % ${at(0.9)} s, longest ${at(1)} s (two scans: 10 s)`,
  );
}
