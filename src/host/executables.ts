// Facts of the file that a process runs, and of the files that a system name stands for.
// Trusts device and inode as the kernel gives them, never the name; reads file contents only to find the build-id.
// Costs 1.5 us a process and sweep; 20 us once for each file not seen before.
import type { Executable } from "../core/process.ts";
import { parseBuildId } from "./elf.ts";
import { AT, closeDescriptor, type Name, OPEN, openAt, readAt } from "./libc.ts";
import { decodeText, FILE_TYPE, type FileStat, readBytes, readLinkText, statFollowing } from "./procfs.ts";

/** Where distributions install programs; looked through in this order when a bare name is resolved. */
export const SYSTEM_DIRECTORIES: readonly string[] = [
  "/usr/bin",
  "/usr/sbin",
  "/bin",
  "/sbin",
  "/usr/local/bin",
  "/usr/local/sbin",
  "/usr/lib/systemd",
  "/lib/systemd",
  "/usr/libexec",
  "/usr/lib/openssh",
  "/usr/libexec/openssh",
  "/usr/lib/ssh",
  "/usr/lib/postfix/sbin",
  "/usr/libexec/postfix",
  "/usr/lib/polkit-1",
  "/usr/lib/policykit-1",
];

const SYSTEM_PREFIXES: readonly string[] = [
  "/usr/bin/",
  "/usr/sbin/",
  "/bin/",
  "/sbin/",
  "/usr/lib/",
  "/usr/lib32/",
  "/usr/lib64/",
  "/usr/libexec/",
  "/lib/",
  "/lib32/",
  "/lib64/",
  "/usr/local/bin/",
  "/usr/local/sbin/",
];

const BUILD_IDS_MAX = 4096;
const MOUNTINFO_BYTES_MAX = 256 * 1024;
const DELETED = " (deleted)";

export interface ResolvedFile {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  readonly ownerUid: number;
  /** Permission bits including setuid, setgid and sticky. */
  readonly mode: number;
}

export function isInSystemDirectory(path: string): boolean {
  return SYSTEM_PREFIXES.some((prefix) => path.startsWith(prefix)) && !path.includes("/../");
}

/** The regular files that a bare name stands for in the system directories, links followed, each inode once. */
export function resolveInSystemDirectories(
  name: string,
  directories: readonly string[] = SYSTEM_DIRECTORIES,
): ResolvedFile[] {
  if (name === "" || name === "." || name === ".." || name.length > 255 || name.includes("/") || name.includes("\0"))
    return [];
  const found: ResolvedFile[] = [];
  for (const directory of directories) {
    const path = `${directory}/${name}`;
    const file = statOf(path);
    if (file !== undefined && !found.some((other) => other.device === file.device && other.inode === file.inode))
      found.push(file);
  }
  return found;
}

/** The regular file at a path, links followed. */
export function statOf(path: string): ResolvedFile | undefined {
  const stat = statFollowing(AT.currentDirectory, path);
  if (stat === undefined || (stat.mode & FILE_TYPE.mask) !== FILE_TYPE.regular) return undefined;
  return { path, device: stat.device, inode: stat.inode, ownerUid: stat.uid, mode: stat.mode & 0o7777 };
}

/** The device that a file or directory lies on. */
export function deviceOf(path: string): number | undefined {
  return statFollowing(AT.currentDirectory, path)?.device;
}

/** The GNU build-id of a file, lower-case hex. */
export function buildIdOf(path: string): string | undefined {
  return readBuildId(AT.currentDirectory, path);
}

export interface ExecutableReader {
  /**
   * The executable of the process whose /proc directory is open, the same object as `known` where nothing changed.
   * `mayHaveMoved` re-reads the path, which a rename changes without touching the inode.
   */
  read(processDirectory: number, known: Executable | undefined, mayHaveMoved: boolean): Executable | undefined;
  /** Build-ids held, for tests and `status`. */
  size(): number;
}

/** What two builds of a program hardly share and a copy, even one with something appended, keeps. */
export interface ElfFingerprint {
  /** e_entry and e_shoff of elf(5). */
  readonly entry: bigint;
  readonly sections: bigint;
}

/** Undefined for what is no 64-bit ELF file, and for one without a table of sections. */
export function fingerprintOf(path: string): ElfFingerprint | undefined {
  const descriptor = openAt(AT.currentDirectory, path, OPEN.readOnly | OPEN.nonBlocking);
  if (descriptor < 0) return undefined;
  const header = new Uint8Array(64);
  const got = readAt(descriptor, header, 0);
  closeDescriptor(descriptor);
  const view = new DataView(header.buffer);
  if (got < 64 || view.getUint32(0, false) !== 0x7f454c46 || header[4] !== 2) return undefined;
  const sections = view.getBigUint64(40, true);
  return sections === 0n ? undefined : { entry: view.getBigUint64(24, true), sections };
}

export function createExecutableReader(): ExecutableReader {
  const buildIds = new Map<string, string>();
  return {
    read(processDirectory, known, mayHaveMoved) {
      const stat = statFollowing(processDirectory, "exe");
      if (stat === undefined) return undefined;
      if (known !== undefined && !mayHaveMoved && sameFacts(known, stat)) return known;
      const link = readLinkText(processDirectory, "exe");
      if (link === undefined) return undefined;
      const path =
        link.endsWith(DELETED) && !isNamed(processDirectory, link, stat) ? link.slice(0, -DELETED.length) : link;
      if (known !== undefined && known.path === path && sameFacts(known, stat)) return known;
      const buildId = cachedBuildId(processDirectory, stat);
      return {
        path,
        device: stat.device,
        inode: stat.inode,
        ownerUid: stat.uid,
        mode: stat.mode & 0o7777,
        deleted: stat.links === 0,
        memfd: stat.links === 0 && path.startsWith("/memfd:"),
        ...(buildId === undefined ? {} : { buildId }),
      };
    },
    size: () => buildIds.size,
  };

  function cachedBuildId(processDirectory: number, stat: FileStat): string | undefined {
    const key = `${stat.device}:${stat.inode}:${stat.modifiedSeconds}:${stat.modifiedNanoseconds}:${stat.sizeBytes}`;
    let buildId = buildIds.get(key);
    if (buildId === undefined) {
      buildId = mayBlock(processDirectory, stat.deviceName) ? "" : (readBuildId(processDirectory, "exe") ?? "");
      if (buildIds.size >= BUILD_IDS_MAX) buildIds.delete(buildIds.keys().next().value ?? "");
      buildIds.set(key, buildId);
    }
    return buildId === "" ? undefined : buildId;
  }
}

function sameFacts(known: Executable, stat: FileStat): boolean {
  return (
    known.device === stat.device &&
    known.inode === stat.inode &&
    known.ownerUid === stat.uid &&
    known.mode === (stat.mode & 0o7777) &&
    known.deleted === (stat.links === 0)
  );
}

/** Whether a path that ends in ` (deleted)` is really called so, seen from the process's own root. */
function isNamed(processDirectory: number, link: string, stat: FileStat): boolean {
  if (stat.links === 0) return false;
  const named = statFollowing(processDirectory, `root${link}`);
  return named !== undefined && named.device === stat.device && named.inode === stat.inode;
}

/** A file on a FUSE or network filesystem may never answer a read, and whoever serves it may be the attacker. */
function mayBlock(processDirectory: number, deviceName: string): boolean {
  const mounts = readBytes(processDirectory, "mountinfo", MOUNTINFO_BYTES_MAX);
  if (typeof mounts === "number") return false;
  for (const line of decodeText(mounts).split("\n")) {
    const [before, after] = line.split(" - ");
    if (before === undefined || after === undefined) continue;
    if (before.split(" ")[2] !== deviceName) continue;
    return ["fuse", "nfs", "cifs", "smb", "9p", "ceph", "afs", "glusterfs", "lustre"].some((kind) =>
      after.startsWith(kind),
    );
  }
  return false;
}

function readBuildId(directory: number, name: Name): string | undefined {
  const descriptor = openAt(directory, name, OPEN.readOnly | OPEN.nonBlocking);
  if (descriptor < 0) return undefined;
  const buildId = parseBuildId((offset, length) => {
    const bytes = new Uint8Array(length);
    const got = length === 0 ? 0 : readAt(descriptor, bytes, offset);
    return got < 0 ? undefined : bytes.subarray(0, got);
  });
  closeDescriptor(descriptor);
  return buildId;
}
