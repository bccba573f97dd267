// Closes a connection from outside: SOCK_DESTROY in the socket's own network namespace, by its full identity.
// Trusts the cookie, not addresses, to name the socket; looks again afterwards, because an acknowledgement is not an effect.
// Costs two dumps of one table a socket. There is no undo: the program that owned it sees ECONNABORTED.
import type { SocketRef } from "../core/nouns.ts";
import { fail, ok, type Result } from "../core/result.ts";
import {
  FAMILY,
  type InetRow,
  inetDestroyRequest,
  inetDumpRequest,
  parseInetDiag,
  SOCK_DESTROY,
  SOCK_DIAG_BY_FAMILY,
} from "./diag.ts";
import { AT } from "./libc.ts";
import { type DiagSocket, inNetworkNamespace, openDiagSocket, ownNetworkNamespace } from "./netlink.ts";
import { listNumbers, statFollowing } from "./procfs.ts";

const PROCESSES_MAX = 100_000;

/**
 * Destroys one socket and verifies it: `ok` means that it is closed (TCP) or no longer connected (UDP).
 * Faults: `gone` (it was closed already), `denied` (CAP_NET_ADMIN is missing there), `unsupported` (kernel without
 * CONFIG_INET_DIAG_DESTROY, or no cookie known), `io` (acknowledged, yet still there).
 * Call it while a process still lives in the socket's namespace; with the last process the namespace and its sockets end.
 */
export function destroySocket(socket: SocketRef, procRoot = "/proc"): Result<void> {
  if (socket.cookie === 0n)
    return fail("unsupported", `${nameOf(socket)} cannot be named to the kernel: it was read without sock_diag`);
  const opened = openIn(socket.networkNamespace, procRoot);
  if (!opened.ok) return opened;
  const diag = opened.value;
  try {
    const before = find(diag, socket);
    if (!before.ok) return before;
    if (before.value === undefined) return fail("gone", `${nameOf(socket)} was closed already`);
    const ordered = diag.order(SOCK_DESTROY, inetDestroyRequest(before.value));
    if (!ordered.ok && ordered.fault.kind === "gone") return fail("gone", `${nameOf(socket)} was closed already`);
    if (!ordered.ok)
      return fail(
        ordered.fault.kind,
        `${nameOf(socket)} could not be destroyed: ${ordered.fault.message}`,
        remedyOf(ordered.fault.kind),
      );
    const after = find(diag, socket);
    if (!after.ok) return after;
    return isStillConnected(after.value)
      ? fail("io", `${nameOf(socket)} is still open although the kernel acknowledged its end`)
      : ok(undefined);
  } finally {
    diag.close();
  }
}

/** Whether this kernel and our rights allow it, asked with an identity that no socket has. */
export function probeDestroy(): Result<void> {
  const opened = openDiagSocket();
  if (!opened.ok) return opened;
  const body = new Uint8Array(56);
  body[0] = FAMILY.inet;
  body[1] = 6;
  new DataView(body.buffer).setUint32(4, 0xffffffff, true);
  body.set([0xff, 0xfe, 0xff, 0xfe, 127, 0, 0, 1], 8);
  body.set([127, 0, 0, 1], 28);
  body.set([1], 52);
  const ordered = opened.value.order(SOCK_DESTROY, body);
  opened.value.close();
  if (ordered.ok || ordered.fault.kind === "gone") return ok(undefined);
  return fail(
    ordered.fault.kind,
    `connections cannot be destroyed: ${ordered.fault.message}`,
    remedyOf(ordered.fault.kind),
  );
}

function openIn(networkNamespace: number, procRoot: string): Result<DiagSocket> {
  if (networkNamespace === ownNetworkNamespace()) return openDiagSocket();
  const { numbers } = listNumbers(AT.currentDirectory, procRoot, PROCESSES_MAX);
  for (const pid of numbers) {
    if (statFollowing(AT.currentDirectory, `${procRoot}/${pid}/ns/net`)?.inode !== networkNamespace) continue;
    const opened = inNetworkNamespace(pid, networkNamespace, openDiagSocket, procRoot);
    if (opened.ok || opened.fault.kind !== "gone") return opened;
  }
  return fail(
    "gone",
    `network namespace ${networkNamespace} has no process any more, so its sockets are closing with it`,
  );
}

function find(diag: DiagSocket, socket: SocketRef): Result<InetRow | undefined> {
  let found: InetRow | undefined;
  let failed: Result<InetRow | undefined> | undefined;
  // A v6 socket with a v4 peer shows a v4 address: which family it is only the tables say.
  for (const family of socket.localAddress.includes(":") ? [FAMILY.inet6] : [FAMILY.inet, FAMILY.inet6]) {
    const dumped = diag.dump(SOCK_DIAG_BY_FAMILY, inetDumpRequest(family, socket.protocol), (message) => {
      const row = parseInetDiag(message.body, socket.protocol, socket.networkNamespace);
      if (row?.socket.cookie === socket.cookie) found = row;
    });
    if (found !== undefined) return ok(found);
    if (!dumped.ok)
      failed =
        dumped.fault.kind === "gone"
          ? fail("unsupported", `${nameOf(socket)}: this kernel cannot list such sockets`)
          : dumped;
  }
  return failed ?? ok(undefined);
}

function isStillConnected(row: InetRow | undefined): boolean {
  if (row === undefined || row.socket.state === "closed") return false;
  return row.socket.protocol === "tcp" || row.socket.remote !== undefined;
}

function remedyOf(kind: string): string {
  switch (kind) {
    case "denied":
      return "run as root with CAP_NET_ADMIN in the socket's network namespace";
    case "unsupported":
      return "this kernel lacks CONFIG_INET_DIAG_DESTROY; only killing the process ends its connections";
    default:
      return "run `algo-monitor doctor`";
  }
}

function nameOf(socket: SocketRef): string {
  return `${socket.protocol} connection ${endpoint(socket.localAddress, socket.localPort)} -> ${endpoint(socket.remoteAddress, socket.remotePort)}`;
}

function endpoint(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
