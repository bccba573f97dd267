/**
 * Keeps the daemon small. Every 5 s the pages of our own file that were touched once go back (under 1 ms); three times a
 * minute what the last sweeps left behind (20 ms); soon after start, and then every ten minutes, also the machine code
 * that ran hot for a while: reading rules and configuration leaves 15 MB of it that is not run again.
 */
import type { Clock } from "../core/clock.ts";
import { releaseOwnCode } from "../host/memory.ts";

const RELEASE_EVERY_MS = 5_000;
const COLLECT_EVERY_MS = 20_000;
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
  let releaseAtMs = clock.monotonicMs();
  let collectAtMs = releaseAtMs;
  let shrinkAtMs = releaseAtMs + FIRST_SHRINK_MS;
  return { tick, afterReading };

  function tick(): void {
    const nowMs = clock.monotonicMs();
    if (nowMs >= shrinkAtMs) {
      shrinkAtMs = nowMs + SHRINK_EVERY_MS;
      Bun.shrink();
    }
    if (nowMs >= collectAtMs) {
      collectAtMs = nowMs + COLLECT_EVERY_MS;
      Bun.gc(true);
    }
    if (nowMs >= releaseAtMs) {
      releaseAtMs = nowMs + RELEASE_EVERY_MS;
      releaseOwnCode();
    }
  }

  function afterReading(): void {
    shrinkAtMs = Math.min(shrinkAtMs, clock.monotonicMs() + FIRST_SHRINK_MS);
  }
}
