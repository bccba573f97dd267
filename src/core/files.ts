/** How the watch over files stands, for `files status` and `status`. Everything survives JSON. */
export interface FilesStatus {
  /** `starting` before the first answer, `baseline` while the first one is made, then `watching`; `off` where it does not run. */
  readonly state: "off" | "starting" | "baseline" | "watching";
  /** Files, directories and links watched. */
  readonly entries: number;
  readonly bytes: number;
  readonly roots: readonly FilesRoot[];
  /** Of the baseline or round under way. */
  readonly progress?: { readonly entries: number; readonly bytesRead: number; readonly startedAtMs: number };
  readonly lastRound?: {
    readonly atMs: number;
    readonly tookMs: number;
    readonly changes: number;
    readonly bytesRead: number;
  };
  /** When each file was last known to have been read whole. */
  readonly lastVerifiedAtMs?: number;
  readonly baselineAtMs?: number;
  /** What is not watched, and why: another filesystem, too many files, unreadable. The first few, then counts. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
  readonly skippedTotal: number;
  readonly unreadable: number;
  /** Files larger than FILES.hash_mb_max, watched by their metadata only. */
  readonly unhashed: number;
  /** Changes that wait until the package manager has finished. */
  readonly held: number;
  /** There is no place on the disk for the database: what files were like is forgotten with the daemon. */
  readonly inMemoryOnly?: true;
  readonly databasePath: string;
  readonly databaseBytes: number;
}

export interface FilesRoot {
  /** As PROTECTED_DIRECTORIES names it. */
  readonly pattern: string;
  /** Directories it stands for now. */
  readonly directories: number;
  readonly entries: number;
  /** Why nothing below it is watched, where that is so. */
  readonly reason?: string;
}
