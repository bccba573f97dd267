// Which distribution this is: /etc/os-release, else /usr/lib/os-release. Read once; trusts root's file, line by line: what is no
// KEY=value of os-release(5) is passed over.
import { readFileSync } from "node:fs";

const CHARACTERS_MAX = 64 * 1024;
const FILES: readonly string[] = ["/etc/os-release", "/usr/lib/os-release"];

export type OsRelease = ReadonlyMap<string, string>;

/** Empty where neither file can be read. */
export function readOsRelease(files = FILES): OsRelease {
  for (const file of files) {
    try {
      return parseOsRelease(readFileSync(file, "utf8"));
    } catch {
      // The second one is for hosts without the first; without both nothing is known.
    }
  }
  return new Map();
}

/** As a shell would read it, without running anything: plain, 'single' or "double" quoted values. The last of a key counts. */
export function parseOsRelease(text: string): OsRelease {
  const found = new Map<string, string>();
  for (const line of text.slice(0, CHARACTERS_MAX).split("\n")) {
    const [, key = "", raw = ""] = /^\s*([A-Z][A-Z0-9_]*)=(.*?)\s*$/.exec(line) ?? [];
    const value = unquoted(raw);
    if (key !== "" && value !== undefined) found.set(key, value);
  }
  return found;
}

/** Undefined for what a shell would not take as one word. */
function unquoted(raw: string): string | undefined {
  const single = /^'([^']*)'$/.exec(raw);
  if (single !== null) return single[1];
  const double = /^"((?:[^"\\`$]|\\.)*)"$/.exec(raw);
  if (double !== null) return (double[1] ?? "").replace(/\\(["\\$`])/g, "$1");
  return /^[^\s'"\\$`;|&<>()]*$/.test(raw) ? raw : undefined;
}

/**
 * The names of DISTRO_SPECIFIC_ALLOWANCES for this distribution, to be added to TRUSTED_SYSTEM_PROCESSES: those under
 * its ID and under each word of ID_LIKE, whatever their case. Names only: a path would trust a file without the check.
 */
export function distroAllowances(
  allowances: Readonly<Record<string, readonly string[]>>,
  osRelease: OsRelease,
): string[] {
  const likes = (osRelease.get("ID_LIKE") ?? "").split(/\s+/);
  // os-release(5): without ID it is "linux".
  const words = [osRelease.get("ID") ?? "linux", ...likes].map((word) => word.toLowerCase());
  const ours = new Set(words.filter((word) => word !== ""));
  const names = Object.entries(allowances).filter(([distribution]) => ours.has(distribution.trim().toLowerCase()));
  return [...new Set(names.flatMap(([, listed]) => listed))].filter((name) => !name.startsWith("/"));
}
