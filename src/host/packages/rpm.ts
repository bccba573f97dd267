// What rpm installed where, with digest, flags and mode: asked of rpm itself, whose database has had four formats.
// Trusts /usr/bin/rpm and its database, which are root's. Started only when the database changed; costs about 2 s of
// rpm's own time for 100,000 files, and is stopped after two minutes (a damaged Berkeley database waits for ever).
import { statSync } from "node:fs";
import { join } from "node:path";
import type { PackageContent, PackagedPath, PackageReader } from "../../core/packages.ts";
import { fail, messageOf, ok, type Result } from "../../core/result.ts";
import { type Aliases, readAliases } from "./aliases.ts";

const DIRECTORIES = ["usr/lib/sysimage/rpm", "var/lib/rpm", "usr/share/rpm"];
/** sqlite, ndb, Berkeley; what sqlite has not moved into its main file yet lies beside it. */
const FILES = ["rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Packages"];
const PROGRAMS = ["usr/bin/rpm", "bin/rpm"];
const TIME_MAX_MS = 120_000;
const PACKAGES_MAX = 100_000;
/** Names in one command line; 500 of 60 bytes are far under the limit of the kernel. */
const PACKAGES_PER_RUN = 500;
const LINE_BYTES_MAX = 64 * 1024;

/** Without the epoch, which old versions of `rpm -q` do not take in a name. */
const OWNER = "%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}";
const OWNERS_FORMAT = `${OWNER}\\t%{INSTALLTIME}\\n`;
const HEADER_FORMAT = `>${OWNER}\\t%{NAME}\\t%|FILEDIGESTALGO?{%{FILEDIGESTALGO}}:{1}|\\n`;
const FILES_FORMAT = "[%{FILEMODES} %{FILEFLAGS} %{FILESTATES} -%{FILEDIGESTS} %{FILENAMES}\\n]";

/** Of RFC 4880, as rpm numbers them. */
const ALGORITHMS: Readonly<Record<string, "md5" | "sha256">> = { "1": "md5", "8": "sha256" };
/** rpmfileAttrs: %config and %ghost (owned, made later by somebody else). */
const FLAG_CONFIG = 1;
const FLAG_GHOST = 64;
/** rpmfileState: replaced by another package's file, left out, on a shared disk, of the other word size. */
const STATES_ABSENT = ["1", "2", "3", "4"];
const TYPE_MASK = 0o170000;
const TYPE_DIRECTORY = 0o040000;

export interface RpmPlaces {
  readonly program: string;
  readonly databaseDirectory: string;
}

/** Undefined where there is no rpm or it has no database below `root`. */
export function rpmReader(root: string, places = placesBelow(root)): PackageReader | undefined {
  if (places === undefined) return undefined;
  const aliases = readAliases(root);
  return {
    name: "rpm",
    canonical: aliases.canonical,
    fingerprint: () => `${aliases.stamp} ${databaseStamp(places.databaseDirectory)}`,
    owners: () => readOwners(places, aliases),
    read: (owners) => readAll(places, aliases, owners),
  };
}

function placesBelow(root: string): RpmPlaces | undefined {
  const program = PROGRAMS.map((path) => join(root, path)).find(exists);
  const databaseDirectory = DIRECTORIES.map((path) => join(root, path)).find((path) => databaseStamp(path) !== "");
  return program === undefined || databaseDirectory === undefined ? undefined : { program, databaseDirectory };
}

async function readOwners(places: RpmPlaces, aliases: Aliases): Promise<Result<ReadonlyMap<string, string>>> {
  const owners = new Map<string, string>();
  for await (const line of linesOf(places, ["-qa", "--queryformat", OWNERS_FORMAT])) {
    if (!line.ok) return line;
    const [owner, installedAt] = line.value.split("\t");
    // The keys that packages are signed with stand among them, without an architecture.
    if (owner === undefined || installedAt === undefined || owner.endsWith(".(none)")) continue;
    owners.set(owner, `${installedAt} ${aliases.stamp}`);
    if (owners.size > PACKAGES_MAX) return fail("limit", `rpm lists more than ${PACKAGES_MAX} packages`);
  }
  return ok(owners);
}

async function* readAll(
  places: RpmPlaces,
  aliases: Aliases,
  owners: readonly string[],
): AsyncGenerator<Result<PackageContent>> {
  const format = HEADER_FORMAT + FILES_FORMAT;
  for (let from = 0; from < owners.length; from += PACKAGES_PER_RUN) {
    const names = owners.slice(from, from + PACKAGES_PER_RUN);
    let content: { owner: string; name: string; algorithm: string; files: PackagedPath[] } | undefined;
    for await (const line of linesOf(places, ["-q", "--queryformat", format, "--", ...names])) {
      if (!line.ok) return yield line;
      if (line.value.startsWith(">")) {
        if (content !== undefined) yield ok(contentOf(content));
        const [owner = "", name = "", algorithm = ""] = line.value.slice(1).split("\t");
        content = { owner, name, algorithm, files: [] };
      } else if (content !== undefined) {
        const file = parseFile(line.value, content.algorithm);
        if (file !== undefined) content.files.push({ ...file, path: aliases.canonical(file.path) });
      }
    }
    if (content !== undefined) yield ok(contentOf(content));
  }
}

function contentOf({ owner, name, files }: PackageContent): PackageContent {
  return { owner, name, files };
}

/** `33188 17 0 -<digest> /path`; undefined for directories, for what is not installed and for what is no such line. */
export function parseFile(line: string, algorithmNumber: string): PackagedPath | undefined {
  const found = /^(-?\d+) (\d+) (\S+) -([0-9a-f]*) (\/.*)$/.exec(line);
  if (found === null) return undefined;
  const [, mode, flags, state = "", digest = "", path = ""] = found;
  // Modes are 16 bits, and some versions print them signed.
  if (STATES_ABSENT.includes(state) || (Number(mode) & TYPE_MASK) === TYPE_DIRECTORY) return undefined;
  const isGhost = (Number(flags) & FLAG_GHOST) !== 0;
  const config = isGhost || (Number(flags) & FLAG_CONFIG) !== 0;
  const algorithm = ALGORITHMS[algorithmNumber];
  if (algorithm === undefined || digest === "" || isGhost) return { path, algorithm: "none", digest: "", config };
  return { path, algorithm, digest, config };
}

/** What rpm writes, by lines. The last value is a fault where it failed or took too long. */
async function* linesOf(places: RpmPlaces, queries: readonly string[]): AsyncGenerator<Result<string>> {
  const [mode = "", ...rest] = queries;
  const command = [places.program, mode, "--dbpath", places.databaseDirectory, ...rest];
  try {
    const child = Bun.spawn(command, {
      cwd: "/",
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8", HOME: "/" },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      timeout: TIME_MAX_MS,
      killSignal: "SIGKILL",
    });
    try {
      yield* splitLines(child.stdout);
      const code = await child.exited;
      // `-q` counts packages that went in the meantime in its exit code; their files are simply not there.
      if (child.signalCode !== null || (code !== 0 && mode === "-qa"))
        yield failed(places, `it ended with ${child.signalCode ?? code}`);
    } finally {
      child.kill("SIGKILL");
    }
  } catch (thrown) {
    yield failed(places, messageOf(thrown));
  }
}

async function* splitLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<Result<string>> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LINE_BYTES_MAX) rest = "";
    for (const line of lines) yield ok(line);
  }
}

function failed(places: RpmPlaces, reason: string): ReturnType<typeof fail> {
  return fail(
    "io",
    `the package database ${places.databaseDirectory} cannot be read with ${places.program}: ${reason}`,
    "run `rpm -qa`; until it works, files of packages installed since are told as if no package owned them",
  );
}

function databaseStamp(directory: string): string {
  return FILES.map((name) => {
    const stats = statSync(join(directory, name), { bigint: true, throwIfNoEntry: false });
    // A reader of sqlite leaves an empty one behind or takes it away.
    return stats === undefined || stats.size === 0n ? "" : `${stats.ino}:${stats.size}:${stats.mtimeNs}`;
  })
    .filter((stamp) => stamp !== "")
    .join(",");
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
}
