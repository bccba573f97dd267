/**
 * States which process holds a socket below all protocols (AF_PACKET), once for each process and program, and again when
 * it begins to hear. Packet sockets of no process we see (the kernel's, those on their way between two processes) are left out.
 */
import type { EventDraft } from "../../core/nouns.ts";
import { type Process, processKey } from "../../core/process.ts";
import { processFields } from "../../core/render.ts";
import type { PacketSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import { type Detector, derived } from "./detector.ts";

const ETH_P_ALL = 3;

export function createPacketSocketDetector(): Detector {
  let told = new Set<string>();
  return { id: "packet_socket", emits: ["packet_socket"], sweep };

  function sweep(view: HostView): readonly EventDraft[] {
    const now = new Set<string>();
    const drafts: EventDraft[] = [];
    for (const socket of view.packetSockets)
      for (const { process } of view.holders(`socket:${socket.inode}`)) {
        // Bound to a protocol later, it begins to hear.
        const key = `${processKey(process.ref)} ${process.executable?.inode ?? 0} ${socket.protocol !== 0}`;
        if (!told.has(key) && !now.has(key)) drafts.push(draftOf(view, process, socket));
        now.add(key);
      }
    told = now;
    return drafts;
  }
}

function draftOf(view: HostView, process: Process, { kind, protocol }: PacketSocket): EventDraft {
  return derived(
    "packet_socket",
    "packet-socket-open",
    process,
    {
      ...processFields(view, process),
      "packet.kind": kind,
      "packet.protocol": protocol,
      "packet.hears_all": protocol === ETH_P_ALL,
    },
    { actors: [process.ref], relays: [], sockets: [] },
  );
}
