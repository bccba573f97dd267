// Where the descriptors of one process lead: pipes, fifos, sockets and terminals by a name that both ends share.
// Trusts link texts only for kinds that cannot be path names (those start with `/`); paths are settled by stat.
// Costs 1 us a descriptor whose link text is unchanged, 4 us a new one.
import type { Descriptor } from "../core/process.ts";
import { classifyDescriptor } from "./descriptor_kinds.ts";
import { AT, closeDescriptor, type Name, OPEN, openAt } from "./libc.ts";
import { decodeText, eachNumber, modeOfLink, readLinkBytes, statFollowing } from "./procfs.ts";

const TARGET_CHARACTERS_MAX = 1024;
const STANDARD_DESCRIPTOR_MAX = 2;

interface KnownDescriptor {
  readonly descriptor: Descriptor;
  readonly link: Uint8Array;
}

export type KnownDescriptors = ReadonlyMap<number, KnownDescriptor>;

export interface DescriptorContext {
  /** Device number of the controlling terminal, for descriptors opened as /dev/tty. */
  readonly terminalDevice: number;
  /** Look again at what a link text alone does not settle (a path may be opened anew under the same name). */
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
    const link = readLinkBytes(directory, at);
    if (typeof link === "number") return undefined;
    const isSameLink = before !== undefined && sameBytes(before.link, link);
    if (isSameLink && before.descriptor.kind === "socket") return before;
    if (isSameLink && (before.descriptor.kind === "file" || before.descriptor.kind === "other")) {
      const isSettled = link[0] !== 0x2f || (fd > STANDARD_DESCRIPTOR_MAX && !context.isSlowTurn);
      if (isSettled) return before;
    }
    // The text of both ends of a pipe is the same: only the mode bits say which one this is.
    const mode = modeOfLink(directory, at);
    if (mode === undefined) return undefined;
    const reads = (mode & 0o400) !== 0;
    const writes = (mode & 0o200) !== 0;
    const isSame = isSameLink && before.descriptor.reads === reads && before.descriptor.writes === writes;
    if (isSame && before.descriptor.kind === "pipe") return before;
    const target = isSameLink ? before.descriptor.target : decodeText(link).slice(0, TARGET_CHARACTERS_MAX);
    const ownLink = isSameLink ? before.link : link.slice();
    const { kind, channel } = classifyDescriptor(
      ourTerminals,
      processDirectory,
      directory,
      fd,
      at,
      ownLink,
      target,
      context.terminalDevice,
    );
    if (isSame && before.descriptor.kind === kind && before.descriptor.channel === channel) return before;
    return { descriptor: { fd, kind, channel, target, reads, writes }, link: ownLink };
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

function sameBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.byteLength !== right.byteLength) return false;
  for (let index = 0; index < left.byteLength; index++) if (left[index] !== right[index]) return false;
  return true;
}

/** Kept for callers that hold only a pid: the descriptors of one process, now, without a cache. */
export function readDescriptorsOf(pid: number, descriptorsMax = 16_384, procRoot = "/proc"): readonly Descriptor[] {
  const directory = openAt(AT.currentDirectory, `${procRoot}/${pid}`, OPEN.path | OPEN.directory);
  if (directory < 0) return [];
  const reader = createDescriptorReader(descriptorsMax);
  reader.begin();
  const { descriptors } = reader.read(directory, undefined, {
    terminalDevice: 0,
    isSlowTurn: false,
    limit: descriptorsMax,
  });
  closeDescriptor(directory);
  return descriptors;
}
