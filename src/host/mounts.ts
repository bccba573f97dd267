/**
 * Which directories lie on filesystems that may hang or show somebody else's files. Read from /proc/self/mountinfo alone:
 * a mount point is never touched to find out what it is. Costs about 10 us a mount.
 */
import { readFileSync } from "node:fs";

const MOUNTS_MAX = 20_000;

/** Kept on a disk or in the memory of this host. What is not named here is not entered: unknown is not local. */
const LOCAL_TYPES: ReadonlySet<string> = new Set(
  (
    "ext2 ext3 ext4 xfs btrfs zfs f2fs bcachefs jfs reiserfs reiser4 nilfs2 ntfs ntfs3 vfat msdos exfat hfs hfsplus " +
    "udf iso9660 squashfs erofs cramfs romfs tmpfs ramfs ubifs jffs2 minix ufs apfs"
  ).split(" "),
);

export interface Mount {
  readonly path: string;
  readonly type: string;
  /** `8:1`. */
  readonly device: string;
}

export interface Mounts {
  /** The mount points that are not entered, shortest first. */
  readonly foreign: readonly Mount[];
  /** The foreign filesystem that a path lies on, by its text alone. */
  foreignAt(path: string): Mount | undefined;
}

export const NO_MOUNTS: Mounts = { foreign: [], foreignAt: () => undefined };

/** Undefined where the table cannot be read. */
export function readMounts(path = "/proc/self/mountinfo"): Mounts | undefined {
  try {
    return mountsOf(parseMounts(readFileSync(path, "latin1")));
  } catch {
    return undefined;
  }
}

/** proc_pid_mountinfo(5). Paths come as bytes in Latin-1 with octal escapes; they are decoded to what the bytes say in UTF-8. */
export function parseMounts(text: string): readonly Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n", MOUNTS_MAX)) {
    const parts = line.split(" ");
    const separator = parts.indexOf("-", 6);
    const device = parts[2];
    const path = parts[4];
    const type = parts[separator + 1];
    if (separator < 0 || device === undefined || path === undefined || type === undefined) continue;
    mounts.push({ path: unescaped(path), type, device });
  }
  return mounts;
}

/** The filesystem of `/` is the host's own, whatever its type (an image of a container or a live system is an overlay). */
export function mountsOf(mounts: readonly Mount[]): Mounts {
  const ownDevice = mounts.findLast((mount) => mount.path === "/")?.device;
  // A later mount on the same point covers the earlier ones.
  const byPath = new Map(mounts.map((mount) => [mount.path, mount]));
  const isForeign = (mount: Mount): boolean => !LOCAL_TYPES.has(mount.type) && mount.device !== ownDevice;
  const foreign = [...byPath.values()].filter(isForeign).sort((left, right) => left.path.length - right.path.length);
  return { foreign, foreignAt };

  function foreignAt(path: string): Mount | undefined {
    let at = path;
    for (;;) {
      const mount = byPath.get(at);
      if (mount !== undefined) return isForeign(mount) ? mount : undefined;
      if (at === "/" || at === "") return undefined;
      at = at.slice(0, Math.max(1, at.lastIndexOf("/")));
    }
  }
}

function unescaped(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  return Buffer.from(bytes, "latin1").toString("utf8");
}
