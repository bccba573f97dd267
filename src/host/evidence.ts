/** What is kept of a process before it is killed, and who its children are at this moment. Reads /proc, bounded. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { ProcessEvidence } from "../core/nouns.ts";
import type { ProcessRef } from "../core/process.ts";
import { parseStat } from "./process_files.ts";
import { refOf } from "./signals.ts";

const COMMAND_LINE_MAX = 4_096;
const DESCRIPTORS_MAX = 64;

export function collectEvidence(ref: ProcessRef): ProcessEvidence | undefined {
  const root = `/proc/${ref.pid}`;
  try {
    const stat = parseStat(readFileSync(`${root}/stat`));
    if (stat === undefined || stat.startedAtTicks !== ref.startedAtTicks) return undefined;
    const status = readFileSync(`${root}/status`, "utf8");
    return {
      process: ref,
      executable: link(`${root}/exe`),
      commandLine: readFileSync(`${root}/cmdline`, "utf8").replaceAll("\0", " ").trim().slice(0, COMMAND_LINE_MAX),
      workingDirectory: link(`${root}/cwd`),
      userId: Number(/^Uid:\s+\d+\s+(\d+)/m.exec(status)?.[1] ?? -1),
      parentPid: stat.parentPid,
      descriptors: descriptorsOf(root),
    };
  } catch {
    return undefined; // it ended meanwhile
  }
}

function descriptorsOf(root: string): readonly string[] {
  try {
    const names = readdirSync(`${root}/fd`).slice(0, DESCRIPTORS_MAX);
    return names.map((name) => `${name} -> ${link(`${root}/fd/${name}`)}`);
  } catch {
    return [];
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

/** The children of all threads of a process, with their start times. Needs CONFIG_PROC_CHILDREN, else none. */
export function childrenOf(pid: number): readonly ProcessRef[] {
  const children: ProcessRef[] = [];
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      for (const child of readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ")) {
        const ref = child === "" ? undefined : refOf(Number(child));
        if (ref !== undefined) children.push(ref);
      }
    }
  } catch {
    return children; // it ended meanwhile, or the kernel lacks the file
  }
  return children;
}
