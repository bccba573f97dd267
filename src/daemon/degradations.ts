/**
 * What works less well than it should, by part: told when it begins and when it has not come back for a while, listed
 * in `status`, counted by kind. Bounded; repeats fold.
 */
import type { Clock } from "../core/clock.ts";
import type { Degradation } from "../core/control.ts";
import type { Notice } from "../core/notice.ts";
import type { Fault } from "../core/result.ts";

const PARTS_MAX = 200;
/** A part that did not complain for this long works again. */
const OVER_AFTER_MS = 60_000;

export interface Degradations {
  /** Something went wrong now; without a repeat it is over after a minute. */
  note(part: string, message: string, remedy: string): void;
  /** The same for one part, with a remedy for faults that know none. */
  fault(part: string, remedy: string): (fault: Pick<Fault, "message" | "remedy">) => void;
  /** A fault that says itself when it begins and ends. */
  phase(part: string, fault: Fault, phase: "begins" | "ends" | "once"): void;
  list(): readonly Degradation[];
  counts(): Readonly<Record<string, number>>;
}

interface Entry {
  readonly part: string;
  readonly reason: string;
  readonly remedy: string;
  readonly sinceMs: number;
  readonly lastMonotonicMs: number;
  /** It says itself when it is over. */
  readonly lasting: boolean;
}

export function createDegradations(clock: Clock, notify: (notice: Notice) => void): Degradations {
  const entries = new Map<string, Entry>();
  const counts: Record<string, number> = {};
  return {
    note,
    fault: (part, remedy) => (fault) => note(part, fault.message, fault.remedy ?? remedy),
    phase,
    list,
    counts: () => counts,
  };

  function note(part: string, message: string, remedy: string): void {
    counts[part] = (counts[part] ?? 0) + 1;
    remember(part, message, remedy, false);
    tell("ERROR", `${part}: ${message}. What to do: ${remedy}`, `${part} ${message.replace(/\d+/g, "#")}`);
  }

  function phase(part: string, fault: Fault, step: "begins" | "ends" | "once"): void {
    const remedy = fault.remedy ?? "see `algo-monitor status`";
    if (step === "ends") {
      entries.delete(part);
      tell("WARNING", `${part}: ${fault.message}`, undefined);
      return;
    }
    counts[fault.kind] = (counts[fault.kind] ?? 0) + 1;
    if (step === "begins") remember(part, fault.message, remedy, true);
    tell("ERROR", `${part}: ${fault.message}. What to do: ${remedy}`, undefined);
  }

  function remember(part: string, reason: string, remedy: string, lasting: boolean): void {
    forgetOver();
    const known = entries.get(part);
    // A passing fault of a part that is down anyway is no news of its end.
    if (known === undefined ? entries.size >= PARTS_MAX : known.lasting && !lasting) return;
    const sinceMs = known?.sinceMs ?? clock.nowMs();
    entries.set(part, { part, reason, remedy, sinceMs, lastMonotonicMs: clock.monotonicMs(), lasting });
  }

  function forgetOver(): void {
    const nowMs = clock.monotonicMs();
    for (const [part, entry] of entries)
      if (!entry.lasting && nowMs - entry.lastMonotonicMs > OVER_AFTER_MS) entries.delete(part);
  }

  function list(): readonly Degradation[] {
    forgetOver();
    return [...entries.values()].map(({ part, reason, remedy, sinceMs }) => ({ part, reason, remedy, sinceMs }));
  }

  function tell(severity: Notice["severity"], message: string, foldKey: string | undefined): void {
    notify({
      kind: "health",
      severity,
      atMs: clock.nowMs(),
      message,
      fields: {},
      ...(foldKey === undefined ? {} : { foldKey }),
    });
  }
}
