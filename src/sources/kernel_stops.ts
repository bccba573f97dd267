/** Verdicts of the kernel that wait to be told. A retry loop makes thousands a second: equal ones are one, with a count. */
import type { KernelVerdict } from "../core/kernel.ts";
import type { EventDraft } from "../core/nouns.ts";
import { type Process, type ProcessRef, sameProcess } from "../core/process.ts";
import type { HostView } from "../core/view.ts";
import type { KernelProcesses } from "./kernel_processes.ts";
import { verdictDraft } from "./kernel_verdicts.ts";

const WAITING_MAX = 1_024;

export interface KernelStops {
  hear(verdict: KernelVerdict): void;
  take(view: HostView, withGone: (gone: readonly Process[]) => HostView): readonly EventDraft[];
  readonly waiting: number;
  /** Since start: heard, and of those the ones that found no room. */
  readonly heard: number;
  readonly lost: number;
}

interface Waiting {
  verdict: KernelVerdict;
  times: number;
}

export function createKernelStops(processes: KernelProcesses): KernelStops {
  const waiting = new Map<string, Waiting>();
  let heard = 0;
  let lost = 0;
  return {
    hear,
    take,
    get waiting() {
      return waiting.size;
    },
    get heard() {
      return heard;
    },
    get lost() {
      return lost;
    },
  };

  function hear(verdict: KernelVerdict): void {
    heard++;
    const key = keyOf(verdict);
    const known = waiting.get(key);
    if (known !== undefined) {
      // The newest: its parent is likelier to live.
      known.verdict = verdict;
      known.times++;
    } else if (waiting.size >= WAITING_MAX) lost++;
    else waiting.set(key, { verdict, times: 1 });
  }

  function take(view: HostView, withGone: (gone: readonly Process[]) => HostView): readonly EventDraft[] {
    if (waiting.size === 0) return [];
    const taken = [...waiting.values()];
    waiting.clear();
    const described = taken.map((one) => ({
      ...one,
      process: livingIn(view, one.verdict.task.ref) ?? processes.describe(one.verdict.task, one.verdict.argv),
      ancestors: processes.ancestorsOf(one.verdict.task),
    }));
    const above = described.flatMap(({ ancestors }) => ancestors.flatMap((ref) => processes.described(ref) ?? []));
    const whole = withGone([...described.map(({ process }) => process), ...above]);
    return described.map(({ verdict, process, ancestors, times }) => {
      const draft = verdictDraft(whole, verdict, process, ancestors);
      return times === 1 ? draft : { ...draft, fields: { ...draft.fields, "kernel.times": times } };
    });
  }
}

/** Who was not killed is known better by the sweep that saw it. */
function livingIn(view: HostView, ref: ProcessRef): Process | undefined {
  const process = view.processes.get(ref.pid);
  return process?.executable !== undefined && sameProcess(process.ref, ref) ? process : undefined;
}

/** Of one loop the same; two units of one file below systemd are two, and so are two ports. */
function keyOf({ rule, shape, stage, action, task, connection, holder }: KernelVerdict): string {
  const { parent } = task;
  return [
    rule,
    shape,
    stage,
    action,
    task.inode,
    task.cgroup,
    parent?.pid ?? 0,
    holder?.pid ?? 0,
    connection?.remote.address ?? "",
    connection?.remote.port ?? 0,
  ].join(" ");
}
