/**
 * From a finding to a decision: rule state, exceptions, trust, who dies and who is spared, never-touch, mode, budget.
 * In this order, each step leaving its reason. Pure but for the budget it is handed.
 */
import { exceptionFacts, matchesException } from "../core/exception.ts";
import type {
  ActionPlan,
  Decision,
  DecisionBase,
  Finding,
  KernelStop,
  ResponseKind,
  SocketRef,
} from "../core/nouns.ts";
import { type Process, type ProcessRef, processKey, sameProcess } from "../core/process.ts";
import { lineageOf } from "../core/render.ts";
import type { HostView } from "../core/view.ts";
import type { KillBudget } from "./budget.ts";
import { untouchable } from "./never_touch.ts";
import type { Policy } from "./policy.ts";

/** A trusted name silences what a program looks like, never what it does. */
const PATTERN_CATEGORIES: ReadonlySet<string> = new Set([
  "process_creation",
  "network_connection",
  "program_place",
  "unknown_process",
  "name_pattern",
  "shell_indicator",
  "threshold",
  "listener",
  "network_pattern",
  "remote_port",
]);
const PLAN_PROCESSES_MAX = 4_096;

export function decide(
  finding: Finding,
  view: HostView,
  policy: Policy,
  budget: KillBudget,
  base: Pick<DecisionBase, "id" | "atMs">,
): Decision {
  const reasons: string[] = [];
  const common = { ...base, findingId: finding.id, rule: finding.rule, by: "policy", reasons };
  const response = responseOf(finding, policy, reasons);
  const pardon = pardonFor(finding, view, policy, base.atMs);
  const stopped = finding.event.subject?.stopped;
  if (stopped !== undefined && stopped.action !== "rehearsed")
    return afterKernel({ finding, view, policy, budget, common, stopped, response, pardon, atMs: base.atMs });
  if (pardon !== undefined) {
    reasons.push(pardon);
    return { ...common, do: "record", pardoned: true };
  }
  if (response === "off" || response === "alert") return { ...common, do: "record" };
  const asked = response === "disconnect" ? "disconnect" : "kill";
  const plan = {
    ...makePlan(finding, view, policy, asked),
    ...(stopped === undefined ? {} : { stopped }),
    ...(finding.event.fields["shell.held"] === true ? { held: true as const } : {}),
  };
  for (const spared of plan.spared) reasons.push(`spares pid ${spared.process.pid}: ${spared.reason}`);
  // What the kernel only rehearsed may have ended by itself since: it would have been killed all the same.
  if (plan.kill.length === 0 && plan.sockets.length === 0 && stopped === undefined) {
    reasons.push("nothing is left that may be touched");
    return { ...common, do: "refuse" };
  }
  const would = plan.kill.length > 0 || stopped !== undefined ? "kill" : "disconnect";
  const calm = rehearsalReason(response, policy, base.atMs);
  if (calm !== undefined) {
    reasons.push(calm);
    return { ...common, do: "rehearse", would, plan };
  }
  if (would === "disconnect") return { ...common, do: would, plan };
  switch (budget.spend(incidentOf(finding, view), policy.killBudgetPerMinute, base.atMs)) {
    case "counted":
      return { ...common, do: would, plan };
    case "repeat":
      return { ...common, do: would, plan: withSpawners(plan, finding, view, policy, reasons) };
    case "spent":
      if (finding.event.subject?.certain === true) {
        reasons.push("the kill budget is spent, but the shape is certain and not limited by it");
        return { ...common, do: would, plan };
      }
      reasons.push(
        `the kill budget of ${policy.killBudgetPerMinute} a minute for this rule and executable is spent, the pair only watches for now`,
      );
      return { ...common, do: "rehearse", would, plan };
  }
}

/** The deed of the kernel stands, whatever was changed since; what is left of the behaviour follows the orders of now. */
function afterKernel(of: {
  readonly finding: Finding;
  readonly view: HostView;
  readonly policy: Policy;
  readonly budget: KillBudget;
  readonly common: DecisionBase & { readonly reasons: string[] };
  readonly stopped: KernelStop;
  readonly response: ResponseKind;
  readonly pardon: string | undefined;
  readonly atMs: number;
}): Decision {
  const { finding, view, policy, common, stopped } = of;
  const { reasons } = common;
  reasons.push(
    `the kernel ${stopped.action} it at ${stopped.stage}, by the policy of generation ${stopped.generation}`,
  );
  const calm =
    of.pardon ??
    (of.response === "kill" ? rehearsalReason(of.response, policy, of.atMs) : "RULES asks for no kill any more");
  const repeats = of.budget.note(incidentOf(finding, view), of.atMs);
  if (calm !== undefined) {
    reasons.push(`what is left of it is not touched: ${calm}`);
    const plan = { kill: [], sockets: [], spared: [], stopped };
    return { ...common, do: stopped.action === "killed" ? "kill" : "disconnect", plan };
  }
  const plan = { ...makePlan(finding, view, policy, "kill"), stopped };
  for (const spared of plan.spared) reasons.push(`spares pid ${spared.process.pid}: ${spared.reason}`);
  // A refused connection to a pool names no actor: trying is no proof, and neither is trying again.
  if (stopped.action !== "killed" && plan.kill.length === 0) return { ...common, do: "disconnect", plan };
  return { ...common, do: "kill", plan: repeats ? withSpawners(plan, finding, view, policy, reasons) : plan };
}

/**
 * A lineage that comes back after a kill is a retry loop: the inline code above it that starts it again goes too.
 * Never a program or script from a file, never an interactive shell.
 */
function withSpawners(
  plan: ActionPlan,
  finding: Finding,
  view: HostView,
  policy: Policy,
  reasons: string[],
): ActionPlan {
  const spawners: ProcessRef[] = [];
  for (const ancestor of ancestorsOf(view, finding)) {
    const inline = view.program(ancestor).interpreter && view.scriptOf(ancestor).kind === "inline";
    if (!inline || untouchable(view, ancestor, policy.neverTouch) !== undefined) break;
    spawners.push(ancestor.ref);
  }
  if (spawners.length > 0)
    reasons.push(`it came back after a kill: pid ${spawners.map((ref) => ref.pid).join(", ")} starts it again`);
  return {
    ...plan,
    kill: [...spawners, ...plan.kill],
    aloneWithoutTree: [...spawners, ...(plan.aloneWithoutTree ?? [])],
  };
}

/** Of a process that the kernel stopped those above it are left to ask, from the first that still lives. */
function ancestorsOf(view: HostView, { event }: Finding): readonly Process[] {
  const process = event.process === undefined ? undefined : alive(view, event.process);
  if (process !== undefined) return view.ancestors(process);
  for (const ref of event.subject?.stopped?.ancestors ?? []) {
    const ancestor = alive(view, ref);
    if (ancestor !== undefined) return [ancestor, ...view.ancestors(ancestor)];
  }
  return [];
}

/** What the rule asks for after RULES had its say. */
function responseOf(finding: Finding, policy: Policy, reasons: string[]): ResponseKind {
  const moved = policy.rules.get(finding.rule.name) ?? policy.rules.get(finding.rule.id.toLowerCase());
  if (moved === undefined) {
    reasons.push(`the rule asks for: ${finding.response}`);
    return finding.response;
  }
  reasons.push(`RULES sets this rule to: ${moved} (the rule itself asks for ${finding.response})`);
  return moved;
}

function pardonFor(finding: Finding, view: HostView, policy: Policy, nowMs: number): string | undefined {
  const facts = exceptionFacts(finding.rule, finding.event);
  const ours = policy.neverTouch.ours ?? [];
  if (finding.event.process !== undefined && ours.some((own) => sameProcess(own, finding.event.process ?? own)))
    return "it is algo-monitor itself";
  const entry = policy.exceptions.find((candidate) => matchesException(candidate, facts, nowMs, policy.argsMatch));
  if (entry !== undefined) return `EXCEPTIONS covers it: ${entry.reason}`;
  const { category } = finding.event.logsource;
  if (PATTERN_CATEGORIES.has(category) && finding.event.fields["process.trusted_name"] === true) {
    return "TRUSTED_SYSTEM_PROCESSES names the program, and it is the verified one of that name";
  }
  const subject = finding.event.subject;
  if (subject === undefined) return undefined;
  for (const ref of [...subject.relays, ...subject.actors]) {
    const executable = alive(view, ref)?.executable;
    const trusted = policy.trustedExecutables.find(
      (file) => file.device === executable?.device && file.inode === executable.inode,
    );
    if (trusted !== undefined) return `TRUSTED_SYSTEM_PROCESSES names ${trusted.path}, which controls it`;
  }
  return undefined;
}

function rehearsalReason(response: ResponseKind, policy: Policy, nowMs: number): string | undefined {
  if (response === "monitor") return "this rule is set to monitor";
  if (policy.mode === "monitor") return "MODE is monitor";
  if (nowMs < policy.pausedUntilMs) return "protection is paused";
  return undefined;
}

/**
 * Who dies: the actors and the trees below them, and the relays that do nothing else. A relay that is a unit's main
 * process, listens, or has other connections loses its one socket and lives.
 */
function makePlan(finding: Finding, view: HostView, policy: Policy, asked: "kill" | "disconnect"): ActionPlan {
  const subject = finding.event.subject;
  if (subject === undefined) return { kill: [], sockets: [], spared: [] };
  const trees = new Map<string, ProcessRef>();
  const relays = new Map<string, ProcessRef>();
  const spared: { process: ProcessRef; reason: string }[] = [];
  const visited = new Set<number>();
  if (asked === "kill") {
    for (const ref of subject.actors) addTree(ref);
    for (const ref of subject.relays) addRelay(ref);
  }
  // Relays first: what is frozen before the shell brings it no more commands.
  const kill = [...relays.values(), ...trees.values()];
  return {
    kill,
    aloneWithoutTree: [...relays.values()],
    sockets: touchableSockets(view, subject.sockets, policy),
    spared,
  };

  /** A relay below an actor falls with the actor's tree, whatever else it does. */
  function addRelay(ref: ProcessRef): void {
    const relay = alive(view, ref);
    if (relay === undefined || visited.has(ref.pid)) return;
    const reason = untouchable(view, relay, policy.neverTouch) ?? servesOthers(view, relay, subject?.sockets ?? []);
    if (reason === undefined) relays.set(processKey(ref), ref);
    else spared.push({ process: ref, reason });
  }

  function addTree(ref: ProcessRef): void {
    const process = alive(view, ref);
    if (process === undefined || visited.has(ref.pid) || visited.size >= PLAN_PROCESSES_MAX) return;
    visited.add(ref.pid);
    const reason = untouchable(view, process, policy.neverTouch);
    if (reason !== undefined) {
      spared.push({ process: ref, reason });
      return;
    }
    trees.set(processKey(ref), ref);
    for (const child of view.children(ref.pid)) addTree(child.ref);
  }
}

/** Why a process that relays must live on, or undefined when relaying is all it does. */
function servesOthers(view: HostView, relay: Process, sockets: readonly SocketRef[]): string | undefined {
  if (view.unit(relay)?.mainPid === relay.ref.pid && view.unit(relay)?.transient !== true)
    return "it is the main process of its unit";
  const ours = new Set(sockets.map((socket) => socket.inode));
  for (const descriptor of view.descriptors(relay)) {
    if (descriptor.kind !== "socket") continue;
    const socket = view.internetSocket(Number(descriptor.channel.slice("socket:".length)));
    if (view.unixSocket(Number(descriptor.channel.slice("socket:".length)))?.listening === true)
      return "it listens on a local socket";
    if (socket === undefined || ours.has(socket.inode)) continue;
    if (socket.state === "listen") return `it listens on port ${socket.local.port}`;
    if (socket.remote !== undefined) return `it has other connections (${socket.remote.address}:${socket.remote.port})`;
  }
  return undefined;
}

/** A connection that a never-to-be-touched process shares is left open. */
function touchableSockets(view: HostView, sockets: readonly SocketRef[], policy: Policy): readonly SocketRef[] {
  return sockets.filter((socket) =>
    view
      .holders(`socket:${socket.inode}`)
      .every((holder) => untouchable(view, holder.process, policy.neverTouch) === undefined),
  );
}

function incidentOf(
  finding: Finding,
  view: HostView,
): { rule: string; executable: string; lineage: string; peer: string } {
  const fields = finding.event.fields;
  const ref = finding.event.process;
  const process = ref === undefined ? undefined : alive(view, ref);
  const executable = process?.executable;
  return {
    rule: finding.rule.name,
    executable:
      executable === undefined
        ? String(fields["process.executable"] ?? "")
        : `${executable.path} (${executable.device}:${executable.inode})`,
    lineage: process === undefined ? lineageOfTheGone(finding) : incidentLineage(view, process),
    peer: String(fields["peer.ip"] ?? ""),
  };
}

/** An ordinary account is one lineage however many sessions it opens; root's incidents are told apart by unit. */
function incidentLineage(view: HostView, process: Process): string {
  return process.uid === 0 ? lineageOf(view, process) : `uid ${process.uid}`;
}

/** The same words as for the living, so that a retry loop is one lineage whether its last round was seen alive or not. */
function lineageOfTheGone({ event, foldKey }: Finding): string {
  const lineage = event.fields["process.lineage"];
  const uid = event.fields["process.real_user.id"];
  if (event.subject?.stopped === undefined || typeof lineage !== "string") return foldKey;
  return typeof uid === "number" && uid !== 0 ? `uid ${uid}` : lineage;
}

function alive(view: HostView, ref: ProcessRef): Process | undefined {
  const process = view.processes.get(ref.pid);
  return process !== undefined && sameProcess(process.ref, ref) ? process : undefined;
}
