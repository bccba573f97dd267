/**
 * Keeps the daemon small: what the last sweeps left behind goes back to the system three times a minute (20 ms each
 * time); soon after start, and then every ten minutes, also the machine code that ran hot for a while: reading rules and
 * configuration leaves 15 MB of it that is not run again. What still runs hot is compiled anew within seconds.
 */
import type { Clock } from "../core/clock.ts";
import { releaseOwnCode } from "../host/memory.ts";

const EVERY_MS = 20_000;
const FIRST_SHRINK_MS = 12_000;
const SHRINK_EVERY_MS = 600_000;

export interface MemoryCare {
  /** To be called about once a second. */
  tick(): void;
  /** Something big was read that is not read often: the next tick gives it back. */
  afterReading(): void;
}

export function createMemoryCare(clock: Clock): MemoryCare {
  releaseOwnCode();
  let dueAtMs = clock.monotonicMs();
  let shrinkAtMs = dueAtMs + FIRST_SHRINK_MS;
  return { tick, afterReading };

  function tick(): void {
    const nowMs = clock.monotonicMs();
    if (nowMs >= shrinkAtMs) {
      shrinkAtMs = nowMs + SHRINK_EVERY_MS;
      Bun.shrink();
    } else if (nowMs < dueAtMs) return;
    dueAtMs = nowMs + EVERY_MS;
    Bun.gc(true);
    releaseOwnCode();
  }

  function afterReading(): void {
    shrinkAtMs = Math.min(shrinkAtMs, clock.monotonicMs() + FIRST_SHRINK_MS);
  }
}
