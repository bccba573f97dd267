/** What live daemon and one-shot rehearsal share: scanners, context, detectors, all set up for this host. */
import { readFileSync } from "node:fs";
import { type Context, type ContextOptions, createContext } from "../context/context.ts";
import type { NameRefusal } from "../context/trust.ts";
import type { Clock } from "../core/clock.ts";
import type { Detector } from "../detection/detectors/detector.ts";
import { createIndicatorsDetector } from "../detection/detectors/indicators.ts";
import { inlineClientDetector } from "../detection/detectors/inline_client.ts";
import { createListenersDetector } from "../detection/detectors/listeners.ts";
import { createMinerDetector } from "../detection/detectors/miner.ts";
import { createPacketSocketDetector } from "../detection/detectors/packet_socket.ts";
import { createPortScanDetector } from "../detection/detectors/port_scan.ts";
import { createProgramPlaceDetector } from "../detection/detectors/program_place.ts";
import { createServiceAccountDetector } from "../detection/detectors/service_account.ts";
import { createServiceChildDetector } from "../detection/detectors/service_child.ts";
import { createSiteNetworkDetector } from "../detection/detectors/site_network.ts";
import { createSitePatternsDetector } from "../detection/detectors/site_patterns.ts";
import { createThresholdsDetector } from "../detection/detectors/thresholds.ts";
import { createTorDetector } from "../detection/detectors/tor.ts";
import { createTracedDetector } from "../detection/detectors/traced.ts";
import { createUnknownProcessDetector } from "../detection/detectors/unknown_process.ts";
import { wiredShellDetector } from "../detection/detectors/wired_shell.ts";
import { createNewSockets } from "../detection/site/new_sockets.ts";
import { readNamespaces, readSystemFacts } from "../host/system.ts";
import type { Users } from "../host/users.ts";
import type { Site } from "./site.ts";

/** Every detector; a test compares the list with the folder. Those that remember earlier sweeps begin without memory. */
export function allDetectors(site: Site): readonly Detector[] {
  const sockets = createNewSockets();
  return [
    wiredShellDetector,
    inlineClientDetector,
    createMinerDetector(site.pools),
    createProgramPlaceDetector(site.processes),
    createServiceChildDetector(),
    createSitePatternsDetector(site.processes),
    createUnknownProcessDetector(site.processes),
    createThresholdsDetector(site.processes),
    createServiceAccountDetector(),
    createSiteNetworkDetector({ lists: site.network, sockets }),
    createListenersDetector({ lists: site.network, sockets, ephemeralPorts: ephemeralPorts() }),
    createTorDetector({ sockets, isRelay: site.isTorRelay }),
    createIndicatorsDetector({ sockets, indicators: site.indicators }),
    createPortScanDetector(),
    createTracedDetector(),
    createPacketSocketDetector(),
  ];
}

export function hostContext(parts: {
  readonly clock: Clock;
  readonly users: Users;
  readonly trustedProcesses: () => readonly string[];
  readonly onFault: (message: string) => void;
  readonly onNameRefused?: (refusal: NameRefusal) => void;
  readonly identity?: ContextOptions["identity"];
  readonly hints?: ContextOptions["hints"];
  readonly nameOf?: ContextOptions["nameOf"];
}): Context {
  return createContext({
    ourMountNamespace: readNamespaces("self").mount,
    ephemeralPorts: ephemeralPorts(),
    memoryTotalBytes: readSystemFacts().memoryTotalBytes,
    userName: (uid) => parts.users.nameOf(uid) ?? String(uid),
    trustedProcesses: parts.trustedProcesses,
    onFault: parts.onFault,
    ...(parts.onNameRefused === undefined ? {} : { onNameRefused: parts.onNameRefused }),
    ...(parts.identity === undefined ? {} : { identity: parts.identity }),
    ...(parts.hints === undefined ? {} : { hints: parts.hints }),
    ...(parts.nameOf === undefined ? {} : { nameOf: parts.nameOf }),
  });
}

function ephemeralPorts(): readonly [number, number] {
  try {
    const [first = "32768", last = "60999"] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8")
      .trim()
      .split(/\s+/);
    return [Number(first), Number(last)];
  } catch {
    return [32_768, 60_999]; // the kernel's default
  }
}
