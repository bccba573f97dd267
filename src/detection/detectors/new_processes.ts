/**
 * Remembers which processes (and which executables of them) it has judged, so that facts that do not change are stated
 * once per process and not once per sweep.
 */
import { type Process, processKey } from "../../core/process.ts";
import type { HostView } from "../../core/view.ts";

export interface OncePerProcess {
  /** Processes not yet passed by in an earlier sweep, or running another file since. */
  fresh(view: HostView): readonly Process[];
}

export function createOncePerProcess(): OncePerProcess {
  let seen = new Map<string, number>();
  return { fresh };

  function fresh(view: HostView): readonly Process[] {
    const next = new Map<string, number>();
    const unseen: Process[] = [];
    for (const process of view.processes.values()) {
      if (process.isKernelThread || process.executable === undefined) continue;
      const key = processKey(process.ref);
      next.set(key, process.executable.inode);
      if (seen.get(key) !== process.executable.inode) unseen.push(process);
    }
    seen = next;
    return unseen;
  }
}
