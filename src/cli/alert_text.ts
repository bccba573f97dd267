/** One alert as an operator reads it: what, why, what was done and why, the evidence, what next. Pure. */

import { endpointText } from "../core/control.ts";
import { readableReason } from "../core/field_words.ts";
import type { Decision, Fields, FieldValue, Outcome, ProcessEvidence } from "../core/nouns.ts";
import { printable } from "../core/printable.ts";
import { unreachable } from "../core/result.ts";
import type { AlertDetail } from "../store/reader.ts";
import { paintOf } from "./action.ts";
import { localTime, milliseconds, pairs, plural, timeWithHint } from "./text.ts";
import type { Cli } from "./world.ts";

const SHOWN_FIELDS: readonly (readonly [string, string])[] = [
  ["process", "process.executable"],
  ["command line", "process.command_line"],
  ["working in", "process.working_directory"],
  ["parent", "process.parent.executable"],
  ["parent command", "process.parent.command_line"],
  ["user", "user.name"],
  ["unit", "process.unit"],
  ["path of the shell", "shell.path"],
  ["held by", "shell.holder.command_line"],
  ["pool", "miner.pool"],
  ["traits", "miner.traits"],
  ["SHA-256", "process.hash.sha256"],
  ["file", "file.path"],
  ["changed", "file.changes"],
  ["link to", "file.target_path"],
  ["owner", "file.owner"],
  ["mode", "file.mode"],
  ["size in bytes", "file.size"],
  ["SHA-256", "file.hash.sha256"],
  ["package", "file.package.name"],
  ["package content", "file.package.state"],
  ["changes beside it", "file.changes_in_directory"],
  ["login", "session.access"],
  ["from", "session.origin"],
  ["network", "session.network"],
  ["lasted", "session.lasted"],
  ["session", "session.id"],
  ["peer", "peer.ip"],
  ["ports reached", "scan.ports"],
  ["systemd unit", "unit.name"],
  ["result", "unit.result"],
  ["list", "pattern.key"],
  ["entry", "pattern.text"],
  ["matched", "pattern.matched"],
  ["indicator", "indicator.value"],
  ["named by", "indicator.list"],
  ["line", "indicator.line"],
  ["threshold", "threshold.name"],
  ["value", "threshold.value"],
  ["limit", "threshold.limit"],
  ["resource", "host.resource"],
  ["device", "host.device"],
  ["used", "host.used"],
  ["limit", "host.limit"],
];

/** What a file was like before, shown where it is another now. */
const BEFORE_FIELDS: readonly (readonly [label: string, before: string, now: string])[] = [
  ["owner before", "file.previous.owner", "file.owner"],
  ["mode before", "file.previous.mode", "file.mode"],
  ["size in bytes before", "file.previous.size", "file.size"],
  ["SHA-256 before", "file.previous.hash.sha256", "file.hash.sha256"],
];

const TIME_FIELDS: readonly (readonly [label: string, name: string])[] = [
  ["content written", "file.mtime"],
  ["inode changed", "file.ctime"],
];

export function alertText(cli: Cli, detail: AlertDetail): string {
  const paint = paintOf(cli);
  const { alert, finding } = detail;
  return [
    `${paint(alert.severity, "bold")} ${printable(alert.title)}\n\n`,
    pairs(headRows(cli, detail)),
    `\n${paint("What", "bold")}\n${pairs(fieldRows(finding.event.fields))}`,
    `\n${paint("Why it was found", "bold")}\n${bullets(finding.reasons.map(readableReason))}`,
    decisionsText(cli, detail),
    `\n${paint("What to do next", "bold")}\n${bullets([finding.triage])}`,
    nextText(detail),
  ].join("");
}

function headRows(cli: Cli, detail: AlertDetail): readonly (readonly [string, string])[] {
  const { alert, finding, rowsKept } = detail;
  const nowMs = cli.clock.nowMs();
  const by = alert.statusBy === undefined ? "" : ` by ${printable(alert.statusBy, 64)}`;
  const at = alert.statusAtMs === undefined ? "" : `, ${timeWithHint(alert.statusAtMs, nowMs)}`;
  const techniques = finding.tags
    .filter((tag) => tag.startsWith("attack."))
    .map((tag) => tag.slice("attack.".length).toUpperCase());
  return [
    ["alert", alert.id],
    ["status", `${alert.status}${by}${at}`],
    ["rule", `${alert.rule.name} (version ${alert.rule.version}, ${alert.rule.id})`],
    ["level", `${alert.level}, score ${alert.score}`],
    ...stoppedBy(detail.decisions),
    ...(techniques.length === 0 ? [] : ([["ATT&CK", printable(techniques.join(", "))]] as const)),
    ["first seen", timeWithHint(alert.firstAtMs, nowMs)],
    ...(alert.count === 1
      ? []
      : ([["last seen", `${timeWithHint(alert.lastAtMs, nowMs)}, ${alert.count} times, ${rowsKept} kept`]] as const)),
  ];
}

/** Of the first action: what came later only swept up after it. */
function stoppedBy(decisions: readonly Decision[]): readonly (readonly [string, string])[] {
  const first = decisions
    .filter((decision) => decision.do === "kill" || decision.do === "disconnect")
    .toSorted((left, right) => left.atMs - right.atMs)[0];
  return first === undefined ? [] : [["stopped by", mechanismOf(first.plan)]];
}

function mechanismOf(plan: Plan): string {
  const { stopped, held } = plan;
  if (stopped !== undefined && stopped.stage !== "held") return `kernel at ${stopped.stage}`;
  return held === true || stopped !== undefined ? "held" : "scan";
}

function fieldRows(fields: Fields): readonly (readonly [string, string])[] {
  const rows: (readonly [string, string])[] = [];
  const pid = fields["process.pid"];
  if (pid !== undefined) rows.push(["pid", valueText(pid)]);
  for (const [label, name] of SHOWN_FIELDS) {
    const value = fields[name];
    if (value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0))
      rows.push([label, valueText(value)]);
  }
  for (const [label, before, now] of BEFORE_FIELDS) {
    const value = fields[before];
    if (value !== undefined && value !== fields[now]) rows.push([label, valueText(value)]);
  }
  for (const [label, name] of TIME_FIELDS) {
    const value = fields[name];
    if (typeof value === "number") rows.push([label, localTime(value)]);
  }
  const peer = connectionText(fields);
  if (peer !== "") rows.push(["connection", peer]);
  return rows;
}

function connectionText(fields: Fields): string {
  const {
    "source.ip": from,
    "source.port": fromPort,
    "destination.ip": to,
    "destination.port": toPort,
    "network.transport": transport,
    "listener.scope": listens,
  } = fields;
  if (typeof from === "string" && typeof fromPort === "number" && listens !== undefined)
    return `listens on ${endpointText(printable(from, 64), fromPort)}`;
  if (typeof to !== "string") return "";
  const left =
    typeof from === "string"
      ? `${endpointText(printable(from, 64), typeof fromPort === "number" ? fromPort : 0)} `
      : "";
  const kind = typeof transport === "string" ? `${printable(transport, 16)} ` : "";
  return `${kind}${left}-> ${endpointText(printable(to, 64), typeof toPort === "number" ? toPort : 0)}`;
}

function valueText(value: FieldValue): string {
  return printable(Array.isArray(value) ? value.join(", ") : String(value));
}

function bullets(lines: readonly string[]): string {
  return lines.length === 0 ? "  (nothing noted)\n" : lines.map((line) => `  - ${printable(line)}\n`).join("");
}

function decisionsText(cli: Cli, detail: AlertDetail): string {
  const paint = paintOf(cli);
  if (detail.decisions.length === 0) return `\n${paint("What was done", "bold")}\n  Nothing is recorded.\n`;
  const nowMs = cli.clock.nowMs();
  const parts = detail.decisions.map((decision) => {
    const outcomes = detail.outcomes.filter((outcome) => outcome.decisionId === decision.id).map(outcomeText);
    const head = `  ${decisionSentence(decision)}, ${timeWithHint(decision.atMs, nowMs)}, by ${printable(decision.by, 64)}\n`;
    return (
      head +
      decision.reasons.map((reason) => `    because ${printable(reason)}\n`).join("") +
      sparedText(decision) +
      outcomes.join("")
    );
  });
  return `\n${paint("What was done", "bold")}\n${parts.join("")}`;
}

function decisionSentence(decision: Decision): string {
  switch (decision.do) {
    case "record":
      return "Recorded, nothing else";
    case "refuse":
      return "Refused to act";
    case "rehearse":
      return decision.would === "kill"
        ? `Rehearsed: enforce would have killed ${targets(decision.plan)}`
        : `Rehearsed: enforce would have disconnected ${targets(decision.plan)}`;
    case "kill":
      return `Decided to kill ${targets(decision.plan)}`;
    case "disconnect":
      return `Decided to disconnect ${targets(decision.plan)}`;
    default:
      return unreachable(decision);
  }
}

type Plan = Extract<Decision, { readonly do: "kill" }>["plan"];

function targets(plan: Plan): string {
  const pids = plan.kill.map((process) => `pid ${process.pid}`);
  const sockets = plan.sockets.map(
    (socket) => `${socket.protocol} ${endpointText(printable(socket.remoteAddress, 64), socket.remotePort)}`,
  );
  const all = [...pids, ...sockets];
  return all.length === 0 ? "nothing that was left" : all.join(", ");
}

function sparedText(decision: Decision): string {
  if (!("plan" in decision)) return "";
  return decision.plan.spared
    .map(({ process, reason }) => `    left alone: pid ${process.pid}, ${printable(reason)}\n`)
    .join("");
}

function outcomeText(outcome: Outcome): string {
  const words: Readonly<Record<Outcome["result"], string>> = {
    done: "done",
    rehearsed: "rehearsed, nothing was touched",
    failed: "FAILED",
    partial: "only PARTLY done",
  };
  const numbers =
    outcome.result === "rehearsed"
      ? ""
      : `, ${plural(outcome.killed.length, "process").replace("processs", "processes")} dead, ${plural(outcome.socketsDestroyed, "socket")} destroyed`;
  const survivors =
    outcome.survived.length === 0
      ? ""
      : `, STILL ALIVE: ${outcome.survived.map((process) => `pid ${process.pid}`).join(", ")}`;
  const looked = outcome.verified ? ", verified" : ", not verified";
  const verified = outcome.result === "rehearsed" ? "" : looked;
  const detail = outcome.detail === "" ? "" : `: ${printable(outcome.detail)}`;
  return `    ${words[outcome.result]} in ${milliseconds(outcome.tookMs)}${numbers}${survivors}${verified}${detail}\n${outcome.evidence.map(evidenceText).join("")}`;
}

function evidenceText(evidence: ProcessEvidence): string {
  const head = `    evidence of pid ${evidence.process.pid} (parent ${evidence.parentPid}, uid ${evidence.userId}): ${printable(evidence.executable, 400)}\n`;
  const rows = [
    `command ${printable(evidence.commandLine)}`,
    `working in ${printable(evidence.workingDirectory, 400)}`,
    ...evidence.descriptors.map((line) => `open ${printable(line, 400)}`),
  ];
  return head + rows.map((row) => `      ${row}\n`).join("");
}

function nextText({ alert }: AlertDetail): string {
  const short = alert.id;
  const settle =
    alert.status === "new" ? `  settle it:         sudo algo-monitor alerts ack|resolve|false-positive ${short}\n` : "";
  return `${settle}  if this is normal: sudo algo-monitor trust ${short}\n`;
}
