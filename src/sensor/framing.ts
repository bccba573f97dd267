/**
 * Cuts what the sensor writes into records. Every record says its own size; one that makes no sense ends the stream,
 * because nothing after it can be trusted to begin where it seems to. Pure; keeps at most one unfinished record.
 */
import { type Fault, fail, ok, type Result } from "../core/result.ts";

export const HEADER_BYTES = 16;
export const RECORD_BYTES_MAX = 8_192;
const LANES = 4;

export interface Framer {
  /** The whole records in what has come so far, in order. They share memory with `chunk` where they can. */
  take(chunk: Uint8Array): Result<readonly Uint8Array[]>;
}

export function createFramer(): Framer {
  let rest: Uint8Array = new Uint8Array(0);
  let broken: Fault | undefined;
  return { take };

  function take(chunk: Uint8Array): Result<readonly Uint8Array[]> {
    if (broken !== undefined) return { ok: false, fault: broken };
    const bytes = rest.byteLength === 0 ? chunk : joined(rest, chunk);
    const records: Uint8Array[] = [];
    let at = 0;
    while (bytes.byteLength - at >= HEADER_BYTES) {
      const sizeBytes = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
      const lane = bytes[at + 3] ?? LANES;
      if (sizeBytes < HEADER_BYTES || sizeBytes > RECORD_BYTES_MAX || lane >= LANES) {
        const refused = fail("invalid", `the sensor wrote a record of ${sizeBytes} bytes in lane ${lane}`);
        broken = refused.fault;
        return records.length > 0 ? ok(records) : refused;
      }
      if (bytes.byteLength - at < sizeBytes) break;
      records.push(bytes.subarray(at, at + sizeBytes));
      at += sizeBytes;
    }
    // A copy: the chunk belongs to whoever read it.
    rest = bytes.slice(at);
    return ok(records);
  }
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(left.byteLength + right.byteLength);
  bytes.set(left);
  bytes.set(right, left.byteLength);
  return bytes;
}
