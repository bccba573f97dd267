// The open descriptors of one process, remembered between sweeps by the inode that each leads to.
// Trusts the kernel's device and inode; link texts are read for what is new, and in turn for what may have been renamed.
// Costs 2 us a descriptor that still leads to the same inode, 6 us a new one; nearly all of it in the kernel.
import type { Descriptor, DescriptorKind } from "../core/process.ts";
import { classifyDescriptor } from "./descriptor_kinds.ts";
import { AT, type Name } from "./libc.ts";
import { decodeText, eachNumber, identify, modeOfLink, readLinkBytes, statFollowing } from "./procfs.ts";

const TARGET_CHARACTERS_MAX = 1024;
const NOTHING = { device: -1, inode: -1, type: -1 };

interface KnownDescriptor {
  readonly descriptor: Descriptor;
  readonly device: number;
  readonly inode: number;
  readonly type: number;
}

export type KnownDescriptors = ReadonlyMap<number, KnownDescriptor>;

export interface DescriptorContext {
  /** Device number of the controlling terminal, for descriptors opened as /dev/tty. */
  readonly terminalDevice: number;
  /** Look again at what the inode alone does not settle: its name, the mode of a file opened anew. */
  readonly isSlowTurn: boolean;
  /** What is left of the sweep's bound. */
  readonly limit: number;
}

export interface DescriptorsFound {
  readonly descriptors: readonly Descriptor[];
  readonly known: KnownDescriptors;
  readonly cut: boolean;
  /** 0, or a negative errno where the directory was refused or is gone. */
  readonly status: number;
}

export interface DescriptorReader {
  /** Once before each sweep. */
  begin(): void;
  read(processDirectory: number, known: KnownDescriptors | undefined, context: DescriptorContext): DescriptorsFound;
  /** How many there are, without looking at them. */
  count(processDirectory: number): number;
}

export function createDescriptorReader(descriptorsMax: number): DescriptorReader {
  const procDevice = statFollowing(AT.currentDirectory, "/proc")?.device ?? -1;
  let ourTerminals = -1;

  return { begin, read, count };

  function begin(): void {
    ourTerminals = statFollowing(AT.currentDirectory, "/dev/pts")?.device ?? -1;
  }

  function read(
    processDirectory: number,
    known: KnownDescriptors | undefined,
    context: DescriptorContext,
  ): DescriptorsFound {
    const descriptors: Descriptor[] = [];
    const next = new Map<number, KnownDescriptor>();
    const limit = Math.min(descriptorsMax, context.limit);
    let cut = false;
    const status = eachNumber(processDirectory, "fd", (fd, at, directory) => {
      if (descriptors.length >= limit) {
        cut = true;
        return false;
      }
      const entry = readOne(processDirectory, directory, fd, at, known?.get(fd), context);
      if (entry !== undefined) {
        descriptors.push(entry.descriptor);
        next.set(fd, entry);
      }
      return true;
    });
    return { descriptors, known: next, cut, status };
  }

  function readOne(
    processDirectory: number,
    directory: number,
    fd: number,
    at: Name,
    before: KnownDescriptor | undefined,
    context: DescriptorContext,
  ): KnownDescriptor | undefined {
    const thing = identify(directory, at);
    const isSameThing =
      thing !== undefined &&
      before !== undefined &&
      before.device === thing.device &&
      before.inode === thing.inode &&
      before.type === thing.type;
    if (isSameThing && !context.isSlowTurn && isSettled(before.descriptor.kind)) return before;
    // Both ends of a pipe lead to the same inode: only the mode bits say which one this is.
    const mode = modeOfLink(directory, at);
    if (mode === undefined) return undefined;
    const reads = (mode & 0o400) !== 0;
    const writes = (mode & 0o200) !== 0;
    const isSameEnd = isSameThing && before.descriptor.reads === reads && before.descriptor.writes === writes;
    if (isSameEnd && !context.isSlowTurn && before.descriptor.kind !== "terminal-master") return before;
    const link = readLinkBytes(directory, at);
    if (typeof link === "number") return undefined;
    const target = decodeText(link).slice(0, TARGET_CHARACTERS_MAX);
    const owner = { directory: processDirectory, terminalDevice: context.terminalDevice, ourTerminals };
    const { kind, channel } = classifyDescriptor(owner, directory, fd, at, target);
    const { device, inode, type } = thing ?? NOTHING;
    if (isSameEnd && isSameDescriptor(before.descriptor, kind, channel, target)) return before;
    return { descriptor: { fd, kind, channel, target, reads, writes }, device, inode, type };
  }

  function count(processDirectory: number): number {
    const stat = statFollowing(processDirectory, "fd");
    if (stat === undefined) return 0;
    // Since 6.2 the size is the count; the size of an ordinary directory, as a test's /proc has, is not.
    if (stat.sizeBytes > 0 && stat.device === procDevice) return stat.sizeBytes;
    let entries = 0;
    eachNumber(processDirectory, "fd", () => ++entries < descriptorsMax);
    return entries;
  }
}

/** Kinds that the inode alone settles. */
function isSettled(kind: DescriptorKind): boolean {
  return kind === "socket" || kind === "file" || kind === "other";
}

function isSameDescriptor(before: Descriptor, kind: DescriptorKind, channel: string, target: string): boolean {
  return before.kind === kind && before.channel === channel && before.target === target;
}
