// What one sweep of the scanners costs, against the tools an operator would use for the same facts, and what it saves to know
// who has slept since the last one (300 processes that only wait are added). Prints, asserts nothing.
// Medians of interleaved rounds in one process; the peers' times include starting them, so an empty start is subtracted.
// The clock of the readers is put on by an interval a round, so that the sleepers' turns come as often as on a host.
import { type Clock, systemClock } from "../src/core/clock.ts";
import { createProcessReader } from "../src/host/processes.ts";
import { createSocketReader } from "../src/host/sockets.ts";

const ROUNDS = 60;
const SLEEPERS = 300;
const INTERVAL_MS = 5000;
let skippedMs = 0;
const clock: Clock = {
  nowMs: () => systemClock.nowMs() + skippedMs,
  monotonicMs: () => systemClock.monotonicMs() + skippedMs,
};
const sleepers = Array.from({ length: SLEEPERS }, () =>
  Bun.spawn(["sleep", "600"], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }),
);
await Bun.sleep(500);
const reader = createProcessReader({ clock });
const wholeReader = createProcessReader({ clock, handlesMax: 0 });
const sockets = createSocketReader();
const first = reader.read();
const processes = first.processes.length;

const samples = new Map<string, number[]>();
for (let warmUp = 0; warmUp < 4; warmUp++) {
  skippedMs += INTERVAL_MS;
  reader.read();
  wholeReader.read();
}
for (let round = 0; round < ROUNDS; round++) {
  skippedMs += INTERVAL_MS;
  const pair = [
    () => measure("processes with descriptors", () => reader.read()),
    () => measure("every one whole", () => wholeReader.read()),
  ];
  for (const one of round % 2 === 0 ? pair : pair.reverse()) one();
  measure("processes", () => reader.read({ descriptors: false }));
  measure("sockets", () => sockets.read(first.processes));
  measure("empty start", () => run(["/bin/true"]));
  measure("ps", () => run(["ps", "-e", "-o", "pid,ppid,uid,stat,etimes,time,rss,nlwp,args"]));
  measure("ls", () => run(["sh", "-c", "exec ls -l /proc/[0-9]*/fd /proc/[0-9]*/exe"]));
  measure("ss", () => run(["ss", "-tuwxnai"]));
}

const descriptors = [...first.descriptors.values()].reduce((sum, list) => sum + list.length, 0);
const empty = median("empty start");
console.log(
  `${processes} processes, ${descriptors} descriptors, ${sockets.read(first.processes).internet.length} sockets`,
);
console.log(`first sweep                     ${per100(first.tookMs)} ms per 100 processes`);
line("processes", "ps", 5);
line("processes with descriptors", "ls", 10);
console.log(
  `the same, every one read whole  ${per100(median("every one whole"))} ms per 100 processes: who sleeps costs ${(median("processes with descriptors") / median("every one whole")).toFixed(2)} of it`,
);
console.log(
  `sockets                         ${median("sockets").toFixed(2)} ms, ${(median("sockets") / Math.max(0.01, median("ss") - empty)).toFixed(2)} of ss`,
);
reader.close();
wholeReader.close();
for (const sleeper of sleepers) sleeper.kill("SIGKILL");

function line(name: string, peer: string, barMs: number): void {
  const ratio = median(name) / Math.max(0.01, median(peer) - empty);
  console.log(
    `${name.padEnd(31)} ${per100(median(name))} ms per 100 processes (bar ${barMs}), ${ratio.toFixed(2)} of ${peer}`,
  );
}

function measure(name: string, action: () => unknown): void {
  const startMs = performance.now();
  action();
  const list = samples.get(name) ?? [];
  list.push(performance.now() - startMs);
  samples.set(name, list);
}

function run(command: string[]): void {
  Bun.spawnSync(command, { stdout: "ignore", stderr: "ignore" });
}

function median(name: string): number {
  const sorted = [...(samples.get(name) ?? [])].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function per100(ms: number): string {
  return ((ms / processes) * 100).toFixed(2);
}
