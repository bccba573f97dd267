// One sweep over /proc: every process, and where its descriptors lead. Sees this pid namespace and those nested in it.
// Trusts the kernel's numbers; names, arguments and paths are the process's own words and are bounded.
// Costs about 3 ms per 100 processes, 6 ms with descriptors, by caching what an unchanged (pid, start) cannot change.
import type { Clock } from "../core/clock.ts";
import type { Descriptor, Process, ProcessRef } from "../core/process.ts";
import { SHARE_LIMITS, type ShareLimits } from "./descriptor_share.ts";
import { type CutProcess, createDescriptorSweeper, type DescriptorsSwept } from "./descriptor_sweep.ts";
import { AT, closeDescriptor, ERRNO, OPEN, openAt, systemConfiguration } from "./libc.ts";
import { createProcessCache, isSlowTurn, type KnownProcess, type SweepTime } from "./process_cache.ts";
import { parseStat, parseStatus, type StatFields, type StatusFields } from "./process_files.ts";
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
  const cache = createProcessCache(argumentLimits, ticksPerSecond);
  const sweeper = createDescriptorSweeper(clock, { ...SHARE_LIMITS, ...options.descriptorLimits });
  const root = openAt(AT.currentDirectory, procRoot, OPEN.readOnly | OPEN.directory);
  if (root < 0) throw new Error(`${procRoot} cannot be opened (errno ${-root}); without it nothing can be seen`);
  let sweeps = 0;

  return { read, close: () => closeDescriptor(root) };

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
      const directory = openDirectory(root, String(pid));
      if (directory < 0) {
        countFailure(sweep, directory);
        continue;
      }
      const found = readProcess(pid, directory, sweep);
      if (found !== undefined) processes.push(found);
      closeDescriptor(directory);
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

  function readProcess(pid: number, directory: number, sweep: Sweep): Process | undefined {
    const bytes = readRecord(directory, "stat");
    if (typeof bytes === "number") return countFailure(sweep, bytes);
    const stat = parseStat(bytes);
    if (stat === undefined) return countFailure(sweep, -ERRNO.EINVAL);
    const isKernelThread = (stat.flags & KERNEL_THREAD) !== 0;
    const identities = isKernelThread ? undefined : readRecord(directory, "status");
    if (typeof identities === "number") return countFailure(sweep, identities);
    const status = parseStatus(identities);
    const thread = stat.state === "Z" && stat.threads > 1 ? openLiveThread(pid, directory) : -1;
    const place = thread < 0 ? directory : thread;
    const entry = cache.refresh(pid, place, stat, isKernelThread, sweep);
    const fileHandles = isKernelThread ? 0 : readDescriptors(pid, place, stat, status, entry, sweep);
    if (thread >= 0) closeDescriptor(thread);
    if (entry.command.truncated) sweep.cutArguments++;
    const cpuPercent = cache.cpuPercent(entry, stat.userTicks + stat.systemTicks, sweep);
    return describe({ pid, stat, status, entry, isKernelThread, fileHandles, cpuPercent, pageBytes, ticksPerSecond });
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
      context: { terminalDevice: stat.terminalDevice, isSlowTurn: isSlowTurn(pid, sweep.number) },
    });
  }

  /** For the second look at a process: 0 where it has ended, whoever may have its pid now. */
  function withDirectory({ pid, startedAtTicks }: ProcessRef, use: (directory: number) => number): number {
    const directory = openDirectory(root, String(pid));
    if (directory < 0) return 0;
    const bytes = readRecord(directory, "stat");
    const stat = typeof bytes === "number" ? undefined : parseStat(bytes);
    const thread = stat?.state === "Z" && stat.threads > 1 ? openLiveThread(pid, directory) : -1;
    const done = stat?.startedAtTicks === startedAtTicks ? use(thread < 0 ? directory : thread) : 0;
    if (thread >= 0) closeDescriptor(thread);
    closeDescriptor(directory);
    return done;
  }
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
    cpuPercent: seen.cpuPercent,
    cpuTimeMs: ((stat.userTicks + stat.systemTicks) * 1000) / seen.ticksPerSecond,
    childrenCpuTicks: stat.childrenUserTicks + stat.childrenSystemTicks,
    childrenMinorFaults: stat.childrenMinorFaults,
  };
}

/** A program whose first thread ended shows no executable and no descriptors except through a thread that lives. */
function openLiveThread(pid: number, directory: number): number {
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
