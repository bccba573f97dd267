// What is kept of a process between sweeps, and when it is read again: facts that an unchanged (pid, start) seldom changes.
// Trusts the start addresses of the program image to tell an exec; every sixth sweep looks again whatever they say.
// Costs one stat of the executable a process and sweep, 30 us for a new or changed one.
import type { Executable, Namespaces } from "../core/process.ts";
import { type DescriptorMemory, newDescriptorMemory } from "./descriptor_sweep.ts";
import { createExecutableReader } from "./executables.ts";
import { type CommandLine, parseCgroup, parseCommandLine, type StatFields } from "./process_files.ts";
import { decodeText, numberInBrackets, readBytes, readLinkBytes, readLinkText, readRecord } from "./procfs.ts";

const SLOW_EVERY_SWEEPS = 6;
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
  sweep: number;
}

/** Start addresses are random for each exec, which leaves pid and start time as they are. */
interface ImageMark {
  readonly name: string;
  readonly startStack: number;
  readonly argumentsAt: number;
}

export interface ProcessCache {
  refresh(pid: number, directory: number, stat: StatFields, isKernelThread: boolean, sweep: SweepTime): KnownProcess;
  /** Since the previous sweep, or since the start of a new process; 100 is one core. */
  cpuPercent(entry: KnownProcess, ticks: number, sweep: SweepTime): number;
  /** Drops what the sweep did not see. */
  forget(sweepNumber: number): void;
}

/** Whether it is this process's turn to be read in full: they take turns, so that no sweep pays for all. */
export function isSlowTurn(pid: number, sweepNumber: number): boolean {
  return (pid + sweepNumber) % SLOW_EVERY_SWEEPS === 0;
}

export function createProcessCache(
  argumentLimits: { readonly bytes: number; readonly count: number },
  ticksPerSecond: number,
): ProcessCache {
  const executables = createExecutableReader();
  const known = new Map<number, KnownProcess>();

  return { refresh, cpuPercent, forget };

  function forget(sweepNumber: number): void {
    for (const [pid, entry] of known) if (entry.sweep !== sweepNumber) known.delete(pid);
  }

  /** The cached facts of a process, read again as far as what we saw says that they may have changed. */
  function refresh(
    pid: number,
    directory: number,
    stat: StatFields,
    isKernelThread: boolean,
    sweep: SweepTime,
  ): KnownProcess {
    let entry = known.get(pid);
    const isNew = entry === undefined || entry.startedAtTicks !== stat.startedAtTicks;
    if (entry === undefined || isNew) {
      entry = newEntry(stat, sweep);
      known.set(pid, entry);
    }
    entry.sweep = sweep.number;
    const isTurn = !isKernelThread && isSlowTurn(pid, sweep.number);
    if (!isKernelThread) {
      const { image, executable } = entry;
      const hasNewImage =
        image.startStack !== stat.startStack || image.argumentsAt !== stat.argumentsAt || image.name !== stat.name;
      entry.executable = executables.read(directory, executable, isNew || hasNewImage || isTurn);
      if (isNew || hasNewImage || isTurn || executable !== entry.executable) {
        entry.image = { name: stat.name, startStack: stat.startStack, argumentsAt: stat.argumentsAt };
        entry.command = readCommandLine(directory, entry.command);
        entry.workingDirectory = readLinkText(directory, "cwd")?.slice(0, PATH_CHARACTERS_MAX);
      }
      if (executable !== entry.executable) entry.descriptors.known = [];
    }
    if (isNew || isTurn || entry.parentPid !== stat.parentPid) readPlace(directory, entry);
    entry.parentPid = stat.parentPid;
    return entry;
  }

  function newEntry(stat: StatFields, sweep: SweepTime): KnownProcess {
    const startedAtMs = Math.round(sweep.bootMs + (stat.startedAtTicks * 1000) / ticksPerSecond);
    return {
      startedAtTicks: stat.startedAtTicks,
      startedAtMs,
      image: { name: stat.name, startStack: stat.startStack, argumentsAt: stat.argumentsAt },
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
