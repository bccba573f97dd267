/**
 * Sees code without a file (in argv, from standard input, in memfd, from /tmp) that holds a remote connection and
 * starts children. From a sweep such a command loop looks like a client; who spoke first and last tells them apart.
 */
import type { Fields } from "../../core/nouns.ts";
import type { Process } from "../../core/process.ts";
import type { InternetSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import { remoteSockets } from "./channels.ts";
import { type Detector, derived, type EventDraft } from "./detector.ts";
import { type Origin, originOf } from "./origin.ts";
import { connectionFields, processFields, socketRef } from "../../core/render.ts";

const CODE_WITHOUT_A_PLACE: readonly Origin[] = ["inline", "memfd", "deleted", "temporary-file"];
/** A child started by a received command starts within this time after the bytes came. */
const COMMAND_TO_CHILD_MS = 1_000;
const CLOCK_SLACK_MS = 50;

export const inlineClientDetector: Detector = {
  id: "inline_client",
  emits: ["inline_client"],
  sweep(view) {
    const drafts: EventDraft[] = [];
    for (const process of view.processes.values()) {
      const draft = inspect(view, process);
      if (draft !== undefined) drafts.push(draft);
    }
    return drafts;
  },
};

function inspect(view: HostView, process: Process): EventDraft | undefined {
  if (process.isKernelThread || process.executable === undefined) return undefined;
  const children = view.children(process.ref.pid);
  if (children.length === 0 && process.childrenMinorFaults === 0) return undefined;
  const program = view.program(process);
  const origin = originOf(view, process);
  // A shell's every command is a child; a shell on a connection is the wired_shell detector's.
  if (!CODE_WITHOUT_A_PLACE.includes(origin) || (program.shell && view.scriptOf(process).kind !== "file")) return undefined;
  for (const { socket } of remoteSockets(view, process)) {
    const facts = conversation(view, socket, children);
    if (facts === undefined) continue;
    const fields: Fields = { ...processFields(view, process), ...connectionFields(socket), "shell.holder.kind": origin, ...facts };
    return derived("inline_client", "inline-code-started-child", process, fields, {
      actors: [process.ref],
      relays: [],
      sockets: [socketRef(socket)],
    });
  }
  return undefined;
}

function conversation(view: HostView, socket: InternetSocket, children: readonly Process[]): Fields | undefined {
  const { traffic, remote } = socket;
  if (traffic === undefined || remote === undefined || isLoopback(remote.address)) return undefined;
  if (traffic.bytesReceived === 0) return undefined;
  return {
    "client.direction": socket.direction === "accepted" ? "accepted" : "connected",
    "client.remote_spoke_first": traffic.bytesSent === 0,
    "client.last_word_ours": traffic.bytesSent > 0 && traffic.lastSentAgoMs <= traffic.lastReceivedAgoMs,
    "client.child_running": children.length > 0,
    "client.child_answers": children.some((child) => {
      const afterReceivedMs = traffic.lastReceivedAgoMs - (view.atMs - child.startedAtMs);
      return afterReceivedMs >= -CLOCK_SLACK_MS && afterReceivedMs <= COMMAND_TO_CHILD_MS;
    }),
  };
}

export function isLoopback(address: string): boolean {
  return address.startsWith("127.") || address === "::1";
}
