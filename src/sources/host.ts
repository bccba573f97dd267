/**
 * The host's own load each 5 s: processors, memory, local filesystems and physical interfaces over the limits of
 * HOST_THRESHOLDS for as long as it says. Told when it begins, again each six hours while it lasts, and when it is over.
 * Trusts the monotonic clock alone. /proc/stat is read once a scan, not once a processor.
 */
import type { Clock } from "../core/clock.ts";
import type { EventDraft } from "../core/nouns.ts";
import { type Fault, fail, ok } from "../core/result.ts";
import { type CpuTicks, createLoad, type InterfaceBytes, type Load } from "../host/load.ts";
import { createWatermark, type Passage, type Watermark } from "./host_watermark.ts";
import type { Scanner } from "./scanner.ts";

/** HOST_THRESHOLDS of the config; 0 switches a limit off. */
export interface HostThresholds {
  readonly cpu_percent: number;
  readonly memory_percent: number;
  readonly disk_percent: number;
  readonly network_mbit: number;
  readonly sustained_seconds: number;
}

export interface HostScannerParts {
  readonly clock: Clock;
  /** As configured now. */
  readonly thresholds: () => HostThresholds;
  readonly load?: Load;
}

const DISKS_EVERY_MS = 30_000;
const MOUNTS_EVERY_MS = 60_000;
/** Below the limit by so much, and it is over: a value that swings around the limit is one passage. */
const HYSTERESIS_PERCENT = 5;

type Resource = "processors" | "memory" | "filesystem" | "interface";

interface Reading {
  readonly resource: Resource;
  readonly device: string;
  readonly used: number;
  readonly limit: number;
  readonly unit: "percent" | "Mbit/s";
  readonly sustainedSeconds: number;
}

interface State {
  readonly parts: HostScannerParts;
  readonly load: Load;
  readonly watermark: Watermark;
  cpu: CpuTicks | undefined;
  interfaces: ReadonlyMap<string, InterfaceBytes>;
  interfacesAtMs: number;
  mounts: readonly string[];
  mountsAtMs: number;
  disksAtMs: number;
}

export function createHostScanner(parts: HostScannerParts): Scanner<void, readonly EventDraft[]> {
  const state: State = {
    parts,
    load: parts.load ?? createLoad(),
    watermark: createWatermark(),
    cpu: undefined,
    interfaces: new Map(),
    interfacesAtMs: 0,
    mounts: [],
    mountsAtMs: Number.NEGATIVE_INFINITY,
    disksAtMs: Number.NEGATIVE_INFINITY,
  };
  return {
    name: "host",
    probe: () =>
      state.load.cpu() === undefined
        ? fail("unsupported", "/proc/stat cannot be read or has no cpu line")
        : ok(undefined),
    scan() {
      const startedMs = parts.clock.monotonicMs();
      const faults: Fault[] = [];
      const readings = readAll(state, startedMs, faults);
      const events = readings.flatMap((reading) => told(state, reading, startedMs));
      state.watermark.forget(startedMs);
      return { seen: events, items: readings.length, faults, tookMs: parts.clock.monotonicMs() - startedMs };
    },
  };
}

function readAll(state: State, nowMs: number, faults: Fault[]): readonly Reading[] {
  const thresholds = state.parts.thresholds();
  const sustainedSeconds = thresholds.sustained_seconds;
  const percent = { unit: "percent", sustainedSeconds } as const;
  const readings: Reading[] = [];
  const cpu = cpuUsedPercent(state);
  if (cpu !== undefined && thresholds.cpu_percent > 0)
    readings.push({ ...percent, resource: "processors", device: "all", used: cpu, limit: thresholds.cpu_percent });
  const memory = state.load.memoryUsedPercent();
  if (memory === undefined)
    faults.push({ kind: "unsupported", message: "/proc/meminfo does not tell how much memory is available" });
  else if (thresholds.memory_percent > 0)
    readings.push({ ...percent, resource: "memory", device: "all", used: memory, limit: thresholds.memory_percent });
  if (thresholds.disk_percent > 0) readings.push(...disks(state, nowMs, thresholds.disk_percent));
  if (thresholds.network_mbit > 0) readings.push(...networks(state, nowMs, thresholds.network_mbit, sustainedSeconds));
  else state.interfaces = new Map();
  return readings;
}

/** Since the scan before; undefined at the first one and where a counter went back. */
function cpuUsedPercent(state: State): number | undefined {
  const before = state.cpu;
  const now = state.load.cpu();
  state.cpu = now;
  if (before === undefined || now === undefined) return undefined;
  const total = now.total - before.total;
  const idle = now.idle - before.idle;
  return total > 0 && idle >= 0 ? Math.max(0, 100 * (1 - idle / total)) : undefined;
}

function disks(state: State, nowMs: number, limit: number): readonly Reading[] {
  if (nowMs - state.disksAtMs < DISKS_EVERY_MS) return [];
  state.disksAtMs = nowMs;
  if (nowMs - state.mountsAtMs >= MOUNTS_EVERY_MS) {
    state.mountsAtMs = nowMs;
    state.mounts = state.load.localMounts();
  }
  return state.mounts.flatMap((mount): Reading[] => {
    const used = state.load.diskUsedPercent(mount);
    if (used === undefined) return [];
    return [{ resource: "filesystem", device: mount, used, limit, unit: "percent", sustainedSeconds: 0 }];
  });
}

/** The busier direction of each, megabits a second since the scan before. A counter that went back says nothing. */
function networks(state: State, nowMs: number, limit: number, sustainedSeconds: number): readonly Reading[] {
  const before = state.interfaces;
  const seconds = (nowMs - state.interfacesAtMs) / 1_000;
  const now = state.load.interfaces();
  state.interfaces = new Map(now.map((each) => [each.name, each]));
  state.interfacesAtMs = nowMs;
  return now.flatMap((each): Reading[] => {
    const last = before.get(each.name);
    if (last === undefined || seconds <= 0) return [];
    const received = each.receivedBytes - last.receivedBytes;
    const sent = each.sentBytes - last.sentBytes;
    if (received < 0 || sent < 0) return [];
    const used = (Math.max(received, sent) * 8) / 1e6 / seconds;
    return [{ resource: "interface", device: each.name, used, limit, unit: "Mbit/s", sustainedSeconds }];
  });
}

function told(state: State, reading: Reading, nowMs: number): readonly EventDraft[] {
  const { resource, device, used, limit, unit, sustainedSeconds } = reading;
  const margin = unit === "percent" ? HYSTERESIS_PERCENT : (limit * HYSTERESIS_PERCENT) / 100;
  const passage = state.watermark.see(`${resource} ${device}`, {
    nowMs,
    used,
    limit,
    clearBelow: Math.max(0, limit - margin),
    sustainedMs: sustainedSeconds * 1_000,
  });
  return passage === undefined ? [] : [draft(reading, passage)];
}

function draft(reading: Reading, passage: Passage): EventDraft {
  return {
    action: passage.kind === "passed" ? "host-threshold-passed" : "host-threshold-cleared",
    logsource: { category: "host", product: "linux", service: "algo-monitor" },
    fields: {
      "host.resource": reading.resource,
      "host.device": reading.device,
      "host.used": Math.round(reading.used * 10) / 10,
      "host.limit": reading.limit,
      "host.unit": reading.unit,
      "host.over": passage.kind === "passed",
      "host.sustained_seconds": Math.round(passage.lastedMs / 1_000),
    },
  };
}
