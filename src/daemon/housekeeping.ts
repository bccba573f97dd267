/** What is due about once a second beside the sweeps: ends of pauses, pruning, look-ups, the sign of life for systemd. */
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/result.ts";
import type { Store } from "../store/types.ts";

const TICK_MS = 1_000;
const PRUNE_EVERY_MS = 60_000;
/** The supervisor comes round every second and after each sweep. One that has not for so long is stuck. */
const STUCK_AFTER_MS = 30_000;

export interface HousekeepingParts {
  readonly clock: Clock;
  /** Each is called every time; a fault of one does not keep the others from their turn. */
  readonly everySecond: readonly (() => void)[];
  readonly prune: () => ReturnType<Store["prune"]>;
  /** On the monotonic clock: when the supervisor was last seen alive. */
  readonly lastRoundMonotonicMs: () => number;
  /** Tells systemd that we live. */
  readonly signOfLife: () => void;
  readonly onFault: (fault: { readonly message: string }) => void;
}

export interface Housekeeping {
  start(): void;
  stop(): void;
  /** One turn; `start` does it once a second. */
  tick(): void;
}

export function createHousekeeping(parts: HousekeepingParts): Housekeeping {
  const { clock } = parts;
  let timer: Timer | undefined;
  let pruneAtMs = clock.monotonicMs() + PRUNE_EVERY_MS;
  return {
    start: () => {
      timer = setInterval(tick, TICK_MS);
    },
    stop: () => clearInterval(timer),
    tick,
  };

  function tick(): void {
    for (const duty of [...parts.everySecond, pruneWhenDue, signOfLife]) {
      try {
        duty();
      } catch (thrown) {
        parts.onFault({ message: messageOf(thrown) });
      }
    }
  }

  function pruneWhenDue(): void {
    const nowMs = clock.monotonicMs();
    if (nowMs < pruneAtMs) return;
    pruneAtMs = nowMs + PRUNE_EVERY_MS;
    // A step is bounded so that no kill waits for it; what is left goes with the next second.
    if (parts.prune().more) pruneAtMs = nowMs;
  }

  /** Only monotonic time counts: no clock that is set makes a living daemon look stuck or a stuck one alive. */
  function signOfLife(): void {
    if (clock.monotonicMs() - parts.lastRoundMonotonicMs() < STUCK_AFTER_MS) parts.signOfLife();
  }
}
