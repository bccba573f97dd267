/** A process as one sweep saw it. Produced by `host/`, read by everything above. */

/** Identity of a process for its whole life: a pid alone is reused, with its start time it is not. */
export interface ProcessRef {
  readonly pid: number;
  /** Field 22 of /proc/pid/stat: clock ticks after boot. */
  readonly startedAtTicks: number;
}

/** `"<pid>:<start>"`, for maps and for folding. */
export function processKey(ref: ProcessRef): string {
  return `${ref.pid}:${ref.startedAtTicks}`;
}

export function sameProcess(left: ProcessRef, right: ProcessRef): boolean {
  return left.pid === right.pid && left.startedAtTicks === right.startedAtTicks;
}

/** The file a process runs, by device and inode first and by path second. */
export interface Executable {
  /** The link of /proc/pid/exe without its ` (deleted)` suffix. */
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  readonly ownerUid: number;
  /** Permission bits including setuid, setgid and sticky. */
  readonly mode: number;
  /** No name left on disk (link count 0). */
  readonly deleted: boolean;
  readonly memfd: boolean;
  /** Deleted, but another root-owned file stands under the same path: what a package upgrade leaves behind. */
  readonly replaced?: boolean;
  /** Hex GNU build-id, to recognise copies of known programs. Absent where the file has none or its filesystem could hang. */
  readonly buildId?: string;
}

export interface Namespaces {
  readonly mount: number;
  readonly network: number;
  readonly pid: number;
}

export interface Process {
  readonly ref: ProcessRef;
  readonly parentPid: number;
  /** comm: at most 15 bytes, chosen by the process itself. Proves nothing. */
  readonly name: string;
  /** As the process shows it now; it may have been rewritten. Bounded, see `argvTruncated`. */
  readonly argv: readonly string[];
  readonly argvTruncated: boolean;
  /** Absent for kernel threads, zombies and processes that vanished in mid-read. */
  readonly executable?: Executable;
  readonly isKernelThread: boolean;
  /** One letter as in /proc/pid/stat: R S D T t Z X I. */
  readonly state: string;
  readonly uid: number;
  readonly effectiveUid: number;
  readonly gid: number;
  /** -1 where no login stands above the process. */
  readonly loginUid: number;
  /** The cgroup v2 path (or the systemd hierarchy's of v1), e.g. `/system.slice/ssh.service`. */
  readonly cgroup: string;
  /** Device number of the controlling terminal, 0 for none. */
  readonly terminalDevice: number;
  readonly sessionId: number;
  readonly processGroupId: number;
  readonly namespaces: Namespaces;
  readonly workingDirectory?: string;
  readonly startedAtMs: number;
  readonly threads: number;
  readonly fileHandles: number;
  readonly residentBytes: number;
  readonly hugePagesBytes: number;
  /** Who has it under ptrace at the moment; 0 for nobody. */
  readonly tracerPid: number;
  /** Since the previous sweep (or since start for a new process); 100 is one core. */
  readonly cpuPercent: number;
  readonly cpuTimeMs: number;
  /** Of children that ended and were waited for. Above zero: it has started children before. */
  readonly childrenCpuTicks: number;
  readonly childrenMinorFaults: number;
}

/** What an open descriptor leads to. */
export type DescriptorKind = "pipe" | "fifo" | "socket" | "terminal" | "terminal-master" | "file" | "other";

export interface Descriptor {
  readonly fd: number;
  readonly kind: DescriptorKind;
  /**
   * Names the thing at both of its ends: `pipe:<inode>`, `fifo:<device>:<inode>`, `socket:<inode>`,
   * `terminal:<index>` for both a pts and the master that owns it; empty for files and others.
   */
  readonly channel: string;
  /** The link text of /proc/pid/fd/N, bounded. */
  readonly target: string;
  readonly reads: boolean;
  readonly writes: boolean;
}
