/**
 * Kills a plan: freeze, prove identity, take evidence, kill, verify, cut the sockets.
 * Trusts only pidfds whose start time was re-read. Whatever fails in between, nothing is left frozen.
 * No undo: a dead process stays dead, which is why every step before it may still stop.
 */
import type { Clock } from "../core/clock.ts";
import type { ActionPlan, KernelStop, Outcome } from "../core/nouns.ts";
import { type ProcessRef, processKey, sameProcess } from "../core/process.ts";
import { childrenOf, collectEvidence } from "../host/evidence.ts";
import { closePidfd, openPidfd, type PidHandle, processState, signal } from "../host/signals.ts";
import { destroySockets } from "./disconnect.ts";

const VERIFY_WITHIN_MS = 2_000;
const VERIFY_EVERY_MS = 5;
/** How long the tree is followed while it grows, and a process that does not stop (state D) is waited for. */
const FREEZE_WITHIN_MS = 250;
const FREEZE_EVERY_MS = 1;
const TREE_MAX = 8_192;
/** Evidence of the first processes; the rest are counted. */
const EVIDENCE_MAX = 16;
/** A message names so many processes; the outcome has them all. */
const NAMED_MAX = 10;
const ALREADY_GONE = "the processes were already gone";

interface Refusal {
  readonly ref: ProcessRef;
  readonly why: string;
}

/** What is frozen, in the order it was: a child always behind its parent. */
interface Tree {
  readonly held: Map<string, PidHandle>;
  readonly refused: Refusal[];
}

export async function killPlan(decisionId: string, plan: ActionPlan, clock: Clock): Promise<Outcome> {
  const startedAtMs = clock.monotonicMs();
  const tree: Tree = { held: new Map(), refused: [] };
  try {
    await freezeTree(plan, tree, clock);
    const held = [...tree.held.values()];
    const { stopped } = plan;
    const evidence = held.slice(0, EVIDENCE_MAX).flatMap(({ ref }) => collectEvidence(ref) ?? []);
    // Children first: a daemon that dies half-way leaves the processes that the intent names, and its successor finds
    // the rest of the frozen tree below them.
    for (const handle of held.toReversed()) {
      const sent = signal(handle, "SIGKILL");
      if (!sent.ok && sent.fault.kind !== "gone") tree.refused.push({ ref: handle.ref, why: sent.fault.message });
    }
    const dying = distinct([...kernelKilled(stopped), ...held.map(({ ref }) => ref)]);
    const living = await waitForDeaths(dying, clock);
    const survived = distinct([...living, ...tree.refused.map(({ ref }) => ref)]);
    const killed = dying.filter((ref) => !living.includes(ref));
    const sockets = destroySockets(plan.sockets);
    const verified = survived.length === 0 && sockets.left.length === 0;
    return {
      decisionId,
      atMs: clock.nowMs(),
      result: resultOf(verified, killed.length > 0),
      verified,
      killed,
      survived,
      socketsDestroyed: sockets.destroyed,
      detail: afterKernel(
        stopped,
        killed,
        describe(withoutStopped(killed, stopped), survived, tree.refused, sockets.left),
      ),
      tookMs: clock.monotonicMs() - startedAtMs,
      evidence: stopped?.evidence === undefined ? evidence : [stopped.evidence, ...evidence],
    };
  } finally {
    for (const handle of tree.held.values()) {
      // Harmless to the dead; wakes what a failed SIGKILL left stopped.
      signal(handle, "SIGCONT");
      closePidfd(handle);
    }
  }
}

function kernelKilled(stopped: KernelStop | undefined): readonly ProcessRef[] {
  return stopped?.action === "killed" ? [stopped.process] : [];
}

function withoutStopped(killed: readonly ProcessRef[], stopped: KernelStop | undefined): readonly ProcessRef[] {
  return stopped === undefined ? killed : killed.filter((ref) => !sameProcess(ref, stopped.process));
}

/** The kernel's part first; ours only where there was something left for us. */
function afterKernel(stopped: KernelStop | undefined, killed: readonly ProcessRef[], ours: string): string {
  if (stopped === undefined) return ours;
  const isDead = killed.some((ref) => sameProcess(ref, stopped.process));
  const kernel = `pid ${stopped.process.pid} ${isDead ? "was killed" : "was to be killed"} in the kernel at ${stopped.stage}, policy generation ${stopped.generation}`;
  return ours === ALREADY_GONE ? kernel : `${kernel}; then ${ours}`;
}

function resultOf(verified: boolean, killedAny: boolean): Outcome["result"] {
  if (verified) return "done";
  return killedAny ? "partial" : "failed";
}

/**
 * Stops the plan's processes from the top down, then the children they made meanwhile, until nothing new appears. Only a
 * process that was seen stopped can make no more: fork(2) is restarted while a signal is pending, in each thread.
 */
async function freezeTree(plan: ActionPlan, tree: Tree, clock: Clock): Promise<void> {
  const spared = new Set(plan.spared.map(({ process }) => processKey(process)));
  // A relay's other children are not the behaviour.
  const alone = new Set((plan.aloneWithoutTree ?? []).map(processKey));
  const untilMs = clock.monotonicMs() + FREEZE_WITHIN_MS;
  let pending: readonly ProcessRef[] = plan.kill;
  let restless: readonly ProcessRef[] = [];
  while (pending.length > 0 || restless.length > 0) {
    const parents = [...restless, ...hold(pending, tree)].filter((ref) => !alone.has(processKey(ref)));
    restless = await untilStopped(parents, clock, untilMs);
    pending = parents
      .flatMap(({ pid }) => childrenOf(pid))
      .filter((child) => !tree.held.has(processKey(child)) && !spared.has(processKey(child)));
    if (clock.monotonicMs() < untilMs && tree.held.size < TREE_MAX) continue;
    hold(pending, tree);
    return;
  }
}

/** Those that were there to be stopped. A zombie runs nothing and has no children. */
function hold(refs: readonly ProcessRef[], tree: Tree): readonly ProcessRef[] {
  const stopped: ProcessRef[] = [];
  for (const ref of refs) {
    if (tree.held.size >= TREE_MAX || tree.held.has(processKey(ref)) || processState(ref) === "zombie") continue;
    const opened = openPidfd(ref);
    if (opened.ok) {
      tree.held.set(processKey(ref), opened.value);
      signal(opened.value, "SIGSTOP");
      stopped.push(ref);
    } else if (opened.fault.kind !== "gone") {
      tree.refused.push({ ref, why: opened.fault.message });
    }
  }
  return stopped;
}

/** Those that still run when the time is up. */
async function untilStopped(
  refs: readonly ProcessRef[],
  clock: Clock,
  untilMs: number,
): Promise<readonly ProcessRef[]> {
  let restless = refs.filter((ref) => processState(ref) === "running");
  while (restless.length > 0 && clock.monotonicMs() < untilMs) {
    await Bun.sleep(FREEZE_EVERY_MS);
    restless = restless.filter((ref) => processState(ref) === "running");
  }
  return restless;
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

function distinct(refs: readonly ProcessRef[]): readonly ProcessRef[] {
  return [...new Map(refs.map((ref) => [processKey(ref), ref])).values()];
}

function describe(
  killed: readonly ProcessRef[],
  survived: readonly ProcessRef[],
  refused: readonly Refusal[],
  socketsLeft: readonly string[],
): string {
  const parts = [killedText(killed, survived)];
  if (survived.length > 0) parts.push(`still there: pid ${listed(survived)}`);
  for (const { ref, why } of refused.slice(0, NAMED_MAX)) parts.push(`pid ${ref.pid}: ${why}`);
  return [...parts, ...socketsLeft.slice(0, NAMED_MAX)].join("; ");
}

function killedText(killed: readonly ProcessRef[], survived: readonly ProcessRef[]): string {
  if (killed.length === 0) return survived.length === 0 ? ALREADY_GONE : "killed nothing";
  return `killed ${killed.length === 1 ? `pid ${killed[0]?.pid}` : `${killed.length} processes`}`;
}

function listed(refs: readonly ProcessRef[]): string {
  const named = refs
    .slice(0, NAMED_MAX)
    .map(({ pid }) => pid)
    .join(", ");
  return refs.length > NAMED_MAX ? `${named} and ${refs.length - NAMED_MAX} more` : named;
}
