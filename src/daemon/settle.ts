/**
 * What a daemon that died in mid-kill left behind: intents without an outcome. Their processes were condemned and may
 * be frozen; the kill is finished, by the same identity check, and nothing stays frozen.
 */
import type { Clock } from "../core/clock.ts";
import { disconnectPlan } from "../response/disconnect.ts";
import { killPlan } from "../response/kill.ts";
import type { Store } from "../store/types.ts";

/** An intent of another boot, or of long ago, names processes that no longer are. */
const STALE_AFTER_MS = 600_000;

/** One sentence for each intent that was settled. */
export async function settleLeftovers(store: Store, clock: Clock): Promise<readonly string[]> {
  const messages: string[] = [];
  for (const decision of store.unsettled()) {
    const stale = clock.nowMs() - decision.atMs > STALE_AFTER_MS;
    if (decision.do === "kill") {
      // Old pids are still safe to try: each is proven by its start time before anything is sent.
      const outcome = await killPlan(decision.id, stale ? { ...decision.plan, sockets: [] } : decision.plan, clock);
      store.settle({ ...outcome, detail: `finished after a restart: ${outcome.detail}` });
      messages.push(`a kill that was under way when the daemon ended (${decision.rule.name}) was finished: ${outcome.detail}`);
    } else if (decision.do === "disconnect") {
      const outcome = stale ? disconnectPlan(decision.id, { ...decision.plan, sockets: [] }, clock) : disconnectPlan(decision.id, decision.plan, clock);
      store.settle({ ...outcome, detail: `finished after a restart: ${outcome.detail}` });
      messages.push(`a disconnect that was under way when the daemon ended (${decision.rule.name}) was finished: ${outcome.detail}`);
    }
  }
  return messages;
}
