/**
 * Processes as the kernel told of them: who executed what, and who ended, kept some seconds beyond the end so that what
 * is heard later still finds its process. Bounded; a process of before the sensor is known by its scan only.
 */
import type { KernelExec, KernelTask } from "../core/kernel.ts";
import { baseName } from "../core/place.ts";
import { type Executable, type Process, type ProcessRef, processKey } from "../core/process.ts";
import type { Cgroups } from "../host/cgroups.ts";
import type { KernelFiles } from "./kernel_files.ts";

const PROCESSES_MAX = 65_536;
const KEPT_AFTER_END_MS = 10_000;
const ANCESTORS_MAX = 8;
/** An `env` that becomes a shell that becomes a program: who opened something may be two behind when that is heard. */
const EARLIER_MAX = 2;

export interface KernelProcesses {
  /** Answers the path of its cgroup, empty where nobody can say it any more. */
  executed(exec: KernelExec): string;
  started(ref: ProcessRef, parent: ProcessRef | undefined): void;
  ended(ref: ProcessRef, nowMs: number): void;
  /** As a scan at that moment would have seen it, as far as the kernel tells. */
  describe(task: KernelTask, argv?: readonly string[]): Process;
  /** Parent, grandparent, ... as the kernel told of them, bounded. */
  ancestorsOf(task: KernelTask): readonly ProcessRef[];
  /** What it last executed, as a scan would have seen it; undefined where the kernel did not tell. */
  described(ref: ProcessRef): Process | undefined;
  /** As it was at that moment; who had executed nothing yet is what it was forked from, which `living` may know. */
  describedAt(
    ref: ProcessRef,
    sinceBootUs: number,
    living: (ref: ProcessRef) => Process | undefined,
  ): Process | undefined;
  /** The newest process of that number. */
  refOf(pid: number): ProcessRef | undefined;
  /** What it, or who forked it, had last executed at that moment. */
  execAt(ref: ProcessRef, sinceBootUs: number): KernelExec | undefined;
  /** Told of at all. */
  isKnown(ref: ProcessRef): boolean;
  /** Told of an exec or a fork, and not of an end. */
  isAlive(ref: ProcessRef): boolean;
  /** Of those, the ones that it was told of before that time. */
  livingSince(beforeMs: number): Iterable<ProcessRef>;
  /** The program that the kernel reported it to run; undefined where it was not reported. */
  reportedInode(ref: ProcessRef): number | undefined;
  /** Forgets those that ended a while ago; once a second. */
  forget(nowMs: number): void;
  readonly size: number;
  /** How many had to be forgotten early. */
  readonly dropped: number;
}

interface Told {
  readonly ref: ProcessRef;
  /** Absent between fork and exec. */
  exec: KernelExec | undefined;
  /** Those before, the newest first. */
  earlier: readonly KernelExec[];
  parent: ProcessRef | undefined;
  endedAtMs: number;
  readonly toldAtMs: number;
}

export function createKernelProcesses(parts: {
  readonly files: KernelFiles;
  readonly cgroups: Cgroups;
  readonly nowMs: () => number;
}): KernelProcesses {
  const told = new Map<string, Told>();
  const newest = new Map<number, Told>();
  const ended: Told[] = [];
  let dropped = 0;
  return {
    executed,
    started,
    ended: end,
    describe,
    ancestorsOf,
    described,
    describedAt,
    refOf: (pid) => newest.get(pid)?.ref,
    execAt,
    isKnown: (ref) => told.has(processKey(ref)),
    isAlive: (ref) => told.get(processKey(ref))?.endedAtMs === 0,
    livingSince,
    reportedInode: (ref) => told.get(processKey(ref))?.exec?.task.inode,
    forget,
    get size() {
      return told.size;
    },
    get dropped() {
      return dropped;
    },
  };

  function executed(exec: KernelExec): string {
    const one = entry(exec.task.ref);
    if (one.exec !== undefined) one.earlier = [one.exec, ...one.earlier].slice(0, EARLIER_MAX);
    one.exec = exec;
    one.parent = exec.task.parent ?? one.parent;
    // While somebody lives in it: of a unit that is gone in a moment nobody else can say the name.
    return parts.cgroups.pathOf(exec.task.cgroup, exec.task.ref.pid);
  }

  /** A child runs what its parent ran until it executes something of its own. */
  function started(ref: ProcessRef, parent: ProcessRef | undefined): void {
    const inherited = parent === undefined ? undefined : told.get(processKey(parent))?.exec;
    const child = entry(ref);
    child.parent = parent;
    if (inherited === undefined || parent === undefined) return;
    child.exec ??= { ...inherited, task: { ...inherited.task, ref, parent } };
  }

  function described(ref: ProcessRef): Process | undefined {
    const exec = told.get(processKey(ref))?.exec;
    return exec === undefined ? undefined : processOfExec(exec);
  }

  function execAt(ref: ProcessRef, sinceBootUs: number): KernelExec | undefined {
    const one = told.get(processKey(ref));
    if (one?.exec === undefined) return undefined;
    return [one.exec, ...one.earlier].find((exec) => exec.sinceBootUs <= sinceBootUs);
  }

  /** A daemon of before the sensor forks a child, and that child one more: none of them was seen to execute anything. */
  function describedAt(
    ref: ProcessRef,
    sinceBootUs: number,
    living: (ref: ProcessRef) => Process | undefined,
  ): Process | undefined {
    const exec = execAt(ref, sinceBootUs);
    const own = exec === undefined ? living(ref) : processOfExec(exec);
    if (own !== undefined) return own;
    const parent = told.get(processKey(ref))?.parent;
    let above = parent;
    for (let step = 0; above !== undefined && step < ANCESTORS_MAX; step++) {
      const executed = execAt(above, sinceBootUs);
      const origin = executed === undefined ? living(above) : processOfExec(executed);
      if (origin !== undefined) return { ...origin, ref, parentPid: parent?.pid ?? 0 };
      above = told.get(processKey(above))?.parent;
    }
    return undefined;
  }

  function end(ref: ProcessRef, nowMs: number): void {
    const known = told.get(processKey(ref));
    if (known === undefined || known.endedAtMs !== 0) return;
    known.endedAtMs = nowMs;
    ended.push(known);
  }

  function entry(ref: ProcessRef): Told {
    const key = processKey(ref);
    const known = told.get(key);
    if (known !== undefined) return known;
    if (told.size >= PROCESSES_MAX) {
      const [first] = told.values();
      if (first !== undefined) drop(first.ref);
      dropped++;
    }
    const fresh: Told = { ref, exec: undefined, parent: undefined, earlier: [], endedAtMs: 0, toldAtMs: parts.nowMs() };
    told.set(key, fresh);
    newest.set(ref.pid, fresh);
    return fresh;
  }

  function drop(ref: ProcessRef): void {
    told.delete(processKey(ref));
    if (newest.get(ref.pid)?.ref.startedAtTicks === ref.startedAtTicks) newest.delete(ref.pid);
  }

  function ancestorsOf({ parent }: KernelTask): readonly ProcessRef[] {
    const found: ProcessRef[] = [];
    let next = parent;
    while (next !== undefined && found.length < ANCESTORS_MAX) {
      found.push(next);
      next = told.get(processKey(next))?.parent;
    }
    return found;
  }

  function* livingSince(beforeMs: number): Iterable<ProcessRef> {
    for (const { ref, endedAtMs, toldAtMs } of told.values()) if (endedAtMs === 0 && toldAtMs < beforeMs) yield ref;
  }

  function forget(nowMs: number): void {
    let done = 0;
    for (const { ref, endedAtMs } of ended) {
      if (nowMs - endedAtMs < KEPT_AFTER_END_MS) break;
      drop(ref);
      done++;
    }
    ended.splice(0, done);
  }

  function processOfExec(exec: KernelExec): Process {
    const executable = parts.files.executableOf(exec.task, absolutePath(exec));
    return processOf(
      exec.task,
      { words: exec.argv, truncated: exec.argvTruncated, executable },
      placeOf(exec.task, exec),
    );
  }

  function placeOf({ cgroup, ref }: KernelTask, exec: KernelExec | undefined): Place {
    return { cgroup: parts.cgroups.pathOf(cgroup, ref.pid), directory: exec?.directory ?? "" };
  }

  function describe(task: KernelTask, argv?: readonly string[]): Process {
    const exec = told.get(processKey(task.ref))?.exec;
    // The record of the exec may come after the verdict about it, or be of the program before.
    const own = exec?.task.inode === task.inode ? exec : undefined;
    const words = own?.argv ?? argv ?? [];
    const executable = parts.files.executableOf(task, own === undefined ? "" : absolutePath(own));
    const truncated = own?.argvTruncated ?? argv !== undefined;
    return processOf(task, { words, truncated, executable }, placeOf(task, own));
  }
}

interface Place {
  readonly cgroup: string;
  readonly directory: string;
}

function absolutePath({ path, directory }: KernelExec): string {
  if (path.startsWith("/") || path === "") return path;
  return directory === "" ? "" : `${directory.replace(/\/$/, "")}/${path.replace(/^\.\//, "")}`;
}

function processOf(
  task: KernelTask,
  program: { readonly words: readonly string[]; readonly truncated: boolean; readonly executable: Executable },
  place: Place,
): Process {
  return {
    ref: task.ref,
    parentPid: task.parent?.pid ?? 0,
    name: baseName(program.executable.path || (program.words[0] ?? "")).slice(0, 15),
    argv: program.words,
    argvTruncated: program.truncated,
    executable: program.executable,
    isKernelThread: false,
    state: "R",
    uid: task.uid,
    effectiveUid: task.effectiveUid,
    gid: task.gid,
    loginUid: task.loginUid,
    cgroup: place.cgroup,
    terminalDevice: task.terminalDevice,
    sessionId: task.sessionId,
    processGroupId: 0,
    namespaces: task.namespaces,
    ...(place.directory === "" ? {} : { workingDirectory: place.directory }),
    startedAtMs: task.startedAtMs,
    threads: 1,
    fileHandles: 0,
    residentBytes: 0,
    hugePagesBytes: 0,
    tracerPid: 0,
    cpuPercent: 0,
    cpuTimeMs: 0,
    childrenCpuTicks: 0,
    childrenMinorFaults: 0,
  };
}
