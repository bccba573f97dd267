// Walks directories and compares the metadata of every entry with what the table knows; only what differs is handed on.
// Trusts nothing below a root: links are never followed, also not in the middle of a path, names are bytes, directories vanish.
// Costs 2 to 3 us an entry, nearly all of it the kernel's statx; no object is made for an entry that did not change.
import type { Pointer } from "bun:ffi";
import {
  AT,
  closeDescriptor,
  directoryEntriesInto,
  ERRNO,
  errnoText,
  type Name,
  OPEN,
  openAt,
  openWithoutLinks,
  pointerBehind,
  pointerTo,
  statInto,
} from "./libc.ts";
import { deviceNumber, FILE_TYPE } from "./procfs.ts";
import { highOf, joined, lowOf, type TreeHash } from "./tree_hash.ts";
import { createPending } from "./tree_pending.ts";
import type { TreeTable } from "./tree_table.ts";
import type { TreeEntry, TreeRoot, TreeVisitor, TreeWalk } from "./tree_types.ts";

/** PATH_MAX without its NUL: what is longer no system call takes as one path. */
export const PATH_BYTES_MAX = 4095;
const DIRECTORY_BYTES = 64 * 1024;
const ENTRIES_A_SLICE = 500;
const DIRECTORIES_A_SLICE = 500;
const AT_NO_AUTOMOUNT = 0x800;
const DIRENT_HEADER_BYTES = 19;
const DOT = 0x2e;
const SLASH = 0x2f;
const ELOOP = 40;
const ENOTDIR = 20;

export interface TreeWalker {
  walk(roots: readonly TreeRoot[], visitor: TreeVisitor): Promise<TreeWalk>;
}

/**
 * Opens an absolute path in which no component is a link: -ELOOP where one is. Before kernel 5.6, and where a filter of
 * system calls does not know openat2, only the last component is held to that.
 */
export function openExactly(path: Pointer, flags: number): number {
  const opened = openWithoutLinks(path, flags | OPEN.noFollow);
  if (opened !== -ERRNO.ENOSYS && opened !== -ERRNO.EPERM) return opened;
  return openAt(AT.currentDirectory, path, flags | OPEN.noFollow);
}

/** One walk at a time: the buffers are shared. */
export function createTreeWalker(hash: TreeHash, table: TreeTable): TreeWalker {
  const buffer = new Uint8Array(DIRECTORY_BYTES);
  const view = new DataView(buffer.buffer);
  const bufferPointer = pointerTo(buffer);
  const stat = new Uint8Array(256);
  const words = new Uint32Array(stat.buffer);
  const signed = new Uint32Array(12);
  /** The directory under way, NUL-terminated. */
  const current = new Uint8Array(PATH_BYTES_MAX + 1);
  const currentPointer = pointerTo(current);
  const pending = createPending();
  let currentLength = 0;
  let directoryLow = 0;
  let directoryHigh = 0;
  let directoryHasClosed = false;
  let prefixes: readonly Uint8Array[] | undefined;
  let descriptor = -1;
  let tag = 0;
  let position = 0;
  let filled = 0;
  let nameStart = 0;
  let nameLength = 0;
  let at: Name = currentPointer;
  let low = 0;
  let high = 0;
  let signatureLow = 0;
  let signatureHigh = 0;
  let entries = 0;
  let bytes = 0;
  let large = 0;
  let largeBytes = 0;
  let root: TreeRoot | undefined;
  const entry = entryOverState();
  return { walk };

  async function walk(roots: readonly TreeRoot[], visitor: TreeVisitor): Promise<TreeWalk> {
    entries = 0;
    bytes = 0;
    large = 0;
    ({ largeBytes } = visitor);
    const entriesByTag: number[] = [];
    let directories = 0;
    let pausedAt = 0;
    let finished = true;
    for (const begun of roots) {
      pending.clear();
      if (!(await visitRoot(begun, visitor))) continue;
      while (finished && enterNext(visitor)) {
        directories++;
        const before = entries;
        try {
          while (finished && fill(visitor)) {
            while (scan(visitor)) {
              const work = visitor.differs(entry);
              if (work !== undefined) await work;
            }
            if (entries - pausedAt < ENTRIES_A_SLICE) continue;
            pausedAt = entries;
            finished = await visitor.pause(entries);
          }
        } finally {
          closeDescriptor(descriptor);
        }
        entriesByTag[tag] = (entriesByTag[tag] ?? 0) + entries - before;
        if (entries - pausedAt < ENTRIES_A_SLICE && directories % DIRECTORIES_A_SLICE !== 0) continue;
        pausedAt = entries;
        finished = finished && (await visitor.pause(entries));
      }
      if (!finished) break;
    }
    return { entries, bytes, large, directories, entriesByTag, finished };
  }

  /** The root itself is an entry too. False where there is nothing to walk. */
  async function visitRoot(begun: TreeRoot, visitor: TreeVisitor): Promise<boolean> {
    if (begun.path.length > PATH_BYTES_MAX) return false;
    current.set(begun.path);
    current[begun.path.length] = 0;
    currentLength = begun.path.length;
    at = currentPointer;
    root = begun;
    ({ tag } = begun);
    descriptor = AT.currentDirectory;
    low = lowOf(begun.key);
    high = highOf(begun.key);
    const said = statInto(descriptor, at, AT.noFollow | AT_NO_AUTOMOUNT, stat);
    if (said < 0) {
      if (said !== -ERRNO.ENOENT && said !== -ENOTDIR) visitor.unreadable(begun.path, errnoText(said));
      return false;
    }
    entries++;
    sign();
    const isDirectory = ((words[7] ?? 0) & FILE_TYPE.mask) === FILE_TYPE.directory;
    if (!table.confirm(low, high, signatureLow, signatureHigh)) {
      const work = visitor.differs(entry);
      if (work !== undefined) await work;
    }
    root = undefined;
    if (isDirectory) pending.push(current, begun.path.length, undefined, 0, 0, begun.key, begun.tag);
    return isDirectory;
  }

  /** Opens the next directory that can be opened. */
  function enterNext(visitor: TreeVisitor): boolean {
    while (pending.pop(current)) {
      currentLength = pending.length;
      ({ tag } = pending);
      directoryLow = lowOf(pending.key);
      directoryHigh = highOf(pending.key);
      directoryHasClosed = visitor.closedIn.has(pending.key);
      prefixes = visitor.closedPrefixes.get(pending.key);
      position = 0;
      filled = 0;
      descriptor = openExactly(currentPointer, OPEN.readOnly | OPEN.directory | OPEN.nonBlocking);
      if (descriptor >= 0) return true;
      // Vanished, or replaced by a link or file since its entry was read: the next round sees what it is now.
      if (descriptor !== -ERRNO.ENOENT && descriptor !== -ENOTDIR && descriptor !== -ELOOP)
        visitor.unreadable(current.slice(0, currentLength), errnoText(descriptor));
    }
    return false;
  }

  /** The next part of the directory; false at its end. */
  function fill(visitor: TreeVisitor): boolean {
    position = 0;
    filled = directoryEntriesInto(descriptor, buffer);
    if (filled < 0 && filled !== -ERRNO.ENOENT) visitor.unreadable(current.slice(0, currentLength), errnoText(filled));
    return filled > 0;
  }

  /** Goes on to the next entry that differs; false at the end of what was filled in. struct linux_dirent64, getdents64(2). */
  function scan(visitor: TreeVisitor): boolean {
    while (position + DIRENT_HEADER_BYTES < filled) {
      const length = view.getUint16(position + 16, true);
      nameStart = position + DIRENT_HEADER_BYTES;
      const next = position + length;
      let end = Math.max(nameStart, next - 8);
      while (end < next && buffer[end] !== 0) end++;
      nameLength = end - nameStart;
      position = length < DIRENT_HEADER_BYTES ? filled : next;
      if (nameLength === 0 || isDots()) continue;
      low = hash.name(directoryLow, directoryHigh, buffer, nameStart, nameLength);
      ({ high } = hash);
      if (directoryHasClosed && visitor.closed.has(joined(low, high))) continue;
      if (prefixes !== undefined && beginsWithOne(prefixes)) continue;
      at = pointerBehind(bufferPointer, nameStart);
      const said = statInto(descriptor, at, AT.noFollow | AT_NO_AUTOMOUNT, stat);
      if (said < 0) {
        if (said !== -ERRNO.ENOENT) {
          table.touch(low, high);
          visitor.unreadable(entry.path(), errnoText(said));
        }
        continue;
      }
      entries++;
      sign();
      const type = (words[7] ?? 0) & FILE_TYPE.mask;
      if (type === FILE_TYPE.directory) pushChild(visitor);
      else if (type === FILE_TYPE.regular) weigh();
      if (!table.confirm(low, high, signatureLow, signatureHigh)) return true;
    }
    return false;
  }

  function weigh(): void {
    const size = joined(words[10] ?? 0, words[11] ?? 0);
    bytes += size;
    if (size > largeBytes) large++;
  }

  function pushChild(visitor: TreeVisitor): void {
    if (currentLength + 1 + nameLength > PATH_BYTES_MAX) {
      visitor.unreadable(entry.path(), "its path is longer than 4095 bytes: nothing below it is watched");
      return;
    }
    const key = joined(low, high);
    const pushed = pending.push(
      current,
      currentLength,
      buffer,
      nameStart,
      nameLength,
      key,
      visitor.tags.get(key) ?? tag,
    );
    if (!pushed) visitor.unreadable(entry.path(), "too many directories wait: nothing below it is watched");
  }

  /** What counts as the same file, unchanged. Of a directory not its times and size: they say only what its entries say too. */
  function sign(): void {
    const mode = (words[7] ?? 0) & 0xffff;
    const isDirectory = (mode & FILE_TYPE.mask) === FILE_TYPE.directory;
    signed[0] = mode;
    signed[1] = words[5] ?? 0;
    signed[2] = words[6] ?? 0;
    signed[3] = words[8] ?? 0;
    signed[4] = words[9] ?? 0;
    signed[5] = ((words[34] ?? 0) << 20) ^ (words[35] ?? 0);
    signed[6] = words[10] ?? 0;
    signed[7] = words[11] ?? 0;
    signed[8] = words[24] ?? 0;
    signed[9] = words[26] ?? 0;
    signed[10] = words[28] ?? 0;
    signed[11] = words[30] ?? 0;
    signatureLow = hash.words(signed, isDirectory ? 6 : 12);
    signatureHigh = hash.high;
  }

  function isDots(): boolean {
    if (buffer[nameStart] !== DOT) return false;
    return nameLength === 1 || (nameLength === 2 && buffer[nameStart + 1] === DOT);
  }

  function beginsWithOne(list: readonly Uint8Array[]): boolean {
    return list.some(
      (prefix) => prefix.length <= nameLength && prefix.every((byte, i) => buffer[nameStart + i] === byte),
    );
  }

  function entryOverState(): TreeEntry {
    return {
      get key() {
        return joined(low, high);
      },
      get directoryKey() {
        return root?.directoryKey ?? joined(directoryLow, directoryHigh);
      },
      get signature() {
        return joined(signatureLow, signatureHigh);
      },
      get tag() {
        return tag;
      },
      get mode() {
        return (words[7] ?? 0) & 0xffff;
      },
      get uid() {
        return words[5] ?? 0;
      },
      get gid() {
        return words[6] ?? 0;
      },
      get device() {
        return deviceNumber(words[34] ?? 0, words[35] ?? 0);
      },
      get inode() {
        return joined(words[8] ?? 0, words[9] ?? 0);
      },
      get sizeBytes() {
        return joined(words[10] ?? 0, words[11] ?? 0);
      },
      get modifiedUs() {
        return microseconds(28);
      },
      get changedUs() {
        return microseconds(24);
      },
      get descriptor() {
        return descriptor;
      },
      get at() {
        return at;
      },
      name() {
        if (root === undefined) return buffer.slice(nameStart, nameStart + nameLength);
        return root.path.slice(root.path.lastIndexOf(SLASH) + 1);
      },
      path() {
        if (root !== undefined) return root.path;
        const base = currentLength === 1 ? 0 : currentLength;
        const path = new Uint8Array(base + 1 + nameLength);
        path.set(current.subarray(0, base));
        path[base] = SLASH;
        path.set(buffer.subarray(nameStart, nameStart + nameLength), base + 1);
        return path;
      },
      directoryPath() {
        if (root === undefined) return current.slice(0, currentLength);
        return root.path.slice(0, Math.max(1, root.path.lastIndexOf(SLASH)));
      },
      accept: () => table.set(low, high, signatureLow, signatureHigh),
    };
  }

  /** struct statx_timestamp at that word; before 1970 the seconds are negative. */
  function microseconds(word: number): number {
    const seconds = joined(words[word] ?? 0, words[word + 1] ?? 0);
    const signedSeconds = (words[word + 1] ?? 0) > 0x7fff_ffff ? seconds - 2 ** 64 : seconds;
    return signedSeconds * 1e6 + Math.floor((words[word + 2] ?? 0) / 1000);
  }
}
