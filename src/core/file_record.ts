/** What is remembered of a watched file, and the port of what remembers it (store/baseline.ts). */

export interface FileRecord {
  /** Keyed hash of the whole path, 53 bits: the row's number and its place in the table in memory. */
  readonly key: number;
  /** Key of the directory it stands in. */
  readonly directory: number;
  /** Last component as the kernel gives it; not always UTF-8. */
  readonly name: Uint8Array;
  /** Keyed hash of the metadata, 53 bits. */
  readonly signature: number;
  readonly device: number;
  readonly inode: number;
  /** st_mode whole: type and permissions. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly modifiedUs: number;
  readonly changedUs: number;
  /** Lower-case hex; empty where the content was not read: not a regular file, too large, a growing log, unreadable. */
  readonly sha256: string;
  /** Of a symbolic link; otherwise empty. */
  readonly target: string;
  /** Rounds in which it did nothing but grow, up to a small number. */
  readonly growth: number;
}

export interface VerifyRow {
  readonly key: number;
  readonly sha256: string;
}

/** Throws nothing: a database that fails answers with the fault, and what it was to keep is kept in memory by the caller. */
export interface Baseline {
  /** Entries remembered. Counts them: for the start only. */
  count(): number;
  /** Every entry once, for the table in memory. */
  load(each: (key: number, signature: number) => void): void;
  read(key: number): FileRecord | undefined;
  /** Of a directory that was remembered. */
  directoryPath(key: number): Uint8Array | undefined;
  meta(name: string): string | undefined;
  setMeta(name: string, value: string): void;
  /** Regular files with a digest whose key is above `afterKey` and at most `toKey`, in order. */
  hashed(afterKey: number, toKey: number, limit: number): readonly VerifyRow[];
  /** All of it or nothing, in one transaction. False: it could not be written, and `onFault` was told. */
  write(batch: BaselineBatch): boolean;
  /** What it keeps in memory for speed is given back. */
  releaseMemory(): void;
  /** Of the file. */
  sizeBytes(): number;
  close(): void;
}

export interface BaselineBatch {
  readonly records: Iterable<FileRecord>;
  readonly directories: Iterable<readonly [key: number, path: Uint8Array]>;
  readonly removed: Iterable<number>;
}
