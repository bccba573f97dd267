/** Every process with its descriptors, from /proc, each 5 s. Sees our pid namespace and those below it. */
import type { Clock } from "../core/clock.ts";
import { type Fault, ok } from "../core/result.ts";
import type { ProcessesSeen } from "../core/sweep.ts";
import { createProcessReader, type ProcessSweep } from "../host/processes.ts";
import type { Scanner } from "./scanner.ts";

export function createProcessScanner(clock: Clock, selfPid: number): Scanner<void, ProcessesSeen> {
  const reader = createProcessReader({ clock, selfPid });
  return {
    name: "processes",
    probe: () => ok(undefined),
    scan() {
      const sweep = reader.read();
      return { seen: sweep, items: sweep.processes.length, faults: faultsOf(sweep), tookMs: sweep.tookMs };
    },
  };
}

function faultsOf(sweep: ProcessSweep): readonly Fault[] {
  const faults: Fault[] = [];
  if (sweep.unreadable > 0)
    faults.push({
      kind: "denied",
      message: `${sweep.unreadable} processes could not be read`,
      remedy: "run as root without hidepid for this service",
    });
  if (sweep.unreadableDescriptors > 0)
    faults.push({
      kind: "denied",
      message: `the descriptors of ${sweep.unreadableDescriptors} processes could not be read`,
    });
  if (sweep.cut.processes > 0)
    faults.push({ kind: "limit", message: "there are more processes than one sweep looks at; the rest was not seen" });
  if (sweep.cut.descriptors > 0)
    faults.push({
      kind: "limit",
      message: `${sweep.cut.descriptors} processes have more descriptors than one sweep looks at`,
    });
  return faults;
}
