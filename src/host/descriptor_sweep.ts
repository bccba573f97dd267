// The descriptors of all processes of one sweep in two passes: ordinary processes whole, then those with very many in part.
// Trusts the kernel's counts; whatever one user opens, 0 to 2 of every process are read and every part has its turn.
// Costs 2 us a descriptor; at most SHARE_LIMITS of them. What is kept of a process lies in its cache entry.
import type { Clock } from "../core/clock.ts";
import type { Descriptor, ProcessRef } from "../core/process.ts";
import {
  createOrdinaryShare,
  type OrdinaryShare,
  type ShareLimits,
  spendShare,
  type Waiting,
} from "./descriptor_share.ts";
import { createDescriptorReader, type DescriptorContext, type KnownDescriptors } from "./descriptors.ts";
import { ERRNO } from "./libc.ts";

const CUT_PROCESSES_TOLD_MAX = 16;
/** Known links looked at again in a process read in part, and in all those that get no part this time. */
const CARRIED_MAX = 8192;
const CARRIED_OF_LEFT_OVER_MAX = 256;
const CARRIED_TOTAL_MAX = 20_000;

/** What is kept of a process's descriptors between sweeps. */
export interface DescriptorMemory {
  known: KnownDescriptors;
  /** Where its next part begins. */
  next: number;
  wasCut: boolean;
  /** Number of the sweep that last read a part. */
  turn: number;
  /** As the last sweep that read all of them found it, before it did. */
  size: number;
}

/** A process whose descriptors were not all read in this sweep. */
export interface CutProcess extends ProcessRef {
  readonly uid: number;
  /** How many it has open. */
  readonly descriptors: number;
}

export interface DescriptorOwner {
  readonly ref: ProcessRef;
  readonly uid: number;
  /** Slots of its descriptor table, as /proc/pid/status says; 0 where it does not. */
  readonly tableSize: number;
  readonly memory: DescriptorMemory;
  readonly context: DescriptorContext;
}

export interface DescriptorsSwept {
  /** By pid. */
  readonly descriptors: ReadonlyMap<number, readonly Descriptor[]>;
  readonly unreadable: number;
  /** How many processes were cut, and those with the most descriptors of them. */
  readonly cut: number;
  readonly cutProcesses: readonly CutProcess[];
}

export interface DescriptorSweeper {
  begin(sweepNumber: number): void;
  /** Returns how many the process has open. Those with very many are read by `end`. */
  add(directory: number, owner: DescriptorOwner): number;
  /** As `add` for a process that has slept since it was read whole. False where something changed: `add` it. */
  confirm(pid: number, directory: number, memory: DescriptorMemory, context: DescriptorContext): boolean;
  count(directory: number, tableSize: number): number;
  /** @param withDirectory opens the directory of a process in /proc, if it is still the same process. */
  end(withDirectory: (ref: ProcessRef, use: (directory: number) => number) => number): DescriptorsSwept;
}

interface Deferred extends Waiting {
  readonly owner: DescriptorOwner;
  /** What the first pass found. */
  readonly some: KnownDescriptors;
  isLeftOver: boolean;
  isCut: boolean;
}

export function newDescriptorMemory(): DescriptorMemory {
  return { known: [], next: 0, wasCut: false, turn: 0, size: -1 };
}

/** Whether a sweep has read all descriptors of a process in its first pass. */
export function isWhole(memory: DescriptorMemory, sweepNumber: number): boolean {
  return memory.turn === sweepNumber && !memory.wasCut;
}

export function createDescriptorSweeper(clock: Clock, limits: ShareLimits): DescriptorSweeper {
  const reader = createDescriptorReader();
  let sweepNumber = 0;
  let share: OrdinaryShare = createOrdinaryShare(limits);
  let descriptors = new Map<number, readonly Descriptor[]>();
  let deferred: Deferred[] = [];
  let carriedLeft = 0;
  let unreadable = 0;

  return { begin, add, confirm, count, end };

  function begin(number: number): void {
    sweepNumber = number;
    share = createOrdinaryShare(limits);
    descriptors = new Map();
    deferred = [];
    carriedLeft = CARRIED_TOTAL_MAX;
    unreadable = 0;
    reader.begin();
  }

  function count(directory: number, tableSize: number): number {
    return reader.count(directory, limits.ordinaryMax, tableSize);
  }

  function confirm(pid: number, directory: number, memory: DescriptorMemory, context: DescriptorContext): boolean {
    if (memory.wasCut || reader.size(directory) !== memory.size) return false;
    if (!reader.hasSameStandard(directory, memory.known, context)) return false;
    descriptors.set(pid, memory.known);
    return true;
  }

  function add(directory: number, owner: DescriptorOwner): number {
    const { memory, context, uid } = owner;
    const size = reader.size(directory);
    const handles = reader.count(directory, limits.ordinaryMax, owner.tableSize, size);
    if (share.admit(uid, handles)) {
      const found = reader.read(directory, memory.known, context, limits.ordinaryMax);
      if (found.status < 0) return refused(found.status);
      if (!found.cut) {
        keep(owner, found.descriptors, false, 0);
        memory.size = size;
        return found.handles;
      }
    }
    // Until the second pass, and without its share: 0, 1 and 2, and of what is known as much as has room.
    const carriedMax = Math.min(CARRIED_OF_LEFT_OVER_MAX, carriedLeft);
    const part = reader.readPart(directory, memory.known, context, {
      from: memory.next,
      linksMax: 0,
      carriedMax,
      hasTime: () => true,
    });
    if (part.status < 0) return refused(part.status);
    carriedLeft -= part.handles;
    const { wasCut, turn } = memory;
    deferred.push({ owner, some: part.descriptors, uid, handles, wasCut, turn, isLeftOver: true, isCut: true });
    descriptors.set(owner.ref.pid, part.descriptors);
    return handles;
  }

  function end(withDirectory: (ref: ProcessRef, use: (directory: number) => number) => number): DescriptorsSwept {
    const untilMs = clock.monotonicMs() + limits.largeMs;
    const hasTime = () => clock.monotonicMs() < untilMs;
    spendShare(
      deferred,
      limits,
      (process, linksMax) =>
        withDirectory(process.owner.ref, (directory) => readPart(process, directory, linksMax, hasTime)),
      hasTime,
    );
    const cut = deferred.filter((process) => process.isCut);
    for (const { owner, some, isLeftOver } of cut) {
      owner.memory.wasCut = true;
      // Kept in full, what each turn finds would add up to all that the crowd has open.
      if (isLeftOver) owner.memory.known = some;
    }
    return {
      descriptors,
      unreadable,
      cut: cut.length,
      cutProcesses: cut
        .sort((left, right) => right.handles - left.handles)
        .slice(0, CUT_PROCESSES_TOLD_MAX)
        .map(({ owner, handles }) => ({ ...owner.ref, uid: owner.uid, descriptors: handles })),
    };
  }

  function readPart(process: Deferred, directory: number, linksMax: number, hasTime: () => boolean): number {
    const { memory, context } = process.owner;
    const isWhole = process.handles <= linksMax;
    const carriedMax = isWhole ? 0 : Math.min(CARRIED_MAX, Math.floor(linksMax / 2));
    const part = reader.readPart(directory, memory.known, context, {
      from: isWhole ? 0 : memory.next,
      linksMax: linksMax - carriedMax,
      carriedMax,
      hasTime,
    });
    if (part.status < 0) {
      refused(part.status);
      return 0;
    }
    keep(process.owner, part.descriptors, part.cut, part.next);
    process.isLeftOver = false;
    process.isCut = part.cut;
    return part.handles;
  }

  function keep({ ref, memory }: DescriptorOwner, found: KnownDescriptors, wasCut: boolean, next: number): void {
    memory.known = found;
    memory.wasCut = wasCut;
    memory.next = next;
    memory.turn = sweepNumber;
    descriptors.set(ref.pid, found);
  }

  function refused(status: number): number {
    if (status !== -ERRNO.ENOENT && status !== -ERRNO.ESRCH) unreadable++;
    return 0;
  }
}
