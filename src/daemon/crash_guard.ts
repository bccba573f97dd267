/**
 * Remembers across restarts how the daemon ended: a part that was under way at three crashes within five minutes is
 * switched off for an hour, and starts that follow each other closely are spaced out by up to two seconds.
 * Trusts two small files of the run directory, read strictly; without them it knows nothing and hinders nothing.
 * Costs one short write to a tmpfs before and after each guarded part.
 */
import { constants, readFileSync } from "node:fs";
import type { ScannerName } from "../core/control.ts";
import type { Detector } from "../detection/detectors/detector.ts";
import type { Scanner } from "../sources/scanner.ts";
import { openRunMark, writeRunFile } from "../store/run_files.ts";

const CRASHES_MAX = 3;
const CRASH_WINDOW_MS = 300_000;
const OFF_FOR_MS = 3_600_000;
const START_WINDOW_MS = 60_000;
/** By the number of crashes in the last minute: systemd before 254 cannot let its own delay grow (RestartSteps). */
const START_DELAYS_MS: readonly number[] = [0, 0, 0, 250, 500, 1_000, 2_000];
const REMEMBERED_MAX = 100;

export interface CrashGuardOptions {
  readonly runDirectory: string;
  /** Milliseconds since boot; comparable between two runs of the daemon. */
  readonly sinceBootMs: () => number;
  /** Another version may have mended it: it starts with a clean slate. */
  readonly version: string;
}

export interface CrashGuard {
  /** Present where the last daemon ended without stopping; `part` is what it was doing, empty where nothing guarded. */
  readonly lastCrash: { readonly part: string } | undefined;
  readonly crashesInLastMinute: number;
  readonly startDelayMs: number;
  /** Switched off because it keeps crashing the daemon. */
  isOff(part: string): boolean;
  /** Those that are off now. */
  offParts(): readonly string[];
  /** A crash inside `work` counts against the part. */
  during<T>(part: string, work: () => T): T;
  /** The daemon stops in order: what comes next is no restart after a crash. */
  close(): void;
}

interface Crash {
  readonly part: string;
  readonly atMs: number;
}

interface Memory {
  readonly version: string;
  readonly running: boolean;
  readonly crashes: readonly Crash[];
  readonly off: readonly { readonly part: string; readonly untilMs: number }[];
}

export function openCrashGuard(options: CrashGuardOptions): CrashGuard {
  const { sinceBootMs, version } = options;
  const file = `${options.runDirectory}/starts.json`;
  const markFile = `${options.runDirectory}/under-way`;
  const nowMs = sinceBootMs();
  const known = recall(file, version, nowMs);
  const lastCrash = known.running ? { part: textOf(markFile).trim() } : undefined;
  const crashes = [...known.crashes, ...(lastCrash === undefined ? [] : [{ part: lastCrash.part, atMs: nowMs }])]
    .filter(({ atMs }) => nowMs - atMs < CRASH_WINDOW_MS)
    .slice(-REMEMBERED_MAX);
  const off = [...known.off.filter(({ untilMs }) => nowMs < untilMs), ...condemned(crashes, nowMs)];
  // What led to the switching off is spent: when the hour is over the part begins anew.
  const kept = crashes.map((crash) => (off.some(({ part }) => part === crash.part) ? { ...crash, part: "" } : crash));
  const memory: Memory = { version, running: true, crashes: kept, off };
  writeRunFile(file, JSON.stringify(memory));
  const mark = openRunMark(markFile);
  mark.set("");
  const crashesInLastMinute = crashes.filter(({ atMs }) => nowMs - atMs < START_WINDOW_MS).length;
  const isOff = (part: string) => off.some((entry) => entry.part === part && sinceBootMs() < entry.untilMs);
  return {
    lastCrash,
    crashesInLastMinute,
    startDelayMs: START_DELAYS_MS[Math.min(crashesInLastMinute, START_DELAYS_MS.length - 1)] ?? 0,
    isOff,
    offParts: () => off.map(({ part }) => part).filter(isOff),
    during(part, work) {
      mark.set(part);
      try {
        return work();
      } finally {
        mark.set("");
      }
    },
    close() {
      mark.close();
      writeRunFile(file, JSON.stringify({ ...memory, running: false }));
    },
  };
}

function condemned(crashes: readonly Crash[], nowMs: number): Memory["off"] {
  const counts = new Map<string, number>();
  for (const { part } of crashes) if (part !== "") counts.set(part, (counts.get(part) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count >= CRASHES_MAX)
    .map(([part]) => ({ part, untilMs: nowMs + OFF_FOR_MS }));
}

function recall(file: string, version: string, nowMs: number): Memory {
  const clean: Memory = { version, running: false, crashes: [], off: [] };
  const read = parse(textOf(file));
  if (!isRecord(read)) return clean;
  const running = read["running"] === true;
  if (read["version"] !== version) return { ...clean, running };
  return {
    version,
    running,
    crashes: listOf(read["crashes"], (entry) => crashOf(entry, nowMs)),
    off: listOf(read["off"], (entry) => {
      const { part, untilMs } = entry;
      const sane = typeof part === "string" && typeof untilMs === "number" && untilMs <= nowMs + OFF_FOR_MS;
      return sane ? { part, untilMs } : undefined;
    }),
  };
}

function crashOf({ part, atMs }: Readonly<Record<string, unknown>>, nowMs: number): Crash | undefined {
  return typeof part === "string" && typeof atMs === "number" && atMs <= nowMs ? { part, atMs } : undefined;
}

function listOf<T>(value: unknown, entryOf: (entry: Readonly<Record<string, unknown>>) => T | undefined): readonly T[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, REMEMBERED_MAX).flatMap((entry: unknown) => (isRecord(entry) ? (entryOf(entry) ?? []) : []));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, { encoding: "utf8", flag: constants.O_RDONLY | constants.O_NONBLOCK });
  } catch {
    return "";
  }
}

export function detectorPart(id: string): string {
  return `detector ${id}`;
}

export function scannerPart(name: ScannerName): string {
  return `scanner ${name}`;
}

/** The same detector, silent while it is switched off. */
export function guardDetector(detector: Detector, guard: CrashGuard): Detector {
  const part = detectorPart(detector.id);
  return { ...detector, sweep: (view) => (guard.isOff(part) ? [] : guard.during(part, () => detector.sweep(view))) };
}

export function guardScanner<Input, Seen>(scanner: Scanner<Input, Seen>, guard: CrashGuard): Scanner<Input, Seen> {
  return { ...scanner, scan: (input) => guard.during(scannerPart(scanner.name), () => scanner.scan(input)) };
}
