/**
 * Keeps the daemon small: what start-up and the last sweeps left behind goes back to the system three times a minute.
 * Costs about 20 ms each time.
 */
import type { Clock } from "../core/clock.ts";
import { releaseOwnCode } from "../host/memory.ts";

const EVERY_MS = 20_000;

/** To be called about once a second; does its work at once too, when most of the code that ran will never run again. */
export function createMemoryCare(clock: Clock): () => void {
  releaseOwnCode();
  let dueAtMs = clock.monotonicMs();
  return () => {
    if (clock.monotonicMs() < dueAtMs) return;
    dueAtMs = clock.monotonicMs() + EVERY_MS;
    Bun.gc(true);
    releaseOwnCode();
  };
}
