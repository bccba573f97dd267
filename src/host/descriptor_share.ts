// Who may have how many descriptors looked at in one sweep, so that no user's heaps of them blind it or hold it up.
// Trusts the counts it is told; a uid is the only thing an ordinary user cannot choose. Order: few before many, and in turn.
// Costs one sort of the few processes that do not go through the first pass.

export interface ShareLimits {
  /** A process with at most this many is read whole in the first pass. */
  readonly ordinaryMax: number;
  /** Links read in the first pass: for one uid, and for all. What is beyond waits for the second. */
  readonly ordinaryPerUidMax: number;
  readonly ordinaryTotalMax: number;
  /** Links read in the second pass: for all, of which one uid (root's too: containers have it) gets at most half. */
  readonly largeTotalMax: number;
  readonly largeMs: number;
}

export const SHARE_LIMITS: ShareLimits = {
  ordinaryMax: 1024,
  ordinaryPerUidMax: 100_000,
  ordinaryTotalMax: 200_000,
  largeTotalMax: 100_000,
  largeMs: 1000,
};

/** A process of the second pass. */
export interface Waiting {
  readonly uid: number;
  readonly handles: number;
  /** Was left over, or read in part, when last it could have been read. */
  readonly wasCut: boolean;
  /** Number of the sweep that last read any of it. */
  readonly turn: number;
}

export interface OrdinaryShare {
  /** Whether a process is read whole in the first pass; books its links if so. */
  admit(uid: number, handles: number): boolean;
}

export function createOrdinaryShare(limits: ShareLimits): OrdinaryShare {
  const perUid = new Map<number, number>();
  let total = 0;
  return {
    admit(uid, handles) {
      const ofUid = (perUid.get(uid) ?? 0) + handles;
      if (handles > limits.ordinaryMax || ofUid > limits.ordinaryPerUidMax) return false;
      if (total + handles > limits.ordinaryTotalMax) return false;
      perUid.set(uid, ofUid);
      total += handles;
      return true;
    },
  };
}

/**
 * The second pass. Half of the share is for those that were cut before, longest waiting first, so that each is seen in
 * turn; the rest goes from few to many, so that a crowd of giants does not keep out the small ones.
 * @param read reads at most so many links of a process and returns how many it read.
 */
export function spendShare<T extends Waiting>(
  waiting: readonly T[],
  limits: ShareLimits,
  read: (process: T, linksMax: number) => number,
  hasTime: () => boolean,
): void {
  const perUid = new Map<number, number>();
  const done = new Set<T>();
  let total = 0;
  const inTurn = waiting
    .filter((process) => process.wasCut)
    .sort((left, right) => left.turn - right.turn || left.handles - right.handles);
  const byHandles = [...waiting].sort((left, right) => left.handles - right.handles || left.turn - right.turn);
  spend(inTurn, Math.floor(limits.largeTotalMax / 2));
  spend(byHandles, limits.largeTotalMax);

  function spend(processes: readonly T[], totalMax: number): void {
    for (const process of processes) {
      const ofUid = perUid.get(process.uid) ?? 0;
      const linksMax = Math.min(totalMax - total, Math.floor(totalMax / 2) - ofUid);
      if (linksMax <= 0 || done.has(process)) continue;
      if (!hasTime()) return;
      const links = read(process, linksMax);
      done.add(process);
      total += links;
      perUid.set(process.uid, ofUid + links);
    }
  }
}
