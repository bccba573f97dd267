/**
 * Turns what was seen into what is told: with the word of the package database, and with how much else changed in the same
 * directory. While a package manager works its changes wait, because its database learns of them last.
 */
import type { Clock } from "../../core/clock.ts";
import type { Digests, PackagedFile } from "../../core/packages.ts";
import type { Fault } from "../../core/result.ts";
import type { PackageState } from "../../core/view.ts";
import { AT, pointerTo } from "../../host/libc.ts";
import type { DigestReader } from "../../host/tree_digest.ts";
import { isRegular } from "./compare.ts";
import type { Pace } from "./pace.ts";
import type { FileChange } from "./protocol.ts";
import type { SeenChange } from "./round.ts";

const HELD_MS_MAX = 600_000;
const MEGABYTE = 1024 * 1024;

/** The package database (store/package_index.ts) and who holds its lock (host/packages/busy.ts). */
export interface Packages {
  refresh(): Promise<{ readonly changed?: boolean; readonly faults: readonly Fault[] }>;
  lookup(path: string): PackagedFile | undefined;
  judge(packaged: PackagedFile, digests: Digests): PackageState;
  busy(): boolean;
}

export interface Holding {
  readonly held: number;
  /** A package manager works, and what it does may still wait. */
  mustWait(): boolean;
  hold(changes: readonly SeenChange[]): void;
  /** Those held and these, judged. */
  release(changes: readonly SeenChange[], hashMbMax: number): Promise<readonly FileChange[]>;
}

export interface HoldingParts {
  readonly clock: Clock;
  readonly packages: Packages;
  readonly reader: DigestReader;
  readonly pace: Pace;
  readonly onFault: (fault: Fault) => void;
}

export function createHolding(parts: HoldingParts): Holding {
  let held: SeenChange[] = [];
  let busySinceMs: number | undefined;
  return {
    get held() {
      return held.length;
    },
    mustWait() {
      const nowMs = parts.clock.monotonicMs();
      if (!parts.packages.busy()) busySinceMs = undefined;
      else busySinceMs ??= nowMs;
      return busySinceMs !== undefined && nowMs - busySinceMs < HELD_MS_MAX;
    },
    hold(changes) {
      held = held.concat(changes);
    },
    async release(changes, hashMbMax) {
      const all = held.concat(changes);
      held = [];
      if (all.length === 0) return [];
      for (const fault of (await parts.packages.refresh()).faults) parts.onFault(fault);
      const inDirectory = new Map<number, number>();
      for (const { directory } of all) inDirectory.set(directory, (inDirectory.get(directory) ?? 0) + 1);
      const told: FileChange[] = [];
      for (const change of all)
        told.push(await judged(parts, change, hashMbMax, inDirectory.get(change.directory) ?? 1));
      return told;
    },
  };
}

async function judged(
  parts: HoldingParts,
  change: SeenChange,
  hashMbMax: number,
  inDirectory: number,
): Promise<FileChange> {
  const { path, changes, now, before, log } = change;
  const packaged = parts.packages.lookup(path);
  const state = packaged === undefined ? "none" : await stateOf(parts, change, packaged, hashMbMax);
  return {
    path,
    changes,
    ...(now === undefined ? {} : { now }),
    ...(before === undefined ? {} : { before }),
    log,
    package: { ...(packaged === undefined ? {} : { name: packaged.package }), state },
    inDirectory,
  };
}

async function stateOf(
  parts: HoldingParts,
  { bytes, now, md5 }: SeenChange,
  packaged: PackagedFile,
  hashMbMax: number,
): Promise<PackageState> {
  if (now === undefined || !isRegular(now.mode) || now.sha256 === "") return "unknown";
  if (packaged.algorithm !== "md5" || md5 !== undefined)
    return parts.packages.judge(packaged, { sha256: now.sha256, ...(md5 === undefined ? {} : { md5 }) });
  // The package came after the file was read: read it again for the digest that the package has.
  const terminated = new Uint8Array(bytes.length + 1);
  terminated.set(bytes);
  const digest = await parts.reader.digest(AT.currentDirectory, pointerTo(terminated), {
    md5: true,
    pace: parts.pace.read,
    bytesMax: hashMbMax * MEGABYTE,
  });
  if (digest.kind !== "read" || digest.sha256 !== now.sha256 || digest.md5 === undefined) return "unknown";
  return parts.packages.judge(packaged, { sha256: digest.sha256, md5: digest.md5 });
}
