/**
 * TRUSTED_SYSTEM_PROCESSES: a name is honoured for the very file that a system directory has under it (links
 * followed, case ignored), root-owned, in our mount namespace; an interpreter only with a script that is as good, or
 * for a script that is itself the named file.
 */
import { baseName, isRootOnly, isSystemPath } from "../core/place.ts";
import type { Executable, Process } from "../core/process.ts";
import type { ProgramFacts, Script } from "../core/view.ts";
import { listDirectory } from "../host/directories.ts";
import { resolveInSystemDirectories, SYSTEM_DIRECTORIES, statOf } from "../host/executables.ts";

const REFUSALS_TOLD_MAX = 1_000;

/** Somebody carries a trusted name and is not trusted for it. */
export interface NameRefusal {
  readonly name: string;
  /** What is wrong with it, and what would make it trusted. */
  readonly message: string;
}

export interface NameTrust {
  learn(names: readonly string[]): void;
  isTrusted(process: Process, program: ProgramFacts, script: Script): boolean;
  /** Present once for each name and executable that is not honoured. */
  refusalOf(
    process: Process,
    program: ProgramFacts,
    script: Script,
    ourMountNamespace: number,
  ): NameRefusal | undefined;
}

export function createNameTrust(): NameTrust {
  let wanted = new Set<string>();
  let files = new Set<string>();
  const told = new Set<string>();
  return { learn, isTrusted, refusalOf };

  function learn(names: readonly string[]): void {
    wanted = new Set(names.filter((name) => !name.startsWith("/")).map((name) => name.toLowerCase()));
    files = new Set();
    for (const directory of SYSTEM_DIRECTORIES) {
      for (const entry of listDirectory(directory)) {
        if (!wanted.has(entry.toLowerCase())) continue;
        for (const file of resolveInSystemDirectories(baseName(entry), [directory])) files.add(keyOf(file));
      }
    }
  }

  function isTrusted(process: Process, program: ProgramFacts, script: Script): boolean {
    const executable = process.executable;
    if (executable === undefined || !program.verified) return false;
    // After a package upgrade the file of the name is another than the one that still runs.
    const named = files.has(keyOf(executable)) || (executable.replaced === true && isNamed(executable.path));
    if (!program.interpreter) return named;
    // fail2ban-server, firewalld and their like are scripts: the file of that name is what the interpreter was given.
    return script.kind === "file" && script.verified && (named || isNamed(script.path));
  }

  function isNamed(path: string): boolean {
    const file = statOf(path);
    return file !== undefined && files.has(keyOf(file));
  }

  function refusalOf(
    process: Process,
    program: ProgramFacts,
    script: Script,
    ourMountNamespace: number,
  ): NameRefusal | undefined {
    const executable = process.executable;
    if (executable === undefined) return undefined;
    const name = [process.name, baseName(executable.path)].find((carried) => wanted.has(carried.toLowerCase()));
    if (name === undefined || isTrusted(process, program, script)) return undefined;
    const key = `${name.toLowerCase()} ${executable.path}`;
    if (told.has(key) || told.size >= REFUSALS_TOLD_MAX) return undefined;
    told.add(key);
    const why = reasonOf(process, executable, program, script, ourMountNamespace);
    const message = `pid ${process.ref.pid} (${executable.path}) carries the name ${name} of TRUSTED_SYSTEM_PROCESSES and is not trusted for it: ${why}`;
    return { name, message };
  }
}

function reasonOf(
  process: Process,
  executable: Executable,
  program: ProgramFacts,
  script: Script,
  ourMountNamespace: number,
): string {
  const { path } = executable;
  const byException = "if it is normal here, an entry of EXCEPTIONS says so: sudo algo-monitor trust <id of its alert>";
  if (process.namespaces.mount !== ourMountNamespace)
    return `it lives in a mount namespace of its own (a container, or a service with PrivateTmp= or the like), where nobody can say what its names and libraries are; ${byException}`;
  if (executable.memfd || executable.deleted)
    return "its file was deleted or is in memory only; start it again from a file";
  if (!isRootOnly(executable))
    return `others than root can change ${path}; first: sudo chown root ${path} && sudo chmod go-w ${path}, then name it by its path: sudo algo-monitor trust ${path}`;
  // The path of an interpreter would trust whatever it is given to run.
  if (program.interpreter && script.kind === "file" && statOf(script.path) === undefined)
    return `it runs the module ${baseName(script.path)}, or a script that is gone, and nobody can say which file that is; ${byException}`;
  if (program.interpreter && script.kind === "file" && !script.verified)
    return `it runs the script ${script.path}, which others than root can change or which is in no system directory; put it into /usr/local/bin, owned by root`;
  if (program.interpreter && script.kind !== "file")
    return `it is an interpreter that runs code without a file; ${byException}`;
  const where = isSystemPath(path) ? "it is not the file of that name" : "it is in no system directory";
  return `${where}; name it by its path: sudo algo-monitor trust ${path}`;
}

function keyOf(file: { readonly device: number; readonly inode: number }): string {
  return `${file.device}:${file.inode}`;
}
