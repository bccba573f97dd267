/** Bytes of a config file -> text. Bounded; what is not UTF-8 is refused with its place, never guessed at. */
import { createPlaces, type Problem } from "./problem.ts";

export const CONFIG_SIZE_BYTES_MAX = 1024 * 1024;

export const TOO_LARGE = {
  message: `the file is larger than ${CONFIG_SIZE_BYTES_MAX / 1024 / 1024} MiB and was not read`,
  remedy: "Look for what is repeated; the lists of a config hold thousands of entries at most.",
} as const;

/** The text without a byte order mark, or why there is none. */
export function decodeConfig(bytes: Uint8Array): string | Problem {
  if (bytes.length > CONFIG_SIZE_BYTES_MAX) return { severity: "error", line: 1, column: 1, key: "", ...TOO_LARGE };
  const bad = firstBadByte(bytes);
  if (bad === undefined) return withoutMark(new TextDecoder().decode(bytes));
  const before = new TextDecoder().decode(bytes.subarray(0, bad));
  const wide = bytes.length > 1 && (bytes[0] ?? 0) + (bytes[1] ?? 0) === 0xff + 0xfe;
  return {
    severity: "error",
    ...createPlaces(before)(before.length),
    key: "",
    message: `the file is not UTF-8: byte 0x${(bytes[bad] ?? 0).toString(16)} stands here`,
    remedy: `Convert it: iconv -f ${wide ? "UTF-16" : "LATIN1"} -t UTF-8.`,
  };
}

export function withoutMark(text: string): string {
  return text.startsWith("\uFEFF") ? text.slice(1) : text;
}

/** Offset of the first byte that begins no character (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF). */
function firstBadByte(bytes: Uint8Array): number | undefined {
  let offset = 0;
  while (offset < bytes.length) {
    const lead = bytes[offset] ?? 0;
    const more = continuationBytes(lead);
    if (more === undefined) return offset;
    for (let index = 1; index <= more; index++) {
      const byte = bytes[offset + index] ?? 0;
      const [low, high] = index === 1 ? secondByteRange(lead) : [0x80, 0xbf];
      if (byte < low || byte > high) return offset;
    }
    offset += more + 1;
  }
  return undefined;
}

function continuationBytes(lead: number): number | undefined {
  if (lead < 0x80) return 0;
  if (lead >= 0xc2 && lead <= 0xdf) return 1;
  if (lead >= 0xe0 && lead <= 0xef) return 2;
  if (lead >= 0xf0 && lead <= 0xf4) return 3;
  return undefined;
}

function secondByteRange(lead: number): readonly [number, number] {
  if (lead === 0xe0) return [0xa0, 0xbf];
  if (lead === 0xed) return [0x80, 0x9f];
  if (lead === 0xf0) return [0x90, 0xbf];
  if (lead === 0xf4) return [0x80, 0x8f];
  return [0x80, 0xbf];
}
