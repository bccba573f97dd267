// Reading of /proc by descriptors: a directory opened once stays bound to its process, so a reused pid is never mixed in.
// Trusts the kernel for shape, nothing for content. One shared buffer: what a function returns is valid until the next call.
// Costs about 4 us a file, half of what node:fs takes.
import {
  AT,
  closeDescriptor,
  directoryEntriesInto,
  type Name,
  OPEN,
  openAt,
  pointerBehind,
  pointerTo,
  readInto,
  readLinkAt,
  seekTo,
  statInto,
} from "./libc.ts";

const FILE_BYTES_MAX = 256 * 1024;
const LINK_BYTES_MAX = 4096;
const DIRECTORY_BYTES = 64 * 1024;

const fileBuffer = new Uint8Array(FILE_BYTES_MAX);
const linkBuffer = new Uint8Array(LINK_BYTES_MAX);
const statBuffer = new Uint8Array(256);
const statView = new DataView(statBuffer.buffer);
const directoryBuffer = new Uint8Array(DIRECTORY_BYTES);
const directoryView = new DataView(directoryBuffer.buffer);
const directoryPointer = pointerTo(directoryBuffer);
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export interface FileStat {
  readonly device: number;
  readonly inode: number;
  readonly mode: number;
  readonly uid: number;
  readonly links: number;
  readonly sizeBytes: number;
  readonly modifiedSeconds: number;
  readonly modifiedNanoseconds: number;
  /** Of the filesystem, as /proc/pid/mountinfo writes it. */
  readonly deviceName: string;
  /** What a device node stands for. */
  readonly nodeMajor: number;
  readonly nodeMinor: number;
}

export const FILE_TYPE = {
  mask: 0o170000,
  fifo: 0o010000,
  character: 0o020000,
  directory: 0o040000,
  regular: 0o100000,
  link: 0o120000,
  socket: 0o140000,
} as const;

/** A directory handle that only serves as the start of further names, or a negative errno. */
export function openDirectory(parent: number, name: Name): number {
  return openAt(parent, name, OPEN.path | OPEN.directory);
}

/** The bytes of a small file, at most `bytesMax`, in the shared buffer; a negative errno as a number. */
export function readBytes(directory: number, name: Name, bytesMax = FILE_BYTES_MAX): Uint8Array | number {
  const descriptor = openAt(directory, name, OPEN.readOnly | OPEN.nonBlocking);
  if (descriptor < 0) return descriptor;
  const limit = Math.min(bytesMax, FILE_BYTES_MAX);
  let length = 0;
  while (length < limit) {
    const got = readInto(descriptor, fileBuffer.subarray(0, limit), length);
    if (got < 0 && length === 0) length = got;
    if (got <= 0) break;
    length += got;
  }
  closeDescriptor(descriptor);
  return length < 0 ? length : fileBuffer.subarray(0, length);
}

/** As `readBytes` for files that procfs makes in one piece (stat, status, cgroup, fdinfo): saves the read that returns 0. */
export function readRecord(directory: number, name: Name): Uint8Array | number {
  const descriptor = openAt(directory, name, OPEN.readOnly | OPEN.nonBlocking);
  if (descriptor < 0) return descriptor;
  const length = readInto(descriptor, fileBuffer);
  closeDescriptor(descriptor);
  return length < 0 ? length : fileBuffer.subarray(0, length);
}

/** A file of unknown length in memory of its own, cut at `bytesMax`; a negative errno as a number. */
export function readLarge(directory: number, name: Name, bytesMax: number): Uint8Array | number {
  const descriptor = openAt(directory, name, OPEN.readOnly | OPEN.nonBlocking);
  if (descriptor < 0) return descriptor;
  let bytes = new Uint8Array(Math.min(bytesMax, FILE_BYTES_MAX));
  let length = 0;
  for (;;) {
    if (length === bytes.byteLength) {
      if (length >= bytesMax) break;
      const larger = new Uint8Array(Math.min(bytesMax, length * 2));
      larger.set(bytes);
      bytes = larger;
    }
    const got = readInto(descriptor, bytes, length);
    if (got <= 0) {
      if (length === 0) length = got;
      break;
    }
    length += got;
  }
  closeDescriptor(descriptor);
  return length < 0 ? length : bytes.subarray(0, length);
}

/** The bytes of a link's text in the shared buffer; a negative errno as a number. */
export function readLinkBytes(directory: number, name: Name): Uint8Array | number {
  const length = readLinkAt(directory, name, linkBuffer);
  return length < 0 ? length : linkBuffer.subarray(0, length);
}

export function readLinkText(directory: number, name: Name): string | undefined {
  const bytes = readLinkBytes(directory, name);
  return typeof bytes === "number" ? undefined : decodeText(bytes);
}

/**
 * Facts of what a name leads to. AT_STATX_DONT_SYNC keeps a hung FUSE or NFS server, which may be the attacker's,
 * from holding us: the kernel answers from its cache.
 */
export function statFollowing(directory: number, name: Name): FileStat | undefined {
  return statInto(directory, name, AT.dontSync, statBuffer) < 0 ? undefined : parseStat();
}

const identity = { device: 0, inode: 0, type: 0, sizeBytes: 0, nodeMajor: 0, nodeMinor: 0 };

/** What a name leads to, in one shared object; cheaper than `statFollowing` where only sameness matters. */
export function identify(directory: number, name: Name): Readonly<typeof identity> | undefined {
  if (statInto(directory, name, AT.dontSync, statBuffer) < 0) return undefined;
  identity.device = deviceNumber(statView.getUint32(136, true), statView.getUint32(140, true));
  identity.inode = wide(statView, 32);
  identity.type = statView.getUint16(28, true) & FILE_TYPE.mask;
  identity.sizeBytes = wide(statView, 40);
  identity.nodeMajor = statView.getUint32(128, true);
  identity.nodeMinor = statView.getUint32(132, true);
  return identity;
}

/** Permission bits of the name itself; undefined where it is gone. */
export function modeOfLink(directory: number, name: Name): number | undefined {
  return statInto(directory, name, AT.dontSync | AT.noFollow, statBuffer) < 0
    ? undefined
    : statView.getUint16(28, true);
}

/**
 * Calls back with each name that is a decimal number, and the address of that name as a C string.
 * The callback returns false to stop. Returns a negative errno where the directory cannot be read.
 * `from` spares /proc/pid/fd the descriptors below it, whose place in the directory is their number and 2
 * (proc_readfd_common of fs/proc/fd.c); another directory begins where it begins.
 */
export function eachNumber(
  directory: number,
  name: Name,
  visit: (number: number, at: Name, directory: number) => boolean,
  from = 0,
): number {
  const descriptor = openAt(directory, name, OPEN.readOnly | OPEN.directory);
  if (descriptor < 0) return descriptor;
  if (from > 0 && isProcfs(descriptor)) seekTo(descriptor, from + 2);
  let status = 0;
  let wanted = true;
  while (wanted) {
    const filled = directoryEntriesInto(descriptor, directoryBuffer);
    if (filled <= 0) {
      status = filled;
      break;
    }
    for (let at = 0; wanted && at + 19 <= filled; ) {
      const length = directoryView.getUint16(at + 16, true);
      if (length < 20) break;
      const number = decimalName(at + 19, at + length);
      if (number >= 0) wanted = visit(number, pointerBehind(directoryPointer, at + 19), descriptor);
      at += length;
    }
  }
  closeDescriptor(descriptor);
  return status;
}

let procDevice: number | undefined;

function isProcfs(descriptor: number): boolean {
  procDevice ??= statFollowing(AT.currentDirectory, "/proc")?.device ?? -1;
  return statInto(descriptor, "", AT.dontSync | AT.emptyPath, statBuffer) >= 0 && parseStat().device === procDevice;
}

/** The numbers in a directory (pids of /proc), ascending as the kernel lists them, at most `limit`. */
export function listNumbers(
  directory: number,
  name: Name,
  limit: number,
): { numbers: number[]; cut: boolean; status: number } {
  const numbers: number[] = [];
  let cut = false;
  const status = eachNumber(directory, name, (number) => {
    cut = numbers.length >= limit;
    if (!cut) numbers.push(number);
    return !cut;
  });
  return { numbers, cut, status };
}

/** Text of foreign bytes. A byte order mark is kept: a name must not lose what its process put there. */
export function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The number in `mnt:[4026531841]` and its like; 0 where there is none. */
export function numberInBrackets(bytes: Uint8Array): number {
  let value = 0;
  let inside = false;
  for (const byte of bytes) {
    if (byte === 0x5b) inside = true;
    else if (byte === 0x5d) return inside ? value : 0;
    else if (inside) {
      if (byte < 0x30 || byte > 0x39) return 0;
      value = value * 10 + byte - 0x30;
    }
  }
  return 0;
}

/** As glibc's makedev: the number that stat's st_dev shows. */
export function deviceNumber(major: number, minor: number): number {
  return (minor & 0xff) + (major & 0xfff) * 0x100 + (minor >>> 8) * 0x100000 + (major >>> 12) * 0x100000000000;
}

function decimalName(from: number, end: number): number {
  let value = 0;
  let at = from;
  for (; at < end; at++) {
    const byte = directoryBuffer[at] ?? 0;
    if (byte === 0) break;
    if (byte < 0x30 || byte > 0x39) return -1;
    value = value * 10 + byte - 0x30;
  }
  return at === from ? -1 : value;
}

function parseStat(): FileStat {
  const major = statView.getUint32(136, true);
  const minor = statView.getUint32(140, true);
  return {
    device: deviceNumber(major, minor),
    deviceName: `${major}:${minor}`,
    inode: wide(statView, 32),
    mode: statView.getUint16(28, true),
    uid: statView.getUint32(20, true),
    links: statView.getUint32(16, true),
    sizeBytes: wide(statView, 40),
    modifiedSeconds: wide(statView, 112),
    modifiedNanoseconds: statView.getUint32(120, true),
    nodeMajor: statView.getUint32(128, true),
    nodeMinor: statView.getUint32(132, true),
  };
}

function wide(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x100000000;
}
