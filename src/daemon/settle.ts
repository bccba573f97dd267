/**
 * What a daemon that died in mid-kill left behind: intents without an outcome. Their processes were condemned and may
 * be frozen. A fresh one is finished, by the same identity check, where we may still act; any other is let go, and the
 * next sweep judges it anew. Nothing stays frozen.
 */
import type { Clock } from "../core/clock.ts";
import type { Decision, Outcome } from "../core/nouns.ts";
import { messageOf } from "../core/result.ts";
import { disconnectPlan } from "../response/disconnect.ts";
import { killPlan } from "../response/kill.ts";
import { releasePlan } from "../response/release.ts";
import type { Store } from "../store/types.ts";

/** An older intent tells of another boot, or of circumstances that nobody has looked at since. */
const STALE_AFTER_MS = 600_000;

/**
 * One sentence for each intent that was settled. Call it only while no action is under way: an action between its
 * intent and its outcome looks like a leftover.
 */
export async function settleLeftovers(
  store: Pick<Store, "unsettled" | "settle">,
  clock: Clock,
  mayAct: boolean,
): Promise<readonly string[]> {
  const messages: string[] = [];
  for (const decision of store.unsettled()) {
    try {
      const outcome = await finish(decision, clock, mayAct);
      if (outcome === undefined) continue;
      store.settle(outcome);
      messages.push(
        `a ${decision.do} that was under way when the daemon ended (rule ${decision.rule.name}) is settled: ${outcome.detail}`,
      );
    } catch (thrown) {
      messages.push(
        `a ${decision.do} that was under way when the daemon ended (rule ${decision.rule.name}) could not be settled: ${messageOf(thrown)}; look for stopped processes: ps -eo pid,stat,args | awk '$2 ~ /T/'`,
      );
    }
  }
  return messages;
}

async function finish(decision: Decision, clock: Clock, mayAct: boolean): Promise<Outcome | undefined> {
  if (decision.do !== "kill" && decision.do !== "disconnect") return undefined;
  const { id, plan } = decision;
  const why = reasonToLetGo(decision, clock, mayAct);
  if (why !== undefined) return releasePlan(id, plan, why, clock);
  const outcome = decision.do === "kill" ? await killPlan(id, plan, clock) : disconnectPlan(id, plan, clock);
  return { ...outcome, detail: `finished after a restart: ${outcome.detail}` };
}

function reasonToLetGo(decision: Decision, clock: Clock, mayAct: boolean): string | undefined {
  if (!mayAct) return "let go after a restart, because nothing is touched now (monitor mode or a pause)";
  // In both directions: a clock that was set back must not make an old intent young.
  const stale = Math.abs(clock.nowMs() - decision.atMs) > STALE_AFTER_MS;
  return stale ? "let go after a restart, because it was decided too long ago" : undefined;
}
