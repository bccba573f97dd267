/**
 * TRUSTED_SYSTEM_PROCESSES: a name is honoured for the very file that a system directory has under it (links
 * followed, case ignored), root-owned, in our mount namespace; an interpreter only with a script that is as good.
 */
import { baseName } from "../core/place.ts";
import type { Process } from "../core/process.ts";
import type { ProgramFacts, Script } from "../core/view.ts";
import { listDirectory } from "../host/directories.ts";
import { resolveInSystemDirectories, SYSTEM_DIRECTORIES } from "../host/executables.ts";

export interface NameTrust {
  learn(names: readonly string[]): void;
  isTrusted(process: Process, program: ProgramFacts, script: Script): boolean;
}

export function createNameTrust(): NameTrust {
  let files = new Set<string>();
  return { learn, isTrusted };

  function learn(names: readonly string[]): void {
    const wanted = new Set(names.filter((name) => !name.startsWith("/")).map((name) => name.toLowerCase()));
    files = new Set();
    for (const directory of SYSTEM_DIRECTORIES) {
      for (const entry of listDirectory(directory)) {
        if (!wanted.has(entry.toLowerCase())) continue;
        for (const file of resolveInSystemDirectories(baseName(entry), [directory])) files.add(`${file.device}:${file.inode}`);
      }
    }
  }

  function isTrusted(process: Process, program: ProgramFacts, script: Script): boolean {
    const executable = process.executable;
    if (executable === undefined || !program.verified || !files.has(`${executable.device}:${executable.inode}`)) return false;
    return !program.interpreter || (script.kind === "file" && script.verified);
  }
}
