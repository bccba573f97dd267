/** What goes into a walk over directories and what comes out of it (tree.ts). */
import type { Name } from "./libc.ts";

export interface TreeRoot {
  readonly path: Uint8Array;
  readonly key: number;
  /** Of the directory it stands in. */
  readonly directoryKey: number;
  /** Handed back with each entry below. */
  readonly tag: number;
}

/** One entry that is new or differs. Valid until the visitor has answered; `name` and `path` make copies. */
export interface TreeEntry {
  readonly key: number;
  readonly directoryKey: number;
  readonly signature: number;
  readonly tag: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly device: number;
  readonly inode: number;
  readonly sizeBytes: number;
  readonly modifiedUs: number;
  readonly changedUs: number;
  /** For openAt and readLinkAt. */
  readonly descriptor: number;
  readonly at: Name;
  name(): Uint8Array;
  path(): Uint8Array;
  directoryPath(): Uint8Array;
  /** The table takes the signature over: the entry is silent until it changes again. */
  accept(): void;
}

export interface TreeVisitor {
  /** Keys of entries that are neither looked at nor entered: excluded files, mount points of other filesystems. */
  readonly closed: ReadonlySet<number>;
  /** Keys of the directories that those stand in. */
  readonly closedIn: ReadonlySet<number>;
  /** By key of a directory: beginnings of names in it that are left out. */
  readonly closedPrefixes: ReadonlyMap<number, readonly Uint8Array[]>;
  /** Directories whose entries get another tag: roots inside of roots. */
  readonly tags: ReadonlyMap<number, number>;
  readonly largeBytes: number;
  differs(entry: TreeEntry): Promise<void> | undefined;
  unreadable(path: Uint8Array, reason: string): void;
  /** Called every thousand entries: other work, and whether to stop. */
  pause(entries: number): Promise<boolean>;
}

export interface TreeWalk {
  readonly entries: number;
  /** Of regular files. */
  readonly bytes: number;
  /** Regular files over `largeBytes`. */
  readonly large: number;
  readonly directories: number;
  /** By tag. */
  readonly entriesByTag: readonly number[];
  /** False where `pause` broke it off. */
  readonly finished: boolean;
}
