/**
 * Which files nobody but a few programs has a reason to open: password hashes, private keys, who may become root, and the
 * site's decoys. Globs are expanded now; a file that appears later is found at the next call.
 * Costs some directory listings; reads no content.
 */
import { posix } from "node:path";
import type { FileWatch } from "../core/kernel.ts";
import { listDirectory } from "./directories.ts";

/** What one list may hold: a frame of policy is smaller than 64 KiB. */
const WATCHES_MAX = 512;
const PATHS_BYTES_MAX = 48 * 1024;
const PATH_BYTES_MAX = 4_095;
/** Of one entry besides its path, with what pads it. */
const ENTRY_BYTES = 16;

export interface WatchedFile {
  readonly path: string;
  readonly watch: FileWatch;
}

/** Watched also where there is nothing yet: somebody may make it. */
const ALWAYS = ["/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-", "/etc/sudoers"] as const;
/** One `*` in the last component, or one component that is `*`. */
const KEYS = [
  "/etc/ssh/ssh_host_*_key",
  "/root/.ssh/id_*",
  "/etc/ssl/private/*",
  "/etc/pki/tls/private/*",
  "/etc/letsencrypt/live/*/privkey.pem",
] as const;
const PUBLIC = /\.pub$/;

export interface WatchedFiles {
  readonly files: readonly WatchedFile[];
  /** Found no room. */
  readonly left: number;
}

export function watchedFiles(decoys: readonly string[]): WatchedFiles {
  const found = new Map<string, FileWatch>();
  for (const path of decoys) found.set(path, "decoy");
  const keys = KEYS.flatMap(expanded).filter((path) => !PUBLIC.test(path));
  for (const path of [...ALWAYS, ...keys]) if (!found.has(path)) found.set(path, "credentials");
  const files: WatchedFile[] = [];
  let bytes = 0;
  for (const [path, watch] of found) {
    if (Buffer.byteLength(path) > PATH_BYTES_MAX) continue;
    bytes += Buffer.byteLength(path) + ENTRY_BYTES;
    if (files.length < WATCHES_MAX && bytes <= PATHS_BYTES_MAX) files.push({ path, watch });
  }
  return { files, left: found.size - files.length };
}

function expanded(glob: string): readonly string[] {
  let paths = ["/"];
  for (const component of glob.slice(1).split("/")) {
    const [before = "", after] = component.split("*");
    paths = paths.flatMap((path) => {
      if (after === undefined) return [posix.join(path, component)];
      const isFit = (name: string): boolean =>
        name.length >= before.length + after.length && name.startsWith(before) && name.endsWith(after);
      return listDirectory(path)
        .filter(isFit)
        .map((name) => posix.join(path, name));
    });
  }
  return paths;
}
