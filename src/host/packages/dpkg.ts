// What dpkg installed where, with the MD5 it came with: dpkg's own files, without running dpkg.
// Trusts root's files in /var/lib/dpkg (format: deb-md5sums(5), dpkg(1) FILES, deb-conffiles(5)); they are not signed.
// Costs 1 s and a megabyte at a time for the first reading of 100,000 files; later only packages whose lists changed.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { PackageContent, PackagedPath, PackageReader } from "../../core/packages.ts";
import { fail, messageOf, ok, type Result } from "../../core/result.ts";
import { type Aliases, readAliases } from "./aliases.ts";
import { stampOf, textOf } from "./text.ts";
import { isUcfOwner, ucfContents, ucfFingerprint } from "./ucf.ts";

/** The largest list of a real package (documentation of TeX Live) is 2 MB, a status file of 5,000 packages 6 MB. */
const LIST_BYTES_MAX = 32 * 1024 * 1024;
const STATUS_BYTES_MAX = 128 * 1024 * 1024;
const PACKAGES_MAX = 100_000;
const MD5_CHARACTERS = 32;

/** A conffile's path and the MD5 of the version the package brought. */
export type Conffiles = ReadonlyMap<string, string>;

interface Diversion {
  readonly to: string;
  /** The package that may use the original name; `:` where an administrator diverted it for all. */
  readonly by: string;
}

/** Undefined where dpkg does not keep a database below `root`. */
export function dpkgReader(root: string): PackageReader | undefined {
  const directory = join(root, "var/lib/dpkg");
  if (stampOf(join(directory, "status")) === "") return undefined;
  const aliases = readAliases(root);
  return {
    name: "dpkg",
    canonical: aliases.canonical,
    fingerprint: () =>
      [
        aliases.stamp,
        ...["status", "info", "diversions"].map((name) => stampOf(join(directory, name))),
        ucfFingerprint(root),
      ].join(" "),
    owners: async () => guarded(directory, () => ownersOf(root, directory, aliases)),
    read: (owners) => readAll(root, directory, aliases, owners),
  };
}

function ownersOf(root: string, directory: string, aliases: Aliases): Result<ReadonlyMap<string, string>> {
  const lists = readdirSync(join(directory, "info")).filter((name) => name.endsWith(".list"));
  if (lists.length > PACKAGES_MAX)
    return fail("limit", `${directory}/info lists ${lists.length} packages, more than ${PACKAGES_MAX}`);
  const conffiles = readConffiles(directory);
  // A new diversion concerns few files of few packages and is rare: everything is read again.
  const common = `${aliases.stamp} ${stampOf(join(directory, "diversions"))}`;
  const owners = new Map<string, string>();
  for (const list of lists) {
    const owner = list.slice(0, -".list".length);
    const base = join(directory, "info", owner);
    const declared = [...(conffiles.get(owner) ?? [])].join();
    const stamp = `${stampOf(`${base}.list`)} ${stampOf(`${base}.md5sums`)} ${Bun.hash(common + declared).toString(36)}`;
    owners.set(owner, stamp);
  }
  for (const { owner, stamp } of ucfContents(root, aliases.canonical).values()) owners.set(owner, stamp);
  return ok(owners);
}

async function* readAll(
  root: string,
  directory: string,
  aliases: Aliases,
  owners: readonly string[],
): AsyncGenerator<Result<PackageContent>> {
  const shared = guarded(directory, () =>
    ok({
      conffiles: readConffiles(directory),
      diversions: readDiversions(directory, aliases),
      registered: owners.some(isUcfOwner) ? ucfContents(root, aliases.canonical) : undefined,
    }),
  );
  if (!shared.ok) return yield shared;
  const { conffiles, diversions, registered } = shared.value;
  for (const owner of owners) {
    if (isUcfOwner(owner)) {
      // Gone since it was listed: it brings nothing, and the next refresh forgets it.
      yield ok(registered?.get(owner) ?? { owner, name: "ucf", files: [] });
      continue;
    }
    const base = join(directory, "info", owner);
    yield guarded(directory, () => {
      const name = owner.replace(/:[^:]*$/, "");
      const listed = parseList(textOf(`${base}.list`, LIST_BYTES_MAX));
      const digests = parseMd5sums(textOf(`${base}.md5sums`, LIST_BYTES_MAX));
      const declared: Conffiles = conffiles.get(owner) ?? new Map();
      const place = (path: string): string => aliases.canonical(placeOf(aliases.canonical(path), name, diversions));
      const files = listed.map((path) => packagedPath(place(path), digests.get(path), declared.get(path)));
      return ok({ owner, name, files });
    });
  }
}

function packagedPath(path: string, digest: string | undefined, conffile: string | undefined): PackagedPath {
  const known = conffile ?? digest;
  const config = conffile !== undefined;
  return known === undefined
    ? { path, algorithm: "none", digest: "", config }
    : { path, algorithm: "md5", digest: known, config };
}

/** Where /bin is a link, who diverts /usr/bin/x means the /bin/x of an older package too. */
function readDiversions(directory: string, aliases: Aliases): ReadonlyMap<string, Diversion> {
  const written = parseDiversions(textOf(join(directory, "diversions"), LIST_BYTES_MAX));
  return new Map([...written].map(([from, diversion]) => [aliases.canonical(from), diversion]));
}

/** Where a file of this package lies, after dpkg-divert(1). */
function placeOf(path: string, name: string, diversions: ReadonlyMap<string, Diversion>): string {
  const diversion = diversions.get(path);
  return diversion === undefined || diversion.by === name ? path : diversion.to;
}

/** Three lines each: the name, the name it was moved to, the package it was moved for. */
export function parseDiversions(text: string): Map<string, Diversion> {
  const lines = text.split("\n");
  const diversions = new Map<string, Diversion>();
  for (let at = 0; at + 2 < lines.length; at += 3) {
    const [from, to, by] = [lines[at], lines[at + 1], lines[at + 2]];
    if (from !== undefined && to !== undefined && by !== undefined) diversions.set(from, { to, by });
  }
  return diversions;
}

/** Paths of a `.list` without the directories that hold others: an entry stands right before what is below it. */
export function parseList(text: string): string[] {
  const paths: string[] = [];
  let previous = "";
  for (const line of linesOf(text)) {
    if (previous !== "" && !line.startsWith(`${previous}/`)) paths.push(previous);
    previous = line.startsWith("/") && line !== "/." ? line : "";
  }
  if (previous !== "") paths.push(previous);
  return paths;
}

/** Absolute path to digest. A name with a newline or backslash is escaped and its line starts with a backslash. */
export function parseMd5sums(text: string): Map<string, string> {
  const digests = new Map<string, string>();
  for (const line of linesOf(text)) {
    const isEscaped = line.startsWith("\\");
    const start = isEscaped ? 1 : 0;
    const digest = line.slice(start, start + MD5_CHARACTERS);
    if (!isMd5(digest) || line[start + MD5_CHARACTERS] !== " ") continue;
    const name = line.slice(start + MD5_CHARACTERS + 2).replace(/^\.?\//, "");
    const plain = isEscaped ? name.replace(/\\(.)/g, (_, next: string) => (next === "n" ? "\n" : next)) : name;
    if (plain !== "") digests.set(`/${plain}`, digest);
  }
  return digests;
}

function isMd5(text: string): boolean {
  return text.length === MD5_CHARACTERS && /^[0-9a-f]*$/.test(text);
}

/** By owner, as in the names of info/: with the architecture where the package may be installed for several. */
function readConffiles(directory: string): ReadonlyMap<string, Conffiles> {
  const found = parseStatus(textOf(join(directory, "status"), STATUS_BYTES_MAX));
  const owners = new Map<string, Conffiles>();
  for (const { name, architecture, multiArch, conffiles } of found)
    owners.set(multiArch === "same" ? `${name}:${architecture}` : name, conffiles);
  return owners;
}

interface StatusEntry {
  readonly name: string;
  readonly architecture: string;
  readonly multiArch: string;
  readonly conffiles: Conffiles;
}

/** Paragraphs of `status` that declare configuration files. */
export function* parseStatus(text: string): Generator<StatusEntry> {
  let fields = new Map<string, string>();
  let conffiles = new Map<string, string>();
  let inConffiles = false;
  const entry = (): StatusEntry => ({
    name: fields.get("Package") ?? "",
    architecture: fields.get("Architecture") ?? "",
    multiArch: fields.get("Multi-Arch") ?? "",
    conffiles,
  });
  for (const line of linesOf(text)) {
    if (line === "") {
      if (conffiles.size > 0) yield entry();
      [fields, conffiles, inConffiles] = [new Map(), new Map(), false];
    } else if (line.startsWith(" ")) {
      const found = inConffiles ? /^ (\/.*) ([0-9a-f]{32}|newconffile)(?: [a-z-]+)*$/.exec(line) : null;
      // `newconffile`: unpacked and not configured yet, so that nothing is known of its content.
      if (found !== null) conffiles.set(found[1] ?? "", found[2] === "newconffile" ? NO_DIGEST : (found[2] ?? ""));
    } else {
      inConffiles = line.startsWith("Conffiles:");
      const field = /^(Package|Architecture|Multi-Arch): (.*)$/.exec(line);
      if (field !== null) fields.set(field[1] ?? "", field[2] ?? "");
    }
  }
  if (conffiles.size > 0) yield entry();
}

/** Of no file: what is there counts as changed by somebody, which a configuration file may be. */
const NO_DIGEST = "0".repeat(MD5_CHARACTERS);

/** Without the memory of a split: a status file has 100,000 lines. */
function* linesOf(text: string): Generator<string> {
  let start = 0;
  while (start < text.length) {
    const end = text.indexOf("\n", start);
    yield text.slice(start, end < 0 ? text.length : end);
    if (end < 0) return;
    start = end + 1;
  }
}

function guarded<T>(directory: string, action: () => Result<T>): Result<T> {
  try {
    return action();
  } catch (thrown) {
    return fail(
      "io",
      `the package database ${directory} cannot be read: ${messageOf(thrown)}`,
      "run `dpkg --audit`; until it can be read, files of packages installed since are told as if no package owned them",
    );
  }
}
