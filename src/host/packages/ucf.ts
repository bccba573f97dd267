// Settings that packages install through ucf(1) instead of dpkg: the file and the MD5 of the version the package brought.
// Trusts root's files in /var/lib/ucf, as dpkg's. A file that somebody edited since is "config", like a conffile.
// Costs two reads of a few kilobytes when they changed.
import { join } from "node:path";
import type { PackageContent, PackagedPath } from "../../core/packages.ts";
import { stampOf, textOf } from "./text.ts";

const BYTES_MAX = 4 * 1024 * 1024;
/** Before the owner's name, so that none is taken for a list of dpkg's. */
const PREFIX = "ucf/";

export function ucfFingerprint(root: string): string {
  return ["hashfile", "registry"].map((name) => stampOf(join(root, "var/lib/ucf", name))).join(" ");
}

export function isUcfOwner(owner: string): boolean {
  return owner.startsWith(PREFIX);
}

/** By owner. Empty where no package uses ucf. Throws what reading throws. */
export function ucfContents(
  root: string,
  canonical: (path: string) => string,
): ReadonlyMap<string, PackageContent & { readonly stamp: string }> {
  const directory = join(root, "var/lib/ucf");
  const packages = parseRegistry(textOf(join(directory, "registry"), BYTES_MAX));
  const files = new Map<string, PackagedPath[]>();
  for (const [path, digest] of parseHashfile(textOf(join(directory, "hashfile"), BYTES_MAX))) {
    // ufw, for one, does not register what it keeps with ucf.
    const name = packages.get(path) ?? "ucf";
    const known = files.get(name) ?? [];
    known.push({ path: canonical(path), algorithm: "md5", digest, config: true });
    files.set(name, known);
  }
  return new Map(
    [...files].map(([name, own]) => {
      const stamp = Bun.hash(own.map(({ path, digest }) => `${digest} ${path}`).join("\n")).toString(36);
      return [`${PREFIX}${name}`, { owner: `${PREFIX}${name}`, name, files: own, stamp }] as const;
    }),
  );
}

/** Lines `MD5  /path`. Settings only: a line here must not speak for a program that dpkg brought. */
export function parseHashfile(text: string): Map<string, string> {
  const digests = new Map<string, string>();
  for (const line of text.split("\n")) {
    const found = /^([0-9a-f]{32}) [ *](\/etc\/.*)$/.exec(line);
    if (found?.[1] !== undefined && found[2] !== undefined) digests.set(found[2], found[1]);
  }
  return digests;
}

/** Lines `package <tab> /path`: path to package. */
export function parseRegistry(text: string): Map<string, string> {
  const packages = new Map<string, string>();
  for (const line of text.split("\n")) {
    const found = /^([a-z0-9][a-z0-9+.-]*)[ \t]+(\/.*)$/.exec(line);
    if (found?.[1] !== undefined && found[2] !== undefined) packages.set(found[2], found[1]);
  }
  return packages;
}
