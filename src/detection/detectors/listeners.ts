/**
 * States each new listener: TCP, and UDP on a fixed port without a remote end, with how far it can be reached and whether
 * somebody stands for it. One event for a listener however many processes share it; those of the kernel are nobody's.
 */
import { scopeOf } from "../../core/address.ts";
import type { EventDraft, Fields } from "../../core/nouns.ts";
import type { Process } from "../../core/process.ts";
import { processFields, socketRef } from "../../core/render.ts";
import type { InternetSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import type { NetworkLists } from "../site/network_lists.ts";
import type { NewSocket, NewSockets } from "../site/new_sockets.ts";
import { isInContainer, isVerifiedOwner, servesUnit } from "../site/ownership.ts";
import { type Detector, derived } from "./detector.ts";

/** So many ports of one program and user are told apart; what it opens beyond is one alert, or a loop over all ports is 60,000. */
const PORTS_APART_MAX = 32;
const OWNERS_MAX = 512;

export interface ListenersParts {
  readonly lists: () => NetworkLists;
  readonly sockets: NewSockets;
  /** First and last port that the kernel hands out by itself (ip_local_port_range). */
  readonly ephemeralPorts: readonly [first: number, last: number];
}

export function createListenersDetector({ lists, sockets, ephemeralPorts }: ListenersParts): Detector {
  const [firstPort, lastPort] = ephemeralPorts;
  /** Ports told, by executable and user; the owner that was not seen for longest first. */
  const portsTold = new Map<string, Set<number>>();
  return { id: "listeners", emits: ["listener"], sweep };

  function sweep(view: HostView): readonly EventDraft[] {
    return sockets.of(view).listeners.flatMap((fresh) => inspect(view, fresh));
  }

  function inspect(view: HostView, { socket, owners }: NewSocket): readonly EventDraft[] {
    const isEphemeral = socket.local.port >= firstPort && socket.local.port <= lastPort;
    // A datagram socket on a port of the kernel's choice waits for answers.
    if (socket.protocol === "udp" && isEphemeral) return [];
    const owner = leadOf(view, owners);
    if (owner === undefined) return [];
    const byInit = owners.some((one) => one.ref.pid === 1);
    const name = lists().portName(socket.local.port);
    const fields: Fields = {
      ...processFields(view, owner),
      "network.transport": socket.protocol,
      "source.ip": socket.local.address,
      "source.port": socket.local.port,
      "listener.scope": reachOf(view, socket, owner),
      "listener.port_listed": name !== undefined,
      "listener.port_name": name ?? "",
      "listener.owner_verified": isVerifiedOwner(view, owner),
      "listener.unit_main": byInit || servesUnit(view, owner),
      "listener.fold": isEphemeral ? "ephemeral" : foldOf(owner, socket.local.port),
    };
    const subject = { actors: [owner.ref], relays: [], sockets: [socketRef(socket)] };
    return [derived("listener", "listener-opened", owner, fields, subject)];
  }

  function foldOf(owner: Process, port: number): string {
    const key = `${owner.effectiveUid} ${owner.executable?.path ?? ""}`;
    const told = portsTold.get(key) ?? new Set();
    portsTold.delete(key);
    portsTold.set(key, told);
    if (portsTold.size > OWNERS_MAX) portsTold.delete(portsTold.keys().next().value ?? "");
    if (told.size < PORTS_APART_MAX) told.add(port);
    return told.has(port) ? String(port) : "many";
  }
}

/** Of those who share it: the service that pid 1 handed it to, a unit's main process, else the oldest. */
function leadOf(view: HostView, owners: readonly Process[]): Process | undefined {
  const others = owners.filter((owner) => owner.ref.pid !== 1);
  return others.find((owner) => view.unit(owner)?.mainPid === owner.ref.pid) ?? others[0] ?? owners[0];
}

/** `container`: in a network of its own, or a container engine's: what of it can be reached is the engine's doing. */
function reachOf(view: HostView, socket: InternetSocket, owner: Process): string {
  const ours = view.processes.get(1)?.namespaces.network ?? socket.networkNamespace;
  if (socket.networkNamespace !== ours || isInContainer(owner)) return "container";
  const { address } = socket.local;
  if (address === "0.0.0.0" || address === "::" || address === "*" || address === "") return "any";
  switch (scopeOf(address)) {
    case "loopback":
      return "loopback";
    case "private":
    case "link-local":
      return "private";
    // Multicast groups are joined by whoever wants to hear the neighbourhood.
    case "multicast":
      return "private";
    case "public":
    case "reserved":
      return "public";
  }
}
