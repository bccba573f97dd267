// From the number the kernel calls a cgroup by (the inode of its directory) to its path, also of a group whose processes are gone.
// Trusts the cgroup filesystem; bounded in directories. Costs one walk (20 us a directory) where a number is new and nobody lives in it.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { parseCgroup } from "./process_files.ts";

const ROOT = "/sys/fs/cgroup";
const KNOWN_MAX = 16_384;
const DIRECTORIES_MAX = 16_384;
const WALK_EVERY_MS = 500;

export interface Cgroups {
  /** Empty where nobody can say. `pid` is somebody who is, or was, in it. */
  pathOf(id: bigint, pid: number): string;
  /** The number of a group, from its path; undefined where there is none of that name. */
  idOf(path: string): bigint | undefined;
}

export function createCgroups(nowMs: () => number, root = ROOT, procRoot = "/proc"): Cgroups {
  const known = new Map<bigint, string>();
  let walkedAtMs = Number.NEGATIVE_INFINITY;
  return { pathOf, idOf };

  function pathOf(id: bigint, pid: number): string {
    const path = known.get(id) ?? ofLiving(id, pid);
    if (path !== undefined) return path;
    if (nowMs() - walkedAtMs < WALK_EVERY_MS) return "";
    walkedAtMs = nowMs();
    walk();
    return known.get(id) ?? "";
  }

  /** Only where the process is still in that very group. */
  function ofLiving(id: bigint, pid: number): string | undefined {
    try {
      const path = parseCgroup(readFileSync(`${procRoot}/${pid}/cgroup`, "latin1"));
      if (path === "" || idOf(path) !== id) return undefined;
      remember(id, path);
      return path;
    } catch {
      return undefined; // it ended
    }
  }

  function idOf(path: string): bigint | undefined {
    try {
      return statSync(`${root}${path}`, { bigint: true }).ino;
    } catch {
      return undefined;
    }
  }

  function walk(): void {
    const waiting = [""];
    for (let seen = 0; waiting.length > 0 && seen < DIRECTORIES_MAX; seen++) {
      const path = waiting.pop() ?? "";
      const id = idOf(path);
      if (id !== undefined) remember(id, path === "" ? "/" : path);
      try {
        for (const entry of readdirSync(`${root}${path}`, { withFileTypes: true }))
          if (entry.isDirectory()) waiting.push(`${path}/${entry.name}`);
      } catch {
        // It was removed meanwhile.
      }
    }
  }

  function remember(id: bigint, path: string): void {
    known.delete(id);
    if (known.size >= KNOWN_MAX) known.delete(known.keys().next().value ?? 0n);
    known.set(id, path);
  }
}
