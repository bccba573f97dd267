// The open descriptors of one process that lead to another: remembered between sweeps by the inode each leads to.
// Trusts the kernel's device and inode; link texts are read for what is new, and in turn for what may have been renamed.
// Costs 2 us a file or a socket that is known, 3 us a known pipe, 6 us a new one; nearly all of it in the kernel.
import type { Descriptor, DescriptorKind } from "../core/process.ts";
import { classifyDescriptor, isTerminalNode } from "./descriptor_kinds.ts";
import { AT, closeDescriptor, type Name, OPEN, openAt, pointerBehind, pointerTo } from "./libc.ts";
import { decodeText, eachNumber, FILE_TYPE, identify, modeOfLink, readLinkBytes, statFollowing } from "./procfs.ts";

const TARGET_CHARACTERS_MAX = 1024;
const STANDARD = [0, 1, 2];
const standardNames = new TextEncoder().encode("fd/0\0fd/1\0fd/2\0");
const STANDARD_NAMES = STANDARD.map((fd) => pointerBehind(pointerTo(standardNames), fd * 5));
const FIRST_OTHER = 3;
const CLOCK_EVERY_LINKS = 256;

export interface KnownDescriptor extends Descriptor {
  readonly device: number;
  readonly inode: number;
  readonly type: number;
}

/** 0, 1 and 2 whatever they are, of the others only those with a channel: ascending as the kernel lists them. */
export type KnownDescriptors = readonly KnownDescriptor[];

export interface DescriptorContext {
  /** Device number of the controlling terminal, for descriptors opened as /dev/tty. */
  readonly terminalDevice: number;
  /** Look again at what the inode alone does not settle: its name, the mode of a file opened anew. */
  readonly isSlowTurn: boolean;
}

export interface DescriptorsFound {
  /** The very list handed in where nothing changed. */
  readonly descriptors: KnownDescriptors;
  /** How many were looked at, of whatever kind. */
  readonly handles: number;
  /** There are more. */
  readonly cut: boolean;
  /** 0, or a negative errno where the directory was refused or is gone. */
  readonly status: number;
}

/** Which part of a process with very many descriptors is read. */
export interface DescriptorPart {
  /** Where the part begins, as `next` of the last one said; at or below 3 it begins at 3. */
  readonly from: number;
  /** Links looked at in this part; 0 for none but what is known. */
  readonly linksMax: number;
  /** Of what other parts found, this much is looked at again and kept: each thing once in each direction. */
  readonly carriedMax: number;
  readonly hasTime: () => boolean;
}

export interface PartFound extends DescriptorsFound {
  /** Where the next part begins; 3 after the last. */
  readonly next: number;
}

export interface DescriptorReader {
  /** Once before each sweep. */
  begin(): void;
  /** All of them, or `cut` where there are more than `handlesMax`. */
  read(
    processDirectory: number,
    known: KnownDescriptors | undefined,
    context: DescriptorContext,
    handlesMax: number,
  ): DescriptorsFound;
  /** 0, 1, 2 and a part of the others. `cut` is false only where the part was the whole. */
  readPart(
    processDirectory: number,
    known: KnownDescriptors | undefined,
    context: DescriptorContext,
    part: DescriptorPart,
  ): PartFound;
  /**
   * For a process that has slept: whether 0, 1 and 2 are what they were, which another process with the same table
   * could change.
   */
  hasSameStandard(processDirectory: number, known: KnownDescriptors, context: DescriptorContext): boolean;
  /** How many there are as far as one look tells: 0 also before Linux 6.2, negative where none may be seen. */
  size(processDirectory: number): number;
  /**
   * How many there are, without looking at them: exact since Linux 6.2; before, exact up to `countedMax` and then the
   * size of the table that holds them. `size` spares a look where it was just taken.
   */
  count(processDirectory: number, countedMax: number, tableSize: number, size?: number): number;
}

export function createDescriptorReader(): DescriptorReader {
  const procDevice = statFollowing(AT.currentDirectory, "/proc")?.device ?? -1;
  const { begin, readOne } = createLinkReader();

  return { begin, read, readPart, hasSameStandard, size, count };

  function read(
    processDirectory: number,
    known: KnownDescriptors = [],
    context: DescriptorContext,
    handlesMax: number,
  ): DescriptorsFound {
    const list = startList(known);
    let handles = 0;
    let cut = false;
    const status = eachNumber(processDirectory, "fd", (fd, at, directory) => {
      if (handles >= handlesMax) {
        cut = true;
        return false;
      }
      handles++;
      list.add(readOne(processDirectory, directory, fd, at, list.before(fd), context));
      return true;
    });
    return { descriptors: list.end(), handles, cut, status };
  }

  function readPart(
    processDirectory: number,
    known: KnownDescriptors = [],
    context: DescriptorContext,
    part: DescriptorPart,
  ): PartFound {
    const from = Math.max(FIRST_OTHER, part.from);
    const directory = openAt(processDirectory, "fd", OPEN.readOnly | OPEN.directory);
    if (directory < 0) return { descriptors: [], handles: 0, cut: true, status: directory, next: from };
    const byFd = new Map(known.map((descriptor) => [descriptor.fd, descriptor]));
    const found = new Map<number, KnownDescriptor>();
    for (const fd of STANDARD) look(fd, String(fd), directory);
    let next = FIRST_OTHER;
    let links = 0;
    const status =
      part.linksMax === 0
        ? 0
        : eachNumber(
            processDirectory,
            "fd",
            (fd, at, listed) => {
              if (fd < from) return true;
              if (links >= part.linksMax || (links % CLOCK_EVERY_LINKS === 0 && links > 0 && !part.hasTime())) {
                next = fd;
                return false;
              }
              links++;
              look(fd, at, listed);
              return true;
            },
            from,
          );
    const isEnd = part.linksMax > 0 && next === FIRST_OTHER;
    if (part.linksMax === 0) next = from;
    const isOutside = (fd: number) => fd >= FIRST_OTHER && (fd < from || (!isEnd && fd >= next));
    let carried = 0;
    for (const descriptor of eachThingOnce(known, isOutside)) {
      if (carried >= part.carriedMax) break;
      carried++;
      look(descriptor.fd, String(descriptor.fd), directory);
    }
    closeDescriptor(directory);
    const descriptors = [...found.values()].sort((left, right) => left.fd - right.fd);
    return { descriptors, handles: links + carried, cut: !isEnd || from > FIRST_OTHER, status, next };

    function look(fd: number, at: Name, listed: number): void {
      const entry = readOne(processDirectory, listed, fd, at, byFd.get(fd), context);
      if (entry !== undefined) found.set(fd, entry);
    }
  }

  function hasSameStandard(processDirectory: number, known: KnownDescriptors, context: DescriptorContext): boolean {
    let at = 0;
    for (const fd of STANDARD) {
      const before = known[at]?.fd === fd ? known[at] : undefined;
      if (before !== undefined) at++;
      const name = STANDARD_NAMES[fd] ?? `fd/${fd}`;
      if (readOne(processDirectory, processDirectory, fd, name, before, context) !== before) return false;
    }
    return true;
  }

  function size(processDirectory: number): number {
    const directory = identify(processDirectory, "fd");
    if (directory === undefined) return -1;
    // The size of an ordinary directory, as a test's /proc has, is not the count.
    return directory.device === procDevice ? directory.sizeBytes : 0;
  }

  function count(
    processDirectory: number,
    countedMax: number,
    tableSize: number,
    known = size(processDirectory),
  ): number {
    if (known !== 0) return Math.max(0, known);
    let entries = 0;
    eachNumber(processDirectory, "fd", () => ++entries <= countedMax);
    return entries > countedMax ? Math.max(entries, tableSize) : entries;
  }
}

/** One descriptor at a time: `directory` and `at` name it in /proc/pid/fd. */
function createLinkReader() {
  let ourTerminals = -1;
  /** Texts of the last new descriptor: copies of one share them, should somebody make a hundred thousand. */
  let lastTarget = "";
  let lastChannel = "";
  /** Devices of pipefs and sockfs, which nobody can mount: a link into them says no more than its inode. */
  const nameless = new Map<number, "pipe" | "socket">();

  return { begin, readOne };

  function begin(): void {
    ourTerminals = statFollowing(AT.currentDirectory, "/dev/pts")?.device ?? -1;
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
    const { device, inode, type } = thing ?? NOTHING;
    const isStandard = fd < FIRST_OTHER;
    // Most descriptors of most processes are files: told by their type alone, and forgotten at once.
    if (!isStandard && thing !== undefined && !mayLead(thing)) return undefined;
    const isSameThing =
      thing !== undefined &&
      before !== undefined &&
      before.device === device &&
      before.inode === inode &&
      before.type === type;
    if (isSameThing && !context.isSlowTurn && isSettled(before.kind)) return before;
    // Both ends of a pipe lead to the same inode: only the mode bits say which one this is.
    const mode = modeOfLink(directory, at);
    if (mode === undefined) return undefined;
    const reads = (mode & 0o400) !== 0;
    const writes = (mode & 0o200) !== 0;
    const isSameEnd = isSameThing && before.reads === reads && before.writes === writes;
    if (isSameEnd && !context.isSlowTurn && before.kind !== "terminal-master") return before;
    const target = targetOf(directory, at, device, inode);
    if (target === undefined) return undefined;
    const owner = { directory: processDirectory, terminalDevice: context.terminalDevice, ourTerminals };
    const { kind, channel } = classifyDescriptor(owner, directory, fd, at, target);
    if ((kind === "pipe" || kind === "socket") && thing !== undefined) nameless.set(device, kind);
    if (!isStandard && (kind === "file" || kind === "other")) return undefined;
    if (isSameEnd && isSameDescriptor(before, kind, channel, target)) return before;
    if (target !== lastTarget) lastTarget = target;
    if (channel !== lastChannel) lastChannel = channel;
    return { fd, kind, channel: lastChannel, target: lastTarget, reads, writes, device, inode, type };
  }

  function targetOf(directory: number, at: Name, device: number, inode: number): string | undefined {
    const kind = nameless.get(device);
    if (kind !== undefined) return `${kind}:[${inode}]`;
    const link = readLinkBytes(directory, at);
    return typeof link === "number" ? undefined : decodeText(link).slice(0, TARGET_CHARACTERS_MAX);
  }
}

const NOTHING = { device: -1, inode: -1, type: -1 };

/** A list that stays the one handed in for as long as what is added is what it holds: most lists never change. */
function startList(known: KnownDescriptors) {
  let changed: KnownDescriptor[] | undefined;
  let same = 0;
  let at = 0;
  return {
    /** What was known of a descriptor; asked in ascending order. */
    before(fd: number): KnownDescriptor | undefined {
      while (at < known.length && (known[at]?.fd ?? fd) < fd) at++;
      const candidate = known[at];
      return candidate?.fd === fd ? candidate : undefined;
    },
    add(descriptor: KnownDescriptor | undefined): void {
      if (descriptor === undefined) return;
      if (changed === undefined && known[same] === descriptor) {
        same++;
        return;
      }
      changed ??= known.slice(0, same);
      changed.push(descriptor);
    },
    end: (): KnownDescriptors => changed ?? (same === known.length ? known : known.slice(0, same)),
  };
}

function* eachThingOnce(known: KnownDescriptors, wanted: (fd: number) => boolean): Generator<KnownDescriptor> {
  const seen = new Set<string>();
  for (const descriptor of known) {
    if (!wanted(descriptor.fd)) continue;
    const { device, inode, reads, writes } = descriptor;
    const thing = `${device}:${inode}:${reads}:${writes}`;
    if (seen.has(thing)) continue;
    seen.add(thing);
    yield descriptor;
  }
}

function mayLead({ type, nodeMajor, nodeMinor }: NonNullable<ReturnType<typeof identify>>): boolean {
  switch (type) {
    case FILE_TYPE.fifo:
    case FILE_TYPE.socket:
      return true;
    case FILE_TYPE.character:
      return isTerminalNode(nodeMajor, nodeMinor);
    default:
      return false;
  }
}

/** Kinds that the inode alone settles. */
function isSettled(kind: DescriptorKind): boolean {
  return kind === "socket" || kind === "file" || kind === "other";
}

function isSameDescriptor(before: Descriptor, kind: DescriptorKind, channel: string, target: string): boolean {
  return before.kind === kind && before.channel === channel && before.target === target;
}
