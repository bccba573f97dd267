/**
 * What TRUSTED_PORTS and SUSPICIOUS_NETWORK_PATTERNS say of each new connection that this host opened. Never of accepted
 * ones. Without lists it costs nothing.
 */
import { scopeOf } from "../../core/address.ts";
import type { EventDraft, Fields } from "../../core/nouns.ts";
import type { Process } from "../../core/process.ts";
import { connectionFields, processFields, socketRef } from "../../core/render.ts";
import type { Endpoint, InternetSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import type { NetworkLists } from "../site/network_lists.ts";
import { isOpenedHere, type NewSocket, type NewSockets } from "../site/new_sockets.ts";
import { isUnitProgram } from "../site/ownership.ts";
import { hostsIn, mayLeadTo } from "../words.ts";
import { type Detector, derived, refsOf } from "./detector.ts";

export interface SiteNetworkParts {
  readonly lists: () => NetworkLists;
  readonly sockets: NewSockets;
}

export function createSiteNetworkDetector({ lists, sockets }: SiteNetworkParts): Detector {
  return { id: "site_network", emits: ["network_pattern", "remote_port"], sweep };

  function sweep(view: HostView): readonly EventDraft[] {
    const { connections } = sockets.of(view);
    const current = lists();
    if (!current.hasPatterns && !current.hasPorts) return [];
    return connections.flatMap((fresh) => inspect(view, fresh, current));
  }
}

function inspect(view: HostView, { socket, owners }: NewSocket, lists: NetworkLists): readonly EventDraft[] {
  const [owner] = owners;
  const remote = socket.remote;
  // What no process holds belongs to the kernel (NFS, a tunnel): no program can be named for it.
  if (owner === undefined || remote === undefined || socket.protocol === "raw") return [];
  if (!isOpenedHere(view, socket)) return [];
  return [...pattern(view, socket, remote, owners, owner, lists), ...port(view, socket, remote, owners, owner, lists)];
}

function pattern(
  view: HostView,
  socket: InternetSocket,
  remote: Endpoint,
  owners: readonly Process[],
  owner: Process,
  lists: NetworkLists,
): readonly EventDraft[] {
  const domains = lists.hasPatterns ? domainsFor(view, owner, remote) : [];
  const found = lists.match(remote, domains);
  if (found === undefined) return [];
  const fields: Fields = {
    ...common(view, socket, remote, owner),
    ...(found.subject === "domain" ? { "destination.domain": found.matched } : {}),
    "pattern.key": "SUSPICIOUS_NETWORK_PATTERNS",
    "pattern.text": found.pattern,
    "pattern.subject": found.subject,
    "pattern.matched": found.matched,
  };
  return [derived("network_pattern", "connection-matches-pattern", owner, fields, subjectOf(owners, socket))];
}

function port(
  view: HostView,
  socket: InternetSocket,
  remote: Endpoint,
  owners: readonly Process[],
  owner: Process,
  lists: NetworkLists,
): readonly EventDraft[] {
  if (!lists.hasPorts || lists.portName(remote.port) !== undefined) return [];
  if (scopeOf(remote.address) !== "public") return [];
  const fields: Fields = {
    ...common(view, socket, remote, owner),
    "process.unit_program": isUnitProgram(view, owner),
  };
  return [derived("remote_port", "connection-to-unlisted-port", owner, fields, subjectOf(owners, socket))];
}

function common(view: HostView, socket: InternetSocket, remote: Endpoint, owner: Process): Fields {
  return { ...processFields(view, owner), ...connectionFields(socket), "peer.scope": scopeOf(remote.address) };
}

function subjectOf(owners: readonly Process[], socket: InternetSocket): NonNullable<EventDraft["subject"]> {
  return { actors: refsOf(owners), relays: [], sockets: [socketRef(socket)] };
}

/** The name it was looked up by, and names in the command line that this connection may lead to. */
export function domainsFor(view: HostView, owner: Process, remote: Endpoint): readonly string[] {
  const named = hostsIn(owner.argv)
    .filter((host) => !host.isAddress && mayLeadTo(host, remote.port))
    .map(({ host }) => host);
  const heard = view.nameOf(remote.address);
  return heard === undefined ? named : [...named, heard];
}
