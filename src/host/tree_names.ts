/** Names of files as text. The kernel's names are bytes: what is no UTF-8, and what would move a terminal, is escaped as \xNN. */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;

export function textOfPath(bytes: Uint8Array): string {
  return decoded(bytes).replace(CONTROL, (character) => escaped(encoder.encode(character)));
}

export function bytesOfPath(text: string): Uint8Array {
  return encoder.encode(text);
}

function decoded(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return [...bytes].map((byte) => (byte < 0x80 ? String.fromCharCode(byte) : escaped([byte]))).join("");
  }
}

function escaped(bytes: Iterable<number>): string {
  return [...bytes].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
}
