/**
 * The list of files that the sensor watches, made anew each minute and when DECOYS change. The memory of processes is
 * watched through the /proc of each PID namespace below ours; the sensor itself watches ours.
 */
import type { Clock } from "../core/clock.ts";
import type { HostView } from "../core/view.ts";
import { watchedFiles } from "../host/watched_files.ts";
import type { KernelWatch } from "./kernel_policy.ts";

const AGAIN_AFTER_MS = 60_000;
/** One for each container. */
const NAMESPACES_MAX = 128;

export interface KernelWatches {
  /** The same array for as long as nothing was looked at again. */
  list(decoys: readonly string[]): readonly KernelWatch[];
}

export function createKernelWatches(parts: {
  readonly clock: Clock;
  readonly lastView: () => HostView | undefined;
  readonly onFault: (part: string, message: string, remedy: string) => void;
}): KernelWatches {
  let known: readonly KernelWatch[] = [];
  let by: readonly string[] | undefined;
  let atMs = Number.NEGATIVE_INFINITY;
  let isLeftTold = false;
  return { list };

  function list(decoys: readonly string[]): readonly KernelWatch[] {
    const nowMs = parts.clock.monotonicMs();
    if (by === decoys && Math.abs(nowMs - atMs) < AGAIN_AFTER_MS) return known;
    by = decoys;
    atMs = nowMs;
    const { files, left } = watchedFiles(decoys);
    if (left > 0 && !isLeftTold)
      parts.onFault("sensor", `${left} files with keys or decoys found no room in its list`, "name fewer in DECOYS");
    isLeftTold = left > 0;
    known = [...files, ...processMounts(parts.lastView())];
    return known;
  }
}

/** Through the oldest process of each namespace, which lives as long as the namespace does. */
function processMounts(view: HostView | undefined): readonly KernelWatch[] {
  const firsts = new Map<number, number>();
  const own = view?.processes.get(process.pid)?.namespaces.pid;
  for (const { ref, namespaces } of view?.processes.values() ?? [])
    if (namespaces.pid !== own && namespaces.pid !== 0 && !firsts.has(namespaces.pid))
      firsts.set(namespaces.pid, ref.pid);
  if (own === undefined) return [];
  return [...firsts.values()]
    .slice(0, NAMESPACES_MAX)
    .map((pid) => ({ path: `/proc/${pid}/root/proc`, watch: "process-memory" }));
}
