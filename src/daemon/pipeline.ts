/**
 * The whole path of one sweep, to be read from top to bottom:
 * sources -> context -> detection -> decision -> response, and beside it store and notify.
 */
import type { Clock } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import { type Decision, type Finding, type Outcome, severityOf } from "../core/nouns.ts";
import { messageOf, unreachable } from "../core/result.ts";
import type { InternetSocket } from "../core/socket.ts";
import type { Swept } from "../core/sweep.ts";
import type { HostView } from "../core/view.ts";
import type { Context } from "../context/context.ts";
import type { ChangeWriter } from "../context/events.ts";
import type { KillBudget } from "../decision/budget.ts";
import type { Policy } from "../decision/policy.ts";
import type { Detector } from "../detection/detectors/detector.ts";
import type { Engine } from "../detection/engine.ts";
import { disconnectPlan } from "../response/disconnect.ts";
import { killPlan } from "../response/kill.ts";
import type { Store } from "../store/types.ts";
import { type Judged, judge } from "./judge.ts";
import { createStanding } from "./standing.ts";

export interface PipelineParts {
  readonly clock: Clock;
  readonly context: Context;
  readonly changes: ChangeWriter;
  readonly detectors: readonly Detector[];
  readonly engine: () => Engine;
  readonly policy: () => Policy;
  readonly budget: KillBudget;
  readonly store: Store;
  readonly tell: Teller;
}

/** What notify is told by the pipeline. */
export interface Teller {
  judged(what: { finding: Finding; alertId: string; count: number; decision: Decision; outcome?: Outcome }): void;
  fault(part: string, message: string, remedy: string): void;
}

export interface PipelineCounts {
  events: number;
  findings: { ALERT: number; WARNING: number; INFO: number; ERROR: number };
  kills: number;
  disconnects: number;
  rehearsed: number;
  refused: number;
  actionsFailed: number;
  /** Covered by an exception or by trust: stored, not told. */
  pardoned: number;
}

export interface Pipeline {
  /** Judges what was swept and acts on it. Resolves when every action is settled. */
  run(swept: Swept): Promise<HostView>;
  readonly counts: PipelineCounts;
  /** What the newest sweep saw. */
  last(): { readonly view: HostView; readonly sockets: readonly InternetSocket[] } | undefined;
}

export function createPipeline(parts: PipelineParts): Pipeline {
  const { clock, context, store, tell } = parts;
  const standing = createStanding();
  const counts: PipelineCounts = {
    events: 0,
    findings: { ALERT: 0, WARNING: 0, INFO: 0, ERROR: 0 },
    kills: 0,
    disconnects: 0,
    rehearsed: 0,
    refused: 0,
    actionsFailed: 0,
    pardoned: 0,
  };
  let lastSockets: readonly InternetSocket[] = [];
  let lastView: HostView | undefined;
  return { run, counts, last: () => (lastView === undefined ? undefined : { view: lastView, sockets: lastSockets }) };

  async function run(swept: Swept): Promise<HostView> {
    lastSockets = swept.sockets?.internet ?? lastSockets;
    const view = await context.update(swept);
    lastView = view;
    const atMs = clock.nowMs();
    const { events, judged } = judge({
      view,
      changes: parts.changes.changes(view, lastSockets),
      detectors: parts.detectors,
      engine: parts.engine(),
      policy: parts.policy(),
      budget: parts.budget,
      atMs,
      newId: () => newId(atMs),
      onDetectorFault: (detector, thrown) =>
        tell.fault(`detector ${detector}`, `the detector ${detector} failed on this sweep: ${messageOf(thrown)}`, "please report this; the other detectors go on"),
    });
    counts.events += events.length;
    const fresh = judged.filter((one) => standing.isNews(one, atMs));
    // What must be stopped comes first; writing and telling can wait these milliseconds.
    for (const one of fresh.filter(acts)) await act(one);
    for (const one of fresh.filter((candidate) => !acts(candidate))) recordOnly(one);
    store.appendEvents(standing.freshEvents(events, atMs));
    return view;
  }

  async function act({ finding, decision }: Judged): Promise<void> {
    const intended = store.intend(decision);
    const outcome = await carryOut(decision);
    const folded = store.recordFinding(finding);
    if (outcome !== undefined) store.settle(outcome);
    if (!intended.ok) tell.fault("intent ledger", intended.fault.message, intended.fault.remedy ?? "see `algo-monitor status`");
    count(finding, decision, outcome);
    tell.judged({ finding, decision, alertId: folded.alertId, count: folded.count, ...(outcome === undefined ? {} : { outcome }) });
  }

  async function carryOut(decision: Decision): Promise<Outcome | undefined> {
    switch (decision.do) {
      case "kill":
        return killPlan(decision.id, decision.plan, clock);
      case "disconnect":
        return disconnectPlan(decision.id, decision.plan, clock);
      case "record":
      case "refuse":
      case "rehearse":
        return undefined;
      default:
        return unreachable(decision);
    }
  }

  function recordOnly({ finding, decision }: Judged): void {
    if (decision.do === "record" && decision.pardoned === true) {
      counts.pardoned++;
      store.intend(decision);
      return;
    }
    const folded = store.recordFinding(finding);
    store.intend(decision);
    if (decision.do === "rehearse") store.settle(rehearsed(decision, clock.nowMs()));
    count(finding, decision, undefined);
    tell.judged({ finding, decision, alertId: folded.alertId, count: folded.count });
  }

  function count(finding: Finding, decision: Decision, outcome: Outcome | undefined): void {
    counts.findings[severityOf(finding.level)]++;
    if (decision.do === "rehearse") counts.rehearsed++;
    if (decision.do === "refuse") counts.refused++;
    if (decision.do === "disconnect" && outcome?.result === "done") counts.disconnects++;
    if (decision.do === "kill" && outcome !== undefined && outcome.killed.length > 0) counts.kills++;
    if (outcome?.result === "failed" || outcome?.result === "partial") counts.actionsFailed++;
  }
}

function acts({ decision }: Judged): boolean {
  return decision.do === "kill" || decision.do === "disconnect";
}

function rehearsed(decision: Decision, atMs: number): Outcome {
  return {
    decisionId: decision.id,
    atMs,
    result: "rehearsed",
    verified: false,
    killed: [],
    survived: [],
    socketsDestroyed: 0,
    detail: "nothing was touched",
    tookMs: 0,
    evidence: [],
  };
}
