// What is kept of a process between sweeps, and when it is read again: facts that an unchanged (pid, start) seldom changes.
// Trusts the start addresses of the program image to tell an exec; every sixth sweep looks again whatever they say, every
// twelfth for a process that slept all the while. Costs one stat of the executable a process and sweep, 30 us for a new one.
import type { Executable, Namespaces, Process } from "../core/process.ts";
import { type DescriptorMemory, newDescriptorMemory } from "./descriptor_sweep.ts";
import { createExecutableReader } from "./executables.ts";
import { type CommandLine, parseCgroup, parseCommandLine, type StatFields } from "./process_files.ts";
import { newSleepMemory, type SleepMemory } from "./process_sleep.ts";
import { decodeText, numberInBrackets, readBytes, readLinkBytes, readLinkText, readRecord } from "./procfs.ts";

const SLOW_EVERY_SWEEPS = 6;
const ASLEEP_EVERY_SWEEPS = 12;
const READ_AT_LEAST_EVERY_MS = 60_000;
const CPU_WINDOW_MIN_MS = 1000; // ticks are 10 ms: a shorter window says little
const PATH_CHARACTERS_MAX = 4096;
const NO_NAMESPACES: Namespaces = { mount: 0, network: 0, pid: 0 };

export interface SweepTime {
  readonly number: number;
  readonly nowMs: number;
  readonly monotonicMs: number;
  readonly bootMs: number;
}

/** What is kept of a process between sweeps. */
export interface KnownProcess {
  readonly startedAtTicks: number;
  readonly startedAtMs: number;
  image: ImageMark;
  command: CommandLine;
  executable: Executable | undefined;
  namespaces: Namespaces;
  cgroup: string;
  loginUid: number;
  workingDirectory: string | undefined;
  parentPid: number;
  windowFromMs: number;
  windowTicks: number;
  cpuPercent: number;
  readonly descriptors: DescriptorMemory;
  readonly sleep: SleepMemory;
  /** What the last sweep made of it. */
  process: Process | undefined;
  /** When all of it was last read. */
  readAtMs: number;
  /** Whether that is in this sweep. */
  isTurn: boolean;
  sweep: number;
}

/** Start addresses are random for each exec, which leaves pid and start time as they are. */
interface ImageMark {
  readonly name: string;
  readonly startStack: number;
  readonly argumentsAt: number;
}

export interface ProcessCache {
  /** What is known of whoever has this pid; the process may be another by now. */
  get(pid: number): KnownProcess | undefined;
  /** The entry of this very process, a new one where there was none. */
  enter(pid: number, stat: StatFields, sweep: SweepTime): KnownProcess;
  /** The cached facts of a process, read again as far as what we saw says that they may have changed. */
  refresh(pid: number, directory: number, stat: StatFields, isKernelThread: boolean, sweep: SweepTime): KnownProcess;
  /** For a process that has slept: looks at its executable alone. False where that is another than was known. */
  confirm(pid: number, directory: number, entry: KnownProcess, sweep: SweepTime): boolean;
  /** Whether its parent is known to be the one it had: seen in this sweep, and older. */
  hasLivingParent(entry: KnownProcess, sweep: SweepTime): boolean;
  /** Since the previous sweep, or since the start of a new process; 100 is one core. */
  cpuPercent(entry: KnownProcess, ticks: number, sweep: SweepTime): number;
  /** Drops what the sweep did not see. */
  forget(sweepNumber: number): void;
  /** Drops everything. */
  clear(): void;
}

/** Whether a process that has slept since must be read all the same: those that sleep take turns as well. */
export function isAsleepTurn(pid: number, entry: KnownProcess, sweep: SweepTime): boolean {
  return (pid + sweep.number) % ASLEEP_EVERY_SWEEPS === 0 || isOverdue(entry, sweep);
}

function isOverdue(entry: KnownProcess, sweep: SweepTime): boolean {
  return sweep.monotonicMs - entry.readAtMs >= READ_AT_LEAST_EVERY_MS;
}

/** Whether it is this process's turn to be read in full: they take turns, so that no sweep pays for all. */
function isSlowTurn(pid: number, sweepNumber: number): boolean {
  return (pid + sweepNumber) % SLOW_EVERY_SWEEPS === 0;
}

/** @param release is called with the entry of each process that is dropped. */
export function createProcessCache(
  argumentLimits: { readonly bytes: number; readonly count: number },
  ticksPerSecond: number,
  release: (entry: KnownProcess) => void,
): ProcessCache {
  const executables = createExecutableReader();
  const known = new Map<number, KnownProcess>();
  /** Files that a sleeper of this sweep runs, by inode: many run the same, and its facts are looked at once. */
  const confirmed = new Map<number, Executable>();

  return { get: (pid) => known.get(pid), enter, refresh, confirm, hasLivingParent, cpuPercent, forget, clear };

  function forget(sweepNumber: number): void {
    confirmed.clear();
    for (const [pid, entry] of known) {
      if (entry.sweep === sweepNumber) continue;
      release(entry);
      known.delete(pid);
    }
  }

  function clear(): void {
    for (const entry of known.values()) release(entry);
    known.clear();
  }

  function enter(pid: number, stat: StatFields, sweep: SweepTime): KnownProcess {
    let entry = known.get(pid);
    if (entry === undefined || entry.startedAtTicks !== stat.startedAtTicks) {
      if (entry !== undefined) release(entry);
      entry = newEntry(stat, sweep);
      known.set(pid, entry);
    }
    entry.sweep = sweep.number;
    return entry;
  }

  function refresh(
    pid: number,
    directory: number,
    stat: StatFields,
    isKernelThread: boolean,
    sweep: SweepTime,
  ): KnownProcess {
    const entry = enter(pid, stat, sweep);
    const isNew = entry.process === undefined;
    const isTurn = !isKernelThread && (isSlowTurn(pid, sweep.number) || isOverdue(entry, sweep));
    entry.isTurn = isTurn;
    if (isTurn) entry.readAtMs = sweep.monotonicMs;
    if (!isKernelThread) {
      const { executable } = entry;
      const hasNewImage = !isSameImage(entry, stat);
      entry.executable = executables.read(directory, executable, isNew || hasNewImage || isTurn);
      if (isNew || hasNewImage || isTurn || executable !== entry.executable) {
        entry.image = imageOf(stat);
        entry.command = readCommandLine(directory, entry.command);
        entry.workingDirectory = readLinkText(directory, "cwd")?.slice(0, PATH_CHARACTERS_MAX);
      }
      if (executable !== entry.executable) entry.descriptors.known = [];
    }
    if (isNew || isTurn || entry.parentPid !== stat.parentPid) readPlace(directory, entry);
    entry.parentPid = stat.parentPid;
    return entry;
  }

  function confirm(pid: number, directory: number, { executable }: KnownProcess, sweep: SweepTime): boolean {
    const mayHaveMoved = isSlowTurn(pid, sweep.number);
    const sibling = executable === undefined || mayHaveMoved ? undefined : confirmed.get(executable.inode);
    if (sibling !== undefined && executable !== undefined && isSameFile(sibling, executable)) return true;
    const now = executables.read(directory, executable, mayHaveMoved);
    if (now !== undefined) confirmed.set(now.inode, now);
    return now === executable;
  }

  function hasLivingParent({ parentPid, startedAtTicks }: KnownProcess, sweep: SweepTime): boolean {
    const parent = known.get(parentPid);
    if (parent === undefined) return parentPid === 0;
    // A later bearer of the parent's pid is younger than the child.
    return parent.sweep === sweep.number && parent.startedAtTicks < startedAtTicks;
  }

  function newEntry(stat: StatFields, sweep: SweepTime): KnownProcess {
    const startedAtMs = Math.round(sweep.bootMs + (stat.startedAtTicks * 1000) / ticksPerSecond);
    return {
      startedAtTicks: stat.startedAtTicks,
      startedAtMs,
      image: imageOf(stat),
      command: { argv: [], truncated: false },
      executable: undefined,
      namespaces: NO_NAMESPACES,
      cgroup: "",
      loginUid: -1,
      workingDirectory: undefined,
      parentPid: stat.parentPid,
      windowFromMs: sweep.monotonicMs - Math.max(10, sweep.nowMs - startedAtMs),
      windowTicks: 0,
      cpuPercent: -1,
      descriptors: newDescriptorMemory(),
      sleep: newSleepMemory(),
      process: undefined,
      readAtMs: sweep.monotonicMs,
      isTurn: false,
      sweep: sweep.number,
    };
  }

  function readCommandLine(directory: number, before: CommandLine): CommandLine {
    const bytes = readBytes(directory, "cmdline", argumentLimits.bytes + 1);
    return typeof bytes === "number" ? before : parseCommandLine(bytes, argumentLimits, before);
  }

  function cpuPercent(entry: KnownProcess, ticks: number, sweep: SweepTime): number {
    const windowMs = sweep.monotonicMs - entry.windowFromMs;
    if (entry.cpuPercent >= 0 && windowMs < CPU_WINDOW_MIN_MS) return entry.cpuPercent;
    const usedMs = (Math.max(0, ticks - entry.windowTicks) * 1000) / ticksPerSecond;
    entry.cpuPercent = windowMs > 0 ? Math.round((usedMs / windowMs) * 1000) / 10 : 0;
    entry.windowFromMs = sweep.monotonicMs;
    entry.windowTicks = ticks;
    return entry.cpuPercent;
  }
}

function isSameFile(left: Executable, right: Executable): boolean {
  return (
    left.inode === right.inode &&
    left.device === right.device &&
    left.ownerUid === right.ownerUid &&
    left.mode === right.mode &&
    left.deleted === right.deleted
  );
}

function imageOf({ name, startStack, argumentsAt }: StatFields): ImageMark {
  return { name, startStack, argumentsAt };
}

/** Whether it runs the program it ran: every exec draws new addresses. */
function isSameImage({ image }: KnownProcess, stat: StatFields): boolean {
  return image.startStack === stat.startStack && image.argumentsAt === stat.argumentsAt && image.name === stat.name;
}

function readPlace(directory: number, entry: KnownProcess): void {
  const mount = namespaceNumber(directory, "ns/mnt");
  const network = namespaceNumber(directory, "ns/net");
  const pid = namespaceNumber(directory, "ns/pid");
  // A zombie has left its namespaces; where it was still matters.
  if (mount !== 0 || network !== 0) entry.namespaces = { mount, network, pid };
  const cgroup = readRecord(directory, "cgroup");
  if (typeof cgroup !== "number") entry.cgroup = parseCgroup(decodeText(cgroup));
  const loginUid = readRecord(directory, "loginuid");
  const login = typeof loginUid === "number" ? Number.NaN : Number(decodeText(loginUid));
  entry.loginUid = Number.isInteger(login) && login !== 0xffffffff ? login : -1;
}

function namespaceNumber(directory: number, name: string): number {
  const link = readLinkBytes(directory, name);
  return typeof link === "number" ? 0 : numberInBrackets(link);
}
