/**
 * What the operator reads: what happened, to what, why, and what to do next, in one line. Pure. Names in it are
 * foreign: each is made printable and bounded here, before it is put into a sentence.
 */
import { exceptionFor } from "../core/exception.ts";
import { readableReason } from "../core/field_words.ts";
import type { Notice, NoticeKind, NoticeSubject } from "../core/notice.ts";
import type { ActionPlan, Decision, Outcome, Severity, SocketRef } from "../core/nouns.ts";
import { severityOf } from "../core/nouns.ts";
import { printable } from "../core/printable.ts";
import type { ProcessRef } from "../core/process.ts";
import { unreachable } from "../core/result.ts";

const NAME_CHARACTERS_MAX = 200;
const SENTENCE_CHARACTERS_MAX = 600;
const LISTED_MAX = 5;
const REASONS_MAX = 6;

/** The notice of a finding and of what was decided and done about it. */
export function noticeOf(about: NoticeSubject): Notice {
  const { finding, decision, outcome } = about;
  const kind = kindOf(decision);
  return {
    kind,
    severity: severityFor(about),
    atMs: outcome?.atMs ?? decision?.atMs ?? finding.atMs,
    message: messageFor(about),
    fields: {},
    // A kill or a disconnect is an act of ours, told each time; a new alert is news even where it looks like the last one.
    ...(kind === "kill" || kind === "disconnect" ? {} : { foldKey: about.alertId }),
    about,
  };
}

export function kindOf(decision: Decision | undefined): NoticeKind {
  if (decision === undefined) return "finding";
  switch (decision.do) {
    case "record":
      return "finding";
    case "refuse":
      return "refused";
    case "rehearse":
      return "rehearsal";
    case "disconnect":
      return "disconnect";
    case "kill":
      return "kill";
    default:
      return unreachable(decision);
  }
}

function severityFor(about: NoticeSubject): Severity {
  const acted = about.decision?.do === "kill" || about.decision?.do === "disconnect";
  return acted ? "ALERT" : severityOf(about.finding.level);
}

export function messageFor(about: NoticeSubject): string {
  const { decision, outcome } = about;
  if (decision === undefined) return recordMessage(about);
  switch (decision.do) {
    case "record":
      return recordMessage(about);
    case "refuse":
      return refusedMessage(about, decision);
    case "rehearse":
      return rehearsalMessage(about, decision, decision.would, decision.plan);
    case "disconnect":
      return actionMessage(about, decision.plan, outcome, DISCONNECT);
    case "kill":
      return actionMessage(about, decision.plan, outcome, KILL);
    default:
      return unreachable(decision);
  }
}

function recordMessage(about: NoticeSubject): string {
  return sentences([head(about), why(about), next(about), showCommand(about)]);
}

function refusedMessage(about: NoticeSubject, decision: Decision): string {
  return sentences([
    `NOT STOPPED: ${head(about)}`,
    why(about),
    `Not stopped because ${reasonsOf(decision.reasons)}`,
    next(about),
    showCommand(about),
  ]);
}

function rehearsalMessage(
  about: NoticeSubject,
  decision: Decision,
  would: "kill" | "disconnect",
  plan: ActionPlan,
): string {
  const what = would === "kill" ? `kill ${processes(about, plan.kill)}` : `cut ${sockets(plan.sockets)}`;
  return sentences([
    `WOULD ${would === "kill" ? "KILL" : "DISCONNECT"}: ${head(about)}`,
    why(about),
    `Would ${what}; nothing was touched because ${reasonsOf(decision.reasons)}`,
    spared(plan),
    "To have it stopped: sudo algo-monitor config set MODE enforce (while paused: sudo algo-monitor resume)",
    howToTrust(about),
    showCommand(about),
  ]);
}

interface ActionWords {
  readonly done: string;
  readonly partly: string;
  readonly failed: string;
  readonly pending: string;
}

const KILL: ActionWords = { done: "KILLED", partly: "KILLED IN PART", failed: "KILL FAILED", pending: "KILLING" };
const DISCONNECT: ActionWords = {
  done: "DISCONNECTED",
  partly: "DISCONNECTED IN PART",
  failed: "DISCONNECT FAILED",
  pending: "DISCONNECTING",
};

function actionMessage(
  about: NoticeSubject,
  plan: ActionPlan,
  outcome: Outcome | undefined,
  words: ActionWords,
): string {
  return sentences([
    `${verdictWord(outcome, words)}: ${head(about)}`,
    why(about),
    outcome === undefined ? planned(about, plan) : effect(about, outcome),
    spared(plan),
    afterFailure(about, outcome),
    howToTrust(about),
    showCommand(about),
  ]);
}

function verdictWord(outcome: Outcome | undefined, words: ActionWords): string {
  switch (outcome?.result) {
    case undefined:
      return words.pending;
    case "done":
      return words.done;
    case "partial":
      return words.partly;
    case "failed":
      return words.failed;
    case "rehearsed":
      return `${words.pending} (rehearsed)`;
  }
}

function planned(about: NoticeSubject, plan: ActionPlan): string {
  const parts = [
    plan.kill.length > 0 ? processes(about, plan.kill) : "",
    plan.sockets.length > 0 ? sockets(plan.sockets) : "",
  ].filter((part) => part !== "");
  return parts.length === 0 ? "" : `Concerned: ${parts.join("; ")}`;
}

function effect(about: NoticeSubject, outcome: Outcome): string {
  const parts: string[] = [];
  if (outcome.killed.length > 0) parts.push(`dead: ${processes(about, outcome.killed, outcome)}`);
  if (outcome.survived.length > 0) parts.push(`STILL ALIVE: ${processes(about, outcome.survived, outcome)}`);
  if (outcome.socketsDestroyed > 0) parts.push(`${plural(outcome.socketsDestroyed, "connection")} destroyed`);
  // What went as planned is said by the parts above already.
  if (outcome.detail !== "" && (outcome.result !== "done" || parts.length === 0))
    parts.push(clean(outcome.detail, SENTENCE_CHARACTERS_MAX));
  const proof = outcome.verified ? `verified after ${Math.round(outcome.tookMs)} ms` : "NOT verified";
  return capital(`${parts.length === 0 ? "" : `${parts.join("; ")}; `}${proof}`);
}

function afterFailure(about: NoticeSubject, outcome: Outcome | undefined): string {
  if (outcome === undefined || outcome.result === "done" || outcome.result === "rehearsed") return "";
  const pids = outcome.survived.slice(0, LISTED_MAX).map((process) => process.pid);
  if (pids.length > 0)
    return `Act now: look with ps -fp ${pids.join(",")}, stop it with sudo kill -9 ${pids.join(" ")}`;
  return `Act now: see what is left with sudo algo-monitor alerts show ${about.alertId}`;
}

/** The entry is printed as one element of EXCEPTIONS, ready to paste, and never cut: half an entry helps nobody. */
function howToTrust(about: NoticeSubject): string {
  const entry = exceptionJson(about);
  return `If this was legitimate: sudo algo-monitor trust ${about.alertId}, or paste into EXCEPTIONS: ${entry}`;
}

/** ASCII JSON: whatever a name holds, pasting the line gives the same name back. */
export function exceptionJson(about: Pick<NoticeSubject, "finding">): string {
  return JSON.stringify(exceptionFor(about.finding)).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Title with the fold count. */
function head(about: NoticeSubject): string {
  const times = about.count > 1 ? ` (seen ${about.count} times)` : "";
  return `${clean(about.finding.title, SENTENCE_CHARACTERS_MAX)}${times} [rule ${clean(about.finding.rule.name, NAME_CHARACTERS_MAX)}, score ${about.finding.score}]`;
}

function why(about: NoticeSubject): string {
  return about.finding.reasons.length === 0 ? "" : `Why: ${reasonsOf(about.finding.reasons.map(readableReason))}`;
}

function next(about: NoticeSubject): string {
  return about.finding.triage === "" ? "" : `Next: ${clean(about.finding.triage, SENTENCE_CHARACTERS_MAX)}`;
}

function showCommand(about: NoticeSubject): string {
  return `Details: sudo algo-monitor alerts show ${about.alertId}`;
}

function spared(plan: ActionPlan): string {
  if (plan.spared.length === 0) return "";
  const shown = plan.spared
    .slice(0, LISTED_MAX)
    .map((item) => `pid ${item.process.pid} (${clean(item.reason, NAME_CHARACTERS_MAX)})`);
  return `Left alone: ${shown.join(", ")}${andMore(plan.spared.length)}`;
}

function processes(
  about: NoticeSubject,
  refs: readonly ProcessRef[],
  outcome: Outcome | undefined = about.outcome,
): string {
  if (refs.length === 0) return "no process";
  const shown = refs.slice(0, LISTED_MAX).map((ref) => {
    const name = nameOf(about, ref, outcome);
    return name === "" ? `pid ${ref.pid}` : `${name} (pid ${ref.pid})`;
  });
  return `${shown.join(", ")}${andMore(refs.length)}`;
}

function nameOf(about: NoticeSubject, ref: ProcessRef, outcome: Outcome | undefined): string {
  const kept = outcome?.evidence.find((item) => item.process.pid === ref.pid);
  const own =
    about.finding.event.process?.pid === ref.pid ? about.finding.event.fields["process.executable"] : undefined;
  const name = kept?.executable ?? own;
  return typeof name === "string" ? clean(name, NAME_CHARACTERS_MAX) : "";
}

function sockets(refs: readonly SocketRef[]): string {
  if (refs.length === 0) return "no connection";
  const shown = refs
    .slice(0, LISTED_MAX)
    .map((ref) => `${ref.protocol} to ${endpoint(ref.remoteAddress, ref.remotePort)}`);
  return `${refs.length === 1 ? "the connection" : `${refs.length} connections`}: ${shown.join(", ")}${andMore(refs.length)}`;
}

function endpoint(address: string, port: number): string {
  const shown = clean(address, NAME_CHARACTERS_MAX);
  return shown.includes(":") ? `[${shown}]:${port}` : `${shown}:${port}`;
}

function andMore(count: number): string {
  return count > LISTED_MAX ? ` and ${count - LISTED_MAX} more` : "";
}

function reasonsOf(reasons: readonly string[]): string {
  if (reasons.length === 0) return "no reason was given";
  const shown = reasons.slice(0, REASONS_MAX).map((reason) => stripEnd(clean(reason, SENTENCE_CHARACTERS_MAX)));
  const more = reasons.length > REASONS_MAX ? `; and ${reasons.length - REASONS_MAX} more` : "";
  return `${shown.join("; ")}${more}`;
}

function sentences(parts: readonly string[]): string {
  return parts
    .filter((part) => part !== "")
    .map(stripEnd)
    .join(". ")
    .concat(".");
}

function stripEnd(text: string): string {
  return text.replace(/[.\s]+$/, "");
}

function clean(text: string, charactersMax: number): string {
  return printable(text, charactersMax);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
