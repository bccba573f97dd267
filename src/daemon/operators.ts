/**
 * The sessions that talk to the daemon right now are never touched: who asks what it did must not die of it. Remembered
 * for a minute after the last word; everything above the asking process counts, up to pid 1.
 */
import type { Clock } from "../core/clock.ts";
import type { ProcessRef } from "../core/process.ts";

const REMEMBERED_MS = 60_000;
const CALLERS_MAX = 64;

export interface Operators {
  note(pid: number): void;
  processes(): readonly ProcessRef[];
}

/** `sessionOf` answers a process and everything above it but pid 1. */
export function createOperators(clock: Clock, sessionOf: (pid: number) => readonly ProcessRef[]): Operators {
  const callers = new Map<number, { readonly atMs: number; readonly session: readonly ProcessRef[] }>();
  return {
    note(pid) {
      if (pid <= 1) return;
      callers.delete(pid);
      if (callers.size >= CALLERS_MAX) callers.delete(callers.keys().next().value ?? 0);
      callers.set(pid, { atMs: clock.monotonicMs(), session: sessionOf(pid) });
    },
    processes() {
      for (const [pid, caller] of callers) if (clock.monotonicMs() - caller.atMs > REMEMBERED_MS) callers.delete(pid);
      return [...callers.values()].flatMap((caller) => caller.session);
    },
  };
}
