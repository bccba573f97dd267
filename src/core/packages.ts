/** What package managers say about files: the shapes that host (readers), store (index) and sources (judgement) share. */
import type { Result } from "./result.ts";
import type { PackageState } from "./view.ts";

/** What a package installed at a path. */
export interface PackagedFile {
  /** Name without version and architecture. */
  readonly package: string;
  /** `none`: the package owns the path and has no digest we can compare. */
  readonly algorithm: "md5" | "sha256" | "none";
  /** Lower-case hex; empty for `none`. */
  readonly digest: string;
  /** A configuration file, or one the package lets programs write: it may differ. */
  readonly config: boolean;
}

export interface PackagedPath extends Omit<PackagedFile, "package"> {
  /** Absolute, in the form of `PackageReader.canonical`. */
  readonly path: string;
}

export interface PackageContent {
  /** A key of `PackageReader.owners`. */
  readonly owner: string;
  readonly name: string;
  /** No directories but empty ones. */
  readonly files: readonly PackagedPath[];
}

/** One package manager's database, read without its help where that is possible. */
export interface PackageReader {
  readonly name: "dpkg" | "rpm";
  /** The path by which the file is really reached: /bin/x is /usr/bin/x where /bin is a link. */
  canonical(path: string): string;
  /** Differs whenever its database may have changed. A few stats. */
  fingerprint(): string;
  /** Every installed package, with a stamp that differs when its list of files may have. */
  owners(): Promise<Result<ReadonlyMap<string, string>>>;
  /** The files of these packages, one package at a time; ends after the first fault. */
  read(owners: readonly string[]): AsyncIterable<Result<PackageContent>>;
}

export interface Digests {
  /** Lower-case hex; empty where the content was not read. */
  readonly sha256: string;
  readonly md5?: string;
}

/** Whether what a file holds is what its package put there. */
export function judgeDigest(packaged: PackagedFile, digests: Digests): PackageState {
  const actual = packaged.algorithm === "none" ? undefined : digests[packaged.algorithm];
  if (packaged.algorithm === "none") return packaged.config ? "config" : "unknown";
  if (actual === undefined || actual === "") return "unknown";
  if (actual === packaged.digest) return "matches";
  return packaged.config ? "config" : "differs";
}
