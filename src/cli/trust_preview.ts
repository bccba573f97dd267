/** What an exception would have hidden: it is held against what is on record. Pure. */
import { type ExceptionEntry, exceptionFacts, matchesException } from "../core/exception.ts";
import type { StoredFinding } from "../store/reader.ts";

export interface Hidden {
  /** Findings of the rule that were looked at. */
  readonly looked: number;
  readonly findings: number;
  readonly alerts: number;
  /** Findings among them for which a process was killed. */
  readonly killed: number;
  readonly oldestMs?: number;
}

export const NOTHING_HIDDEN: Hidden = { looked: 0, findings: 0, alerts: 0, killed: 0 };

/** The entry as if it had always been there; its end date does not matter for the past. */
export function hiddenBy(entry: ExceptionEntry, past: readonly StoredFinding[]): Hidden {
  const { until: _until, ...timeless } = entry;
  // Proposed entries have no args pattern; one that had would be held to match nothing here.
  const covered = past.filter(({ finding }) =>
    matchesException(timeless, exceptionFacts(finding.rule, finding.event), 0, () => false),
  );
  const oldestMs = covered.reduce((oldest, { finding }) => Math.min(oldest, finding.atMs), Number.POSITIVE_INFINITY);
  return {
    looked: past.length,
    findings: covered.length,
    alerts: new Set(covered.map(({ alertId }) => alertId)).size,
    killed: covered.filter(({ killed }) => killed).length,
    ...(covered.length === 0 ? {} : { oldestMs }),
  };
}
