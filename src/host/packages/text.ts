// Small files of package managers, whole, with a bound; and the stamp that moves when one is written.
import { readFileSync, statSync } from "node:fs";

/** Empty where the file is not there. Throws what reading throws, and for a file over the bound. */
export function textOf(path: string, bytesMax: number): string {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return "";
  if (size > bytesMax) throw new Error(`${path} has ${size} bytes, more than ${bytesMax}`);
  return readFileSync(path, "utf8");
}

/** Empty where the file is not there. */
export function stampOf(path: string): string {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats === undefined ? "" : `${stats.ino}:${stats.size}:${stats.mtimeNs}`;
}
