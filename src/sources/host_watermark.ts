/** When a value has been over its limit for long enough, and when that is over. Knows nothing of what is measured. */

const AGAIN_AFTER_MS = 6 * 60 * 60_000;
/** A device that was not read for so long is gone: unplugged, unmounted, or its limit switched off. */
const FORGOTTEN_AFTER_MS = 120_000;
const KEYS_MAX = 2_000;

export interface Measure {
  /** Monotonic. */
  readonly nowMs: number;
  readonly used: number;
  readonly limit: number;
  /** At most the limit. */
  readonly clearBelow: number;
  /** 0: at once. */
  readonly sustainedMs: number;
}

export interface Passage {
  readonly kind: "passed" | "cleared";
  /** Since it went over the limit. */
  readonly lastedMs: number;
}

export interface Watermark {
  /** What is to be told of it now, where there is something. */
  see(key: string, measure: Measure): Passage | undefined;
  /** Drops what was not seen lately, without a word. */
  forget(nowMs: number): void;
}

interface Above {
  readonly sinceMs: number;
  seenAtMs: number;
  /** Undefined while it has not lasted long enough. */
  toldAtMs: number | undefined;
}

export function createWatermark(): Watermark {
  const above = new Map<string, Above>();
  return { see, forget };

  function see(key: string, measure: Measure): Passage | undefined {
    const { nowMs, used, limit, clearBelow, sustainedMs } = measure;
    const known = above.get(key);
    if (known === undefined) {
      if (used < limit || above.size >= KEYS_MAX) return undefined;
      above.set(key, { sinceMs: nowMs, seenAtMs: nowMs, toldAtMs: undefined });
      return sustainedMs === 0 ? pass(key, nowMs) : undefined;
    }
    known.seenAtMs = nowMs;
    const lastedMs = nowMs - known.sinceMs;
    if (known.toldAtMs === undefined) {
      if (used < limit) above.delete(key);
      else if (lastedMs >= sustainedMs) return pass(key, nowMs);
      return undefined;
    }
    if (used < clearBelow) {
      above.delete(key);
      return { kind: "cleared", lastedMs };
    }
    return nowMs - known.toldAtMs >= AGAIN_AFTER_MS ? pass(key, nowMs) : undefined;
  }

  function pass(key: string, nowMs: number): Passage | undefined {
    const known = above.get(key);
    if (known === undefined) return undefined;
    known.toldAtMs = nowMs;
    return { kind: "passed", lastedMs: nowMs - known.sinceMs };
  }

  function forget(nowMs: number): void {
    for (const [key, { seenAtMs }] of above) if (nowMs - seenAtMs > FORGOTTEN_AFTER_MS) above.delete(key);
  }
}
