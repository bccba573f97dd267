/**
 * A pause is monitor mode with an end. It survives a restart of the daemon, not a reboot: it lives in /run.
 * Trusts no clock to make it longer: it is over when the wall clock says so or the promised time has passed.
 */
import { constants, readFileSync } from "node:fs";
import type { Clock } from "../core/clock.ts";
import { PAUSE_MINUTES_MAX } from "../core/control.ts";
import { removeRunFile, writeRunFile } from "../store/run_files.ts";

const PAUSE_MS_MAX = PAUSE_MINUTES_MAX * 60_000;
const TEXT_MAX = 1_000;

export interface Pause {
  readonly untilMs: number;
  readonly by: string;
  readonly reason: string;
}

export interface Pauses {
  current(): Pause | undefined;
  /** False where it could not be written down and a restart would end it. */
  begin(pause: Pause): boolean;
  /** True when there was one. */
  end(): boolean;
  /** True once, when a pause has just run out. */
  expire(): boolean;
}

interface Running extends Pause {
  readonly untilBootMs: number;
}

/** @param sinceBootMs a clock that two runs of the daemon share and nobody sets. */
export function createPauses(runDirectory: string, clock: Clock, sinceBootMs: () => number): Pauses {
  const file = `${runDirectory}/pause.json`;
  let running = restore(file, clock.nowMs(), sinceBootMs());
  return {
    current() {
      if (running === undefined || isOver(running)) return undefined;
      const { untilMs, by, reason } = running;
      return { untilMs, by, reason };
    },
    begin(pause) {
      running = { ...pause, untilBootMs: sinceBootMs() + (pause.untilMs - clock.nowMs()) };
      return writeRunFile(file, JSON.stringify(running));
    },
    end() {
      const was = running !== undefined && !isOver(running);
      forget();
      return was;
    },
    expire() {
      if (running === undefined || !isOver(running)) return false;
      forget();
      return true;
    },
  };

  function isOver(pause: Running): boolean {
    return clock.nowMs() >= pause.untilMs || sinceBootMs() >= pause.untilBootMs;
  }

  function forget(): void {
    running = undefined;
    removeRunFile(file);
  }
}

/** What does not read as a pause that may still run is none: the safe side is protection. */
function restore(file: string, nowMs: number, bootMs: number): Running | undefined {
  try {
    const read: unknown = JSON.parse(
      readFileSync(file, { encoding: "utf8", flag: constants.O_RDONLY | constants.O_NONBLOCK }),
    );
    if (typeof read !== "object" || read === null) return undefined;
    if (!("untilMs" in read && "untilBootMs" in read && "by" in read && "reason" in read)) return undefined;
    const { untilMs, untilBootMs, by, reason } = read;
    if (typeof untilMs !== "number" || typeof untilBootMs !== "number") return undefined;
    if (typeof by !== "string" || typeof reason !== "string") return undefined;
    if (!isAhead(untilMs, nowMs) || !isAhead(untilBootMs, bootMs)) return undefined;
    return { untilMs, untilBootMs, by: by.slice(0, TEXT_MAX), reason: reason.slice(0, TEXT_MAX) };
  } catch {
    return undefined;
  }
}

function isAhead(untilMs: number, nowMs: number): boolean {
  return untilMs > nowMs && untilMs <= nowMs + PAUSE_MS_MAX;
}
