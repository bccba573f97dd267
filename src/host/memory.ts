/**
 * Gives memory back: the pages of our own executable that only start-up touched. They are clean copies of the file, so
 * the kernel reads again what is needed again (from its cache); nothing is lost. Costs under a millisecond.
 */
import { readFileSync } from "node:fs";
import { adviseMemory } from "./libc.ts";

const MADV_DONTNEED = 4; // asm-generic/mman-common.h

/** To read one's own mappings costs more than to give them back, and they do not change once the program runs. */
const LOOK_EVERY_CALLS = 12;
let ranges: readonly Range[] = [];
let calls = 0;

/** Bytes of address space told to the kernel; 0 where /proc/self/smaps cannot be read. */
export function releaseOwnCode(): number {
  if (calls++ % LOOK_EVERY_CALLS === 0) ranges = cleanRangesOfExecutable(mappings(), process.execPath);
  let released = 0;
  for (const range of ranges) {
    if (adviseMemory(range.start, range.end - range.start, MADV_DONTNEED) === 0)
      released += Number(range.end - range.start);
  }
  return released;
}

interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

/**
 * Read-only mappings of the file without a page of our own in them. The loader writes relocations into some mappings
 * before it makes them read-only (RELRO): to drop those would be to lose them. proc_pid_smaps(5).
 */
export function cleanRangesOfExecutable(smaps: string, path: string): readonly Range[] {
  const ranges: Range[] = [];
  let candidate: Range | undefined;
  for (const line of smaps.split("\n")) {
    const head = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) [0-9a-f]+ \S+ \d+ *(.*)$/.exec(line);
    if (head !== null) {
      const isOurs = /^r-[-x]p$/.test(head[3] ?? "") && head[4] === path;
      candidate = isOurs ? { start: BigInt(`0x${head[1]}`), end: BigInt(`0x${head[2]}`) } : undefined;
    } else if (candidate !== undefined && /^Anonymous: +0 kB$/.test(line)) {
      ranges.push(candidate);
      candidate = undefined;
    }
  }
  return ranges;
}

function mappings(): string {
  try {
    return readFileSync("/proc/self/smaps", "latin1");
  } catch {
    return "";
  }
}
