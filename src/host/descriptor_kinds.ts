// What one descriptor is, and the name by which its other end is found; terminals by the pts index of their devpts instance.
// Trusts link texts only for kinds that cannot be path names (those start with `/`); paths are settled by stat.
// Costs one stat; a terminal's master one small file more.
import type { DescriptorKind } from "../core/process.ts";
import type { Name } from "./libc.ts";
import { decodeText, FILE_TYPE, type FileStat, readRecord, statFollowing } from "./procfs.ts";

const PTS_MAJOR_FIRST = 136; // Documentation/admin-guide/devices.txt
const PTS_MAJOR_LAST = 143;
const OTHER_TERMINALS: ReadonlySet<number> = new Set([4, 166, 188, 204, 229]); // consoles and serial lines; ibid.

export interface DescriptorClass {
  readonly kind: DescriptorKind;
  readonly channel: string;
}

/** Whose descriptor it is. */
export interface DescriptorOwner {
  /** Its directory in /proc, open. */
  readonly directory: number;
  /** Device number of its controlling terminal, which /dev/tty stands for. */
  readonly terminalDevice: number;
  /** Device of our own devpts. */
  readonly ourTerminals: number;
}

/** `directory` and `at` name the descriptor in /proc/pid/fd, `target` is its link text. */
export function classifyDescriptor(
  owner: DescriptorOwner,
  directory: number,
  fd: number,
  at: Name,
  target: string,
): DescriptorClass {
  if (target.startsWith("pipe:[")) return { kind: "pipe", channel: `pipe:${inodeOf(target)}` };
  if (target.startsWith("socket:[")) return { kind: "socket", channel: `socket:${inodeOf(target)}` };
  if (!target.startsWith("/")) return { kind: "other", channel: "" };
  const stat = statFollowing(directory, at);
  if (stat === undefined) return { kind: "other", channel: "" };
  switch (stat.mode & FILE_TYPE.mask) {
    case FILE_TYPE.fifo:
      return { kind: "fifo", channel: `fifo:${stat.device}:${stat.inode}` };
    case FILE_TYPE.character:
      return terminalKind(owner, fd, target, stat);
    case FILE_TYPE.regular:
    case FILE_TYPE.directory:
      return { kind: "file", channel: "" };
    default:
      return { kind: "other", channel: "" };
  }
}

function terminalKind(owner: DescriptorOwner, fd: number, target: string, stat: FileStat): DescriptorClass {
  const { nodeMajor: major, nodeMinor: minor } = stat;
  if (major >= PTS_MAJOR_FIRST && major <= PTS_MAJOR_LAST)
    return { kind: "terminal", channel: channelOf(owner, (major - PTS_MAJOR_FIRST) * 256 + minor, stat.device) };
  if (major === 5 && minor === 2) {
    const index = terminalIndexOf(owner.directory, fd);
    // A master opened as /dev/ptmx does not show which devpts it belongs to: the one of its process, then.
    const instance = target.endsWith("/pts/ptmx") ? stat.device : terminalsOf(owner);
    return { kind: "terminal-master", channel: index === undefined ? "" : channelOf(owner, index, instance) };
  }
  if (major === 5 && minor === 0) {
    const controlling = owner.terminalDevice;
    const controllingMajor = (controlling >>> 8) & 0xfff;
    const index = (controllingMajor - PTS_MAJOR_FIRST) * 256 + (controlling & 0xff) + ((controlling >>> 20) << 8);
    const isPts = controllingMajor >= PTS_MAJOR_FIRST && controllingMajor <= PTS_MAJOR_LAST;
    return {
      kind: "terminal",
      channel: isPts ? channelOf(owner, index, terminalsOf(owner)) : "",
    };
  }
  return { kind: isTerminalNode(major, minor) ? "terminal" : "other", channel: "" };
}

/** Whether a character device is a terminal or a terminal's master: any that `terminalKind` does not call other. */
export function isTerminalNode(major: number, minor: number): boolean {
  return (
    (major >= PTS_MAJOR_FIRST && major <= PTS_MAJOR_LAST) || (major === 5 && minor <= 2) || OTHER_TERMINALS.has(major)
  );
}

/** Indexes repeat in every devpts instance: those of containers carry the instance's device. */
function channelOf({ ourTerminals }: DescriptorOwner, index: number, instance: number): string {
  return instance === ourTerminals || instance < 0 ? `terminal:${index}` : `terminal:${instance}:${index}`;
}

function terminalsOf({ directory, ourTerminals }: DescriptorOwner): number {
  return statFollowing(directory, "root/dev/pts")?.device ?? ourTerminals;
}

/** `pipe:[4711]` -> 4711. */
function inodeOf(target: string): number {
  return Number(target.slice(target.indexOf("[") + 1, -1));
}

/** Which pts a master owns, as fdinfo says since kernel 4.13. */
function terminalIndexOf(processDirectory: number, fd: number): number | undefined {
  const bytes = readRecord(processDirectory, `fdinfo/${fd}`);
  if (typeof bytes === "number") return undefined;
  const text = decodeText(bytes);
  const at = text.indexOf("tty-index:");
  const index = at < 0 ? Number.NaN : Number.parseInt(text.slice(at + 10), 10);
  return Number.isInteger(index) ? index : undefined;
}
