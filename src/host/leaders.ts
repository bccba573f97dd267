// What the watch over logins asks about the process that leads a login, and about the account behind it.
// Trusts the kernel and root's /etc/passwd; accounts of a directory service have no shell here.
// Costs a few files of /proc for each new login, nothing while nobody comes or goes.
import type { ProcessRef } from "../core/process.ts";
import { AT } from "./libc.ts";
import { parseStat, type StatFields } from "./process_files.ts";
import { decodeText, readBytes, readRecord, statFollowing } from "./procfs.ts";

const CHILDREN_MAX = 64;
const PASSWD_BYTES_MAX = 256 * 1024;

export interface Leaders {
  /** Undefined where the process has ended. */
  refOf(pid: number): ProcessRef | undefined;
  /** 0 where it has none or has ended. */
  parentOf(pid: number): number;
  /** The name the kernel shows; empty where it has ended. */
  nameOf(pid: number): string;
  /** Whom it acts as; -1 where it has ended. */
  uidOf(pid: number): number;
  /** Terminal of what the leader's child runs (`pts/3`): sshd itself has none. Empty where there is none. */
  terminalBelow(pid: number): string;
  /** Last field of the account's line; empty where there is no such line. */
  shellOf(user: string): string;
}

/** `root` is where /proc and /etc are looked for. */
export function createLeaders(root = ""): Leaders {
  return {
    refOf(pid) {
      const stat = statOf(pid);
      return stat === undefined ? undefined : { pid, startedAtTicks: stat.startedAtTicks };
    },
    parentOf: (pid) => statOf(pid)?.parentPid ?? 0,
    nameOf: (pid) => statOf(pid)?.name ?? "",
    uidOf: (pid) => statFollowing(AT.currentDirectory, `${root}/proc/${pid}`)?.uid ?? -1,
    terminalBelow(pid) {
      const below = childrenOf(pid).flatMap((child) => [child, ...childrenOf(child)]);
      for (const candidate of below) {
        const name = terminalName(statOf(candidate)?.terminalDevice ?? 0);
        if (name !== "") return name;
      }
      return "";
    },
    shellOf(user) {
      const bytes = readBytes(AT.currentDirectory, `${root}/etc/passwd`, PASSWD_BYTES_MAX);
      if (typeof bytes === "number") return "";
      const line = decodeText(bytes)
        .split("\n")
        .find((each) => each.startsWith(`${user}:`));
      return line?.split(":")[6]?.trim() ?? "";
    },
  };

  function statOf(pid: number): StatFields | undefined {
    if (pid <= 0) return undefined;
    const bytes = readRecord(AT.currentDirectory, `${root}/proc/${pid}/stat`);
    return typeof bytes === "number" ? undefined : parseStat(bytes);
  }

  /** Needs CONFIG_PROC_CHILDREN, as every distribution's kernel has. */
  function childrenOf(pid: number): readonly number[] {
    const bytes = readBytes(AT.currentDirectory, `${root}/proc/${pid}/task/${pid}/children`);
    if (typeof bytes === "number") return [];
    return decodeText(bytes).split(" ").map(Number).filter(Boolean).slice(0, CHILDREN_MAX);
  }
}

/** The name below /dev of a controlling terminal, by its number in /proc/pid/stat; empty for what nobody logs in on. */
export function terminalName(device: number): string {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts/${(major - 136) * 256 + minor}`; // Unix98 terminals, devices.txt
  if (major !== 4) return "";
  return minor < 64 ? `tty${minor}` : `ttyS${minor - 64}`;
}
