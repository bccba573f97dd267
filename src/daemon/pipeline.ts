/**
 * The whole path of one sweep, to be read from top to bottom:
 * sources -> context -> detection -> decision -> response, and beside it store and notify.
 */
import type { Context } from "../context/context.ts";
import type { ChangeWriter } from "../context/events.ts";
import type { Clock } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import { type Decision, type EventDraft, type Finding, type Outcome, severityOf } from "../core/nouns.ts";
import { processKey } from "../core/process.ts";
import { type Fault, messageOf, unreachable } from "../core/result.ts";
import type { InternetSocket } from "../core/socket.ts";
import type { Swept } from "../core/sweep.ts";
import type { HostView } from "../core/view.ts";
import type { KillBudget } from "../decision/budget.ts";
import type { Policy } from "../decision/policy.ts";
import type { Detector } from "../detection/detectors/detector.ts";
import type { Engine } from "../detection/engine.ts";
import type { Store } from "../store/types.ts";
import { type Judged, judge } from "./judge.ts";
import { createStanding } from "./standing.ts";

const BATCH_MAX = 256;
const PASSES_BEFORE_BREATH = 2;
/** So many processes make so much to forget that the next sweep cannot wait for it. */
const CROWD = 2_000;

export interface PipelineParts {
  readonly clock: Clock;
  readonly context: Pick<Context, "update">;
  readonly changes: ChangeWriter;
  /** What the kernel stopped since the last sweep, told in the terms of the host as it is now. */
  readonly stops?: (view: HostView) => readonly EventDraft[];
  readonly detectors: readonly Detector[];
  /** What follows from one event alone. */
  readonly follows: (event: EventDraft) => readonly EventDraft[];
  readonly engine: () => Engine;
  readonly policy: () => Policy;
  readonly budget: KillBudget;
  readonly store: Pick<Store, "appendEvents" | "recordFinding" | "intend" | "settle">;
  readonly tell: Teller;
  readonly act: Actor;
  /** Gives back what a crowd of events left in memory; called only while there is a crowd. */
  readonly breathe: () => void;
}

/** The hands. Called only after the intent is on record. */
export interface Actor {
  kill(decision: Extract<Decision, { do: "kill" }>): Promise<Outcome>;
  disconnect(decision: Extract<Decision, { do: "disconnect" }>): Outcome;
}

/** What notify is told by the pipeline. */
export interface Teller {
  judged(what: { finding: Finding; alertId: string; count: number; decision: Decision; outcome?: Outcome }): void;
  /** An intent that only this notice records. */
  unrecorded(decision: Decision, fault: Fault): void;
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

/** What the newest sweep saw. */
export interface LastSweep {
  readonly view: HostView;
  readonly sockets: readonly InternetSocket[];
}

/** What one sweep led to. */
export interface Run {
  readonly view: HostView;
  /** Kills and disconnects, done. */
  readonly acted: readonly Acted[];
}

export interface Acted {
  readonly decision: Extract<Decision, { do: "kill" | "disconnect" }>;
  readonly outcome: Outcome;
}

export interface Pipeline {
  /** Judges what was swept and acts on it. Resolves when every action is settled. */
  run(swept: Swept): Promise<Run>;
  readonly counts: PipelineCounts;
  last(): LastSweep | undefined;
}

export function createPipeline(parts: PipelineParts): Pipeline {
  const { clock, context, store, tell } = parts;
  const standing = createStanding();
  const counts = noCounts();
  let lastSockets: readonly InternetSocket[] = [];
  let last: LastSweep | undefined;
  return { run, counts, last: () => last };

  async function run(swept: Swept): Promise<Run> {
    const acted: Acted[] = [];
    const view = await look(swept, acted);
    let passes = 0;
    for (const happened of inBatches(withFollowers(swept.events ?? [], parts.follows))) {
      await pass(view, happened, [], acted);
      if (++passes % PASSES_BEFORE_BREATH === 0) parts.breathe();
    }
    return { view, acted };
  }

  /** Where neither processes nor sockets were looked at the last view stands, and was judged already. */
  async function look(swept: Swept, acted: Acted[]): Promise<HostView> {
    if (swept.processes === undefined && swept.sockets === undefined && last !== undefined) return last.view;
    lastSockets = swept.sockets?.internet ?? lastSockets;
    const isCrowd = (swept.processes?.processes.length ?? 0) >= CROWD;
    if (isCrowd) parts.breathe();
    const view = await context.update(swept);
    if (isCrowd) parts.breathe();
    last = { view, sockets: lastSockets };
    // What the kernel stopped comes first: the rest of it still runs.
    const stops = parts.stops?.(view) ?? [];
    if (stops.length > 0) await pass(view, stops, [], acted);
    // Behaviour next: what must be stopped does not wait until a thousand new processes were looked at one by one.
    const isUrgent = swept.urgent === true;
    await pass(view, [], isUrgent ? parts.detectors.filter(({ urgent }) => urgent === true) : parts.detectors, acted);
    if (isUrgent) return view;
    let passes = 0;
    for (const changes of inBatches(parts.changes.changes(view, lastSockets))) {
      await pass(view, changes, [], acted);
      if (++passes % PASSES_BEFORE_BREATH === 0) parts.breathe();
    }
    return view;
  }

  /** Judges a part of what was seen, acts, records. */
  async function pass(
    view: HostView,
    changes: readonly EventDraft[],
    detectors: readonly Detector[],
    acted: Acted[],
  ): Promise<void> {
    const atMs = clock.nowMs();
    const { events, judged } = judge({
      view,
      changes,
      detectors,
      engine: parts.engine(),
      policy: parts.policy(),
      budget: parts.budget,
      atMs,
      newId: () => newId(atMs),
      onDetectorFault: (detector, thrown) =>
        tell.fault(
          `detector ${detector}`,
          `the detector ${detector} failed on this sweep: ${messageOf(thrown)}`,
          "please report this; the other detectors go on",
        ),
    });
    counts.events += events.length;
    const fresh = judged.filter((one) => standing.isNews(one, atMs) && !isDone(one, acted));
    // What must be stopped comes first; writing and telling can wait these milliseconds.
    acted.push(...(await actOnAll(fresh.filter(acts))));
    for (const one of fresh) if (!acts(one)) recordOnly(one);
    store.appendEvents(standing.freshEvents(events, atMs));
  }

  /** Side by side, so that one process that is slow to die delays nobody; one after the other where two share a process. */
  async function actOnAll(wanted: readonly Judged[]): Promise<readonly Acted[]> {
    const claims = new Map<string, Promise<readonly Acted[]>>();
    const actions = wanted.map((one) => {
      const keys = "plan" in one.decision ? one.decision.plan.kill.map(processKey) : [];
      const earlier = keys.flatMap((key) => claims.get(key) ?? []);
      const action = earlier.length === 0 ? act(one) : Promise.all(earlier).then(() => act(one));
      for (const key of keys) claims.set(key, action);
      return action;
    });
    return (await Promise.all(actions)).flat();
  }

  /** Never rejects: whatever goes wrong with one action, the others come to their turn. */
  async function act({ finding, decision }: Judged): Promise<readonly Acted[]> {
    const intended = store.intend(decision);
    // No place on disk takes the intent: it is told before the hand moves, and nothing waits for the disk.
    if (!intended.ok) tell.unrecorded(decision, intended.fault);
    const outcome = await carryOut(decision);
    const folded = store.recordFinding(finding);
    if (outcome !== undefined) store.settle(outcome);
    count(counts, finding, decision, outcome);
    const became = outcome === undefined ? {} : { outcome };
    tell.judged({ finding, decision, alertId: folded.alertId, count: folded.count, ...became });
    const isAction = decision.do === "kill" || decision.do === "disconnect";
    return isAction && outcome !== undefined ? [{ decision, outcome }] : [];
  }

  async function carryOut(decision: Decision): Promise<Outcome | undefined> {
    try {
      switch (decision.do) {
        case "kill":
          return await parts.act.kill(decision);
        case "disconnect":
          return parts.act.disconnect(decision);
        case "record":
        case "refuse":
        case "rehearse":
          return undefined;
        default:
          return unreachable(decision);
      }
    } catch (thrown) {
      const detail = `the action itself failed: ${messageOf(thrown)}`;
      tell.fault("response", `${decision.rule.name}: ${detail}`, "please report this; the next sweep tries again");
      return { ...untouched(decision, clock.nowMs()), result: "failed", detail };
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
    if (decision.do === "rehearse") store.settle(untouched(decision, clock.nowMs()));
    count(counts, finding, decision, undefined);
    tell.judged({ finding, decision, alertId: folded.alertId, count: folded.count });
  }
}

/** Each with what follows from it, such as a changed file that an indicator names. */
function* withFollowers(events: readonly EventDraft[], follows: PipelineParts["follows"]): Generator<EventDraft> {
  for (const event of events) {
    yield event;
    yield* follows(event);
  }
}

/** Bounds what a sweep holds in memory at once: the first one tells of every process there is. */
function* inBatches(drafts: Iterable<EventDraft>): Generator<readonly EventDraft[]> {
  let batch: EventDraft[] = [];
  for (const draft of drafts) {
    batch.push(draft);
    if (batch.length < BATCH_MAX) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** The detectors see the host as it was when it was looked at: what the kernel's stop already led to is no second deed. */
function isDone({ finding, decision }: Judged, acted: readonly Acted[]): boolean {
  if (decision.do !== "kill" || decision.plan.stopped !== undefined) return false;
  const gone = acted
    .filter((earlier) => earlier.decision.plan.stopped !== undefined && earlier.decision.rule.id === finding.rule.id)
    .flatMap(({ outcome }) => outcome.killed.map(processKey));
  const { actors = [], relays = [] } = finding.event.subject ?? {};
  return gone.length > 0 && [...actors, ...relays].every((ref) => gone.includes(processKey(ref)));
}

function acts({ decision }: Judged): boolean {
  return decision.do === "kill" || decision.do === "disconnect";
}

function untouched(decision: Decision, atMs: number): Outcome {
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

function noCounts(): PipelineCounts {
  return {
    events: 0,
    findings: { ALERT: 0, WARNING: 0, INFO: 0, ERROR: 0 },
    kills: 0,
    disconnects: 0,
    rehearsed: 0,
    refused: 0,
    actionsFailed: 0,
    pardoned: 0,
  };
}

function count(counts: PipelineCounts, finding: Finding, decision: Decision, outcome: Outcome | undefined): void {
  counts.findings[severityOf(finding.level)]++;
  if (decision.do === "rehearse") counts.rehearsed++;
  if (decision.do === "refuse") counts.refused++;
  if (decision.do === "disconnect" && outcome?.result === "done") counts.disconnects++;
  if (decision.do === "kill" && outcome !== undefined && outcome.killed.length > 0) counts.kills++;
  if (outcome?.result === "failed" || outcome?.result === "partial") counts.actionsFailed++;
}
