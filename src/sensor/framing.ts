/**
 * Cuts what the sensor writes into records. Every record says its own size; one that makes no sense ends the stream,
 * because nothing after it can be trusted to begin where it seems to. Pure; keeps at most one unfinished record.
 */
import { type Fault, fail } from "../core/result.ts";

export const HEADER_BYTES = 16;
export const RECORD_BYTES_MAX = 8_192;
const LANES = 4;

export interface Framer {
  /** The whole records in what has come so far, in order. They share memory with `chunk` where they can. */
  take(chunk: Uint8Array): Framed;
}

export interface Framed {
  readonly records: readonly Uint8Array[];
  /** After them came what makes no sense: nothing more will be cut. */
  readonly fault?: Fault;
}

export function createFramer(): Framer {
  let rest: Uint8Array = new Uint8Array(0);
  let broken: Fault | undefined;
  return { take };

  function take(chunk: Uint8Array): Framed {
    if (broken !== undefined) return { records: [], fault: broken };
    const bytes = rest.byteLength === 0 ? chunk : joined(rest, chunk);
    const records: Uint8Array[] = [];
    let at = 0;
    while (bytes.byteLength - at >= HEADER_BYTES) {
      const sizeBytes = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
      const lane = bytes[at + 3] ?? LANES;
      if (sizeBytes < HEADER_BYTES || sizeBytes > RECORD_BYTES_MAX || lane >= LANES) {
        broken = fail("invalid", `it wrote a record of ${sizeBytes} bytes in lane ${lane}`).fault;
        return { records, fault: broken };
      }
      if (bytes.byteLength - at < sizeBytes) break;
      records.push(bytes.subarray(at, at + sizeBytes));
      at += sizeBytes;
    }
    // A copy: the chunk belongs to whoever read it.
    rest = bytes.slice(at);
    return { records };
  }
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(left.byteLength + right.byteLength);
  bytes.set(left);
  bytes.set(right, left.byteLength);
  return bytes;
}
