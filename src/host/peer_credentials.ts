// Who is at the other end of a connected unix socket, by the kernel's word (SO_PEERCRED, unix(7)).
// Trusts nothing the peer says; the kernel took uid and pid down when it connected.
// Costs one system call.
import { getSocketOption } from "./libc.ts";

const SOL_SOCKET = 1;
const SO_PEERCRED = 17; // asm-generic/socket.h
const UCRED_BYTES = 12;

export interface PeerCredentials {
  /** The overflow uid (65534) where the peer's user namespace has no name for it in ours. */
  readonly uid: number;
  /** 0 where the peer is in a PID namespace that ours cannot see. */
  readonly pid: number;
}

/** Undefined for what is no connected unix socket. */
export function peerCredentialsOf(descriptor: number): PeerCredentials | undefined {
  if (descriptor < 0) return undefined;
  const bytes = new Uint8Array(UCRED_BYTES);
  if (getSocketOption(descriptor, SOL_SOCKET, SO_PEERCRED, bytes) !== UCRED_BYTES) return undefined;
  const view = new DataView(bytes.buffer);
  const pid = view.getInt32(0, true);
  const uid = view.getUint32(4, true);
  // What the kernel answers for a socket without a peer: pid 0 and uid -1.
  return uid === 0xffffffff ? undefined : { uid, pid: Math.max(0, pid) };
}
