// Netlink framing and sockets: one request, the dump's messages or the acknowledgement; or a batch, whole or not at all.
// Trusts lengths only after checking them; a malformed message is counted and ends its datagram, never throws.
// Costs a few system calls a dump. Reading another network namespace moves this thread there and back, synchronously.
import { fail, ok, type Result } from "../core/result.ts";
import {
  AT,
  bindSocket,
  closeDescriptor,
  ERRNO,
  enterNamespace,
  errnoText,
  OPEN,
  openAt,
  openSocket,
  receiveInto,
  sendBytes,
  setSocketOption,
} from "./libc.ts";
import { statFollowing } from "./procfs.ts";

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const NETLINK_SOCK_DIAG = 4;
const NETLINK_NETFILTER = 12;
const CLONE_NEWNET = 0x40000000;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_DUMP_INTR = 0x10;
const MSG_TRUNC = 0x20;
const HEADER_BYTES = 16;
const RECEIVE_BYTES = 64 * 1024; // the kernel fills at most 32 KiB a datagram of a dump
const DATAGRAMS_MAX = 100_000;
const ANSWER_TIMEOUT_SECONDS = 2;
const SEND_BUFFER_BYTES = 1024 * 1024;

export const NLM_F = { request: 1, ack: 4, dump: 0x300 } as const;

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Behind the header; a view of the datagram. */
  readonly body: Uint8Array;
}

export interface Messages {
  readonly messages: readonly Message[];
  /** 1 where the rest of the datagram does not parse. */
  readonly malformed: number;
}

/** The messages of one datagram (netlink(7)). */
export function parseMessages(bytes: Uint8Array): Messages {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: Message[] = [];
  let at = 0;
  while (at + HEADER_BYTES <= bytes.byteLength) {
    const length = view.getUint32(at, true);
    if (length < HEADER_BYTES || at + length > bytes.byteLength) return { messages, malformed: 1 };
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: bytes.subarray(at + HEADER_BYTES, at + length),
    });
    at += (length + 3) & ~3;
  }
  return { messages, malformed: at < bytes.byteLength ? 1 : 0 };
}

/** Attributes (type -> bytes) from `from` on; what does not fit ends the list. The last of equal types wins. */
export function parseAttributes(
  body: Uint8Array,
  from: number,
): { attributes: ReadonlyMap<number, Uint8Array>; malformed: boolean } {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const attributes = new Map<number, Uint8Array>();
  let at = from;
  while (at + 4 <= body.byteLength) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > body.byteLength) return { attributes, malformed: true };
    attributes.set(view.getUint16(at + 2, true) & 0x3fff, body.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return { attributes, malformed: false };
}

export function buildMessage(type: number, flags: number, sequence: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.byteLength);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.byteLength, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

export interface DumpReport {
  readonly malformed: number;
  /** The table changed while it was read; some entries may be missing or doubled. */
  readonly interrupted: boolean;
}

export interface DiagSocket {
  /** Sends a dump request and calls back for every message of the answer. The body is valid during the call only. */
  dump(type: number, body: Uint8Array, visit: (message: Message) => void): Result<DumpReport>;
  /** Sends a request and waits for its acknowledgement. */
  order(type: number, body: Uint8Array): Result<void>;
  close(): void;
}

export interface FilterSocket extends Pick<DiagSocket, "dump" | "close"> {
  /** Sends a batch in one piece and waits until its last message is acknowledged: all of it holds, or nothing. */
  transact(messages: readonly Uint8Array[]): Result<void>;
}

/** A sock_diag socket in the network namespace this thread is in. */
export function openDiagSocket(): Result<DiagSocket> {
  return openNetlinkSocket(NETLINK_SOCK_DIAG, "socket tables (sock_diag)");
}

/** A socket to nf_tables in the network namespace this thread is in. */
export function openFilterSocket(): Result<FilterSocket> {
  return openNetlinkSocket(NETLINK_NETFILTER, "packet filter (nf_tables)");
}

function openNetlinkSocket(protocol: number, subject: string): Result<DiagSocket & FilterSocket> {
  const netlinkFault = (what: string, errno: number) => faultOf(subject, what, errno);
  const descriptor = openSocket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
  if (descriptor < 0) return netlinkFault("opened", descriptor);
  const timeout = new Uint8Array(16);
  new DataView(timeout.buffer).setBigInt64(0, BigInt(ANSWER_TIMEOUT_SECONDS), true);
  setSocketOption(descriptor, 1, 20, timeout); // SOL_SOCKET, SO_RCVTIMEO
  const address = new Uint8Array(12);
  address[0] = AF_NETLINK;
  const bound = bindSocket(descriptor, address);
  if (bound < 0) {
    closeDescriptor(descriptor);
    return netlinkFault("bound", bound);
  }
  let sequence = 0;
  return ok({ dump, order, transact, close: () => closeDescriptor(descriptor) });

  function dump(type: number, body: Uint8Array, visit: (message: Message) => void): Result<DumpReport> {
    const sent = sendBytes(descriptor, buildMessage(type, NLM_F.request | NLM_F.dump, ++sequence, body), 0);
    if (sent < 0) return netlinkFault("asked", sent);
    let malformed = 0;
    let interrupted = false;
    for (let datagram = 0; datagram < DATAGRAMS_MAX; datagram++) {
      const bytes = receive();
      if (typeof bytes === "number") return netlinkFault("read", bytes);
      const parsed = parseMessages(bytes);
      malformed += parsed.malformed;
      for (const message of parsed.messages) {
        if (message.sequence !== sequence) continue; // the rest of an earlier dump that timed out
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) interrupted = true;
        if (message.type === NLMSG_DONE) {
          const error = errorOf(message); // a dump that never began says why here, not in an NLMSG_ERROR
          return error < 0 ? netlinkFault("asked", error) : ok({ malformed, interrupted });
        }
        if (message.type === NLMSG_ERROR) return netlinkFault("asked", errorOf(message));
        visit(message);
      }
    }
    return fail("limit", `the kernel's socket dump did not end within ${DATAGRAMS_MAX} datagrams`);
  }

  function order(type: number, body: Uint8Array): Result<void> {
    const sent = sendBytes(descriptor, buildMessage(type, NLM_F.request | NLM_F.ack, ++sequence, body), 0);
    if (sent < 0) return netlinkFault("asked", sent);
    for (let datagram = 0; datagram < 16; datagram++) {
      const bytes = receive();
      if (typeof bytes === "number") return netlinkFault("read", bytes);
      for (const message of parseMessages(bytes).messages) {
        if (message.sequence !== sequence || message.type !== NLMSG_ERROR) continue;
        const error = errorOf(message);
        return error === 0 ? ok(undefined) : netlinkFault("asked", error);
      }
    }
    return fail("timeout", "the kernel did not acknowledge the request about a socket");
  }

  function transact(messages: readonly Uint8Array[]): Result<void> {
    const buffer = new Uint8Array(4);
    new DataView(buffer.buffer).setUint32(0, SEND_BUFFER_BYTES, true);
    setSocketOption(descriptor, 1, 32, buffer); // SOL_SOCKET, SO_SNDBUFFORCE
    const sent = sendBytes(descriptor, Buffer.concat(messages), 0);
    if (sent < 0) return netlinkFault("changed", sent);
    for (let datagram = 0; datagram < messages.length + 16; datagram++) {
      const bytes = receive();
      if (typeof bytes === "number") return netlinkFault("changed", bytes);
      for (const message of parseMessages(bytes).messages) {
        if (message.type !== NLMSG_ERROR) continue;
        const error = errorOf(message);
        // Only the last message asks for an answer; before it comes whatever went wrong.
        return error === 0 ? ok(undefined) : netlinkFault("changed", error);
      }
    }
    return fail("timeout", `the kernel's ${subject} did not acknowledge a change`);
  }

  function receive(): Uint8Array | number {
    for (;;) {
      const length = receiveInto(descriptor, receiveBuffer, MSG_TRUNC);
      if (length === -ERRNO.EINTR) continue;
      if (length < 0) return length;
      return receiveBuffer.subarray(0, Math.min(length, receiveBuffer.byteLength));
    }
  }
}

const receiveBuffer = new Uint8Array(RECEIVE_BYTES);

/** 0 or a negative errno; a cut message counts as an invalid answer. */
function errorOf(message: Message): number {
  if (message.body.byteLength < 4) return -ERRNO.EINVAL;
  return new DataView(message.body.buffer, message.body.byteOffset).getInt32(0, true);
}

function faultOf(subject: string, what: string, errno: number): ReturnType<typeof fail> {
  const message = `the kernel's ${subject} could not be ${what}: ${errnoText(errno)}`;
  switch (-errno) {
    case ERRNO.EPERM:
    case ERRNO.EACCES:
      return fail("denied", message);
    case ERRNO.ENOENT:
      return fail("gone", message);
    case ERRNO.EOPNOTSUPP:
    case ERRNO.EPROTONOSUPPORT:
    case ERRNO.EAFNOSUPPORT:
    case ERRNO.EINVAL:
      return fail("unsupported", message);
    case ERRNO.EAGAIN:
      return fail("timeout", message);
    default:
      return fail("io", message);
  }
}

let ownNamespace = -1;

/** The network namespace this program runs in, by inode. */
export function ownNetworkNamespace(): number {
  return statFollowing(AT.currentDirectory, "/proc/self/ns/net")?.inode ?? 0;
}

/**
 * Runs `action` with this thread in the network namespace of a process, then returns. `inode` is checked first, so a
 * reused pid enters nothing. A thread that cannot return would see and destroy the wrong sockets: that ends the program.
 */
export function inNetworkNamespace<T>(
  pid: number,
  inode: number,
  action: () => Result<T>,
  procRoot = "/proc",
): Result<T> {
  if (inode === ownNetworkNamespace()) return action();
  if (ownNamespace < 0) ownNamespace = openAt(AT.currentDirectory, "/proc/thread-self/ns/net", OPEN.readOnly);
  if (ownNamespace < 0)
    return fail("unsupported", `our own network namespace cannot be opened: ${errnoText(ownNamespace)}`);
  const target = openAt(AT.currentDirectory, `${procRoot}/${pid}/ns/net`, OPEN.readOnly);
  if (target < 0)
    return fail(
      target === -ERRNO.ENOENT ? "gone" : "denied",
      `the network namespace of process ${pid} cannot be opened: ${errnoText(target)}`,
    );
  try {
    if (statFollowing(AT.currentDirectory, `/proc/self/fd/${target}`)?.inode !== inode)
      return fail("gone", `process ${pid} is no longer in network namespace ${inode}`);
    const entered = enterNamespace(target, CLONE_NEWNET);
    if (entered < 0) return fail("denied", `network namespace ${inode} cannot be entered: ${errnoText(entered)}`);
    try {
      return action();
    } finally {
      const back = enterNamespace(ownNamespace, CLONE_NEWNET);
      if (back < 0)
        abort(`cannot return to our own network namespace (${errnoText(back)}); ending, to be started afresh`);
    }
  } finally {
    closeDescriptor(target);
  }
}

function abort(reason: string): never {
  process.stderr.write(`algo-monitor: ${reason}\n`);
  process.abort();
}
