// One sweep over /proc: every process, and where its descriptors lead. Sees this pid namespace and those nested in it.
// Trusts the kernel's numbers; names, arguments and paths are the process's own words and are bounded.
// Costs about 4 ms per 100 processes that do something, less than half of it per 100 that slept: see process_sleep.ts.
import type { Clock } from "../core/clock.ts";
import type { Descriptor, Process, ProcessRef } from "../core/process.ts";
import { SHARE_LIMITS, type ShareLimits } from "./descriptor_share.ts";
import {
  type CutProcess,
  createDescriptorSweeper,
  type DescriptorSweeper,
  type DescriptorsSwept,
  isWhole,
} from "./descriptor_sweep.ts";
import { AT, closeDescriptor, ERRNO, OPEN, openAt, systemConfiguration } from "./libc.ts";
import {
  createProcessCache,
  isAsleepTurn,
  type KnownProcess,
  type ProcessCache,
  type SweepTime,
} from "./process_cache.ts";
import { parseStat, parseStatus, type StatFields, type StatusFields } from "./process_files.ts";
import { createSleepWatch, type ProcessHandles, readHeldStat, type SleepWatch } from "./process_sleep.ts";
import { decodeText, listNumbers, openDirectory, readLinkText, readRecord } from "./procfs.ts";

const KERNEL_THREAD = 0x00200000; // PF_KTHREAD of linux/sched.h
const THREADS_LOOKED_AT_MAX = 64;

export interface ProcessReaderOptions {
  readonly procRoot?: string;
  readonly clock: Clock;
  /** Our own pid: its descriptors are not listed, so that the sweep does not see itself reading. */
  readonly selfPid?: number;
  readonly processesMax?: number;
  readonly descriptorLimits?: Partial<ShareLimits>;
  readonly argumentBytesMax?: number;
  readonly argumentsMax?: number;
  /** Handles kept open to tell who has slept; 0 reads every process whole in each sweep. */
  readonly handlesMax?: number;
}

export interface ProcessSweep {
  readonly atMs: number;
  readonly tookMs: number;
  readonly processes: readonly Process[];
  /** By pid: 0, 1 and 2, and of the others those with a channel. Empty when read without descriptors. */
  readonly descriptors: ReadonlyMap<number, readonly Descriptor[]>;
  /** Ended between being listed and being read. Normal. */
  readonly vanished: number;
  /** Refused, or not understood: we are blind for these. */
  readonly unreadable: number;
  /** Descriptor directories refused. */
  readonly unreadableDescriptors: number;
  /** Bounds that were hit: processes not looked at (1 = some), processes with a cut descriptor list, cut argument lists. */
  readonly cut: { readonly processes: number; readonly descriptors: number; readonly arguments: number };
  /** Of the processes with a cut descriptor list, those with the most descriptors; the rest of it comes in later sweeps. */
  readonly cutProcesses: readonly CutProcess[];
}

export interface ProcessReader {
  read(options?: { readonly descriptors?: boolean }): ProcessSweep;
  close(): void;
}

interface Sweep extends SweepTime {
  readonly withDescriptors: boolean;
  vanished: number;
  unreadable: number;
  cutArguments: number;
}

export function createProcessReader(options: ProcessReaderOptions): ProcessReader {
  const { procRoot = "/proc", clock, selfPid = process.pid, processesMax = 100_000 } = options;
  const argumentLimits = { bytes: options.argumentBytesMax ?? 32 * 1024, count: options.argumentsMax ?? 512 };
  const ticksPerSecond = Math.max(1, systemConfiguration(2)); // _SC_CLK_TCK
  const pageBytes = Math.max(4096, systemConfiguration(30)); // _SC_PAGESIZE
  const sweeper = createDescriptorSweeper(clock, { ...SHARE_LIMITS, ...options.descriptorLimits });
  const root = openAt(AT.currentDirectory, procRoot, OPEN.readOnly | OPEN.directory);
  if (root < 0) throw new Error(`${procRoot} cannot be opened (errno ${-root}); without it nothing can be seen`);
  const watch = createSleepWatch(options.handlesMax);
  const cache = createProcessCache(argumentLimits, ticksPerSecond, (entry) => watch.release(entry.sleep));
  const parts: Parts = { cache, sweeper, watch };
  let sweeps = 0;

  return { read, close };

  function close(): void {
    cache.clear();
    closeDescriptor(root);
  }

  function read({ descriptors = true }: { readonly descriptors?: boolean } = {}): ProcessSweep {
    const monotonicMs = clock.monotonicMs();
    const nowMs = clock.nowMs();
    const time: SweepTime = { number: ++sweeps, nowMs, monotonicMs, bootMs: nowMs - uptimeMs(root) };
    const sweep: Sweep = { ...time, withDescriptors: descriptors, vanished: 0, unreadable: 0, cutArguments: 0 };
    const listed = listNumbers(root, ".", processesMax);
    if (listed.status < 0) sweep.unreadable++;
    const processes: Process[] = [];
    if (descriptors) sweeper.begin(sweep.number);
    for (const pid of listed.numbers) {
      const found = readListed(pid, sweep);
      if (found !== undefined) processes.push(found);
    }
    const swept = descriptors ? sweeper.end(withDirectory) : NO_DESCRIPTORS;
    cache.forget(sweep.number);
    return {
      atMs: nowMs,
      tookMs: clock.monotonicMs() - monotonicMs,
      processes,
      descriptors: swept.descriptors,
      vanished: sweep.vanished,
      unreadable: sweep.unreadable,
      unreadableDescriptors: swept.unreadable,
      cut: { processes: listed.cut ? 1 : 0, descriptors: swept.cut, arguments: sweep.cutArguments },
      cutProcesses: swept.cutProcesses,
    };
  }

  function readListed(pid: number, sweep: Sweep): Process | undefined {
    const known = cache.get(pid);
    const handles = known?.sleep.handles;
    if (known !== undefined && handles !== undefined) {
      const asleep = watch.sleepsOn(known.sleep) ? readAsleep(parts, pid, handles, known, sweep) : undefined;
      if (asleep !== undefined) return asleep;
      const stat = parseRecord(readHeldStat(handles));
      // A kernel thread that executes a program is one no more, and is opened as the process it has become.
      const isStill = typeof stat !== "number" && (handles.directory >= 0 || isKernel(stat));
      if (isStill && stat.startedAtTicks === known.startedAtTicks)
        return readProcess(pid, handles.directory, stat, sweep);
      watch.release(known.sleep);
    }
    const directory = openDirectory(root, String(pid));
    if (directory < 0) return countFailure(sweep, directory);
    const stat = parseRecord(readRecord(directory, "stat"));
    const found = typeof stat === "number" ? countFailure(sweep, stat) : readProcess(pid, directory, stat, sweep);
    closeDescriptor(directory);
    return found;
  }

  function readProcess(pid: number, directory: number, stat: StatFields, sweep: Sweep): Process | undefined {
    const entry = cache.enter(pid, stat, sweep);
    const sleep = pid === selfPid ? "woke" : watch.look(entry.sleep, stat, sweep.monotonicMs);
    const isKernelThread = isKernel(stat);
    const identities = isKernelThread ? undefined : readRecord(directory, "status");
    if (typeof identities === "number") return countFailure(sweep, identities);
    const status = parseStatus(identities);
    const thread = openLiveThread(pid, directory, stat);
    const place = thread < 0 ? directory : thread;
    cache.refresh(pid, place, stat, isKernelThread, sweep);
    const fileHandles = isKernelThread ? 0 : readDescriptors(pid, place, stat, status, entry, sweep);
    if (thread >= 0) closeDescriptor(thread);
    if (sleep === "slept" && sweep.withDescriptors)
      entry.sleep.isRead = isKernelThread || isWhole(entry.descriptors, sweep.number);
    watch.hold(pid, directory, entry.sleep, stat);
    if (entry.command.truncated) sweep.cutArguments++;
    const cpuPercent = cache.cpuPercent(entry, stat.userTicks + stat.systemTicks, sweep);
    const seen = { pid, stat, status, entry, isKernelThread, fileHandles, cpuPercent, pageBytes, ticksPerSecond };
    entry.process = describe(seen);
    return entry.process;
  }

  function readDescriptors(
    pid: number,
    directory: number,
    stat: StatFields,
    status: StatusFields,
    entry: KnownProcess,
    sweep: Sweep,
  ): number {
    const tableSize = status.descriptorTableSize;
    if (!sweep.withDescriptors || pid === selfPid) return sweeper.count(directory, tableSize);
    return sweeper.add(directory, {
      ref: { pid, startedAtTicks: stat.startedAtTicks },
      uid: status.uid,
      tableSize,
      memory: entry.descriptors,
      context: { terminalDevice: stat.terminalDevice, isSlowTurn: entry.isTurn },
    });
  }

  /** For the second look at a process: 0 where it has ended, whoever may have its pid now. */
  function withDirectory({ pid, startedAtTicks }: ProcessRef, use: (directory: number) => number): number {
    const directory = openDirectory(root, String(pid));
    if (directory < 0) return 0;
    const stat = parseRecord(readRecord(directory, "stat"));
    const isStill = typeof stat !== "number" && stat.startedAtTicks === startedAtTicks;
    const thread = isStill ? openLiveThread(pid, directory, stat) : -1;
    const done = isStill ? use(thread < 0 ? directory : thread) : 0;
    if (thread >= 0) closeDescriptor(thread);
    closeDescriptor(directory);
    return done;
  }
}

interface Parts {
  readonly cache: ProcessCache;
  readonly sweeper: DescriptorSweeper;
  readonly watch: SleepWatch;
}

/**
 * What was read of it is still so; looked at are only the things that others can change: who its parent is, its file,
 * its descriptors (by CLONE_FILES). Its memory is as it was. Undefined where it must be read whole.
 */
function readAsleep(
  { cache, sweeper, watch }: Parts,
  pid: number,
  held: ProcessHandles,
  entry: KnownProcess,
  sweep: Sweep,
): Process | undefined {
  const { process, sleep } = entry;
  if (process === undefined || sleep.isShared || isAsleepTurn(pid, entry, sweep)) return undefined;
  if (!cache.hasLivingParent(entry, sweep)) {
    const stat = parseRecord(readHeldStat(held));
    if (typeof stat === "number" || stat.parentPid !== entry.parentPid) return undefined;
  }
  const { directory } = held;
  if (!process.isKernelThread && !cache.confirm(pid, directory, entry, sweep)) return undefined;
  if (!process.isKernelThread && sweep.withDescriptors) {
    const context = { terminalDevice: process.terminalDevice, isSlowTurn: false };
    if (!sweeper.confirm(pid, directory, entry.descriptors, context)) {
      // Unless it woke this very moment, somebody else has changed them.
      sleep.isShared = watch.sleepsOn(sleep);
      return undefined;
    }
  }
  entry.sweep = sweep.number;
  if (process.argvTruncated) sweep.cutArguments++;
  const cpuPercent = cache.cpuPercent(entry, entry.windowTicks, sweep);
  if (cpuPercent !== process.cpuPercent) entry.process = { ...process, cpuPercent };
  return entry.process;
}

function parseRecord(bytes: Uint8Array | number): StatFields | number {
  return typeof bytes === "number" ? bytes : (parseStat(bytes) ?? -ERRNO.EINVAL);
}

function isKernel(stat: StatFields): boolean {
  return (stat.flags & KERNEL_THREAD) !== 0;
}

const NO_DESCRIPTORS: DescriptorsSwept = { descriptors: new Map(), unreadable: 0, cut: 0, cutProcesses: [] };

interface Seen {
  readonly pid: number;
  readonly stat: StatFields;
  readonly status: StatusFields;
  readonly entry: KnownProcess;
  readonly isKernelThread: boolean;
  readonly fileHandles: number;
  readonly cpuPercent: number;
  readonly pageBytes: number;
  readonly ticksPerSecond: number;
}

function describe(seen: Seen): Process {
  const { stat, status, entry } = seen;
  return {
    ref: { pid: seen.pid, startedAtTicks: stat.startedAtTicks },
    parentPid: stat.parentPid,
    name: stat.name,
    argv: entry.command.argv,
    argvTruncated: entry.command.truncated,
    ...(entry.executable === undefined ? {} : { executable: entry.executable }),
    isKernelThread: seen.isKernelThread,
    state: stat.state,
    uid: status.uid,
    effectiveUid: status.effectiveUid,
    gid: status.gid,
    loginUid: entry.loginUid,
    cgroup: entry.cgroup,
    terminalDevice: stat.terminalDevice,
    sessionId: stat.sessionId,
    processGroupId: stat.processGroupId,
    namespaces: entry.namespaces,
    ...(entry.workingDirectory === undefined ? {} : { workingDirectory: entry.workingDirectory }),
    startedAtMs: entry.startedAtMs,
    threads: stat.threads,
    fileHandles: seen.fileHandles,
    residentBytes: stat.residentPages * seen.pageBytes,
    hugePagesBytes: status.hugePagesBytes,
    tracerPid: status.tracerPid,
    cpuPercent: seen.cpuPercent,
    cpuTimeMs: ((stat.userTicks + stat.systemTicks) * 1000) / seen.ticksPerSecond,
    childrenCpuTicks: stat.childrenUserTicks + stat.childrenSystemTicks,
    childrenMinorFaults: stat.childrenMinorFaults,
  };
}

/** A program whose first thread ended shows no executable and no descriptors except through a thread that lives. */
function openLiveThread(pid: number, directory: number, stat: StatFields): number {
  if (stat.state !== "Z" || stat.threads < 2) return -1;
  for (const thread of listNumbers(directory, "task", THREADS_LOOKED_AT_MAX).numbers) {
    const descriptor = thread === pid ? -1 : openDirectory(directory, `task/${thread}`);
    if (descriptor < 0) continue;
    if (readLinkText(descriptor, "exe") !== undefined) return descriptor;
    closeDescriptor(descriptor);
  }
  return -1;
}

/** Since boot, suspended time included, in the time namespace in which start times are shown too. */
function uptimeMs(root: number): number {
  const bytes = readRecord(root, "uptime");
  const seconds = typeof bytes === "number" ? 0 : Number.parseFloat(decodeText(bytes));
  return Number.isFinite(seconds) ? seconds * 1000 : 0;
}

function countFailure(sweep: Sweep, errno: number): undefined {
  if (errno === -ERRNO.ENOENT || errno === -ERRNO.ESRCH) sweep.vanished++;
  else sweep.unreadable++;
  return undefined;
}
