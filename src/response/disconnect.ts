/**
 * Destroys connections and looks whether they are gone. Works from outside by entering the socket's own network
 * namespace. No undo: the peer would have to connect again.
 */
import type { Clock } from "../core/clock.ts";
import { endpointText } from "../core/control.ts";
import type { ActionPlan, Outcome, SocketRef } from "../core/nouns.ts";
import { destroySocket } from "../host/destroy.ts";

export interface Destroyed {
  readonly destroyed: number;
  /** One sentence for each socket that is still there. */
  readonly left: readonly string[];
}

export function destroySockets(sockets: readonly SocketRef[]): Destroyed {
  let destroyed = 0;
  const left: string[] = [];
  for (const socket of sockets) {
    const result = destroySocket(socket);
    if (result.ok) destroyed++;
    else if (result.fault.kind !== "gone") {
      left.push(
        `the ${socket.protocol} connection to ${endpointText(socket.remoteAddress, socket.remotePort)} is still open: ${result.fault.message}`,
      );
    }
  }
  return { destroyed, left };
}

export function disconnectPlan(decisionId: string, plan: ActionPlan, clock: Clock): Outcome {
  const startedAtMs = clock.monotonicMs();
  const { destroyed, left } = destroySockets(plan.sockets);
  return {
    decisionId,
    atMs: clock.nowMs(),
    result: resultOf(destroyed, left.length),
    verified: left.length === 0,
    killed: [],
    survived: [],
    socketsDestroyed: destroyed,
    detail: [
      ...(plan.stopped === undefined
        ? []
        : [
            `${plan.stopped.action} in the kernel at ${plan.stopped.stage}, policy generation ${plan.stopped.generation}`,
          ]),
      ...(plan.stopped !== undefined && plan.sockets.length === 0
        ? []
        : [describe(destroyed, left, plan.sockets.length)]),
    ].join("; "),
    tookMs: clock.monotonicMs() - startedAtMs,
    evidence: [],
  };
}

function resultOf(destroyed: number, left: number): Outcome["result"] {
  if (left === 0) return "done";
  return destroyed > 0 ? "partial" : "failed";
}

function describe(destroyed: number, left: readonly string[], wanted: number): string {
  if (left.length > 0) return left.join("; ");
  const closed = wanted - destroyed;
  return `destroyed ${destroyed} of ${wanted} connections${closed > 0 ? `, ${closed} were already closed` : ""}`;
}
