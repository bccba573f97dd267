// A unix datagram sender that never blocks, for journald and for systemd's notify socket (node:dgram has none).
// Trusts nothing to arrive: a full or absent receiver is a fault value.
// Costs one system call a datagram.
import { fail, ok, type Result } from "../core/result.ts";
import { closeDescriptor, ERRNO, errnoText, openSocket, sendBytesTo, unixAddress } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC_NONBLOCK = 2 | 0o2000000 | 0o4000;
const MSG_DONTWAIT_NOSIGNAL = 0x40 | 0x4000;

export interface DatagramSender {
  send(bytes: Uint8Array): Result<void>;
  close(): void;
}

/** `to` is a path, or a name of the abstract namespace after `@`. */
export function openDatagramSender(to: string): Result<DatagramSender> {
  const address = unixAddress(to);
  if (address === undefined) return fail("invalid", `${to} is no usable unix socket address`);
  const descriptor = openSocket(AF_UNIX, SOCK_DGRAM_CLOEXEC_NONBLOCK, 0);
  if (descriptor < 0) return fail("io", `no unix socket could be made: ${errnoText(descriptor)}`);
  return ok({
    send(bytes) {
      let sent: number;
      do sent = sendBytesTo(descriptor, bytes, MSG_DONTWAIT_NOSIGNAL, address);
      while (sent === -ERRNO.EINTR);
      return sent < 0 ? datagramFault(to, sent) : ok(undefined);
    },
    close: () => closeDescriptor(descriptor),
  });
}

function datagramFault(to: string, errno: number): ReturnType<typeof fail> {
  const message = `nothing could be sent to ${to}: ${errnoText(errno)}`;
  switch (-errno) {
    case ERRNO.EAGAIN:
    case ERRNO.ENOBUFS:
    case ERRNO.EMSGSIZE:
      return fail("limit", message);
    case ERRNO.ENOENT:
    case ERRNO.ECONNREFUSED:
      return fail("gone", message);
    case ERRNO.EPERM:
    case ERRNO.EACCES:
      return fail("denied", message);
    default:
      return fail("io", message);
  }
}
