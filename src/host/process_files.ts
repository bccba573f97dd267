// Parsers of /proc/pid/{stat,status,cmdline,cgroup}: bytes in, typed values out, never throwing.
// Trusts only the kernel's own fields; whatever the process chose (name, arguments) may hold any byte.
// Costs about 1 us a file. Formats: proc(5).
import { decodeText } from "./procfs.ts";

export interface StatFields {
  readonly name: string;
  readonly state: string;
  readonly parentPid: number;
  readonly processGroupId: number;
  readonly sessionId: number;
  readonly terminalDevice: number;
  readonly flags: number;
  readonly childrenMinorFaults: number;
  readonly userTicks: number;
  readonly systemTicks: number;
  readonly childrenUserTicks: number;
  readonly childrenSystemTicks: number;
  readonly threads: number;
  readonly startedAtTicks: number;
  readonly residentPages: number;
  /** Addresses differ for every exec (randomised); 0 where we may not see them. */
  readonly startStack: number;
  readonly argumentsAt: number;
}

export interface StatusFields {
  readonly uid: number;
  readonly effectiveUid: number;
  readonly gid: number;
  /** Slots of the table that holds the descriptors: never fewer than are open. */
  readonly descriptorTableSize: number;
  /** The pid in each nested pid namespace, outermost first; one entry where it is in ours. */
  readonly namespacePids: readonly number[];
  readonly hugePagesBytes: number;
  /** Who has it under ptrace, 0 for nobody. */
  readonly tracerPid: number;
}

export interface CommandLine {
  readonly argv: readonly string[];
  readonly truncated: boolean;
}

const KERNEL_THREAD_STATUS: StatusFields = {
  uid: 0,
  effectiveUid: 0,
  gid: 0,
  descriptorTableSize: 0,
  namespacePids: [],
  hugePagesBytes: 0,
  tracerPid: 0,
};
const FIELD_COUNT = 53; // numbered as in proc(5), from 1
const fields = new Float64Array(FIELD_COUNT);

/** Undefined where the line is cut short or malformed. The name may contain `)`, spaces and newlines: its end is the last `)`. */
export function parseStat(bytes: Uint8Array): StatFields | undefined {
  const open = bytes.indexOf(0x28);
  const close = bytes.lastIndexOf(0x29);
  const stateByte = bytes[close + 2];
  if (open < 0 || close <= open || stateByte === undefined || !isLetter(stateByte)) return undefined;
  if (!parseNumbers(bytes, close + 3)) return undefined;
  return {
    name: decodeText(bytes.subarray(open + 1, close)),
    state: String.fromCharCode(stateByte),
    parentPid: field(4),
    processGroupId: field(5),
    sessionId: field(6),
    terminalDevice: field(7) >>> 0,
    flags: field(9),
    childrenMinorFaults: field(11),
    userTicks: field(14),
    systemTicks: field(15),
    childrenUserTicks: field(16),
    childrenSystemTicks: field(17),
    threads: field(20),
    startedAtTicks: field(22),
    residentPages: field(24),
    startStack: field(28),
    argumentsAt: field(48),
  };
}

/** Missing lines leave their value at 0 or -1: older kernels lack some. */
export function parseStatus(bytes: Uint8Array | undefined): StatusFields {
  if (bytes === undefined) return KERNEL_THREAD_STATUS;
  let uid = -1;
  let effectiveUid = -1;
  let gid = -1;
  let descriptorTableSize = 0;
  let hugePagesBytes = 0;
  let tracerPid = 0;
  let namespacePids: readonly number[] = [];
  for (let at = 0; at < bytes.byteLength; ) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.byteLength : newline;
    if (startsWith(bytes, at, UID)) [uid = -1, effectiveUid = -1] = numbersOf(bytes, at + UID.byteLength, end);
    else if (startsWith(bytes, at, TRACER)) [tracerPid = 0] = numbersOf(bytes, at + TRACER.byteLength, end);
    else if (startsWith(bytes, at, GID)) [gid = -1] = numbersOf(bytes, at + GID.byteLength, end);
    else if (startsWith(bytes, at, TABLE)) [descriptorTableSize = 0] = numbersOf(bytes, at + TABLE.byteLength, end);
    else if (startsWith(bytes, at, NSPID)) namespacePids = numbersOf(bytes, at + NSPID.byteLength, end);
    else if (startsWith(bytes, at, HUGETLB)) {
      hugePagesBytes = (numbersOf(bytes, at + HUGETLB.byteLength, end)[0] ?? 0) * 1024;
      break; // the last of the six in the file
    }
    at = end + 1;
  }
  return { uid, effectiveUid, gid, descriptorTableSize, namespacePids, hugePagesBytes, tracerPid };
}

/** Arguments split at NUL. `before` is returned where the same bytes were read, so that equal sweeps share memory. */
export function parseCommandLine(
  bytes: Uint8Array,
  limits: { readonly bytes: number; readonly count: number },
  before?: CommandLine,
): CommandLine {
  const truncatedBytes = bytes.byteLength > limits.bytes;
  let end = Math.min(bytes.byteLength, limits.bytes);
  if (!truncatedBytes) {
    // A program that rewrote its title pads the old space with NULs; two empty arguments at the end may be real.
    let padding = 0;
    while (padding < end && bytes[end - 1 - padding] === 0) padding++;
    if (padding > 3) end -= padding - 1;
    if (padding > 0) end -= 1;
  }
  if (end === 0)
    return before !== undefined && before.argv.length === 0 && !before.truncated
      ? before
      : { argv: [], truncated: truncatedBytes };
  const text = decodeText(bytes.subarray(0, end));
  if (before !== undefined && !before.truncated && !truncatedBytes && before.argv.join("\0") === text) return before;
  const parts = text.split("\0", limits.count + 1);
  const truncatedCount = parts.length > limits.count;
  if (truncatedCount) parts.length = limits.count;
  return { argv: parts, truncated: truncatedBytes || truncatedCount };
}

/** The cgroup v2 path, or the systemd hierarchy's of v1 (on hybrid hosts v2 may be unused and say `/`). */
export function parseCgroup(text: string): string {
  let unified = "";
  let systemd = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("0::")) unified = line.slice(3);
    else if (line.includes(":name=systemd:")) systemd = line.slice(line.indexOf(":name=systemd:") + 14);
  }
  const path = unified !== "" && unified !== "/" ? unified : systemd || unified;
  return path.slice(0, 4096);
}

const encoder = new TextEncoder();
const UID = encoder.encode("Uid:");
const GID = encoder.encode("Gid:");
const TRACER = encoder.encode("TracerPid:");
const TABLE = encoder.encode("FDSize:");
const NSPID = encoder.encode("NSpid:");
const HUGETLB = encoder.encode("HugetlbPages:");

function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  for (let index = 0; index < prefix.byteLength; index++) if (bytes[at + index] !== prefix[index]) return false;
  return true;
}

function numbersOf(bytes: Uint8Array, from: number, end: number): number[] {
  const numbers: number[] = [];
  let value = -1;
  for (let at = from; at <= end && numbers.length < 64; at++) {
    const byte = at < end ? (bytes[at] ?? 0) : 0x20;
    if (byte >= 0x30 && byte <= 0x39) value = Math.max(0, value) * 10 + byte - 0x30;
    else if (value >= 0) {
      numbers.push(value);
      value = -1;
    }
  }
  return numbers;
}

function parseNumbers(bytes: Uint8Array, from: number): boolean {
  fields.fill(0);
  let index = 3;
  let value = 0;
  let sign = 1;
  let inside = false;
  for (let at = from; at < bytes.byteLength && index < FIELD_COUNT; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x30 && byte <= 0x39) {
      if (!inside) {
        inside = true;
        index++;
      }
      value = value * 10 + byte - 0x30;
      if (index < FIELD_COUNT) fields[index] = sign * value;
    } else {
      inside = false;
      value = 0;
      sign = byte === 0x2d ? -1 : 1;
      if (byte !== 0x20 && byte !== 0x2d && byte !== 0x0a) return false;
    }
  }
  return index >= 24; // everything up to the resident size is there on every supported kernel
}

function field(number: number): number {
  return fields[number] ?? 0;
}

function isLetter(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}
