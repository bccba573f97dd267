import { readdirSync, realpathSync, statSync } from "node:fs";

const ENTRIES_MAX = 100_000;

/** The names in a directory, none where it cannot be read. */
export function listDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path).slice(0, ENTRIES_MAX);
  } catch {
    return [];
  }
}

/** When a name was last added to a directory or taken away, milliseconds; 0 where there is none. */
export function changedAt(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

/** All links followed; the path itself where that cannot be done. */
export function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
