/**
 * Starts the thread that watches files. In the built executable every entry lies below one root by its path from src/
 * (build.ts names it as a second entry); from source it lies beside this file. A smaller heap: most of what it holds is not JavaScript's.
 */
import type { FilesWorker } from "../sources/filesystem.ts";

/** Where Bun keeps the files of a built executable. */
const BUILT_ROOT = "/$bunfs/";

export function spawnFilesWorker(): FilesWorker {
  const isBuilt = import.meta.url.includes(BUILT_ROOT);
  return new Worker(new URL(isBuilt ? "./daemon/files_worker.ts" : "./files_worker.ts", import.meta.url), {
    smol: true,
    ref: false,
  });
}
