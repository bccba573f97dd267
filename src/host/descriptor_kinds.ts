// What one descriptor is, and the name by which its other end is found; terminals by the pts index of their devpts instance.
// Trusts link texts only for kinds that cannot be path names (those start with `/`); paths are settled by stat.
// Costs one stat; a terminal's master one small file more.
import type { DescriptorKind } from "../core/process.ts";
import type { Name } from "./libc.ts";
import { decodeText, FILE_TYPE, type FileStat, numberInBrackets, readRecord, statFollowing } from "./procfs.ts";

const PTS_MAJOR_FIRST = 136; // Documentation/admin-guide/devices.txt
const PTS_MAJOR_LAST = 143;

export interface DescriptorClass {
  readonly kind: DescriptorKind;
  readonly channel: string;
}

export function classifyDescriptor(
  ourTerminals: number,
  processDirectory: number,
  directory: number,
  fd: number,
  at: Name,
  link: Uint8Array,
  target: string,
  terminalDevice: number,
): DescriptorClass {
  if (target.startsWith("pipe:[")) return { kind: "pipe", channel: `pipe:${numberInBrackets(link)}` };
  if (target.startsWith("socket:[")) return { kind: "socket", channel: `socket:${numberInBrackets(link)}` };
  if (!target.startsWith("/")) return { kind: "other", channel: "" };
  const stat = statFollowing(directory, at);
  if (stat === undefined) return { kind: "other", channel: "" };
  switch (stat.mode & FILE_TYPE.mask) {
    case FILE_TYPE.fifo:
      return { kind: "fifo", channel: `fifo:${stat.device}:${stat.inode}` };
    case FILE_TYPE.character:
      return terminalKind(ourTerminals, processDirectory, fd, target, stat, terminalDevice);
    case FILE_TYPE.regular:
    case FILE_TYPE.directory:
      return { kind: "file", channel: "" };
    default:
      return { kind: "other", channel: "" };
  }
}

function terminalKind(
  ourTerminals: number,
  processDirectory: number,
  fd: number,
  target: string,
  stat: FileStat,
  terminalDevice: number,
): DescriptorClass {
  const { nodeMajor: major, nodeMinor: minor } = stat;
  if (major >= PTS_MAJOR_FIRST && major <= PTS_MAJOR_LAST)
    return { kind: "terminal", channel: channelOf(ourTerminals, (major - PTS_MAJOR_FIRST) * 256 + minor, stat.device) };
  if (major === 5 && minor === 2) {
    const index = terminalIndexOf(processDirectory, fd);
    // A master opened as /dev/ptmx does not show which devpts it belongs to: the one of its process, then.
    const instance = target.endsWith("/pts/ptmx") ? stat.device : terminalsOf(processDirectory, ourTerminals);
    return { kind: "terminal-master", channel: index === undefined ? "" : channelOf(ourTerminals, index, instance) };
  }
  if (major === 5 && minor === 0) {
    const controlling = terminalDevice;
    const controllingMajor = (controlling >>> 8) & 0xfff;
    const index = (controllingMajor - PTS_MAJOR_FIRST) * 256 + (controlling & 0xff) + ((controlling >>> 20) << 8);
    const isPts = controllingMajor >= PTS_MAJOR_FIRST && controllingMajor <= PTS_MAJOR_LAST;
    return {
      kind: "terminal",
      channel: isPts ? channelOf(ourTerminals, index, terminalsOf(processDirectory, ourTerminals)) : "",
    };
  }
  const isOtherTerminal =
    major === 4 || (major === 5 && minor === 1) || major === 204 || major === 229 || major === 188 || major === 166;
  return { kind: isOtherTerminal ? "terminal" : "other", channel: "" };
}

/** Indexes repeat in every devpts instance: those of containers carry the instance's device. */
function channelOf(ourTerminals: number, index: number, instance: number): string {
  return instance === ourTerminals || instance < 0 ? `terminal:${index}` : `terminal:${instance}:${index}`;
}

function terminalsOf(processDirectory: number, ourTerminals: number): number {
  return statFollowing(processDirectory, "root/dev/pts")?.device ?? ourTerminals;
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
