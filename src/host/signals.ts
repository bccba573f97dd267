// Stopping, continuing and ending processes by identity: a pidfd whose process was proved to be the one meant.
// Trusts (pid, start time); a bare pid is never signalled, nor pid 1, nor ourselves.
// Costs 10 us a handle. Kernels before 5.3 have no pidfd: there the start time is read again right before kill(2).
import type { ProcessRef } from "../core/process.ts";
import { fail, ok, type Result } from "../core/result.ts";
import { AT, closeDescriptor, ERRNO, errnoText, killPid, pidfdOpen, pidfdSendSignal } from "./libc.ts";
import { parseStat } from "./process_files.ts";
import { readRecord } from "./procfs.ts";

export type Signal = "SIGKILL" | "SIGSTOP" | "SIGCONT" | 0;

export interface PidHandle {
  readonly ref: ProcessRef;
  /** -1 on kernels without pidfd. */
  readonly pidfd: number;
}

export type ProcessState = "running" | "stopped" | "zombie" | "gone";

const SIGNAL_NUMBERS: Readonly<Record<Exclude<Signal, 0>, number>> = { SIGKILL: 9, SIGSTOP: 19, SIGCONT: 18 };

let hasPidfd: boolean | undefined;

/** Whether this kernel has pidfd_open (5.3), tried once on ourselves. */
export function pidfdSupported(): boolean {
  if (hasPidfd === undefined) {
    const pidfd = pidfdOpen(process.pid);
    hasPidfd = pidfd >= 0;
    if (pidfd >= 0) closeDescriptor(pidfd);
  }
  return hasPidfd;
}

/** A handle on exactly this process; `gone` where its pid has ended or belongs to another one now. Close it. */
export function openPidfd(ref: ProcessRef): Result<PidHandle> {
  const { pid } = ref;
  if (!Number.isInteger(pid) || pid <= 1) return fail("denied", `process ${pid} is never signalled`);
  if (pid === process.pid) return fail("denied", `process ${pid} is algo-monitor itself and is never signalled`);
  const pidfd = pidfdSupported() ? pidfdOpen(pid) : -1;
  if (pidfd < 0 && pidfdSupported()) return signalFault(ref, "opened", pidfd);
  // Opened first, proved second: from here on the descriptor cannot come to mean another process.
  if (readStateOf(ref) === undefined) {
    if (pidfd >= 0) closeDescriptor(pidfd);
    return fail("gone", `process ${pid} that started at tick ${ref.startedAtTicks} has ended`);
  }
  return ok({ ref, pidfd });
}

/** 0 asks only whether the process can be signalled. A zombie accepts signals and stays one: see `processState`. */
export function signal(handle: PidHandle, which: Signal): Result<void> {
  const number = which === 0 ? 0 : SIGNAL_NUMBERS[which];
  if (handle.pidfd < 0 && readStateOf(handle.ref) === undefined)
    return fail("gone", `process ${handle.ref.pid} that started at tick ${handle.ref.startedAtTicks} has ended`);
  const sent = handle.pidfd >= 0 ? pidfdSendSignal(handle.pidfd, number) : killPid(handle.ref.pid, number);
  return sent < 0 ? signalFault(handle.ref, `sent ${which === 0 ? "a probe" : which}`, sent) : ok(undefined);
}

export function closePidfd(handle: PidHandle): void {
  if (handle.pidfd >= 0) closeDescriptor(handle.pidfd);
}

/** What has become of exactly this process; a pid that was reused is `gone`. */
export function processState(ref: ProcessRef): ProcessState {
  const state = readStateOf(ref);
  switch (state) {
    case undefined:
    case "X":
    case "x":
      return "gone";
    case "Z":
      return "zombie";
    case "T":
    case "t":
      return "stopped";
    default:
      return "running";
  }
}

/** The identity of whoever has this pid now. */
export function refOf(pid: number): ProcessRef | undefined {
  const stat = readStat(pid);
  return stat === undefined ? undefined : { pid, startedAtTicks: stat.startedAtTicks };
}

function readStateOf(ref: ProcessRef): string | undefined {
  const stat = readStat(ref.pid);
  if (stat === undefined || stat.startedAtTicks !== ref.startedAtTicks) return undefined;
  // A first thread that ended leaves a zombie entry although the program lives on in its other threads.
  return stat.state === "Z" && stat.threads > 1 ? "S" : stat.state;
}

function readStat(pid: number): ReturnType<typeof parseStat> {
  const bytes = readRecord(AT.currentDirectory, `/proc/${pid}/stat`);
  return typeof bytes === "number" ? undefined : parseStat(bytes);
}

function signalFault(ref: ProcessRef, what: string, errno: number): ReturnType<typeof fail> {
  const message = `process ${ref.pid} could not be ${what}: ${errnoText(errno)}`;
  if (errno === -ERRNO.ESRCH) return fail("gone", message);
  if (errno === -ERRNO.EPERM || errno === -ERRNO.EACCES) return fail("denied", message, "run as root");
  return errno === -ERRNO.EMFILE ? fail("limit", message) : fail("io", message);
}
