// The C library through bun:ffi: descriptors, sockets, namespaces, signals. The only file that loads it.
// Trusts nothing it is handed; every buffer goes in with its own length, every path is bounded.
// Costs 0.1 us a call over the system call itself. Calls run on the calling thread, so setns and errno are that thread's.
import { dlopen, FFIType, type Pointer, ptr, read as readMemory } from "bun:ffi";

const { i32, u32, i64, u64 } = FFIType;
const pointer = FFIType.ptr;

const SYMBOLS = {
  openat: { args: [i32, pointer, i32, u32], returns: i32 },
  close: { args: [i32], returns: i32 },
  read: { args: [i32, pointer, u64], returns: i32 },
  write: { args: [i32, pointer, u64], returns: i32 },
  pread: { args: [i32, pointer, u64, i64], returns: i32 },
  readlinkat: { args: [i32, pointer, pointer, u64], returns: i32 },
  statx: { args: [i32, pointer, i32, u32, pointer], returns: i32 },
  socket: { args: [i32, i32, i32], returns: i32 },
  bind: { args: [i32, pointer, u32], returns: i32 },
  send: { args: [i32, pointer, u64, i32], returns: i32 },
  sendto: { args: [i32, pointer, u64, i32, pointer, u32], returns: i32 },
  recv: { args: [i32, pointer, u64, i32], returns: i32 },
  setsockopt: { args: [i32, i32, i32, pointer, u32], returns: i32 },
  getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  setns: { args: [i32, i32], returns: i32 },
  kill: { args: [i32, i32], returns: i32 },
  sysconf: { args: [i32], returns: i32 },
  madvise: { args: [u64, u64, i32], returns: i32 },
  clock_gettime: { args: [i32, pointer], returns: i32 },
  syscall: { args: [i64, u64, u64, u64, u64], returns: i32 },
  __errno_location: { args: [], returns: pointer },
} as const;

const { symbols: libc, errnoAt } = load();

/** The numbers of asm-generic/errno.h that this program tells apart. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EAGAIN: 11,
  EACCES: 13,
  EINVAL: 22,
  EMFILE: 24,
  ENOSYS: 38,
  ENAMETOOLONG: 36,
  EPROTONOSUPPORT: 93,
  EMSGSIZE: 90,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
} as const;

export const OPEN = {
  readOnly: 0,
  nonBlocking: 0o4000,
  directory: 0o200000,
  noFollow: 0o400000,
  noAccessTime: 0o1000000,
  closeOnExec: 0o2000000,
  path: 0o10000000,
} as const;
export const AT = { currentDirectory: -100, noFollow: 0x100, emptyPath: 0x1000, dontSync: 0x4000 } as const;

const SYS_LSEEK = 8;
const SYS_GETDENTS64 = 217; // x86-64, as those around it (arch/x86/entry/syscalls/syscall_64.tbl)
const SYS_SETPRIORITY = 141;
const SYS_FADVISE64 = 221;
const SYS_IOPRIO_SET = 251;
const SYS_MEMFD_CREATE = 319;
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const SYS_OPENAT2 = 437;
const SYS_CACHESTAT = 451;
const MEMFD_CLOSE_ON_EXEC = 1;
const MEMFD_EXECUTABLE = 0x10;
const PATH_BYTES_MAX = 4096;

const encoder = new TextEncoder();
const pathBytes = new Uint8Array(PATH_BYTES_MAX + 1);
const pathPointer = pointerTo(pathBytes);
const RESOLVE_NO_SYMLINKS = 4;
const howBytes = new Uint8Array(24); // struct open_how of openat2(2)
const howView = new DataView(howBytes.buffer);
/** struct cachestat_range (offset, length), then struct cachestat, whose first word counts the pages. */
const cacheWords = new BigUint64Array(7);
const cacheBytes = new Uint8Array(cacheWords.buffer);
const timeBytes = new Uint8Array(16);
const timeView = new DataView(timeBytes.buffer);

/** A C string: text put into the shared path buffer, or the address of one that is already in memory. */
export type Name = string | Pointer;

/** A descriptor, or a negative errno. */
export function openAt(directory: number, name: Name, flags: number): number {
  const at = cString(name);
  return at === undefined ? -ERRNO.ENAMETOOLONG : result(libc.openat(directory, at, flags | OPEN.closeOnExec, 0));
}

/** As `openAt` of an absolute path, refusing symbolic links in all of it (kernel 5.6; -ENOSYS before). */
export function openWithoutLinks(path: Pointer, flags: number): number {
  howView.setUint32(0, flags | OPEN.closeOnExec, true);
  howView.setUint32(16, RESOLVE_NO_SYMLINKS, true);
  return result(libc.syscall(SYS_OPENAT2, AT.currentDirectory, path, pointerTo(howBytes), howBytes.byteLength));
}

export function closeDescriptor(descriptor: number): void {
  libc.close(descriptor);
}

/** A file that lives in memory alone and may be executed; its descriptor, or a negative errno. */
export function memoryFile(name: string): number {
  const at = cString(name);
  if (at === undefined) return -ERRNO.ENAMETOOLONG;
  const made = result(libc.syscall(SYS_MEMFD_CREATE, at, MEMFD_CLOSE_ON_EXEC | MEMFD_EXECUTABLE, 0, 0));
  // Kernels before 6.3 know no such flag, and need none.
  return made === -ERRNO.EINVAL ? result(libc.syscall(SYS_MEMFD_CREATE, at, MEMFD_CLOSE_ON_EXEC, 0, 0)) : made;
}

/** Bytes written, or a negative errno. */
export function writeFrom(descriptor: number, bytes: Uint8Array): number {
  return bytes.byteLength === 0 ? 0 : result(libc.write(descriptor, bytes, bytes.byteLength));
}

/** Bytes read into the buffer, or a negative errno. */
export function readInto(descriptor: number, buffer: Uint8Array, offset = 0): number {
  const room = buffer.byteLength - offset;
  if (room <= 0) return 0;
  return result(libc.read(descriptor, offset === 0 ? buffer : buffer.subarray(offset), room));
}

/** As `readInto`, at a place in the file. */
export function readAt(descriptor: number, buffer: Uint8Array, position: number): number {
  return result(libc.pread(descriptor, buffer, buffer.byteLength, position));
}

/** Length of the link text in the buffer, or a negative errno. A length equal to the buffer's means it was cut. */
export function readLinkAt(directory: number, name: Name, buffer: Uint8Array): number {
  const at = cString(name);
  return at === undefined ? -ERRNO.ENAMETOOLONG : result(libc.readlinkat(directory, at, buffer, buffer.byteLength));
}

/** Fills a struct statx (256 bytes); 0 or a negative errno. */
export function statInto(directory: number, name: Name, flags: number, buffer: Uint8Array): number {
  const at = cString(name);
  if (at === undefined || buffer.byteLength < 256) return -ERRNO.EINVAL;
  return result(libc.statx(directory, at, flags, 0x7ff, buffer));
}

/** Fills linux_dirent64 records; bytes filled, 0 at the end, or a negative errno. */
export function directoryEntriesInto(descriptor: number, buffer: Uint8Array): number {
  return result(libc.syscall(SYS_GETDENTS64, descriptor, pointerTo(buffer), buffer.byteLength, 0));
}

/** Where the next read of a file or directory begins; 0 or above, or a negative errno. */
export function seekTo(descriptor: number, position: number): number {
  return result(libc.syscall(SYS_LSEEK, descriptor, position, 0, 0));
}

export function openSocket(family: number, type: number, protocol: number): number {
  return result(libc.socket(family, type, protocol));
}

export function bindSocket(descriptor: number, address: Uint8Array): number {
  return result(libc.bind(descriptor, address, address.byteLength));
}

export function sendBytes(descriptor: number, bytes: Uint8Array, flags: number): number {
  return result(libc.send(descriptor, bytes, bytes.byteLength, flags));
}

export function sendBytesTo(descriptor: number, bytes: Uint8Array, flags: number, address: Uint8Array): number {
  return result(libc.sendto(descriptor, bytes, bytes.byteLength, flags, address, address.byteLength));
}

export function receiveInto(descriptor: number, buffer: Uint8Array, flags: number): number {
  return result(libc.recv(descriptor, buffer, buffer.byteLength, flags));
}

export function setSocketOption(descriptor: number, level: number, option: number, value: Uint8Array): number {
  return result(libc.setsockopt(descriptor, level, option, value, value.byteLength));
}

/** Fills the buffer; the length of the answer, or a negative errno. */
export function getSocketOption(descriptor: number, level: number, option: number, buffer: Uint8Array): number {
  const length = new Uint32Array([buffer.byteLength]);
  const answered = result(libc.getsockopt(descriptor, level, option, buffer, length));
  return answered < 0 ? answered : (length[0] ?? 0);
}

/** Moves the calling thread into a namespace. */
export function enterNamespace(descriptor: number, kind: number): number {
  return result(libc.setns(descriptor, kind));
}

export function pidfdOpen(pid: number): number {
  return result(libc.syscall(SYS_PIDFD_OPEN, pid, 0, 0, 0));
}

export function pidfdSendSignal(pidfd: number, signal: number): number {
  return result(libc.syscall(SYS_PIDFD_SEND_SIGNAL, pidfd, signal, 0, 0));
}

export function killPid(pid: number, signal: number): number {
  return pid > 1 ? result(libc.kill(pid, signal)) : -ERRNO.EINVAL;
}

/** kill(2) on the process group that this process leads. */
export function killGroup(leader: number, signal: number): number {
  return leader > 1 ? result(libc.kill(-leader, signal)) : -ERRNO.EINVAL;
}

/** madvise(2) on a range of our own addresses. */
export function adviseMemory(address: bigint, lengthBytes: bigint, advice: number): number {
  return result(libc.madvise(address, lengthBytes, advice));
}

/** posix_fadvise(2) on a whole file; 0 or a negative errno. */
export function adviseFile(descriptor: number, advice: number): number {
  return result(libc.syscall(SYS_FADVISE64, descriptor, 0, 0, advice));
}

/** Pages of a file that the page cache holds; all of them where the kernel cannot say (before 6.5). cachestat(2). */
export function cachedPages(descriptor: number, sizeBytes: number): number {
  cacheWords.fill(0n);
  cacheWords[1] = BigInt(sizeBytes);
  const range = pointerTo(cacheBytes);
  const said = result(libc.syscall(SYS_CACHESTAT, descriptor, range, pointerBehind(range, 16), 0));
  return said < 0 ? Number.POSITIVE_INFINITY : Number(cacheWords[2]);
}

/** setpriority(2) of the calling thread alone; 0 or a negative errno. */
export function setThreadNice(nice: number): number {
  return result(libc.syscall(SYS_SETPRIORITY, 0, 0, nice, 0));
}

/** ioprio_set(2) of the calling thread alone; 0 or a negative errno. */
export function setThreadIoPriority(priority: number): number {
  return result(libc.syscall(SYS_IOPRIO_SET, 1, 0, priority, 0));
}

export function systemConfiguration(name: number): number {
  return libc.sysconf(name);
}

/** CLOCK_MONOTONIC in microseconds: what systemd compares with, unlike performance.now(). */
export function monotonicUs(): number {
  libc.clock_gettime(1, timeBytes);
  return Number(timeView.getBigInt64(0, true)) * 1e6 + Math.floor(Number(timeView.getBigInt64(8, true)) / 1e3);
}

/** CLOCK_BOOTTIME in milliseconds: what the kernel stamps events and process starts with; suspended time counts. */
export function bootTimeMs(): number {
  libc.clock_gettime(7, timeBytes);
  return Number(timeView.getBigInt64(0, true)) * 1e3 + Number(timeView.getBigInt64(8, true)) / 1e6;
}

/** The address of a buffer that its caller keeps alive. */
export function pointerTo(buffer: Uint8Array): Pointer {
  return ptr(buffer);
}

/** The address `offset` bytes behind another. */
export function pointerBehind(start: Pointer, offset: number): Pointer {
  return (start + offset) as Pointer; // bun:ffi brands plain numbers; arithmetic loses the brand
}

/** The errno of a failed call as text; the number is what a man page lists. */
export function errnoText(negativeErrno: number): string {
  const name = Object.entries(ERRNO).find(([, number]) => number === -negativeErrno)?.[0];
  return name ?? `errno ${-negativeErrno}`;
}

/** An AF_UNIX address; a leading `@` means the abstract namespace. Undefined where the path does not fit. */
export function unixAddress(path: string): Uint8Array | undefined {
  const name = encoder.encode(path);
  if (name.byteLength === 0 || name.byteLength > 107) return undefined; // sun_path of 108 with its NUL
  const abstract = path.startsWith("@");
  const address = new Uint8Array(2 + name.byteLength + (abstract ? 0 : 1));
  address[0] = 1;
  address.set(name, 2);
  if (abstract) address[2] = 0;
  return address;
}

function cString(name: Name): Pointer | undefined {
  if (typeof name === "number") return name;
  const { read, written } = encoder.encodeInto(name, pathBytes.subarray(0, PATH_BYTES_MAX));
  if (read !== name.length || name.includes("\0")) return undefined;
  pathBytes[written] = 0;
  return pathPointer;
}

function result(value: number): number {
  return value === -1 ? -readMemory.i32(errnoAt, 0) : value;
}

function load() {
  let reason: unknown;
  for (const name of ["libc.so.6", "libc.musl-x86_64.so.1"]) {
    try {
      const { symbols } = dlopen(name, SYMBOLS);
      const errnoAt = symbols.__errno_location();
      if (errnoAt !== null) return { symbols, errnoAt };
    } catch (thrown) {
      reason = thrown;
    }
  }
  throw new Error(`no C library could be loaded: ${String(reason)}`);
}
