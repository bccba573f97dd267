/** How fast files are read: waits where the reading runs ahead of the rate, and lets others speak every few megabytes. */
import type { Clock } from "../../core/clock.ts";

const MEGABYTE = 1024 * 1024;
const YIELD_BYTES = 8 * MEGABYTE;
/** Shorter waits are collected: a timer costs more than they are. */
const WAIT_MS_MIN = 20;

export interface Pace {
  readonly bytes: number;
  /** Megabytes a second; 0 is as fast as it goes. */
  setRate(megabytesPerSecond: number): void;
  read(bytes: number): Promise<void> | undefined;
}

export function createPace(clock: Clock): Pace {
  let rate = 0;
  let total = 0;
  let unyielded = 0;
  let dueAtMs = clock.monotonicMs();
  return {
    get bytes() {
      return total;
    },
    setRate(megabytesPerSecond) {
      rate = megabytesPerSecond;
    },
    read(bytes) {
      total += bytes;
      unyielded += bytes;
      const nowMs = clock.monotonicMs();
      // What was not used in time is not saved up: an idle minute is followed by no burst.
      if (rate > 0) dueAtMs = Math.max(dueAtMs, nowMs - WAIT_MS_MIN) + (bytes / (rate * MEGABYTE)) * 1000;
      if (rate > 0 && dueAtMs - nowMs >= WAIT_MS_MIN) {
        unyielded = 0;
        return Bun.sleep(dueAtMs - nowMs);
      }
      if (unyielded < YIELD_BYTES) return undefined;
      unyielded = 0;
      return nextTurn();
    },
  };
}

/** Lets messages and timers in. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
