/** Small files of the run directory (tmpfs, root only): written whole, replaced by rename, best effort. */
import { closeSync, constants, openSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";

const MARK_BYTES = 128;

/** False where it could not be written; the caller's state then lives in memory only. */
export function writeRunFile(path: string, text: string): boolean {
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
    return true;
  } catch {
    return false;
  }
}

/** False where it is still there. */
export function removeRunFile(path: string): boolean {
  try {
    rmSync(path, { force: true });
    return true;
  } catch {
    return false;
  }
}

export interface RunMark {
  /** Replaces the word in the file by one write of fixed length (2 us), which a SIGKILL leaves whole. */
  set(word: string): void;
  close(): void;
}

/** A file of one word that says what is under way; without a writable directory it says nothing. */
export function openRunMark(path: string): RunMark {
  const descriptor = openMark(path);
  return {
    set(word) {
      if (descriptor === undefined) return;
      try {
        writeSync(
          descriptor,
          Buffer.alloc(MARK_BYTES, " ").fill(word, 0, Math.min(word.length, MARK_BYTES)),
          0,
          MARK_BYTES,
          0,
        );
      } catch {
        // A full tmpfs: the next crash has no name.
      }
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor);
    },
  };
}

function openMark(path: string): number | undefined {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o600);
  } catch {
    return undefined;
  }
}
