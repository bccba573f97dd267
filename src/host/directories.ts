import { readdirSync } from "node:fs";

const ENTRIES_MAX = 100_000;

/** The names in a directory, none where it cannot be read. */
export function listDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path).slice(0, ENTRIES_MAX);
  } catch {
    return [];
  }
}
