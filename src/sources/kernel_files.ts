/**
 * Which file a number is: the facts of executables by the device and inode the kernel names, kept while processes are
 * too short-lived to be asked. Trusts the listing of the system directories, then /proc/pid/exe, then the path handed
 * to exec where it leads to that inode.
 * Costs 20 us once a file.
 */
import type { KernelTask } from "../core/kernel.ts";
import type { Executable } from "../core/process.ts";
import { realPathOf } from "../host/directories.ts";
import { createExecutableReader, type ResolvedFile, statOf } from "../host/executables.ts";
import { AT, closeDescriptor } from "../host/libc.ts";
import { openDirectory } from "../host/procfs.ts";

const FILES_MAX = 8_192;
/** A file may be given to somebody else or made writable while its number stays. */
const FRESH_MS = 30_000;

export interface KernelFiles {
  /** @param path as handed to exec, made absolute; empty where nobody knows it. */
  executableOf(task: KernelTask, path: string): Executable;
  /** Files that are known without anybody running them. */
  learn(files: readonly ResolvedFile[]): void;
}

interface KnownFile {
  readonly executable: Executable;
  readonly atMs: number;
}

export function createKernelFiles(nowMs: () => number): KernelFiles {
  const reader = createExecutableReader();
  const known = new Map<string, KnownFile>();
  let installed: ReadonlyMap<string, Executable> = new Map();
  return { executableOf, learn };

  function learn(files: readonly ResolvedFile[]): void {
    installed = new Map(
      files.map(({ path, device, inode, ownerUid, mode }) => [
        `${device}:${inode}`,
        { path, device, inode, ownerUid, mode, deleted: false, memfd: false },
      ]),
    );
  }

  function executableOf(task: KernelTask, path: string): Executable {
    const key = `${task.device}:${task.inode}`;
    const kept = known.get(key);
    if (kept !== undefined && Math.abs(nowMs() - kept.atMs) < FRESH_MS) return kept.executable;
    const executable = installed.get(key) ?? ofLiving(task) ?? ofPath(task, path) ?? kept?.executable;
    // What was read of nobody is kept by nobody: the next look may find it alive.
    if (executable === undefined) return unknownFile(task, path);
    known.delete(key);
    if (known.size >= FILES_MAX) known.delete(known.keys().next().value ?? "");
    known.set(key, { executable, atMs: nowMs() });
    return executable;
  }

  function ofLiving({ ref, inode }: KernelTask): Executable | undefined {
    const directory = openDirectory(AT.currentDirectory, `/proc/${ref.pid}`);
    if (directory < 0) return undefined;
    const executable = reader.read(directory, undefined, true);
    closeDescriptor(directory);
    // The device is not compared: an overlay or btrfs shows another one here than the kernel names.
    return executable?.inode === inode ? executable : undefined;
  }
}

function ofPath({ inode, marks }: KernelTask, path: string): Executable | undefined {
  const file = path.startsWith("/") && !marks.deleted ? statOf(path) : undefined;
  if (file === undefined || file.inode !== inode) return undefined;
  return { ...file, path: realPathOf(file.path), deleted: false, memfd: false };
}

/** Nobody vouches for it. */
function unknownFile({ device, inode, marks }: KernelTask, path: string): Executable {
  return { path, device, inode, ownerUid: -1, mode: 0, deleted: marks.deleted, memfd: marks.memfd };
}
