/**
 * Keeps the daemon small: what start-up and the last sweeps left behind goes back to the system once a minute.
 * Costs about 20 ms a minute.
 */
import type { Clock } from "../core/clock.ts";
import { releaseOwnCode } from "../host/memory.ts";

const FIRST_AFTER_MS = 2_000;
const EVERY_MS = 60_000;

/** To be called about once a second. */
export function createMemoryCare(clock: Clock): () => void {
  let dueAtMs = clock.monotonicMs() + FIRST_AFTER_MS;
  return () => {
    if (clock.monotonicMs() < dueAtMs) return;
    dueAtMs = clock.monotonicMs() + EVERY_MS;
    Bun.gc(true);
    releaseOwnCode();
  };
}
