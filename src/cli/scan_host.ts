/**
 * `scan host`: processor, memory, local disks and network over one second, beside HOST_THRESHOLDS. This command reads
 * them itself; what lasts is told by the daemon. Never asks a filesystem that may hang (network, FUSE).
 */
import { readFileSync, statSync } from "node:fs";
import { printable } from "../core/printable.ts";
import { ok } from "../core/result.ts";
import type { CpuTicks, Load } from "../host/load.ts";
import { type Answered, paintOf } from "./action.ts";
import { pause } from "./progress.ts";
import { table } from "./text.ts";
import type { Cli } from "./world.ts";

const WINDOW_MS = 1_000;
const DISKS_MAX = 64;

interface Measure {
  readonly resource: "cpu" | "memory" | "disk" | "network";
  /** Empty, a mount point, or an interface. */
  readonly device: string;
  readonly used: number;
  /** 0 where none is set. */
  readonly limit: number;
  readonly unit: "percent" | "Mbit/s";
}

interface Limits {
  readonly cpu_percent: number;
  readonly memory_percent: number;
  readonly disk_percent: number;
  readonly network_mbit: number;
  readonly sustained_seconds: number;
}

export async function scanHost(cli: Cli): Promise<Answered> {
  const limits = await limitsOf(cli);
  const { createLoad } = await import("../host/load.ts");
  const load = createLoad();
  const before = sampleOf(load);
  await pause(WINDOW_MS, cli.stop());
  const after = sampleOf(load);
  const measures = [
    ...percent("cpu", "", cpuPercent(before, after), limits.cpu_percent),
    ...percent("memory", "", load.memoryUsedPercent(), limits.memory_percent),
    ...load
      .localMounts()
      .slice(0, DISKS_MAX)
      .flatMap((mount) => percent("disk", mount, load.diskUsedPercent(mount), limits.disk_percent)),
    ...networkMeasures(before, after, limits.network_mbit),
  ];
  const json = { measures, sustainedSeconds: limits.sustained_seconds };
  return ok({ json, text: hostText(cli, measures, limits) });
}

async function limitsOf(cli: Cli): Promise<Limits> {
  const { parseConfig } = await import("../config/load.ts");
  const isThere = statSync(cli.paths.configFile, { throwIfNoEntry: false }) !== undefined;
  return parseConfig(isThere ? readFileSync(cli.paths.configFile) : "{}").config.HOST_THRESHOLDS;
}

interface Sample {
  readonly atMs: number;
  readonly ticks: CpuTicks | undefined;
  /** Bytes in the busier direction, by interface. */
  readonly network: ReadonlyMap<string, number>;
}

function sampleOf(load: Load): Sample {
  const interfaces = load
    .interfaces()
    .map(({ name, receivedBytes, sentBytes }) => [name, Math.max(receivedBytes, sentBytes)] as const);
  return { atMs: performance.now(), ticks: load.cpu(), network: new Map(interfaces) };
}

function cpuPercent(before: Sample, after: Sample): number | undefined {
  if (before.ticks === undefined || after.ticks === undefined) return undefined;
  const total = after.ticks.total - before.ticks.total;
  return total <= 0 ? 0 : 100 * (1 - (after.ticks.idle - before.ticks.idle) / total);
}

/** What cannot be read is left out. */
function percent(
  resource: Measure["resource"],
  device: string,
  used: number | undefined,
  limit: number,
): readonly Measure[] {
  return used === undefined ? [] : [{ resource, device, used, limit, unit: "percent" }];
}

function networkMeasures(before: Sample, after: Sample, limit: number): readonly Measure[] {
  const seconds = Math.max(0.001, (after.atMs - before.atMs) / 1_000);
  return [...after.network].map(([device, count]) => {
    const moved = Math.max(0, count - (before.network.get(device) ?? count));
    return { resource: "network", device, used: (moved * 8) / 1e6 / seconds, limit, unit: "Mbit/s" };
  });
}

const RESOURCES: Readonly<Record<Measure["resource"], string>> = {
  cpu: "processor, all cores",
  memory: "memory",
  disk: "disk",
  network: "network",
};

function hostText(cli: Cli, measures: readonly Measure[], limits: Limits): string {
  const paint = paintOf(cli);
  const rows = measures.map(({ resource, device, used, limit, unit }) => {
    const isOver = limit > 0 && used > limit;
    return [
      RESOURCES[resource],
      `${used.toFixed(1)} ${unit}`,
      limit === 0 ? "-" : `${limit} ${unit}`,
      isOver ? paint("ABOVE", "yellow") : "ok",
      printable(device, 200),
    ];
  });
  const note = `One second was measured. A disk above its limit is told at once, the rest when it lasts ${limits.sustained_seconds} seconds.\n`;
  return `${table(["RESOURCE", "USED", "LIMIT", "", "WHERE"], rows, cli.columns)}${note}`;
}
