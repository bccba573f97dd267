/**
 * Lets a plan go that a predecessor froze and did not come to kill: everything of it that stands still runs again.
 * Trusts pidfds with a proven start time. Wakes only, so it is safe in every mode and needs no undo.
 */
import type { Clock } from "../core/clock.ts";
import type { ActionPlan, Outcome } from "../core/nouns.ts";
import { type ProcessRef, processKey } from "../core/process.ts";
import { childrenOf } from "../host/evidence.ts";
import { closePidfd, openPidfd, processState, signal } from "../host/signals.ts";

const TREE_MAX = 8_192;

/** `why` says in the outcome why the action was not finished. */
export function releasePlan(decisionId: string, plan: ActionPlan, why: string, clock: Clock): Outcome {
  const startedAtMs = clock.monotonicMs();
  const seen = new Map<string, ProcessRef>();
  let woken = 0;
  let pending: readonly ProcessRef[] = plan.kill;
  while (pending.length > 0 && seen.size < TREE_MAX) {
    const present = pending.filter((ref) => !seen.has(processKey(ref)) && processState(ref) !== "gone");
    for (const ref of present) {
      seen.set(processKey(ref), ref);
      if (wake(ref)) woken++;
    }
    pending = present.flatMap(({ pid }) => childrenOf(pid));
  }
  return {
    decisionId,
    atMs: clock.nowMs(),
    result: "failed",
    verified: false,
    killed: [],
    survived: [...seen.values()],
    socketsDestroyed: 0,
    detail: `${why}; ${woken === 0 ? "nothing of it was frozen" : `${woken} frozen processes run again`}`,
    tookMs: clock.monotonicMs() - startedAtMs,
    evidence: [],
  };
}

function wake(ref: ProcessRef): boolean {
  if (processState(ref) !== "stopped") return false;
  const opened = openPidfd(ref);
  if (!opened.ok) return false;
  const sent = signal(opened.value, "SIGCONT");
  closePidfd(opened.value);
  return sent.ok;
}
