// What kind of host this is and who we are on it, read once at start and by `doctor`.
// Trusts /proc and /sys; in a container these describe the container, which is then what we guard.
// Costs under a millisecond.
import type { Namespaces, ProcessRef } from "../core/process.ts";
import { AT, systemConfiguration } from "./libc.ts";
import { parseCgroup, parseStat } from "./process_files.ts";
import { decodeText, readBytes, readRecord, statFollowing } from "./procfs.ts";
import { refOf } from "./signals.ts";

const ANCESTORS_MAX = 64;

export interface KernelVersion {
  readonly text: string;
  readonly major: number;
  readonly minor: number;
}

export interface SystemFacts {
  readonly kernel: KernelVersion;
  /** UUID of this boot; empty where it is not told. Start ticks are comparable only within one. */
  readonly bootId: string;
  readonly memoryTotalBytes: number;
  readonly ticksPerSecond: number;
  readonly cpus: number;
  /** The unified hierarchy alone, at /sys/fs/cgroup. */
  readonly cgroupV2: boolean;
  /** Where pid 1 sits in the hierarchy, empty for its root: the prefix of all unit paths. */
  readonly cgroupRoot: string;
  /** systemd is pid 1 here (sd_booted(3)). */
  readonly systemd: boolean;
  readonly inContainer: boolean;
  readonly namespaces: Namespaces;
  /** Ours, our parent's, ... up to pid 1. */
  readonly self: ProcessRef;
  readonly ancestors: readonly ProcessRef[];
}

export function readSystemFacts(pid = process.pid): SystemFacts {
  return {
    kernel: parseKernelVersion(text("/proc/sys/kernel/osrelease")),
    bootId: text("/proc/sys/kernel/random/boot_id"),
    memoryTotalBytes: parseMemoryTotal(text("/proc/meminfo")),
    ticksPerSecond: Math.max(1, systemConfiguration(2)), // _SC_CLK_TCK
    cpus: Math.max(1, systemConfiguration(84)), // _SC_NPROCESSORS_ONLN
    cgroupV2: exists("/sys/fs/cgroup/cgroup.controllers"),
    cgroupRoot: cgroupRootOf(parseCgroup(text("/proc/1/cgroup"))),
    systemd: exists("/run/systemd/system"),
    inContainer: isInContainer(),
    namespaces: readNamespaces("self"),
    self: refOf(pid) ?? { pid, startedAtTicks: 0 },
    ancestors: ancestorsOf(pid),
  };
}

export function readNamespaces(pid: number | "self"): Namespaces {
  const inode = (name: string) => statFollowing(AT.currentDirectory, `/proc/${pid}/ns/${name}`)?.inode ?? 0;
  return { mount: inode("mnt"), network: inode("net"), pid: inode("pid") };
}

/** Parent, grandparent, ... up to and with pid 1; shorter where one of them is in an outer pid namespace. */
export function ancestorsOf(pid: number): ProcessRef[] {
  const ancestors: ProcessRef[] = [];
  let current = parentOf(pid);
  while (current > 0 && ancestors.length < ANCESTORS_MAX) {
    const ref = refOf(current);
    if (ref === undefined) break;
    ancestors.push(ref);
    current = parentOf(current);
  }
  return ancestors;
}

/** `6.1.0-18-amd64` -> 6, 1. */
export function parseKernelVersion(release: string): KernelVersion {
  const [major = "", minor = ""] = release.split(".");
  return { text: release, major: Number.parseInt(major, 10) || 0, minor: Number.parseInt(minor, 10) || 0 };
}

/** `/init.scope` -> ``, `/docker/4711/init.scope` -> `/docker/4711`. */
export function cgroupRootOf(cgroupOfPid1: string): string {
  const path = cgroupOfPid1.endsWith("/init.scope") ? cgroupOfPid1.slice(0, -"/init.scope".length) : cgroupOfPid1;
  return path === "/" ? "" : path;
}

export function parseMemoryTotal(meminfo: string): number {
  const kibibytes = Number.parseInt(meminfo.split("MemTotal:")[1] ?? "", 10);
  return Number.isFinite(kibibytes) ? kibibytes * 1024 : 0;
}

/** Whether it has a controlling terminal now. */
export function hasTerminal(pid: number): boolean {
  return (statOf(pid)?.terminalDevice ?? 0) !== 0;
}

function parentOf(pid: number): number {
  return statOf(pid)?.parentPid ?? 0;
}

function statOf(pid: number): ReturnType<typeof parseStat> {
  const bytes = readRecord(AT.currentDirectory, `/proc/${pid}/stat`);
  return typeof bytes === "number" ? undefined : parseStat(bytes);
}

/** Container managers leave a file or a word in pid 1's environment (systemd's container interface). */
function isInContainer(): boolean {
  if (exists("/run/systemd/container") || exists("/.dockerenv") || exists("/run/.containerenv")) return true;
  const environment = readBytes(AT.currentDirectory, "/proc/1/environ");
  return (
    typeof environment !== "number" &&
    decodeText(environment)
      .split("\0")
      .some((entry) => entry.startsWith("container="))
  );
}

function text(path: string): string {
  const bytes = readBytes(AT.currentDirectory, path);
  return typeof bytes === "number" ? "" : decodeText(bytes).trim();
}

function exists(path: string): boolean {
  return statFollowing(AT.currentDirectory, path) !== undefined;
}
