// A program of our own, executable from memory: nothing lies on a disk to be replaced, and no noexec mount is in the way.
// Trusts the bytes it is given. Costs their size in memory once; the descriptor stays open as long as it may be started.
import { fail, ok, type Result } from "../core/result.ts";
import { closeDescriptor, errnoText, memoryFile, writeFrom } from "./libc.ts";

const CHUNK_BYTES = 1 << 20;

/** A path that a child of ours can execute. */
export function executableInMemory(name: string, bytes: Uint8Array): Result<string> {
  const descriptor = memoryFile(name);
  if (descriptor < 0) return fail("io", `memfd_create: ${errnoText(descriptor)}`);
  for (let at = 0; at < bytes.byteLength; ) {
    const written = writeFrom(descriptor, bytes.subarray(at, at + CHUNK_BYTES));
    if (written <= 0) {
      closeDescriptor(descriptor);
      return fail("io", `a file in memory cannot be written: ${errnoText(written)}`);
    }
    at += written;
  }
  return ok(`/proc/${process.pid}/fd/${descriptor}`);
}
