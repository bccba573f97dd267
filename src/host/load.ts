// The host's own load: processors, memory, local filesystems, network interfaces.
// Trusts the kernel; only filesystems on block devices of this host are asked, because others can hang whoever asks.
// Costs four small files a scan (60 us) and once a minute the list of mounts.
import { statfsSync } from "node:fs";
import { AT } from "./libc.ts";
import { decodeText, readBytes, readLarge, statFollowing } from "./procfs.ts";

const MOUNTINFO_BYTES_MAX = 4 * 1024 * 1024;
const MOUNTS_MAX = 256;
const INTERFACES_MAX = 1_024;
/** Disks, and what a volume or array of them is formatted with. Images (squashfs, iso9660, erofs) are always full. */
const LOCAL_FILESYSTEMS: ReadonlySet<string> = new Set(
  "ext2 ext3 ext4 xfs btrfs f2fs zfs bcachefs jfs reiserfs nilfs2 vfat exfat ntfs3".split(" "),
);

/** Ticks since boot, of all processors together. */
export interface CpuTicks {
  readonly idle: number;
  readonly total: number;
}

/** The first line of /proc/stat: idle and iowait are idle; what another guest took (steal) is not. Guest time is in user. */
export function parseCpuTicks(text: string): CpuTicks | undefined {
  const numbers = /^cpu +([\d ]+)$/m.exec(text)?.[1]?.trim().split(/ +/).map(Number).slice(0, 8) ?? [];
  if (numbers.length < 4 || !numbers.every(Number.isSafeInteger)) return undefined;
  const [, , , idle = 0, waiting = 0] = numbers;
  return { idle: idle + waiting, total: numbers.reduce((sum, ticks) => sum + ticks, 0) };
}

/** Percent of memory that a new program could not get; undefined before kernel 3.14, which does not tell. */
export function parseMemoryUsed(meminfo: string): number | undefined {
  const [total, available] = ["MemTotal", "MemAvailable"].map((name) =>
    Number(new Map([...meminfo.matchAll(/^(\w+): +(\d+) kB$/gm)].map((match) => [match[1], match[2]])).get(name)),
  );
  if (total === undefined || available === undefined || !(total > 0) || !(available >= 0)) return undefined;
  return Math.min(100, Math.max(0, 100 * (1 - available / total)));
}

export interface InterfaceBytes {
  readonly name: string;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** /proc/net/dev; a line that is no interface is left out. */
export function parseInterfaces(text: string): readonly InterfaceBytes[] {
  const interfaces: InterfaceBytes[] = [];
  for (const line of text.split("\n").slice(2, 2 + INTERFACES_MAX)) {
    const colon = line.lastIndexOf(":");
    const numbers = line
      .slice(colon + 1)
      .trim()
      .split(/ +/)
      .map(Number);
    const [receivedBytes = Number.NaN, sentBytes = Number.NaN] = [numbers[0], numbers[8]];
    const name = line.slice(0, Math.max(0, colon)).trim();
    if (name === "" || !Number.isFinite(receivedBytes) || !Number.isFinite(sentBytes)) continue;
    interfaces.push({ name, receivedBytes, sentBytes });
  }
  return interfaces;
}

/** Where local filesystems that can be written are mounted, each once, at the shortest of its places. */
export function parseLocalMounts(mountinfo: string): readonly string[] {
  const byDevice = new Map<string, string>();
  for (const line of mountinfo.split("\n")) {
    // proc_pid_mountinfo(5): 27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
    const [left = "", right = ""] = line.split(" - ", 2);
    const [, , device = "", , at = "", options = ""] = left.split(" ");
    const [type = "", source = "", superOptions = ""] = right.split(" ");
    // Below /run/host a container manager shows parts of the machine around us (systemd's container interface).
    if (!LOCAL_FILESYSTEMS.has(type) || at === "" || at.startsWith("/run/host/")) continue;
    if (options.split(",").includes("ro") || superOptions.split(",").includes("ro")) continue;
    const path = at.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    // Subvolumes have a device number each, and share what there is.
    const key = type === "btrfs" ? source : device;
    const known = byDevice.get(key);
    if (known === undefined ? byDevice.size < MOUNTS_MAX : path.length < known.length) byDevice.set(key, path);
  }
  return [...byDevice.values()];
}

export interface Load {
  cpu(): CpuTicks | undefined;
  memoryUsedPercent(): number | undefined;
  /** Only those with hardware (or a virtual machine's) behind them. */
  interfaces(): readonly InterfaceBytes[];
  localMounts(): readonly string[];
  /** As df(1) counts: of what users may have. Undefined where it is gone. */
  diskUsedPercent(mount: string): number | undefined;
}

/** `root` is where /proc and /sys are looked for. */
export function createLoad(root = ""): Load {
  const physical = new Map<string, boolean>();
  return {
    cpu: () => parseCpuTicks(text("/proc/stat")),
    memoryUsedPercent: () => parseMemoryUsed(text("/proc/meminfo")),
    interfaces: () => parseInterfaces(text("/proc/net/dev")).filter(({ name }) => isPhysical(name)),
    localMounts: () => {
      physical.clear();
      const bytes = readLarge(AT.currentDirectory, `${root}/proc/self/mountinfo`, MOUNTINFO_BYTES_MAX);
      return typeof bytes === "number" ? [] : parseLocalMounts(decodeText(bytes));
    },
    diskUsedPercent,
  };

  function text(path: string): string {
    const bytes = readBytes(AT.currentDirectory, root + path);
    return typeof bytes === "number" ? "" : decodeText(bytes);
  }

  function isPhysical(name: string): boolean {
    const known = physical.get(name);
    if (known !== undefined) return known;
    const found =
      !name.includes("/") && statFollowing(AT.currentDirectory, `${root}/sys/class/net/${name}/device`) !== undefined;
    physical.set(name, found);
    return found;
  }
}

function diskUsedPercent(mount: string): number | undefined {
  try {
    const { blocks, bfree, bavail } = statfsSync(mount);
    const used = blocks - bfree;
    return used + bavail > 0 ? (100 * used) / (used + bavail) : undefined;
  } catch {
    return undefined;
  }
}
