/** What a walk leaves out: files the settings exclude, and the mount points of foreign filesystems. */
import type { Mounts } from "../../host/mounts.ts";
import { keyOfPath, type TreeHash } from "../../host/tree_hash.ts";
import { bytesOfPath } from "../../host/tree_names.ts";
import { isBelow } from "./roots.ts";

export interface Closed {
  /** For the walker: see TreeVisitor. */
  readonly closed: ReadonlySet<number>;
  readonly closedIn: ReadonlySet<number>;
  readonly closedPrefixes: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Whether the settings leave that path out. */
  isExcluded(path: string): boolean;
}

export function createClosed(excluded: readonly string[], mounts: Mounts, hash: TreeHash): Closed {
  const closed = new Set<number>();
  const closedIn = new Set<number>();
  const closedPrefixes = new Map<number, Uint8Array[]>();
  const exact: string[] = [];
  const prefixes: string[] = [];
  for (const entry of excluded) {
    const trimmed = entry.length > 1 ? entry.replace(/\/+$/, "") : entry;
    if (trimmed.endsWith("*")) {
      const prefix = trimmed.slice(0, -1);
      prefixes.push(prefix);
      const directory = prefix.slice(0, prefix.lastIndexOf("/"));
      const { key } = keyOfPath(hash, bytesOfPath(directory));
      closedPrefixes.set(key, [...(closedPrefixes.get(key) ?? []), bytesOfPath(prefix.slice(directory.length + 1))]);
    } else {
      exact.push(trimmed);
      close(trimmed);
    }
  }
  for (const mount of mounts.foreign) close(mount.path);
  return {
    closed,
    closedIn,
    closedPrefixes,
    isExcluded: (path) =>
      exact.some((one) => path === one || isBelow(path, one)) || prefixes.some((prefix) => path.startsWith(prefix)),
  };

  function close(path: string): void {
    const { key, directoryKey } = keyOfPath(hash, bytesOfPath(path));
    closed.add(key);
    closedIn.add(directoryKey);
  }
}
