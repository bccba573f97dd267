/**
 * The head of the daemon: from a view of the host to findings and decisions. No clock, no files, no awaiting; the same
 * code judges live sweeps and rehearsals.
 */
import type { Decision, Event, EventDraft, Finding } from "../core/nouns.ts";
import type { HostView } from "../core/view.ts";
import type { KillBudget } from "../decision/budget.ts";
import { decide } from "../decision/decide.ts";
import type { Policy } from "../decision/policy.ts";
import type { Detector } from "../detection/detectors/detector.ts";
import { type Engine, findingOf } from "../detection/engine.ts";

export interface Judged {
  readonly finding: Finding;
  readonly decision: Decision;
}

export interface Judgement {
  readonly events: readonly Event[];
  readonly judged: readonly Judged[];
}

export interface JudgeInput {
  readonly view: HostView;
  /** What the sources saw. */
  readonly changes: Iterable<EventDraft>;
  readonly detectors: readonly Detector[];
  readonly engine: Engine;
  readonly policy: Policy;
  readonly budget: KillBudget;
  readonly atMs: number;
  readonly newId: () => string;
  /** A detector that threw: our bug, told, and the others go on. */
  readonly onDetectorFault: (detector: string, thrown: unknown) => void;
}

export function judge(input: JudgeInput): Judgement {
  const { view, engine, policy, budget, atMs, newId } = input;
  const drafts = [...input.changes];
  for (const detector of input.detectors) {
    try {
      drafts.push(...detector.sweep(view));
    } catch (thrown) {
      input.onDetectorFault(detector.id, thrown);
    }
  }
  const events: Event[] = drafts.map((draft) => ({ ...draft, id: newId(), atMs }));
  const judged: Judged[] = [];
  for (const event of events) {
    for (const match of engine.evaluate(event)) {
      if (isOff(match.rule.ref, policy)) continue;
      const finding = findingOf(match, event, newId(), atMs);
      judged.push({ finding, decision: decide(finding, view, policy, budget, { id: newId(), atMs }) });
    }
  }
  return { events, judged };
}

function isOff(rule: { readonly id: string; readonly name: string }, policy: Policy): boolean {
  return (policy.rules.get(rule.name) ?? policy.rules.get(rule.id.toLowerCase())) === "off";
}
