/** Small files of the run directory (tmpfs, root only): written whole, replaced by rename, best effort. */
import { renameSync, rmSync, writeFileSync } from "node:fs";

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

export function removeRunFile(path: string): void {
  rmSync(path, { force: true });
}
