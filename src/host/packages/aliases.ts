// Directories that are links to others since the merge of / and /usr: packages name files by the old path and the new.
// Trusts the links in root's own directories. Costs a readlink a candidate, once.
import { lstatSync, realpathSync } from "node:fs";
import { join } from "node:path";

/** Only those that distributions made links of; other links inside packages are their own affair. */
const CANDIDATES = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libo32", "usr/sbin", "usr/lib64", "var/run"];

export interface Aliases {
  canonical(path: string): string;
  /** Differs when the links do. */
  readonly stamp: string;
}

export function readAliases(root: string): Aliases {
  const base = realpathSync(root).replace(/\/$/, "");
  const prefixes = CANDIDATES.flatMap((name): (readonly [string, string])[] => {
    const target = linkTarget(join(root, name));
    if (target === undefined || !target.startsWith(`${base}/`)) return [];
    return [[`/${name}/`, `${target.slice(base.length)}/`]];
  });
  return {
    stamp: prefixes.map(([from, to]) => `${from}=${to}`).join(","),
    canonical(path) {
      for (const [from, to] of prefixes) if (path.startsWith(from)) return to + path.slice(from.length);
      return path;
    },
  };
}

function linkTarget(path: string): string | undefined {
  try {
    return lstatSync(path).isSymbolicLink() ? realpathSync(path) : undefined;
  } catch {
    return undefined;
  }
}
