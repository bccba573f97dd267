// /proc/net/{tcp,udp,raw,unix,packet} and their v6 forms, for kernels and containers where sock_diag does not answer.
// Trusts columns only after checking them; knows neither cookies nor directions. Format: proc(5).
// Costs about 1 us a line. Pure.
import type { InternetSocket, PacketSocket, UnixSocket } from "../core/socket.ts";
import { addressText } from "./addresses.ts";
import { directionOf, type Protocol, remoteOf, stateOf } from "./diag.ts";

const STATE_TIME_WAIT = 6;
const decoder = new TextDecoder("utf-8");

export interface Parsed<T> {
  readonly sockets: readonly T[];
  readonly malformed: number;
  /** Lines left out because of `limit`. */
  readonly cut: number;
}

export function parseProcNetInet(
  bytes: Uint8Array,
  protocol: Protocol,
  networkNamespace: number,
  limit: number,
): Parsed<InternetSocket> {
  return parseLines(bytes, limit, (line) => parseInetLine(line, protocol, networkNamespace));
}

export function parseProcNetUnix(bytes: Uint8Array, limit: number): Parsed<UnixSocket> {
  return parseLines(bytes, limit, parseUnixLine);
}

export function parseProcNetPacket(bytes: Uint8Array, networkNamespace: number, limit: number): Parsed<PacketSocket> {
  return parseLines(bytes, limit, (line) => {
    // sk, references, type, protocol in hexadecimal, interface, running, memory, user, inode
    const columns = line.trim().split(/\s+/, 9);
    const protocol = Number.parseInt(columns[3] ?? "", 16);
    const inode = Number(columns[8]);
    if (Number.isNaN(protocol) || !Number.isInteger(inode)) return undefined;
    return { inode, kind: columns[2] === "3" ? "raw" : "datagram", protocol, networkNamespace };
  });
}

/** Undefined from `parse` is a malformed line, null one that is left out on purpose. */
function parseLines<T>(bytes: Uint8Array, limit: number, parse: (line: string) => T | undefined | null): Parsed<T> {
  const lines = decoder.decode(bytes).split("\n");
  const sockets: T[] = [];
  let malformed = 0;
  let cut = 0;
  for (const line of lines.slice(1)) {
    if (line === "") continue;
    const socket = parse(line);
    if (socket === undefined) malformed++;
    else if (socket === null) continue;
    else if (sockets.length < limit) sockets.push(socket);
    else cut++;
  }
  return { sockets, malformed, cut };
}

function parseInetLine(line: string, protocol: Protocol, networkNamespace: number): InternetSocket | undefined | null {
  const columns = line.trim().split(/\s+/, 10);
  const local = parseEndpoint(columns[1]);
  const peer = parseEndpoint(columns[2]);
  const state = Number.parseInt(columns[3] ?? "", 16);
  const uid = Number(columns[7]);
  const inode = Number(columns[9]);
  if (
    local === undefined ||
    peer === undefined ||
    !Number.isInteger(state) ||
    !Number.isInteger(uid) ||
    !Number.isInteger(inode)
  )
    return undefined;
  if (protocol === "tcp" && state === STATE_TIME_WAIT) return null;
  const remote = remoteOf(peer.address, peer.port, protocol);
  return {
    inode,
    protocol,
    state: stateOf(protocol, state, local.port, remote),
    local: { address: addressText(local.address), port: protocol === "raw" ? 0 : local.port },
    ...(remote === undefined
      ? {}
      : { remote, direction: protocol === "tcp" ? directionOf(state, undefined) : ("unknown" as const) }),
    networkNamespace,
    uid,
    cookie: 0n,
  };
}

/** `0100007F:0016`: 32-bit words in the machine's byte order (little-endian here), the port as a plain number. */
function parseEndpoint(text: string | undefined): { address: Uint8Array; port: number } | undefined {
  const colon = text?.indexOf(":") ?? -1;
  if (text === undefined || (colon !== 8 && colon !== 32) || text.length !== colon + 5) return undefined;
  const port = Number.parseInt(text.slice(colon + 1), 16);
  const address = new Uint8Array(colon / 2);
  for (let word = 0; word < colon; word += 8) {
    for (let byte = 0; byte < 4; byte++) {
      const value = Number.parseInt(text.slice(word + byte * 2, word + byte * 2 + 2), 16);
      if (!Number.isInteger(value)) return undefined;
      address[word / 2 + 3 - byte] = value;
    }
  }
  return Number.isInteger(port) ? { address, port } : undefined;
}

/** `Num RefCount Protocol Flags Type St Inode Path`; flag 0x10000 is a listener. The peer is not told here. */
function parseUnixLine(line: string): UnixSocket | undefined {
  const columns = /^[0-9a-f]+: [0-9A-F]+ [0-9A-F]+ ([0-9A-F]{8}) [0-9A-F]+ [0-9A-F]+ +(\d+)(?: (.*))?$/.exec(line);
  if (columns === null) return undefined;
  const [, flags = "", inode = "", path = ""] = columns;
  return {
    inode: Number(inode),
    peerInode: 0,
    listening: (Number.parseInt(flags, 16) & 0x10000) !== 0,
    path: path.slice(0, 108),
  };
}
