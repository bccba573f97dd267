/** A pause is monitor mode with an end. It survives a restart of the daemon, not a reboot: it lives in /run. */
import { readFileSync } from "node:fs";
import type { Clock } from "../core/clock.ts";
import { PAUSE_MINUTES_MAX } from "../core/control.ts";
import { removeRunFile, writeRunFile } from "../store/run_files.ts";

export interface Pause {
  readonly untilMs: number;
  readonly by: string;
  readonly reason: string;
}

export interface Pauses {
  current(): Pause | undefined;
  begin(pause: Pause): void;
  /** True when there was one. */
  end(): boolean;
  /** True once, when a pause has just run out. */
  expire(): boolean;
}

export function createPauses(runDirectory: string, clock: Clock): Pauses {
  const file = `${runDirectory}/pause.json`;
  let pause = restore(file, clock.nowMs());
  // The wall clock may be set back during a pause; it must not make the pause longer.
  let endsMonotonicMs = pause === undefined ? 0 : clock.monotonicMs() + (pause.untilMs - clock.nowMs());
  return {
    current: () => (pause !== undefined && clock.monotonicMs() < endsMonotonicMs ? pause : undefined),
    begin(next) {
      pause = next;
      endsMonotonicMs = clock.monotonicMs() + (next.untilMs - clock.nowMs());
      writeRunFile(file, JSON.stringify(next));
    },
    end() {
      const was = pause !== undefined;
      pause = undefined;
      removeRunFile(file);
      return was;
    },
    expire() {
      if (pause === undefined || clock.monotonicMs() < endsMonotonicMs) return false;
      pause = undefined;
      removeRunFile(file);
      return true;
    },
  };
}

function restore(file: string, nowMs: number): Pause | undefined {
  try {
    const read: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof read !== "object" || read === null || !("untilMs" in read) || typeof read.untilMs !== "number") return undefined;
    const { untilMs } = read;
    if (untilMs <= nowMs || untilMs > nowMs + PAUSE_MINUTES_MAX * 60_000) return undefined;
    const by = "by" in read && typeof read.by === "string" ? read.by : "";
    const reason = "reason" in read && typeof read.reason === "string" ? read.reason : "";
    return { untilMs, by, reason };
  } catch {
    return undefined;
  }
}
