/**
 * The guard itself: eyes (scanners), head (context, detectors, rules, decision) and hands, joined. Everything around it
 * (orders, memory, voices, the operators' door) is handed in.
 */
import type { Context } from "../context/context.ts";
import { createChangeWriter } from "../context/events.ts";
import type { Clock } from "../core/clock.ts";
import type { ScannerName } from "../core/control.ts";
import { createKillBudget, type KillBudget } from "../decision/budget.ts";
import type { Detector } from "../detection/detectors/detector.ts";
import { fileIndicatorDrafts, lookupIndicatorDrafts } from "../detection/detectors/indicators.ts";
import { createHints } from "../detection/site/hints.ts";
import type { Users } from "../host/users.ts";
import type { Notifier } from "../notify/notifier.ts";
import type { Store } from "../store/types.ts";
import type { Announcer } from "./announcer.ts";
import type { BlockedNetwork } from "./blocks.ts";
import { type CrashGuard, guardDetector, guardScanner, scannerPart } from "./crash_guard.ts";
import type { Degradations } from "./degradations.ts";
import type { Eyes } from "./eyes.ts";
import { allDetectors, hostContext } from "./head.ts";
import { createKernel, type Kernel } from "./kernel.ts";
import type { Orders } from "./orders.ts";
import { createPipeline, type Pipeline } from "./pipeline.ts";
import type { LiveSite } from "./site.ts";
import { createSupervisor, type ScannerSettings, type Supervisor } from "./supervisor.ts";
import { hands, tellerOf } from "./voices.ts";

export interface GuardParts {
  readonly clock: Clock;
  readonly users: Users;
  readonly orders: Orders;
  readonly site: LiveSite;
  readonly eyes: Eyes;
  readonly store: Store;
  readonly notifier: Notifier;
  readonly degradations: Degradations;
  readonly announce: Announcer;
  readonly crashGuard: CrashGuard;
  readonly blocked?: () => readonly BlockedNetwork[];
  /** To the kernel sensor; false where there is none. */
  readonly sendToSensor?: (frame: Uint8Array) => boolean;
  /** Runs before each sweep is judged, while no action is under way. */
  readonly beforeJudging: () => Promise<void>;
}

export interface Guard {
  readonly context: Context;
  readonly pipeline: Pipeline;
  readonly supervisor: Supervisor;
  readonly budget: KillBudget;
  readonly kernel: Kernel;
  /** New ones, without memory. */
  readonly detectors: () => readonly Detector[];
}

export function createGuard(parts: GuardParts): Guard {
  const { clock, orders, site, eyes, degradations, announce, crashGuard } = parts;
  const context = hostContext({
    clock,
    users: parts.users,
    trustedProcesses: site.trustedProcesses,
    hints: createHints(site.processes),
    nameOf: (address) => kernel.nameOf(address),
    identity: eyes.identify,
    onFault: (message) => degradations.note("units", message, "systemctl status; it is asked again at the next sweep"),
    onNameRefused: ({ name, message }) => announce.say("INFO", message, "health", `trusted name ${name} ${message}`),
  });
  const budget = createKillBudget();
  const detectors = () => allDetectors(site).map((detector) => guardDetector(detector, crashGuard));
  const kernel = createKernel({
    clock,
    users: parts.users,
    orders,
    context,
    pools: site.poolNetworks,
    blocked: parts.blocked ?? (() => []),
    lastView: () => pipeline.last()?.view,
    sweepSoon: () => supervisor.sweepSoon(),
    listenSoon: () => supervisor.listenSoon(),
    breathe: () => Bun.gc(true),
    urgentSweeps: () => supervisor.urgentSweeps(),
    send: parts.sendToSensor ?? (() => false),
    onFault: degradations.note,
  });
  const pipeline = createPipeline({
    clock,
    context,
    changes: createChangeWriter(kernel),
    stops: kernel.stops,
    detectors: detectors(),
    follows: (event) => [
      ...fileIndicatorDrafts(event, site.indicators()),
      ...lookupIndicatorDrafts(event, site.indicators()),
    ],
    engine: orders.engine,
    policy: orders.policy,
    budget,
    store: parts.store,
    tell: tellerOf(parts.notifier, degradations, clock),
    act: hands(clock),
    breathe: () => Bun.gc(true),
  });
  const supervisor = createSupervisor({
    clock,
    processes: guardScanner(eyes.processes, crashGuard),
    network: guardScanner(eyes.network, crashGuard),
    others: eyes.others.map((scanner) => guardScanner(scanner, crashGuard)),
    takeWaiting: () => [...eyes.takeWaiting(), ...kernel.takeEvents()],
    held: kernel.held,
    settings: (name) => settingsOf(name, orders, crashGuard),
    judge: async (swept) => {
      orders.refresh();
      await parts.beforeJudging();
      const run = await pipeline.run(swept);
      const isWhole = swept.processes !== undefined && swept.sockets !== undefined && swept.urgent !== true;
      kernel.judged(run, pipeline.last()?.sockets ?? [], isWhole);
    },
    onFault: degradations.note,
  });
  return { context, pipeline, supervisor, budget, kernel, detectors };
}

function settingsOf(name: ScannerName, orders: Orders, crashGuard: CrashGuard): ScannerSettings {
  const { SCANNERS, SCAN_INTERVALS } = orders.config();
  const intervalMs = SCAN_INTERVALS[name] * 1_000;
  // Without processes nothing is recognised: better a daemon that crashes now and then than a blind one.
  if (name === "processes" || !crashGuard.isOff(scannerPart(name))) return { enabled: SCANNERS[name], intervalMs };
  return { enabled: false, intervalMs, offBecause: "it keeps crashing the daemon" };
}
