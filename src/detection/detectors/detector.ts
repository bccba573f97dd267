import type { EventDraft, Fields, LogSource, Subject } from "../../core/nouns.ts";
import type { Process, ProcessRef } from "../../core/process.ts";
import type { HostView } from "../../core/view.ts";

/** A detector turns what a sweep saw into derived events. It states facts; rules judge them. */
export interface Detector {
  readonly id: string;
  /** Categories of the events it derives (logsource `service: algo-monitor`). */
  readonly emits: readonly string[];
  /** Needs no memory of earlier sweeps and no time between them: it is asked in a look out of turn as well. */
  readonly urgent?: true;
  /** Called once after every sweep, on the whole view. Pure but for memory the detector keeps of earlier sweeps. */
  sweep(view: HostView): readonly EventDraft[];
}

export function derived(
  category: string,
  action: string,
  process: Process,
  fields: Fields,
  subject?: Subject,
): EventDraft {
  const draft = { action, logsource: ownLogSource(category), fields, process: process.ref };
  return subject === undefined ? draft : { ...draft, subject };
}

export function ownLogSource(category: string): LogSource {
  return { product: "linux", service: "algo-monitor", category };
}

export function refsOf(processes: Iterable<Process>): readonly ProcessRef[] {
  return [...processes].map((process) => process.ref);
}
