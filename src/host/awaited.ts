/**
 * What the threads of a process sleep on, from the syscall file of each (x86-64 numbers), its memory (the sets of poll and
 * select) and fdinfo (epoll). Costs about 20 us a thread; asked only about processes that a detector already suspects.
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import type { Awaited } from "../core/view.ts";

const READS: ReadonlySet<number> = new Set([0, 19, 45, 47]); // read, readv, recvfrom, recvmsg
const POLLS: ReadonlySet<number> = new Set([7, 271]); // poll, ppoll
const SELECTS: ReadonlySet<number> = new Set([23, 270]); // select, pselect6
const EPOLLS: ReadonlySet<number> = new Set([232, 281, 441]); // epoll_wait, epoll_pwait, epoll_pwait2
/** Sleeps on no descriptor: wait4, waitid, futex. A sleep for a time is not among them: what polls is not known. */
const OTHER_WAITS: ReadonlySet<number> = new Set([61, 247, 202]);
const POLLIN = 1;
const THREADS_MAX = 32;
const POLLED_MAX = 1_024;
const SELECTED_MAX = 4_096;

export const NOTHING_KNOWN: Awaited = { descriptors: new Set(), loop: new Set(), known: false };

interface Call {
  readonly number: number;
  readonly arguments: readonly bigint[];
}

/** Of all threads together; `known` is false where one of them runs, sleeps for a time, or may not be looked at. */
export function awaitedBy(pid: number): Awaited {
  const descriptors = new Set<number>();
  const loop = new Set<number>();
  let known = 0;
  let unknown = 0;
  for (const thread of threadsOf(pid)) {
    try {
      const call = parseSyscall(readFileSync(`/proc/${pid}/task/${thread}/syscall`, "latin1"));
      const found = call === undefined ? undefined : descriptorsOf(pid, call);
      if (call === undefined || found === undefined) {
        unknown++;
        continue;
      }
      known++;
      for (const fd of found) (EPOLLS.has(call.number) ? loop : descriptors).add(fd);
    } catch {
      // This thread ended meanwhile, or the kernel lacks the file.
    }
  }
  return { descriptors, loop, known: known > 0 && unknown === 0 };
}

function descriptorsOf(pid: number, call: Call): readonly number[] | undefined {
  const [first = 0n, second = 0n] = call.arguments;
  if (READS.has(call.number)) return [Number(first)];
  if (POLLS.has(call.number)) return polled(memoryOf(pid, first, Math.min(Number(second), POLLED_MAX) * 8));
  if (SELECTS.has(call.number))
    return selected(memoryOf(pid, second, Math.ceil(Math.min(Number(first), SELECTED_MAX) / 64) * 8), Number(first));
  if (EPOLLS.has(call.number)) return watched(readFileSync(`/proc/${pid}/fdinfo/${first}`, "latin1"));
  return OTHER_WAITS.has(call.number) ? [] : undefined;
}

/** `0 0x5 0x7ffd... ... <stack> <instruction>`; `running` and `-1 ...` are no call. proc_pid_syscall(5). */
export function parseSyscall(text: string): Call | undefined {
  const words = text.trim().split(" ");
  if (!/^\d{1,4}$/.test(words[0] ?? "")) return undefined;
  const values = words.slice(1, 7);
  if (!values.every((word) => /^0x[0-9a-f]{1,16}$/.test(word))) return undefined;
  return { number: Number(words[0]), arguments: values.map(BigInt) };
}

/** An array of struct pollfd: the descriptors polled for input. poll(2). */
export function polled(bytes: Uint8Array): readonly number[] {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: number[] = [];
  for (let offset = 0; offset + 8 <= bytes.byteLength; offset += 8) {
    const fd = data.getInt32(offset, true);
    if (fd >= 0 && (data.getInt16(offset + 4, true) & POLLIN) !== 0) found.push(fd);
  }
  return found;
}

/** An fd_set: the numbers of its set bits below `count`. select(2). */
export function selected(bytes: Uint8Array, count: number): readonly number[] {
  const found: number[] = [];
  for (let fd = 0; fd < count && fd >> 3 < bytes.byteLength; fd++) {
    if (((bytes[fd >> 3] ?? 0) & (1 << (fd & 7))) !== 0) found.push(fd);
  }
  return found;
}

/** The `tfd:` lines of an epoll descriptor that watch for input. proc_pid_fdinfo(5). */
export function watched(fdinfo: string): readonly number[] {
  return [...fdinfo.matchAll(/^tfd:\s+(\d+) events:\s+([0-9a-f]+)/gm)].flatMap((line) =>
    (Number.parseInt(line[2] ?? "0", 16) & POLLIN) === 0 ? [] : Number(line[1]),
  );
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).slice(0, THREADS_MAX);
  } catch {
    return [];
  }
}

function memoryOf(pid: number, address: bigint, lengthBytes: number): Uint8Array {
  if (address === 0n || lengthBytes <= 0) return new Uint8Array();
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    const bytes = new Uint8Array(lengthBytes);
    return bytes.subarray(0, readSync(memory, bytes, 0, lengthBytes, address));
  } finally {
    closeSync(memory);
  }
}
