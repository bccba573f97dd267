/** The records that are about the sensor itself: greeting, heart, canary. Offsets of wire.h; pure. */

export const RECORD = {
  hello: 1,
  beat: 2,
  exec: 4,
  fork: 5,
  exit: 6,
  connect: 7,
  close: 10,
  file: 14,
  canary: 21,
} as const;

export type SensorStep = "kernel" | "connector";

export interface Hello {
  readonly version: number;
  readonly pid: number;
  readonly pidNamespace: number;
  /** From what it knows: all it can, or starts and ends alone. */
  readonly step: SensorStep;
  /** What it is attached to, and why not to the rest. */
  readonly hooks: readonly { readonly name: string; readonly answer: string }[];
}

export interface Beat {
  readonly generation: number;
  /** By lane: urgent, vital, other, the sensor's own (files). */
  readonly records: readonly number[];
  readonly lost: readonly number[];
  readonly recursionMisses: number;
  readonly verdicts: number;
  readonly asks: number;
  readonly expired: number;
  readonly droppedPackets: number;
  readonly processes: number;
  readonly untracked: number;
  /** Paths that are watched, and those that are there and cannot be. */
  readonly filesWatched: number;
  readonly filesRefused: number;
}

const TEXT_AT = 40;

export function helloOf(record: Uint8Array): Hello {
  const view = viewOf(record);
  const text = new TextDecoder().decode(record.subarray(TEXT_AT, TEXT_AT + number(view, 32)));
  const hooks = text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [name = "", answer = ""] = line.split("\t");
      return { name, answer };
    });
  const step = number(view, 36) === 1 ? "connector" : "kernel";
  return { version: number(view, 16), pid: number(view, 20), pidNamespace: number(view, 24), step, hooks };
}

export function beatOf(record: Uint8Array): Beat {
  const view = viewOf(record);
  const long = (index: number): number => {
    const at = 24 + index * 8;
    return at + 8 <= view.byteLength ? Number(view.getBigUint64(at, true)) : 0;
  };
  return {
    generation: number(view, 16),
    records: [0, 1, 2, 3].map(long),
    lost: [4, 5, 6, 7].map(long),
    recursionMisses: long(8),
    verdicts: long(9),
    asks: long(10),
    expired: long(11),
    droppedPackets: long(12),
    processes: long(13),
    untracked: long(14),
    filesWatched: number(view, 144),
    filesRefused: number(view, 148),
  };
}

/** Which part of a canary this is (1 said, 2 executed, 4 connected, 8 ended, 16 opened a file); undefined for anybody else's record. */
export function canarySeen(
  record: Uint8Array,
  pid: number,
): { readonly part: number; readonly pid: number } | undefined {
  const view = viewOf(record);
  const type = record[2];
  if (type === RECORD.canary) return { part: 1, pid: number(view, 24) };
  if (pid === 0 || number(view, 16) !== pid) return undefined;
  switch (type) {
    case RECORD.exec:
      return { part: 2, pid: 0 };
    case RECORD.connect:
      return { part: 4, pid: 0 };
    case RECORD.exit:
      return { part: 8, pid: 0 };
    case RECORD.file:
      return { part: 16, pid: 0 };
    case RECORD.close:
      return undefined;
    case RECORD.fork:
      return { part: 0, pid: 0 };
    default:
      return undefined;
  }
}

function viewOf(record: Uint8Array): DataView {
  return new DataView(record.buffer, record.byteOffset, record.byteLength);
}

function number(view: DataView, at: number): number {
  return at + 4 <= view.byteLength ? view.getUint32(at, true) : 0;
}
