// Which processes cannot have done anything since they were last read: none of their threads was given a processor.
// Trusts the scheduler's counts (/proc/pid/schedstat, CONFIG_SCHED_INFO), never state letters; without counts nobody sleeps.
// Costs 0.6 us a thread; two handles a process and one a thread are kept open, HANDLES_MAX in all.
import { AT, closeDescriptor, OPEN, openAt, readAt } from "./libc.ts";
import type { StatFields } from "./process_files.ts";
import { identify, listNumbers, openDirectory, readLarge } from "./procfs.ts";

/** Some 500 processes. With all else we have open it stays below the 2000 handles that PROCESS_THRESHOLDS warns of. */
const HANDLES_MAX = 1536;
/** What the rest of the daemon needs handles for comes first: of a small RLIMIT_NOFILE this part is taken. */
const SHARE_OF_LIMIT = 8;
const THREADS_MAX = 16;
/** A process whose threads come and go this often is not worth opening them again. */
const LOST_MAX = 3;
/** No processor runs a thread for as long as this without a tick that adds to its run time (1 Hz where ticks are off). */
const ASLEEP_AFTER_MS = 1000;
const KERNEL_THREAD = 0x00200000; // PF_KTHREAD of linux/sched.h

const recordBytes = new Uint8Array(4096);

/** Open as long as the process lives: bound to it, whoever has its pid afterwards. */
export interface ProcessHandles {
  /** -1 for a kernel thread. */
  readonly directory: number;
  readonly stat: number;
  /** The schedstat of every thread; of a kernel thread its own. */
  readonly threads: readonly number[];
}

/** What is kept of a process to tell that it has slept. */
export interface SleepMemory {
  handles: ProcessHandles | undefined;
  /** Times its threads were given a processor, and nanoseconds they had one; counts below 1 where unknown. */
  runs: number;
  ranNs: number;
  /** When these two were first seen. */
  sinceMs: number;
  ticks: number;
  /** All of it was read after it was known to sleep, and it has slept since. */
  isRead: boolean;
  /** Its descriptors changed in its sleep: another process has the same table (CLONE_FILES). */
  isShared: boolean;
  /** Its threads are not those of its handles, and how often that was so. */
  isLost: boolean;
  lost: number;
}

/**
 * `woke`: it ran, or we cannot know. `slept`: it was off its processors since some time ago and no thread has had one since,
 * so what is read of it from now on stays so until its counts differ.
 */
export type Sleep = "woke" | "slept";

export interface SleepWatch {
  /** Whether a process that was read whole in its sleep sleeps on: one look at its counts. */
  sleepsOn(memory: SleepMemory): boolean;
  look(memory: SleepMemory, stat: StatFields, monotonicMs: number): Sleep;
  /**
   * After all of it was read: opens handles where there is room and it was idle since the last sweep, and closes those
   * that are not all of its threads any more, so none the caller holds may be used afterwards.
   */
  hold(pid: number, directory: number, memory: SleepMemory, stat: StatFields): void;
  release(memory: SleepMemory): void;
}

export function newSleepMemory(): SleepMemory {
  return {
    handles: undefined,
    runs: 0,
    ranNs: 0,
    sinceMs: 0,
    ticks: -1,
    isRead: false,
    isShared: false,
    isLost: false,
    lost: 0,
  };
}

/** The bytes of /proc/pid/stat in a shared buffer, valid until the next call here; a negative errno as a number. */
export function readHeldStat(handles: ProcessHandles): Uint8Array | number {
  const length = readAt(handles.stat, recordBytes, 0);
  return length < 0 ? length : recordBytes.subarray(0, length);
}

/** Handles are kept only of what really lies in /proc: other files outlive what they tell. */
export function createSleepWatch(handlesMax = handlesAllowed()): SleepWatch {
  const procDevice = identify(AT.currentDirectory, "/proc")?.device;
  const isCounting = countsRuns();
  let handlesOpen = 0;

  return { sleepsOn, look, hold, release };

  function sleepsOn(memory: SleepMemory): boolean {
    if (!memory.isRead || memory.handles === undefined || !readCounts(memory.handles.threads)) return false;
    return counts.runs === memory.runs && counts.ranNs === memory.ranNs;
  }

  /**
   * Before anything else of the process is read: should it wake in between, its counts differ at the next look.
   * The count of runs only grows when a processor is given, so a thread that is on one already when looked at is told by
   * its run time: equal counts a second apart mean that it was off its processor at some moment in between, and stayed so.
   */
  function look(memory: SleepMemory, stat: StatFields, monotonicMs: number): Sleep {
    const { handles } = memory;
    if (handles === undefined) return "woke";
    const isCounted = handles.threads.length === stat.threads && readCounts(handles.threads);
    if (!isCounted) {
      memory.isLost = true;
      return wake(memory, 0, 0, monotonicMs);
    }
    const { runs, ranNs } = counts;
    if (runs !== memory.runs || ranNs !== memory.ranNs || !mayHaveSlept(stat))
      return wake(memory, runs, ranNs, monotonicMs);
    return monotonicMs - memory.sinceMs < ASLEEP_AFTER_MS ? "woke" : "slept";
  }

  function hold(pid: number, directory: number, memory: SleepMemory, stat: StatFields): void {
    const ticks = stat.userTicks + stat.systemTicks;
    const isIdle = memory.ticks === ticks;
    memory.ticks = ticks;
    if (memory.isLost) {
      memory.lost++;
      return release(memory);
    }
    if (!isIdle || memory.handles !== undefined || !mayHaveSlept(stat)) return;
    const isKernelThread = (stat.flags & KERNEL_THREAD) !== 0;
    const needed = (isKernelThread ? 1 : 2) + stat.threads;
    if (!isCounting || memory.lost > LOST_MAX || identify(directory, ".")?.device !== procDevice) return;
    if (stat.threads > THREADS_MAX || handlesOpen + needed > handlesMax) return;
    const handles = openHandles(pid, directory, isKernelThread);
    if (handles === undefined) return;
    memory.handles = handles;
    handlesOpen += countOf(handles);
  }

  function release(memory: SleepMemory): void {
    if (memory.handles === undefined) return;
    handlesOpen -= countOf(memory.handles);
    closeHandles(memory.handles);
    memory.handles = undefined;
    memory.isRead = false;
    memory.isLost = false;
  }
}

function wake(memory: SleepMemory, runs: number, ranNs: number, monotonicMs: number): Sleep {
  memory.runs = runs;
  memory.ranNs = ranNs;
  memory.sinceMs = monotonicMs;
  memory.isRead = false;
  return "woke";
}

/** Whoever runs, ends or has ended is read anew; the letter alone proves nothing, as it is set before the sleep. */
function mayHaveSlept({ state }: StatFields): boolean {
  return state === "S" || state === "D" || state === "I" || state === "T" || state === "t";
}

const counts = { runs: 0, ranNs: 0 };

/** Sums over all threads: each part only grows, so equal sums of the same threads mean equal parts. */
function readCounts(threads: readonly number[]): boolean {
  counts.runs = 0;
  counts.ranNs = 0;
  for (const thread of threads) {
    const length = readAt(thread, recordBytes, 0);
    if (length <= 0) return false;
    let field = 0;
    let value = 0;
    for (let at = 0; at < length; at++) {
      const byte = recordBytes[at] ?? 0;
      if (byte >= 0x30 && byte <= 0x39) value = value * 10 + byte - 0x30;
      else {
        if (field === 0) counts.ranNs += value;
        if (field === 2) break;
        field++;
        value = 0;
      }
    }
    // All zeros is what a kernel shows that does not count.
    if (field !== 2 || value === 0) return false;
    counts.runs += value;
  }
  return threads.length > 0;
}

function openHandles(pid: number, directory: number, isKernelThread: boolean): ProcessHandles | undefined {
  const threads: number[] = [];
  const handles = {
    directory: isKernelThread ? -1 : openDirectory(directory, "."),
    stat: openAt(directory, "stat", OPEN.readOnly | OPEN.nonBlocking),
    threads,
  };
  for (const thread of listNumbers(directory, "task", THREADS_MAX).numbers) {
    const name = thread === pid ? "schedstat" : `task/${thread}/schedstat`;
    threads.push(openAt(directory, name, OPEN.readOnly | OPEN.nonBlocking));
  }
  const isWhole =
    handles.stat >= 0 && (isKernelThread || handles.directory >= 0) && threads.every((thread) => thread >= 0);
  if (isWhole) return handles;
  closeHandles(handles);
  return undefined;
}

function closeHandles({ directory, stat, threads }: ProcessHandles): void {
  for (const handle of [directory, stat, ...threads]) if (handle >= 0) closeDescriptor(handle);
}

function countOf({ directory, threads }: ProcessHandles): number {
  return (directory < 0 ? 1 : 2) + threads.length;
}

/** Our own main thread has run: where that is not counted, nothing is. */
function countsRuns(): boolean {
  const own = openAt(AT.currentDirectory, "/proc/self/schedstat", OPEN.readOnly);
  const isCounted = own >= 0 && readCounts([own]);
  if (own >= 0) closeDescriptor(own);
  return isCounted;
}

function handlesAllowed(): number {
  const bytes = readLarge(AT.currentDirectory, "/proc/self/limits", 4096);
  const text = typeof bytes === "number" ? "" : new TextDecoder().decode(bytes);
  const line = text.split("\n").find((limit) => limit.startsWith("Max open files"));
  const soft = Number(line?.split(/\s+/)[3]);
  return Number.isFinite(soft) ? Math.min(HANDLES_MAX, Math.floor(soft / SHARE_OF_LIMIT)) : 0;
}
