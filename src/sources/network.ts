/** Every TCP, UDP, raw, unix and packet socket of all network namespaces of running processes, by sock_diag, each 5 s. */
import { type Fault, ok } from "../core/result.ts";
import type { SocketsSeen } from "../core/sweep.ts";
import { createSocketReader, type NamespaceMember } from "../host/sockets.ts";
import type { Scanner } from "./scanner.ts";

export function createNetworkScanner(): Scanner<readonly NamespaceMember[], SocketsSeen> {
  const reader = createSocketReader();
  return {
    name: "network",
    probe: () => ok(undefined),
    scan(members) {
      const sweep = reader.read(members);
      const items = sweep.internet.length + sweep.unix.length;
      return { seen: sweep, items, faults: faultsOf(sweep), tookMs: sweep.tookMs };
    },
  };
}

function faultsOf(sweep: ReturnType<ReturnType<typeof createSocketReader>["read"]>): readonly Fault[] {
  const faults = [...sweep.faults];
  if (sweep.malformed > 0)
    faults.push({
      kind: "invalid",
      message: `${sweep.malformed} answers of the kernel about sockets were not understood`,
    });
  if (sweep.cut.sockets > 0)
    faults.push({
      kind: "limit",
      message: `${sweep.cut.sockets} sockets were over the bound of one sweep and not seen`,
    });
  return faults;
}
