/**
 * Kills a plan: freeze, prove identity, take evidence, kill, verify, cut the sockets.
 * Trusts only pidfds whose start time was re-read. Whatever fails in between, nothing is left frozen.
 * No undo: a dead process stays dead, which is why every step before it may still stop.
 */
import type { Clock } from "../core/clock.ts";
import type { ActionPlan, Outcome, ProcessEvidence } from "../core/nouns.ts";
import { type ProcessRef, processKey } from "../core/process.ts";
import { childrenOf, collectEvidence } from "../host/evidence.ts";
import { closePidfd, openPidfd, type PidHandle, processState, signal } from "../host/signals.ts";
import { destroySockets } from "./disconnect.ts";

const VERIFY_WITHIN_MS = 2_000;
const VERIFY_EVERY_MS = 5;
/** A tree that forks while it is being frozen is caught up with this many times. */
const CATCH_UP_ROUNDS = 5;
const TREE_MAX = 8_192;
/** Evidence of the first processes; the rest are counted. */
const EVIDENCE_MAX = 16;

interface Frozen {
  readonly ref: ProcessRef;
  readonly handle: PidHandle;
}

export async function killPlan(decisionId: string, plan: ActionPlan, clock: Clock): Promise<Outcome> {
  const startedAtMs = clock.monotonicMs();
  const frozen = new Map<string, Frozen>();
  const refused: { readonly ref: ProcessRef; readonly why: string }[] = [];
  let evidence: readonly ProcessEvidence[] = [];
  try {
    freezeTree(plan, frozen, refused);
    evidence = [...frozen.values()].slice(0, EVIDENCE_MAX).flatMap((held) => collectEvidence(held.ref) ?? []);
    for (const { ref, handle } of frozen.values()) {
      const sent = signal(handle, "SIGKILL");
      if (!sent.ok && sent.fault.kind !== "gone") refused.push({ ref, why: sent.fault.message });
    }
    const survived = await waitForDeaths([...frozen.values()].map((held) => held.ref), clock);
    const sockets = destroySockets(plan.sockets);
    const allSurvived = [...survived, ...refused.map((entry) => entry.ref)];
    const killed = [...frozen.values()].map((held) => held.ref).filter((ref) => !survived.includes(ref));
    return {
      decisionId,
      atMs: clock.nowMs(),
      result: allSurvived.length === 0 && sockets.left.length === 0 ? "done" : killed.length > 0 ? "partial" : "failed",
      verified: allSurvived.length === 0 && sockets.left.length === 0,
      killed,
      survived: allSurvived,
      socketsDestroyed: sockets.destroyed,
      detail: describe(killed, allSurvived, refused, sockets.left),
      tookMs: clock.monotonicMs() - startedAtMs,
      evidence,
    };
  } finally {
    for (const { handle } of frozen.values()) {
      // Harmless to the dead; wakes what a failed SIGKILL left stopped.
      signal(handle, "SIGCONT");
      closePidfd(handle);
    }
  }
}

/** Stops the plan's processes from the top down, then the children they made meanwhile. */
function freezeTree(plan: ActionPlan, frozen: Map<string, Frozen>, refused: { ref: ProcessRef; why: string }[]): void {
  const spared = new Set(plan.spared.map((entry) => processKey(entry.process)));
  let pending: readonly ProcessRef[] = plan.kill;
  for (let round = 0; round < CATCH_UP_ROUNDS && pending.length > 0; round++) {
    for (const ref of pending) {
      if (frozen.size >= TREE_MAX) return;
      const opened = openPidfd(ref);
      if (!opened.ok) {
        if (opened.fault.kind !== "gone") refused.push({ ref, why: opened.fault.message });
        continue;
      }
      frozen.set(processKey(ref), { ref, handle: opened.value });
      signal(opened.value, "SIGSTOP");
    }
    const treeRoots = [...frozen.values()].filter((held) => !isRelayOnly(held.ref, plan));
    pending = treeRoots.flatMap((held) => childrenOf(held.ref.pid)).filter((child) => !frozen.has(processKey(child)) && !spared.has(processKey(child)));
  }
}

/** A relay's other children are not the behaviour. */
function isRelayOnly(ref: ProcessRef, plan: ActionPlan): boolean {
  return plan.aloneWithoutTree?.some((alone) => processKey(alone) === processKey(ref)) === true;
}

async function waitForDeaths(refs: readonly ProcessRef[], clock: Clock): Promise<readonly ProcessRef[]> {
  const untilMs = clock.monotonicMs() + VERIFY_WITHIN_MS;
  let living = refs.filter(isAlive);
  while (living.length > 0 && clock.monotonicMs() < untilMs) {
    await Bun.sleep(VERIFY_EVERY_MS);
    living = living.filter(isAlive);
  }
  return living;
}

/** A zombie runs nothing and holds nothing; it only waits for its parent. */
function isAlive(ref: ProcessRef): boolean {
  const state = processState(ref);
  return state === "running" || state === "stopped";
}

function describe(
  killed: readonly ProcessRef[],
  survived: readonly ProcessRef[],
  refused: readonly { readonly ref: ProcessRef; readonly why: string }[],
  socketsLeft: readonly string[],
): string {
  const parts = [`killed ${killed.length === 1 ? `pid ${killed[0]?.pid}` : `${killed.length} processes`}`];
  if (killed.length === 0) parts[0] = "the processes were already gone";
  if (survived.length > 0) parts.push(`still there: pid ${survived.map((ref) => ref.pid).join(", ")}`);
  for (const entry of refused) parts.push(`pid ${entry.ref.pid}: ${entry.why}`);
  for (const left of socketsLeft) parts.push(left);
  return parts.join("; ");
}
