/**
 * Signs of Tor: its SOCKS port in use, connections to relays that a local tor's consensus names, tor itself serving
 * SOCKS, `.onion` hosts in argv. The ports alone are used by others too and are told apart as `port`.
 */
import { scopeOf } from "../../core/address.ts";
import type { EventDraft, Fields } from "../../core/nouns.ts";
import { baseName, isLoopback } from "../../core/place.ts";
import type { Process } from "../../core/process.ts";
import { connectionFields, processFields, socketRef } from "../../core/render.ts";
import type { Endpoint, InternetSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import { isOpenedHere, type NewSocket, type NewSockets, ownersOf } from "../site/new_sockets.ts";
import { hostsIn } from "../words.ts";
import { type Detector, derived } from "./detector.ts";
import { createOncePerProcess } from "./new_processes.ts";

export interface TorParts {
  readonly sockets: NewSockets;
  /** Whether a consensus of a tor on this host names a relay there. */
  readonly isRelay: (remote: Endpoint) => boolean;
}

/** tor, and the Tor Browser's own. */
const SOCKS_PORTS: ReadonlySet<number> = new Set([9050, 9150]);
/** Customary for relays and directory servers. */
const RELAY_PORTS: ReadonlySet<number> = new Set([9001, 9030]);

export function createTorDetector({ sockets, isRelay }: TorParts): Detector {
  const once = createOncePerProcess();
  return { id: "tor", emits: ["tor"], sweep };

  function sweep(view: HostView): readonly EventDraft[] {
    const { connections, listeners } = sockets.of(view);
    return [
      ...once.fresh(view).flatMap((process) => onion(view, process)),
      ...connections.flatMap((fresh) => connection(view, fresh)),
      ...listeners.flatMap((fresh) => service(view, fresh)),
    ];
  }

  function connection(view: HostView, { socket, owners }: NewSocket): readonly EventDraft[] {
    const [owner] = owners;
    const remote = socket.remote;
    if (owner === undefined || remote === undefined || socket.protocol !== "tcp") return [];
    // tor itself may; what only calls itself so may not.
    if ((isTor(owner) && view.program(owner).verified) || !isOpenedHere(view, socket)) return [];
    const kind = kindOf(view, socket, remote);
    return kind === undefined ? [] : [draft(view, owner, kind, connectionFacts(socket, remote), socket)];
  }

  function kindOf(view: HostView, socket: InternetSocket, remote: Endpoint): "socks" | "relay" | "port" | undefined {
    if (isLoopback(remote.address))
      return SOCKS_PORTS.has(remote.port) && mayBeTor(view, socket, remote) ? "socks" : undefined;
    if (isRelay(remote)) return "relay";
    return RELAY_PORTS.has(remote.port) && scopeOf(remote.address) === "public" ? "port" : undefined;
  }
}

/** What listens there is tor, or a program that nobody vouches for, or was not seen. */
function mayBeTor(view: HostView, socket: InternetSocket, remote: Endpoint): boolean {
  for (const other of view.internetSockets()) {
    if (other.state !== "listen" || other.local.port !== remote.port) continue;
    if (other.networkNamespace !== socket.networkNamespace) continue;
    const owners = ownersOf(view, other);
    if (owners.length > 0) return owners.some((owner) => isTor(owner) || !view.program(owner).verified);
  }
  return true;
}

function service(view: HostView, { socket, owners }: NewSocket): readonly EventDraft[] {
  const owner = owners.find(isTor);
  if (owner === undefined || socket.protocol !== "tcp" || !SOCKS_PORTS.has(socket.local.port)) return [];
  const facts = {
    "network.transport": socket.protocol,
    "source.ip": socket.local.address,
    "source.port": socket.local.port,
  };
  return [draft(view, owner, "service", facts, socket)];
}

function onion(view: HostView, process: Process): readonly EventDraft[] {
  if (!process.argv.some((word) => /\.onion\b/i.test(word))) return [];
  const named = hostsIn(process.argv).find(({ host }) => isOnion(host));
  if (named === undefined) return [];
  const facts = { "destination.domain": named.host, ...(named.port === 0 ? {} : { "destination.port": named.port }) };
  return [draft(view, process, "onion", facts)];
}

/** Version 3: 56 base32 letters whose last byte is the version (rend-spec-v3, 6), so that the last letter is `d`; version 2 had 16. */
export function isOnion(host: string): boolean {
  return /(^|\.)([a-z2-7]{55}d|[a-z2-7]{16})\.onion$/.test(host);
}

/** By name or by file; a name proves nothing. */
function isTor(process: Process): boolean {
  return process.name === "tor" || baseName(process.executable?.path ?? "") === "tor";
}

function connectionFacts(socket: InternetSocket, remote: Endpoint): Fields {
  return { ...connectionFields(socket), "peer.scope": scopeOf(remote.address) };
}

function draft(view: HostView, process: Process, kind: string, facts: Fields, socket?: InternetSocket): EventDraft {
  const fields = { ...processFields(view, process), ...facts, "tor.kind": kind };
  const sockets = socket === undefined ? [] : [socketRef(socket)];
  return derived("tor", `tor-${kind}`, process, fields, { actors: [process.ref], relays: [], sockets });
}
