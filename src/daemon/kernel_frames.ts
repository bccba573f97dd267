/** Policy as bytes for the sensor: the structures of sensor/wire.h, little-endian, each frame below 64 KiB. Pure. */
import { networkBytes } from "../core/address.ts";
import type { FileWatch } from "../core/kernel.ts";
import type { KernelExempt, KernelProgram, KernelSettings, KernelSpared, KernelWatch } from "./kernel_policy.ts";

const TYPE = {
  settings: 129,
  programs: 130,
  exempt: 131,
  spared: 132,
  answer: 133,
  networks: 134,
  canary: 135,
  watch: 136,
  stop: 137,
} as const;
const HEADER_BYTES = 16;
const LIST_BYTES = HEADER_BYTES + 8;
const SETTINGS_BYTES = 48;
const PROGRAM_BYTES = 48;
const EXEMPT_BYTES = 48;
const SPARED_BYTES = 16;
const NETWORK_BYTES = 32;
const ANSWER_BYTES = 32;
const WATCH_BYTES = 8;
const PROGRAMS_A_FRAME = 1_024;
const ANY_UID = 0xffffffff;
const MAPPED_BITS = 96;

export function settingsFrame(settings: KernelSettings): Uint8Array {
  const { bytes, view } = frame(TYPE.settings, SETTINGS_BYTES);
  view.setUint32(16, settings.generation, true);
  settings.rules.forEach((mode, number) => {
    view.setUint8(20 + number, mode);
  });
  view.setUint8(28, settings.hold ? 1 : 0);
  view.setUint8(29, settings.guardOn ? 1 : 0);
  view.setUint8(30, settings.deepSyscalls ? 1 : 0);
  view.setUint32(32, settings.holdConnectionMs, true);
  view.setUint32(36, settings.holdExecMs, true);
  view.setUint32(40, settings.daemonPid, true);
  return bytes;
}

export function programsFrames(programs: readonly KernelProgram[]): readonly Uint8Array[] {
  const frames: Uint8Array[] = [];
  for (let from = 0; from < programs.length; from += PROGRAMS_A_FRAME) {
    const part = programs.slice(from, from + PROGRAMS_A_FRAME);
    frames.push(
      list(TYPE.programs, part, PROGRAM_BYTES, 0, (view, at, one) => {
        view.setBigUint64(at, BigInt(one.inode), true);
        view.setUint32(at + 8, kernelDevice(one.device), true);
        view.setUint32(at + 12, one.program, true);
        view.setBigUint64(at + 16, one.codeLetters, true);
        view.setBigUint64(at + 24, one.valueLetters, true);
        view.setBigUint64(at + 32, one.fingerprint?.entry ?? 0n, true);
        view.setBigUint64(at + 40, one.fingerprint?.sections ?? 0n, true);
      }),
    );
  }
  return frames;
}

export function exemptFrame(exempt: readonly KernelExempt[]): Uint8Array {
  return list(TYPE.exempt, exempt, EXEMPT_BYTES, 0, (view, at, one) => {
    view.setBigUint64(at, BigInt(one.file?.inode ?? 0), true);
    view.setUint32(at + 8, one.file === undefined ? 0 : kernelDevice(one.file.device), true);
    view.setUint32(at + 12, one.uid ?? ANY_UID, true);
    view.setUint32(at + 16, one.rules, true);
    // What is no network of ours to read matches any peer.
    const network = one.network === undefined ? undefined : networkBytes(one.network);
    if (network === undefined) return;
    const isMapped = one.mapped === true;
    view.setUint8(at + 20, isMapped ? 6 : network.family);
    view.setUint8(at + 21, network.prefixBits + (isMapped ? MAPPED_BITS : 0));
    if (isMapped) view.setUint16(at + 24 + 10, 0xffff);
    new Uint8Array(view.buffer).set(network.address.subarray(0, isMapped ? 4 : 16), at + 24 + (isMapped ? 12 : 0));
  });
}

export function sparedFrame(spared: readonly KernelSpared[]): Uint8Array {
  return list(TYPE.spared, spared, SPARED_BYTES, 0, (view, at, one) => {
    view.setUint32(at, one.kind, true);
    view.setBigUint64(at + 8, one.id, true);
  });
}

export interface KernelNetwork {
  readonly network: string;
  readonly port?: number;
  /** Boot time; 0n: no end. */
  readonly untilNs?: bigint;
}

/** @param rule the number of the rule that refuses them. */
export function networksFrame(rule: number, networks: readonly KernelNetwork[]): Uint8Array {
  const known = networks.flatMap((one) => {
    const bytes = networkBytes(one.network);
    return bytes === undefined ? [] : [{ ...one, ...bytes }];
  });
  return list(TYPE.networks, known, NETWORK_BYTES, rule, (view, at, one) => {
    view.setUint8(at, one.family);
    view.setUint8(at + 1, one.prefixBits);
    view.setUint16(at + 2, one.port ?? 0, true);
    view.setBigUint64(at + 8, one.untilNs ?? 0n, true);
    new Uint8Array(view.buffer).set(one.address, at + 16);
  });
}

const WATCH: Readonly<Record<FileWatch, number>> = { credentials: 1, decoy: 2, "process-memory": 3 };

/** Entries of different length, each padded to a multiple of eight. */
export function watchFrame(watches: readonly KernelWatch[]): Uint8Array {
  const entries = watches.map(({ path, watch }) => {
    const text = new TextEncoder().encode(path);
    const bytes = new Uint8Array(Math.ceil((WATCH_BYTES + text.length) / 8) * 8);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, WATCH[watch], true);
    view.setUint16(4, text.length, true);
    bytes.set(text, WATCH_BYTES);
    return bytes;
  });
  const { bytes, view } = frame(TYPE.watch, LIST_BYTES + entries.reduce((size, entry) => size + entry.length, 0));
  view.setUint32(16, entries.length, true);
  let at = LIST_BYTES;
  for (const entry of entries) {
    bytes.set(entry, at);
    at += entry.length;
  }
  return bytes;
}

export const ANSWERS = { release: 0, stop: 1, wait: 2 } as const;
export const HELD = { nothing: 0, connection: 1, exec: 2 } as const;

export function answerFrame(
  id: bigint,
  held: keyof typeof HELD,
  answer: keyof typeof ANSWERS,
  moreMs: number,
): Uint8Array {
  const { bytes, view } = frame(TYPE.answer, ANSWER_BYTES);
  view.setBigUint64(16, id, true);
  view.setUint8(24, HELD[held]);
  view.setUint8(25, ANSWERS[answer]);
  view.setUint32(28, Math.max(0, Math.round(moreMs)), true);
  return bytes;
}

export function canaryFrame(nonce: bigint): Uint8Array {
  const { bytes, view } = frame(TYPE.canary, HEADER_BYTES + 8);
  view.setBigUint64(16, nonce, true);
  return bytes;
}

export function stopFrame(): Uint8Array {
  return frame(TYPE.stop, HEADER_BYTES + 8).bytes;
}

/** From stat's st_dev to the kernel's own encoding. */
export function kernelDevice(device: number): number {
  const major = (Math.floor(device / 0x100) & 0xfff) + Math.floor(device / 0x100000000000) * 0x1000;
  const minor = (device & 0xff) + (Math.floor(device / 0x100000) & 0xffffff) * 0x100;
  return ((major << 20) | (minor & 0xfffff)) >>> 0;
}

function list<T>(
  type: number,
  items: readonly T[],
  bytesEach: number,
  rule: number,
  write: (view: DataView, at: number, item: T) => void,
): Uint8Array {
  const { bytes, view } = frame(type, LIST_BYTES + items.length * bytesEach);
  view.setUint32(16, items.length, true);
  view.setUint32(20, rule, true);
  items.forEach((item, index) => {
    write(view, LIST_BYTES + index * bytesEach, item);
  });
  return bytes;
}

function frame(type: number, sizeBytes: number): { readonly bytes: Uint8Array; readonly view: DataView } {
  const bytes = new Uint8Array(sizeBytes);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, sizeBytes, true);
  view.setUint8(2, type);
  return { bytes, view };
}
