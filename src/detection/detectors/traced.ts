/**
 * States who has another process under ptrace, once for each pair. Who watches what it started itself (`strace ls`, a debugger
 * that runs the program) is told from who attached to something that was there.
 */
import type { EventDraft } from "../../core/nouns.ts";
import { type Process, processKey } from "../../core/process.ts";
import { processFields } from "../../core/render.ts";
import type { HostView } from "../../core/view.ts";
import { type Detector, derived } from "./detector.ts";

export function createTracedDetector(): Detector {
  let told = new Set<string>();
  return { id: "traced", emits: ["process_trace"], sweep };

  function sweep(view: HostView): readonly EventDraft[] {
    const now = new Set<string>();
    const drafts: EventDraft[] = [];
    for (const target of view.processes.values()) {
      const tracer = target.tracerPid === 0 ? undefined : view.processes.get(target.tracerPid);
      if (tracer === undefined) continue;
      const key = `${processKey(tracer.ref)} ${processKey(target.ref)}`;
      now.add(key);
      if (!told.has(key)) drafts.push(draftOf(view, tracer, target));
    }
    told = now;
    return drafts;
  }
}

function draftOf(view: HostView, tracer: Process, target: Process): EventDraft {
  return derived(
    "process_trace",
    "process-traced",
    tracer,
    {
      ...processFields(view, tracer),
      "trace.target.pid": target.ref.pid,
      "trace.target.executable": target.executable?.path ?? "",
      "trace.target.user": view.userName(target.uid),
      "trace.same_user": tracer.uid === target.uid,
      "trace.own_child": view.ancestors(target).some((above) => above.ref.pid === tracer.ref.pid),
    },
    { actors: [tracer.ref], relays: [], sockets: [] },
  );
}
