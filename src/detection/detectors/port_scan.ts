/**
 * Sees one peer come to many ports of this host within a minute, for moments only. A sweep sees what is open at that
 * instant: scans of closed ports leave nothing to see. Ports that a peer has used for long (exporters that are scraped,
 * health checks) are known and never count. Remembers 1,000 peers.
 */
import { scopeOf } from "../../core/address.ts";
import type { EventDraft } from "../../core/nouns.ts";
import { isLoopback } from "../../core/place.ts";
import type { InternetSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import { type Detector, ownLogSource } from "./detector.ts";

const WINDOW_MS = 60_000;
const PORTS_MIN = 8;
const PEERS_MAX = 1_000;
const PORTS_OF_A_PEER_MAX = 128;
/** Whoever is here when we start, or comes soon after as every minute, is learnt before anybody is judged. */
const LEARNING_MS = 120_000;

interface Peer {
  /** By local port: when this peer was first seen at it, and when last with a connection that stands. */
  readonly ports: Map<number, { firstAtMs: number; openAtMs: number }>;
}

/** First seen before anybody is judged. */
const KNOWN = Number.NEGATIVE_INFINITY;

export function createPortScanDetector(): Detector {
  const peers = new Map<string, Peer>();
  let startedAtMs: number | undefined;
  return { id: "port_scan", emits: ["port_scan"], sweep };

  function sweep(view: HostView): readonly EventDraft[] {
    const nowMs = view.atMs;
    if (startedAtMs === undefined || nowMs < startedAtMs) startedAtMs = nowMs;
    const isLearning = nowMs - startedAtMs < LEARNING_MS;
    const here = localEnds(view);
    const firstAtMs = isLearning ? KNOWN : nowMs;
    for (const socket of view.internetSockets()) note(socket, here, firstAtMs, nowMs);
    for (const socket of view.ownerlessSockets) note(socket, here, firstAtMs, nowMs);
    const drafts: EventDraft[] = [];
    for (const [address, peer] of peers) {
      const ports = peer.ports.size < PORTS_MIN ? 0 : passing(peer, nowMs);
      if (ports < PORTS_MIN) continue;
      drafts.push(scanDraft(address, ports));
      for (const port of peer.ports.values()) port.firstAtMs = KNOWN;
    }
    return drafts;
  }

  function note(socket: InternetSocket, here: LocalEnds, firstAtMs: number, nowMs: number): void {
    const remote = socket.remote;
    if (remote === undefined || socket.protocol !== "tcp" || socket.direction === "connected") return;
    if (!here.ports.has(socket.local.port) || isLoopback(remote.address) || here.addresses.has(remote.address)) return;
    const { ports } = peerAt(remote.address);
    const port = ports.get(socket.local.port);
    // What no process has taken yet, or has let go, does not stand.
    const openAtMs = socket.state === "established" && socket.inode !== 0 ? nowMs : KNOWN;
    if (port !== undefined) port.openAtMs = Math.max(port.openAtMs, openAtMs);
    else if (ports.size < PORTS_OF_A_PEER_MAX) ports.set(socket.local.port, { firstAtMs, openAtMs });
  }

  /** The peer that was quiet longest makes room. */
  function peerAt(address: string): Peer {
    const known = peers.get(address);
    if (known !== undefined) {
      peers.delete(address);
      peers.set(address, known);
      return known;
    }
    if (peers.size >= PEERS_MAX) peers.delete(peers.keys().next().value ?? "");
    const peer: Peer = { ports: new Map() };
    peers.set(address, peer);
    return peer;
  }
}

/** How many ports are new to this peer within the window, without a connection that stays. */
function passing(peer: Peer, nowMs: number): number {
  let count = 0;
  for (const { firstAtMs, openAtMs } of peer.ports.values())
    if (nowMs - firstAtMs <= WINDOW_MS && openAtMs !== nowMs) count++;
  return count;
}

interface LocalEnds {
  /** Ports that anything listens on. */
  readonly ports: ReadonlySet<number>;
  /** Addresses that listeners and connections have at this end: a host that calls itself is no stranger. */
  readonly addresses: ReadonlySet<string>;
}

function localEnds(view: HostView): LocalEnds {
  const ports = new Set<number>();
  const addresses = new Set<string>();
  for (const socket of view.internetSockets()) {
    if (socket.state === "listen" && socket.protocol === "tcp") ports.add(socket.local.port);
    addresses.add(socket.local.address);
  }
  return { ports, addresses };
}

function scanDraft(address: string, ports: number): EventDraft {
  return {
    action: "port-scan",
    logsource: ownLogSource("port_scan"),
    fields: { "peer.ip": address, "peer.scope": scopeOf(address), "scan.kind": "ports", "scan.ports": ports },
  };
}
