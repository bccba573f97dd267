/**
 * Which installed files the kernel must know to judge by itself: shells, interpreters, tools that carry bytes or fetch
 * files, login services, the dynamic loader; and all others that root alone can change, because what nobody has named
 * is suspect. Costs one listing of the system directories, 3 us a file.
 */
import { isLoginServiceName } from "../core/login_services.ts";
import { isRootOnly } from "../core/place.ts";
import { changedAt, listDirectory, realPathOf } from "../host/directories.ts";
import {
  type ElfFingerprint,
  fingerprintOf,
  resolveInSystemDirectories,
  SYSTEM_DIRECTORIES,
  statOf,
} from "../host/executables.ts";
import { classifyName, isLoaderName, type ProgramClass } from "./programs.ts";

export type KernelClass =
  | "shell"
  | "interpreter"
  | "relay"
  | "applets"
  | "verified"
  | "loader"
  | "fetcher"
  | "login"
  | "awk";

export interface KernelProgramFile {
  readonly device: number;
  readonly inode: number;
  readonly classes: readonly KernelClass[];
  /** Whose options are read how, as context/scripts.ts names it; empty for none. */
  readonly family: string;
  /** Its own name, links resolved. */
  readonly path: string;
  readonly ownerUid: number;
  readonly mode: number;
  /** To know a copy by, of those that matter as copies. */
  readonly fingerprint?: ElfFingerprint;
}

/** What is worth recognising under another name. */
const COPIED: ReadonlySet<KernelClass> = new Set(["shell", "interpreter", "relay", "applets", "loader"]);
const FETCHERS: ReadonlySet<string> = new Set(["curl", "wget", "wget2", "aria2c"]);
/** Outside of the directories that programs are found in. */
const LOADERS: readonly string[] = [
  "/lib64/ld-linux-x86-64.so.2",
  "/lib/ld-linux.so.2",
  "/lib/ld-linux-aarch64.so.1",
  "/lib/ld-linux-armhf.so.3",
  "/lib/ld-musl-x86_64.so.1",
  "/lib/ld-musl-aarch64.so.1",
];

export function classesOf(name: string, program: ProgramClass = classifyName(name)): readonly KernelClass[] {
  const { family, shell, interpreter, relayTool } = program;
  // What a box of many programs is stands in its arguments, which the kernel reads.
  const isBox = family === "busybox";
  const of: readonly [boolean, KernelClass][] = [
    [isBox, "applets"],
    [shell && !isBox, "shell"],
    [interpreter && !isBox, "interpreter"],
    [relayTool && !isBox, "relay"],
    [family === "awk", "awk"],
    [FETCHERS.has(name), "fetcher"],
    [isLoginServiceName(name), "login"],
    [isLoaderName(name), "loader"],
  ];
  return of.filter(([holds]) => holds).map(([, one]) => one);
}

/** Lists again only when one of the directories has changed, or at every sixtieth call: a file's owner changes nothing in them. */
export function createKernelProgramList(): { list(): readonly KernelProgramFile[] } {
  let listed: readonly KernelProgramFile[] = [];
  let marks = "";
  let unchanged = 0;
  return {
    list() {
      const now = SYSTEM_DIRECTORIES.map(changedAt).join(" ");
      if (now === marks && ++unchanged < UNCHANGED_MAX) return listed;
      marks = now;
      unchanged = 0;
      listed = installedKernelPrograms();
      return listed;
    },
  };
}

const UNCHANGED_MAX = 60;

/** Half of what the kernel's table holds; what is left out is named when it is first executed. */
const FILES_MAX = 4_096;

/** Each file once, with everything that any of its names says of it. */
function installedKernelPrograms(): readonly KernelProgramFile[] {
  const found = new Map<string, KernelProgramFile>();
  const add = (name: string, file: ReturnType<typeof statOf>): void => {
    if (file === undefined) return;
    const key = `${file.device}:${file.inode}`;
    const known = found.get(key);
    const path = known?.path ?? realPathOf(file.path);
    const verified: readonly KernelClass[] = isRootOnly(file) ? ["verified"] : [];
    const { family } = classifyName(name);
    const classes = [...new Set([...(known?.classes ?? []), ...classesOf(name), ...verified])];
    const fingerprint =
      known?.fingerprint ?? (classes.some((one) => COPIED.has(one)) ? fingerprintOf(file.path) : undefined);
    found.set(key, {
      device: file.device,
      inode: file.inode,
      classes,
      family: family === "" ? (known?.family ?? "") : family,
      ...(fingerprint === undefined ? {} : { fingerprint }),
      path,
      ownerUid: file.ownerUid,
      mode: file.mode,
    });
  };
  for (const directory of SYSTEM_DIRECTORIES) {
    for (const name of listDirectory(directory)) {
      if (classesOf(name).length === 0 && found.size >= FILES_MAX) continue;
      for (const file of resolveInSystemDirectories(name, [directory])) add(name, file);
    }
  }
  for (const path of LOADERS) add(path.slice(path.lastIndexOf("/") + 1), statOf(path));
  return [...found.values()].filter(({ classes }) => classes.length > 0);
}
