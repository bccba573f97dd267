/**
 * What the kernel stopped, or only would have, as the event that a scan would have made of it: the same category, so the
 * same rule, exceptions and alert. The process is dead by then; all that is said of it comes from the record.
 */
import { type KernelConnection, type KernelVerdict, SHAPE_WORDS } from "../core/kernel.ts";
import type { EventDraft, Fields, KernelStop, ProcessEvidence, SocketRef, Subject } from "../core/nouns.ts";
import { isLoopback } from "../core/place.ts";
import { type Process, type ProcessRef, sameProcess } from "../core/process.ts";
import { connectionFields, processFields, socketRef } from "../core/render.ts";
import { unreachable } from "../core/result.ts";
import type { InternetSocket } from "../core/socket.ts";
import type { HostView } from "../core/view.ts";

/**
 * @param view one that knows `process` too, dead or alive.
 * @param ancestors who stands above it, as far as anybody knows.
 */
export function verdictDraft(
  view: HostView,
  verdict: KernelVerdict,
  process: Process,
  ancestors: readonly ProcessRef[],
): EventDraft {
  const { connection } = verdict;
  const fields: Fields = {
    ...processFields(view, process),
    ...(connection === undefined || connection.remote.port === 0 ? {} : connectionFields(asSocket(connection))),
    "kernel.verdict": verdict.rule,
    "kernel.shape": verdict.shape,
    "kernel.stage": verdict.stage,
    "kernel.action": verdict.action,
    "kernel.generation": verdict.generation,
    ...shapeFields(view, verdict, process),
  };
  return { ...kindOf(verdict), fields, process: process.ref, subject: subjectOf(view, verdict, process, ancestors) };
}

function kindOf({ rule }: KernelVerdict): Pick<EventDraft, "action" | "logsource"> {
  const own = { product: "linux", service: "algo-monitor" } as const;
  switch (rule) {
    case "reverse_shell":
    case "bind_shell":
      return { action: "shell-wired", logsource: { ...own, category: "wired_shell" } };
    case "miner_confirmed":
      return { action: "miner-seen", logsource: { ...own, category: "miner" } };
    case "blocked":
      return { action: "connection-refused", logsource: { ...own, category: "blocked_connection" } };
    default:
      return unreachable(rule);
  }
}

function shapeFields(view: HostView, verdict: KernelVerdict, process: Process): Fields {
  const { rule, shape, stage, action, connection } = verdict;
  const address = connection?.remote.address ?? "";
  switch (rule) {
    case "reverse_shell":
    case "bind_shell":
      return {
        "shell.direction": rule === "bind_shell" ? "accepted" : "connected",
        "shell.path": `${DEEDS[action]} by the kernel at ${stage}: ${SHAPE_WORDS[shape]}`,
        "shell.interpreter": view.program(process).interpreter,
        "shell.is_shell": view.program(process).shell,
        "shell.stdin_commands": view.scriptOf(process).kind === "stdin",
        "shell.peer_loopback": isLoopback(address),
        ...holderFields(view, verdict.holder),
      };
    case "miner_confirmed":
      return {
        "miner.pool": address,
        "miner.traits": [`${DEEDS[action]} by the kernel at ${stage}: ${SHAPE_WORDS[shape]}`],
        "miner.confirmed": true,
      };
    case "blocked":
      return {};
    default:
      return unreachable(rule);
  }
}

const DEEDS: Readonly<Record<KernelStop["action"], string>> = {
  killed: "stopped",
  refused: "refused",
  dropped: "cut off",
  rehearsed: "would be stopped",
};

function holderFields(view: HostView, ref: ProcessRef | undefined): Fields {
  const holder = aliveIn(view, ref);
  if (holder === undefined) return ref === undefined ? {} : { "shell.holder.pid": ref.pid };
  return {
    "shell.holder.pid": holder.ref.pid,
    "shell.holder.executable": holder.executable?.path ?? "",
    "shell.holder.command_line": holder.argv.join(" "),
  };
}

/** Who only tried to reach a pool did nothing yet: the connection was refused and that is all. */
function subjectOf(
  view: HostView,
  verdict: KernelVerdict,
  process: Process,
  ancestors: readonly ProcessRef[],
): Subject {
  const { action, stage, generation, rule, holder, connection } = verdict;
  const onlyTried = action === "refused" && (rule === "miner_confirmed" || rule === "blocked");
  const socket = connection === undefined ? undefined : socketOf(view, connection);
  const stopped: KernelStop = {
    action,
    stage,
    generation,
    process: process.ref,
    ancestors,
    evidence: evidenceOf(process, connection),
  };
  return {
    actors: onlyTried ? [] : [process.ref],
    relays: onlyTried || holder === undefined ? [] : [holder],
    sockets: socket === undefined || onlyTried ? [] : [socket],
    certain: true,
    stopped,
  };
}

/** As the scan sees it, for that knows the cookie; a connection that it does not see is closed. */
function socketOf(view: HostView, connection: KernelConnection): SocketRef | undefined {
  const seen = view.internetSocket(connection.inode);
  if (seen?.remote !== undefined) return socketRef(seen);
  return connection.cookie === 0n ? undefined : socketRef(asSocket(connection));
}

export function asSocket(connection: KernelConnection): InternetSocket {
  const { cookie, inode, networkNamespace, protocol, local, remote, direction } = connection;
  const base = { inode, cookie, networkNamespace, protocol, local, uid: 0 };
  if (connection.listens) return { ...base, state: "listen" };
  return { ...base, state: "established", remote, direction };
}

function evidenceOf(process: Process, connection: KernelConnection | undefined): ProcessEvidence {
  const peer =
    connection === undefined
      ? []
      : [`${connection.protocol} to ${connection.remote.address} port ${connection.remote.port}`];
  return {
    process: process.ref,
    executable: process.executable?.path ?? "",
    commandLine: process.argv.join(" "),
    workingDirectory: process.workingDirectory ?? "",
    userId: process.uid,
    parentPid: process.parentPid,
    descriptors: peer,
  };
}

function aliveIn(view: HostView, ref: ProcessRef | undefined): Process | undefined {
  const process = ref === undefined ? undefined : view.processes.get(ref.pid);
  return process !== undefined && ref !== undefined && sameProcess(process.ref, ref) ? process : undefined;
}
