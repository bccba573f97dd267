/** One sweep judged as MODE enforce would, with nothing touched, stored or told. */
import { createConfigSource } from "../config/runtime.ts";
import { createChangeWriter } from "../context/events.ts";
import { systemClock } from "../core/clock.ts";
import {
  endpointText,
  type RehearsalReport,
  type RehearsedVictim,
  type ScannerName,
  summaryOf,
} from "../core/control.ts";
import { newId } from "../core/ids.ts";
import { pathsOf } from "../core/paths.ts";
import { type ProcessRef, sameProcess } from "../core/process.ts";
import type { HostView } from "../core/view.ts";
import { createKillBudget } from "../decision/budget.ts";
import type { Policy } from "../decision/policy.ts";
import { createEngine, type Engine } from "../detection/engine.ts";
import { createHints } from "../detection/site/hints.ts";
import { refOf } from "../host/signals.ts";
import { ancestorsOf } from "../host/system.ts";
import { createUsers } from "../host/users.ts";
import { createNetworkScanner } from "../sources/network.ts";
import { createProcessScanner } from "../sources/processes.ts";
import { allDetectors, hostContext } from "./head.ts";
import { type Judged, judge } from "./judge.ts";
import { createArgsMatcher, policyOf } from "./policy_of.ts";
import { readRules, ruleFolders } from "./rule_files.ts";
import { createSite } from "./site.ts";

/** Two sweeps this far apart: the second knows how busy everything is. */
const SETTLE_MS = 1_000;

/** For when no daemon runs: sets everything up, sweeps twice, judges, tears down. */
export async function rehearseOnce(): Promise<RehearsalReport> {
  const clock = systemClock;
  const startedMs = clock.monotonicMs();
  const paths = pathsOf(process.env);
  const users = createUsers();
  const { config, generation } = createConfigSource({
    path: paths.configFile,
    lastGoodPath: paths.lastGoodConfigFile,
    clock,
  }).current();
  const site = createSite({ config: () => config, onFault: () => undefined });
  await site.ready();
  const context = hostContext({
    clock,
    users,
    trustedProcesses: site.trustedProcesses,
    hints: createHints(site.processes),
    onFault: () => undefined,
  });
  const detectors = allDetectors(site);
  const engine = createEngine(readRules(ruleFolders(paths)).rules);
  const policy = policyOf({
    config,
    generation,
    monitorOnly: false,
    pausedUntilMs: 0,
    own: ownProcesses(),
    uidOf: users.uidOf,
    argsMatch: createArgsMatcher(),
  });
  const processScanner = createProcessScanner(clock, process.pid);
  const networkScanner = createNetworkScanner();
  let report: RehearsalReport | undefined;
  for (let sweep = 0; sweep < 2; sweep++) {
    if (sweep > 0) await Bun.sleep(SETTLE_MS);
    const processes = processScanner.scan().seen;
    const sockets = networkScanner.scan(processes.processes).seen;
    const view = await context.update({ processes, sockets });
    report = rehearse({
      view,
      sockets: sockets.internet,
      detectors,
      engine,
      policy,
      caller: process.pid,
      sweptBy: "one-shot",
      startedMs,
    });
  }
  if (report === undefined) throw new Error("no sweep was made");
  return report;
}

export interface RehearsalInput {
  readonly view: HostView;
  readonly sockets: Parameters<ReturnType<typeof createChangeWriter>["changes"]>[1];
  readonly detectors: Parameters<typeof judge>[0]["detectors"];
  readonly engine: Engine;
  readonly policy: Policy;
  /** Who asks: the session above it is the operator's own. */
  readonly caller: number;
  readonly sweptBy: RehearsalReport["sweptBy"];
  /** On the monotonic clock. */
  readonly startedMs: number;
  readonly scanner?: ScannerName;
}

export function rehearse(input: RehearsalInput): RehearsalReport {
  const { view } = input;
  const atMs = systemClock.nowMs();
  const { judged } = judge({
    view,
    changes: createChangeWriter().changes(view, input.sockets),
    detectors: input.detectors,
    engine: input.engine,
    // The own session is judged like any other, so that the report can say that it would be hit.
    policy: { ...input.policy, mode: "enforce", pausedUntilMs: 0 },
    budget: createKillBudget(),
    atMs,
    newId: () => newId(atMs),
    onDetectorFault: (detector, thrown) => {
      throw new Error(`the detector ${detector} failed`, { cause: thrown });
    },
  });
  const session = sessionOf(input.caller);
  const told = input.scanner === undefined ? judged : judged.filter((one) => scannerOf(one) === input.scanner);
  const wouldKill = told.flatMap((one) => victims(one, view, session));
  const concerned = judged.some(
    ({ decision }) =>
      "plan" in decision &&
      decision.plan.spared.some(({ process }) => session.some((own) => sameProcess(own, process))),
  );
  return {
    atMs,
    sweptBy: input.sweptBy,
    processes: view.processes.size,
    sockets: input.sockets.length,
    findings: told.map(({ finding }) => summaryOf(finding)),
    wouldKill,
    wouldDisconnect: told.flatMap(({ finding, decision }) =>
      decision.do !== "disconnect"
        ? []
        : decision.plan.sockets.map((socket) => ({
            rule: finding.rule.name,
            findingId: finding.id,
            peer: `${socket.protocol} ${endpointText(socket.remoteAddress, socket.remotePort)}`,
          })),
    ),
    ownSessionConcerned: concerned || wouldKill.some((victim) => victim.ownSession),
    tookMs: systemClock.monotonicMs() - input.startedMs,
  };
}

function victims(
  { finding, decision }: Judged,
  view: HostView,
  session: readonly ProcessRef[],
): readonly RehearsedVictim[] {
  if (decision.do !== "kill") return [];
  return decision.plan.kill.flatMap((ref) => {
    const process = view.processes.get(ref.pid);
    if (process === undefined) return [];
    return {
      process: ref,
      executable: process.executable?.path ?? "",
      commandLine: process.argv.join(" ").slice(0, 4_096),
      user: view.userName(process.effectiveUid),
      rule: finding.rule.name,
      findingId: finding.id,
      reason: finding.title,
      ownSession: session.some((own) => sameProcess(own, ref)),
    };
  });
}

function scannerOf({ finding }: Judged): ScannerName {
  return /^(process|program_place|masquerade|service_child)/.test(finding.event.logsource.category)
    ? "processes"
    : "network";
}

/** The processes above one that asks: its login session. pid 0 is nobody's. */
export function sessionOf(pid: number): readonly ProcessRef[] {
  return pid === 0 ? [] : ancestorsOf(pid).filter((ref) => ref.pid > 1);
}

/** Ourselves and everything above us: never touched. */
export function ownProcesses(): readonly ProcessRef[] {
  return [...sessionOf(process.pid), ...[refOf(process.pid)].flatMap((ref) => ref ?? [])];
}
