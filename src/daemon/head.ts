/** What live daemon and one-shot rehearsal share: scanners, context, detectors, all set up for this host. */
import { readFileSync } from "node:fs";
import { type Context, createContext } from "../context/context.ts";
import type { NameRefusal } from "../context/trust.ts";
import type { Clock } from "../core/clock.ts";
import type { Detector } from "../detection/detectors/detector.ts";
import { inlineClientDetector } from "../detection/detectors/inline_client.ts";
import { createMinerDetector, type PoolMatcher } from "../detection/detectors/miner.ts";
import { createProgramPlaceDetector } from "../detection/detectors/program_place.ts";
import { createServiceChildDetector } from "../detection/detectors/service_child.ts";
import { wiredShellDetector } from "../detection/detectors/wired_shell.ts";
import { readNamespaces, readSystemFacts } from "../host/system.ts";
import type { Users } from "../host/users.ts";

/** Every detector; a test compares the list with the folder. */
export function allDetectors(pools: () => PoolMatcher): readonly Detector[] {
  return [
    wiredShellDetector,
    inlineClientDetector,
    createMinerDetector(pools),
    createProgramPlaceDetector(),
    createServiceChildDetector(),
  ];
}

export function hostContext(parts: {
  readonly clock: Clock;
  readonly users: Users;
  readonly trustedProcesses: () => readonly string[];
  readonly onFault: (message: string) => void;
  readonly onNameRefused?: (refusal: NameRefusal) => void;
}): Context {
  return createContext({
    ourMountNamespace: readNamespaces("self").mount,
    ephemeralPorts: ephemeralPorts(),
    memoryTotalBytes: readSystemFacts().memoryTotalBytes,
    userName: (uid) => parts.users.nameOf(uid) ?? String(uid),
    trustedProcesses: parts.trustedProcesses,
    onFault: parts.onFault,
    ...(parts.onNameRefused === undefined ? {} : { onNameRefused: parts.onNameRefused }),
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
