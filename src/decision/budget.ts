/**
 * The kill budget protects from our own mistakes, not the attacker: per rule and executable, it counts incidents, not
 * processes. Repeats of one lineage or of one peer network are one incident, so a retry loop or an attacker with many
 * ports cannot spend it; a rule gone wrong hits unrelated lineages and peers, and is lowered to monitor.
 */

const WINDOW_MS = 60_000;
const LOWERED_MS = 300_000;
const PAIRS_MAX = 1_000;
const NOTED_MAX = 1_000;

export interface Incident {
  readonly rule: string;
  readonly executable: string;
  readonly lineage: string;
  /** Remote address; empty where there is none. */
  readonly peer: string;
}

export interface BudgetState {
  readonly rule: string;
  readonly executable: string;
  readonly used: number;
  readonly limit: number;
  readonly loweredUntilMs?: number;
}

export interface KillBudget {
  /**
   * `counted`: one was spent. `repeat`: the incident repeats a counted one and costs nothing.
   * `spent`: nothing is left, this pair is lowered to monitor for now.
   */
  spend(incident: Incident, limit: number, nowMs: number): "counted" | "repeat" | "spent";
  /** What the kernel did is no work of ours and costs nothing; true where it repeats what was stopped within a minute. */
  note(incident: Incident, nowMs: number): boolean;
  states(limit: number, nowMs: number): readonly BudgetState[];
}

interface Spent {
  readonly atMs: number;
  readonly free?: true;
  readonly lineage: string;
  readonly peer: string;
}

interface Pair {
  readonly rule: string;
  readonly executable: string;
  spent: readonly Spent[];
  loweredUntilMs: number;
}

export function createKillBudget(): KillBudget {
  const pairs = new Map<string, Pair>();
  return { spend, note, states };

  function spend(incident: Incident, limit: number, nowMs: number): "counted" | "repeat" | "spent" {
    const pair = pairOf(incident);
    const peer = peerNetwork(incident.peer);
    if (repeats(pair, incident, peer, nowMs)) return "repeat";
    if (nowMs < pair.loweredUntilMs) return "spent";
    if (usedOf(pair) >= limit) {
      pair.loweredUntilMs = nowMs + LOWERED_MS;
      return "spent";
    }
    pair.spent = [...pair.spent, { atMs: nowMs, lineage: incident.lineage, peer }];
    return "counted";
  }

  function note(incident: Incident, nowMs: number): boolean {
    const pair = pairOf(incident);
    const peer = peerNetwork(incident.peer);
    if (repeats(pair, incident, peer, nowMs)) return true;
    pair.spent = [
      ...pair.spent.slice(1 - NOTED_MAX),
      { atMs: nowMs, lineage: incident.lineage, peer, free: true as const },
    ];
    return false;
  }

  function repeats(pair: Pair, incident: Incident, peer: string, nowMs: number): boolean {
    pair.spent = pair.spent.filter((spent) => nowMs - spent.atMs < WINDOW_MS);
    return pair.spent.some((spent) => spent.lineage === incident.lineage || (peer !== "" && spent.peer === peer));
  }

  function pairOf(incident: Incident): Pair {
    const key = `${incident.rule}\0${incident.executable}`;
    const known = pairs.get(key);
    if (known !== undefined) return known;
    if (pairs.size >= PAIRS_MAX) {
      const oldest = pairs.keys().next().value;
      if (oldest !== undefined) pairs.delete(oldest);
    }
    const pair = { rule: incident.rule, executable: incident.executable, spent: [], loweredUntilMs: 0 };
    pairs.set(key, pair);
    return pair;
  }

  function states(limit: number, nowMs: number): readonly BudgetState[] {
    return [...pairs.values()].map(({ rule, executable, spent, loweredUntilMs }) => {
      const used = spent.filter((entry) => entry.free !== true && nowMs - entry.atMs < WINDOW_MS).length;
      const state = { rule, executable, used, limit };
      return nowMs < loweredUntilMs ? { ...state, loweredUntilMs } : state;
    });
  }
}

function usedOf(pair: Pair): number {
  return pair.spent.filter((spent) => spent.free !== true).length;
}

/** One attacker has many addresses of one network for nothing: /24 of IPv4, /64 of IPv6, all of loopback. */
export function peerNetwork(address: string): string {
  if (address === "::1" || address.startsWith("127.")) return "loopback";
  if (!address.includes(":")) return address.split(".").slice(0, 3).join(".");
  const [head = "", tail] = address.split("::", 2);
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros =
    tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - groups.length - after.length) }, () => "0");
  return [...groups, ...zeros, ...after].slice(0, 4).join(":");
}
