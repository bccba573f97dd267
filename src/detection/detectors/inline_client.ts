/**
 * Sees code without a file (in argv, from standard input, in memfd, from /tmp) that holds a remote connection and
 * starts children. From a sweep such a command loop looks like a client; who spoke first and last tells them apart.
 */
import type { EventDraft, Fields } from "../../core/nouns.ts";
import { isLoopback } from "../../core/place.ts";
import type { Process } from "../../core/process.ts";
import { connectionFields, processFields, socketRef } from "../../core/render.ts";
import type { InternetSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import { remoteSockets } from "./channels.ts";
import { type Detector, derived } from "./detector.ts";
import { type Origin, originOf } from "./origin.ts";

const CODE_WITHOUT_A_PLACE: readonly Origin[] = ["inline", "memfd", "deleted", "temporary-file"];
/** A child started by a received command starts within this time after the bytes came. */
const COMMAND_TO_CHILD_MS = 1_000;
const CLOCK_SLACK_MS = 50;
const CONNECTIONS_MAX = 256;

/** On its standard descriptors the connection makes a wired shell, which its own detector tells. */
const STANDARD_DESCRIPTOR_MAX = 2;

export const inlineClientDetector: Detector = {
  id: "inline_client",
  emits: ["inline_client"],
  sweep(view) {
    return [...view.processes.values()].flatMap((process) => inspect(view, process));
  },
};

/** One event for each connection: a talkative innocent one must not hide another. */
function inspect(view: HostView, process: Process): readonly EventDraft[] {
  if (process.isKernelThread || process.executable === undefined) return [];
  const children = view.children(process.ref.pid);
  if (children.length === 0 && process.childrenMinorFaults === 0) return [];
  const program = view.program(process);
  const origin = originOf(view, process);
  // A shell's every command is a child; a shell on a connection is the wired_shell detector's.
  if (!CODE_WITHOUT_A_PLACE.includes(origin) || (program.shell && view.scriptOf(process).kind !== "file")) return [];
  return remoteSockets(view, process)
    .filter(({ fd }) => fd > STANDARD_DESCRIPTOR_MAX)
    .slice(0, CONNECTIONS_MAX)
    .flatMap(({ socket }) => {
      const facts = conversation(view, process, socket, children);
      if (facts === undefined) return [];
      const fields: Fields = {
        ...processFields(view, process),
        ...connectionFields(socket),
        "shell.holder.kind": origin,
        ...facts,
      };
      const subject = { actors: [process.ref], relays: [], sockets: [socketRef(socket)] };
      return [derived("inline_client", "inline-code-started-child", process, fields, subject)];
    });
}

function conversation(
  view: HostView,
  process: Process,
  socket: InternetSocket,
  children: readonly Process[],
): Fields | undefined {
  const { traffic, remote } = socket;
  if (traffic === undefined || remote === undefined || isLoopback(remote.address)) return undefined;
  if (traffic.bytesReceived === 0) return undefined;
  return {
    "client.direction": socket.direction === "accepted" ? "accepted" : "connected",
    "client.remote_spoke_first": traffic.bytesSent === 0,
    // The kernel counts in its ticks (1 to 10 ms): an answer within one tick has the same age as the question.
    "client.last_word_ours": traffic.bytesSent > 0 && traffic.lastSentAgoMs <= traffic.lastReceivedAgoMs,
    // A client between two requests sleeps or waits for its child; a command loop sleeps on the connection.
    "client.waits_for_remote": sleepsOn(view, process, socket),
    "client.child_running": children.length > 0,
    "client.child_answers": children.some((child) => {
      const afterReceivedMs = traffic.lastReceivedAgoMs - (view.atMs - child.startedAtMs);
      return afterReceivedMs >= -CLOCK_SLACK_MS && afterReceivedMs <= COMMAND_TO_CHILD_MS;
    }),
  };
}

function sleepsOn(view: HostView, process: Process, socket: InternetSocket): boolean {
  const { descriptors } = view.awaited(process);
  return view
    .descriptors(process)
    .some((held) => descriptors.has(held.fd) && held.channel === `socket:${socket.inode}`);
}
