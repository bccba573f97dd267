// sock_diag messages: bytes of inet_diag and unix_diag answers to sockets, and the requests that ask for them.
// Trusts nothing but the kernel's layout (linux/inet_diag.h, unix_diag.h, tcp.h); short structures of old kernels are legal.
// Costs about 1 us a socket. Pure: no system calls here.
import type { Direction, Endpoint, InternetSocket, PacketSocket, TrafficFacts, UnixSocket } from "../core/socket.ts";
import { addressText, isUnspecified } from "./addresses.ts";
import { parseAttributes } from "./netlink.ts";

export const SOCK_DIAG_BY_FAMILY = 20;
export const SOCK_DESTROY = 21;
export const FAMILY = { unix: 1, inet: 2, inet6: 10, packet: 17 } as const;
export const PROTOCOL = { tcp: 6, udp: 17, raw: 255 } as const;

export type Protocol = InternetSocket["protocol"];

const INET_DIAG_INFO = 2;
const UNIX_DIAG_NAME = 0;
const UNIX_DIAG_PEER = 2;
const SOCKET_ID_BYTES = 48;
const INET_MESSAGE_BYTES = 72;
const UNIX_MESSAGE_BYTES = 16;
const PACKET_MESSAGE_BYTES = 16;
const SOCK_RAW = 3;
const UNIX_PATH_BYTES_MAX = 108;

const TCP_STATES = [
  "closed",
  "established",
  "syn-sent",
  "syn-received",
  "fin-wait",
  "fin-wait",
  "time-wait",
  "closed",
  "close-wait",
  "closing", // TCP_LAST_ACK
  "listen",
  "closing",
  "syn-received", // TCP_NEW_SYN_RECV
  "bound", // TCP_BOUND_INACTIVE
] as const satisfies readonly InternetSocket["state"][];
const STATE_LISTEN = 10;
const STATE_TIME_WAIT = 6;

/** What TCP counted on one side of a connection (struct tcp_info); settles who opened it. */
export interface TcpCounters {
  readonly bytesAcked: number;
  readonly bytesSent: number;
  readonly bytesRetransmitted: number;
  /** Segments sent and not yet acknowledged. */
  readonly unacked: number;
}

export interface InetRow {
  readonly socket: InternetSocket;
  readonly family: number;
  /** struct inet_diag_sockid as the kernel sent it: names exactly this socket in a request. */
  readonly id: Uint8Array;
  readonly counters?: TcpCounters;
}

/** Dumps of all states but TIME_WAIT, whose sockets belong to no process any more. */
export function inetDumpRequest(family: number, protocol: Protocol): Uint8Array {
  const body = new Uint8Array(8 + SOCKET_ID_BYTES);
  body[0] = family;
  body[1] = PROTOCOL[protocol];
  body[2] = protocol === "tcp" ? 1 << (INET_DIAG_INFO - 1) : 0;
  new DataView(body.buffer).setUint32(4, 0xffffffff & ~(1 << STATE_TIME_WAIT), true);
  return body;
}

export function inetDestroyRequest(row: InetRow): Uint8Array {
  const body = new Uint8Array(8 + SOCKET_ID_BYTES);
  body[0] = row.family;
  body[1] = PROTOCOL[row.socket.protocol];
  new DataView(body.buffer).setUint32(4, 0xffffffff, true);
  body.set(row.id, 8);
  return body;
}

export function unixDumpRequest(): Uint8Array {
  const body = new Uint8Array(24);
  const view = new DataView(body.buffer);
  body[0] = FAMILY.unix;
  view.setUint32(4, 0xffffffff, true);
  view.setUint32(12, 0x1 | 0x4, true); // UDIAG_SHOW_NAME | UDIAG_SHOW_PEER
  return body;
}

export function packetDumpRequest(): Uint8Array {
  const body = new Uint8Array(20);
  body[0] = FAMILY.packet;
  return body;
}

/** The body of one inet_diag answer; undefined where it is too short or of another family. */
export function parseInetDiag(body: Uint8Array, protocol: Protocol, networkNamespace: number): InetRow | undefined {
  if (body.byteLength < INET_MESSAGE_BYTES) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const family = view.getUint8(0);
  if (family !== FAMILY.inet && family !== FAMILY.inet6) return undefined;
  const addressBytes = family === FAMILY.inet ? 4 : 16;
  const state = view.getUint8(1);
  const source = body.subarray(8, 8 + addressBytes);
  const destination = body.subarray(24, 24 + addressBytes);
  const localPort = view.getUint16(4, false);
  const remotePort = view.getUint16(6, false);
  const info = protocol === "tcp" && state !== STATE_LISTEN ? tcpInfo(body) : undefined;
  const remote = remoteOf(destination, remotePort, protocol);
  const socket: InternetSocket = {
    inode: view.getUint32(68, true),
    protocol,
    state: stateOf(protocol, state, localPort, remote),
    local: { address: addressText(source), port: protocol === "raw" ? 0 : localPort },
    ...(remote === undefined
      ? {}
      : { remote, direction: protocol === "tcp" ? directionOf(state, info?.counters) : ("unknown" as const) }),
    ...(info?.traffic === undefined ? {} : { traffic: info.traffic }),
    networkNamespace,
    uid: view.getUint32(64, true),
    cookie: view.getBigUint64(44, true),
  };
  const id = body.slice(4, 4 + SOCKET_ID_BYTES);
  return info === undefined ? { socket, family, id } : { socket, family, id, counters: info.counters };
}

/**
 * Which side opened a TCP connection. Acknowledged bytes count the SYN of the side that sent it first: on a connection
 * with nothing in flight they are one more than the payload sent on the connecting side, and equal to it on the
 * accepting one, whose SYN was acknowledged before the socket existed (tcp_snd_una_update and tcp_create_openreq_child
 * of net/ipv4). Only before our own FIN, which counts one too. Any other difference proves nothing.
 */
export function directionOf(tcpState: number, counters: TcpCounters | undefined): Direction {
  const isOpen = tcpState === 1 || tcpState === 8;
  if (tcpState === 2) return "connected"; // SYN_SENT
  if (tcpState === 3 || tcpState === 12) return "accepted"; // SYN_RECV; a simultaneous open passes through it for an instant
  if (!isOpen || counters === undefined || counters.unacked !== 0) return "unknown";
  const surplus = counters.bytesAcked - (counters.bytesSent - counters.bytesRetransmitted);
  if (surplus === 1) return "connected";
  return surplus === 0 ? "accepted" : "unknown";
}

/** The body of one unix_diag answer; undefined where it is too short. */
export function parseUnixDiag(body: Uint8Array): UnixSocket | undefined {
  if (body.byteLength < UNIX_MESSAGE_BYTES || body[0] !== FAMILY.unix) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const { attributes } = parseAttributes(body, UNIX_MESSAGE_BYTES);
  const name = attributes.get(UNIX_DIAG_NAME);
  const peer = attributes.get(UNIX_DIAG_PEER);
  return {
    inode: view.getUint32(4, true),
    peerInode:
      peer === undefined || peer.byteLength < 4 ? 0 : new DataView(peer.buffer, peer.byteOffset).getUint32(0, true),
    listening: view.getUint8(2) === STATE_LISTEN,
    path: name === undefined ? "" : unixPath(name),
  };
}

/** The body of one packet_diag answer (struct packet_diag_msg); undefined where it is too short. */
export function parsePacketDiag(body: Uint8Array, networkNamespace: number): PacketSocket | undefined {
  if (body.byteLength < PACKET_MESSAGE_BYTES || body[0] !== FAMILY.packet) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const kind = view.getUint8(1) === SOCK_RAW ? "raw" : "datagram";
  return { inode: view.getUint32(4, true), kind, protocol: view.getUint16(2, true), networkNamespace };
}

/** Offsets of struct tcp_info (linux/tcp.h); the counters of bytes came with 4.19, the structure only ever grew. */
function tcpInfo(body: Uint8Array): { counters: TcpCounters; traffic: TrafficFacts } | undefined {
  const bytes = parseAttributes(body, INET_MESSAGE_BYTES).attributes.get(INET_DIAG_INFO);
  if (bytes === undefined || bytes.byteLength < 216) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bytesSent = Number(view.getBigUint64(200, true));
  const bytesRetransmitted = Number(view.getBigUint64(208, true));
  return {
    counters: {
      bytesAcked: Number(view.getBigUint64(120, true)),
      bytesSent,
      bytesRetransmitted,
      unacked: view.getUint32(24, true),
    },
    traffic: {
      bytesSent: Math.max(0, bytesSent - bytesRetransmitted),
      bytesReceived: Number(view.getBigUint64(128, true)),
      lastSentAgoMs: view.getUint32(44, true),
      lastReceivedAgoMs: view.getUint32(52, true),
    },
  };
}

export function remoteOf(address: Uint8Array, port: number, protocol: Protocol): Endpoint | undefined {
  if (port === 0 && isUnspecified(address)) return undefined;
  return { address: addressText(address), port: protocol === "raw" ? 0 : port };
}

export function stateOf(
  protocol: Protocol,
  state: number,
  localPort: number,
  remote: Endpoint | undefined,
): InternetSocket["state"] {
  if (protocol === "tcp") return TCP_STATES[state] ?? "closed";
  if (remote !== undefined) return "established";
  return protocol === "raw" || localPort !== 0 ? "bound" : "closed";
}

function unixPath(name: Uint8Array): string {
  const bounded = name.subarray(0, UNIX_PATH_BYTES_MAX);
  if (bounded.byteLength === 0) return "";
  if (bounded[0] === 0) return `@${decoder.decode(bounded.subarray(1))}`;
  const end = bounded.indexOf(0);
  return decoder.decode(end < 0 ? bounded : bounded.subarray(0, end));
}

const decoder = new TextDecoder("utf-8");
