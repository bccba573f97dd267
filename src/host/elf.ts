// The GNU build-id of an ELF file: the same for every copy of one build, whatever its name and place.
// Trusts nothing: the file may be the attacker's. Every offset and count is bounded and checked.
// Costs two or three small reads.

/** Reads `length` bytes at `offset`; fewer at the end of the file, undefined where it cannot be read. */
export type ReadAt = (offset: number, length: number) => Uint8Array | undefined;

const PROGRAM_HEADERS_MAX = 128;
const NOTE_BYTES_MAX = 64 * 1024;
const NOTES_MAX = 64;
const BUILD_ID_BYTES_MAX = 64;
const PT_NOTE = 4;
const NT_GNU_BUILD_ID = 3;

interface Layout {
  readonly wide: boolean;
  readonly little: boolean;
}

/** Lower-case hex, or undefined for files that are not ELF or carry none. Format: elf(5). */
export function parseBuildId(read: ReadAt): string | undefined {
  const header = viewOf(read(0, 64));
  if (header === undefined || header.byteLength < 52 || header.getUint32(0, false) !== 0x7f454c46) return undefined;
  const layout: Layout = { wide: header.getUint8(4) === 2, little: header.getUint8(5) !== 2 };
  if (layout.wide && header.byteLength < 64) return undefined;
  const tableOffset = word(header, layout, layout.wide ? 32 : 28);
  const entrySize = header.getUint16(layout.wide ? 54 : 42, layout.little);
  const entryCount = header.getUint16(layout.wide ? 56 : 44, layout.little);
  const entrySizeMin = layout.wide ? 56 : 32;
  if (
    entrySize < entrySizeMin ||
    entrySize > 1024 ||
    entryCount > PROGRAM_HEADERS_MAX ||
    !Number.isSafeInteger(tableOffset)
  )
    return undefined;
  const table = viewOf(read(tableOffset, entrySize * entryCount));
  if (table === undefined) return undefined;
  for (let at = 0; at + entrySize <= table.byteLength; at += entrySize) {
    if (table.getUint32(at, layout.little) !== PT_NOTE) continue;
    const offset = word(table, layout, at + (layout.wide ? 8 : 4));
    const size = word(table, layout, at + (layout.wide ? 32 : 16));
    if (!Number.isSafeInteger(offset) || size < 16) continue;
    const notes = viewOf(read(offset, Math.min(size, NOTE_BYTES_MAX)));
    const buildId = notes === undefined ? undefined : findBuildId(notes, layout.little);
    if (buildId !== undefined) return buildId;
  }
  return undefined;
}

function findBuildId(notes: DataView, little: boolean): string | undefined {
  let at = 0;
  for (let count = 0; count < NOTES_MAX && at + 12 <= notes.byteLength; count++) {
    const nameSize = notes.getUint32(at, little);
    const bodySize = notes.getUint32(at + 4, little);
    const type = notes.getUint32(at + 8, little);
    const body = at + 12 + align(nameSize);
    const end = body + bodySize;
    if (end > notes.byteLength) return undefined;
    if (
      type === NT_GNU_BUILD_ID &&
      nameSize === 4 &&
      notes.getUint32(at + 12, false) === 0x474e5500 &&
      bodySize > 0 &&
      bodySize <= BUILD_ID_BYTES_MAX
    )
      return Buffer.from(notes.buffer, notes.byteOffset + body, bodySize).toString("hex");
    at = body + align(bodySize);
  }
  return undefined;
}

function align(size: number): number {
  return Math.ceil(size / 4) * 4;
}

function word(view: DataView, layout: Layout, at: number): number {
  return layout.wide ? Number(view.getBigUint64(at, layout.little)) : view.getUint32(at, layout.little);
}

function viewOf(bytes: Uint8Array | undefined): DataView | undefined {
  return bytes === undefined ? undefined : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
