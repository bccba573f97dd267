/**
 * States that a process used more than PROCESS_THRESHOLDS allows in three scans in a row. Each limit is stated when it
 * is passed, and again at the earliest an hour later after it was kept in between. Silent on programs trusted by name.
 */
import type { EventDraft } from "../../core/nouns.ts";
import { type Process, processKey } from "../../core/process.ts";
import { processFields } from "../../core/render.ts";
import type { HostView } from "../../core/view.ts";
import type { Limits, ProcessLists } from "../site/process_lists.ts";
import { remoteSockets } from "./channels.ts";
import { type Detector, derived } from "./detector.ts";

const SCANS_IN_A_ROW = 3;
const AGAIN_AFTER_MS = 3_600_000;

type LimitName = keyof Limits;

/** Kept only of processes that are or were over a limit. */
interface Excess {
  scans: number;
  toldAtMs: number;
}

export function createThresholdsDetector(lists: () => ProcessLists): Detector {
  let over = new Map<string, Map<LimitName, Excess>>();
  let seen = new Set<string>();
  let lastAtMs = Number.NaN;
  return { id: "thresholds", emits: ["threshold"], sweep };

  function sweep(view: HostView): readonly EventDraft[] {
    // Sockets alone were swept: the processes are those of the last scan.
    if (view.atMs === lastAtMs) return [];
    lastAtMs = view.atMs;
    const current = lists();
    const next: typeof over = new Map();
    const keys: typeof seen = new Set();
    const drafts: EventDraft[] = [];
    for (const process of view.processes.values()) {
      if (process.isKernelThread || process.executable === undefined) continue;
      const key = processKey(process.ref);
      keys.add(key);
      const excesses = over.get(key);
      const passed = passedLimits(view, process, current.limitsOf(process.executable.path), seen.has(key));
      if (passed.length === 0 && excesses === undefined) continue;
      if (passed.length > 0 && view.isTrustedByName(process)) continue;
      const { kept, crossed } = count(excesses, passed, view.atMs);
      if (kept.size > 0) next.set(key, kept);
      for (const limit of crossed) drafts.push(draftOf(view, process, limit));
    }
    over = next;
    seen = keys;
    return drafts;
  }
}

interface Passed {
  readonly name: LimitName;
  readonly value: number;
  readonly limit: number;
}

function passedLimits(view: HostView, process: Process, limits: Limits, seenBefore: boolean): readonly Passed[] {
  const memory = view.memoryTotalBytes === 0 ? 0 : (100 * process.residentBytes) / view.memoryTotalBytes;
  const found: Passed[] = [];
  // The first measure of a process is an average since its start, and starting is work.
  if (seenBefore) check("cpu_percent", process.cpuPercent);
  check("memory_percent", Math.round(memory * 10) / 10);
  check("threads", process.threads);
  check("file_handles", process.fileHandles);
  if (limits.children > 0) check("children", view.children(process.ref.pid).length);
  if (limits.connections > 0) check("connections", remoteSockets(view, process).length);
  return found;

  function check(name: LimitName, value: number): void {
    if (limits[name] > 0 && value > limits[name]) found.push({ name, value, limit: limits[name] });
  }
}

function count(
  before: ReadonlyMap<LimitName, Excess> | undefined,
  passed: readonly Passed[],
  atMs: number,
): { readonly kept: Map<LimitName, Excess>; readonly crossed: readonly Passed[] } {
  const kept = new Map<LimitName, Excess>();
  const crossed: Passed[] = [];
  for (const [name, excess] of before ?? [])
    if (atMs - excess.toldAtMs < AGAIN_AFTER_MS) kept.set(name, { scans: 0, toldAtMs: excess.toldAtMs });
  for (const limit of passed) {
    const known = before?.get(limit.name);
    const scans = (known?.scans ?? 0) + 1;
    const toldAtMs = known?.toldAtMs ?? Number.NEGATIVE_INFINITY;
    const tell = scans === SCANS_IN_A_ROW && atMs - toldAtMs >= AGAIN_AFTER_MS;
    kept.set(limit.name, { scans, toldAtMs: tell ? atMs : toldAtMs });
    if (tell) crossed.push(limit);
  }
  return { kept, crossed };
}

function draftOf(view: HostView, process: Process, limit: Passed): EventDraft {
  const fields = {
    ...processFields(view, process),
    "threshold.name": limit.name,
    "threshold.value": limit.value,
    "threshold.limit": limit.limit,
  };
  return derived("threshold", "threshold-passed", process, fields, { actors: [process.ref], relays: [], sockets: [] });
}
