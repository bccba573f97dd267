/** Every process with its descriptors, from /proc, each 5 s. Sees our pid namespace and those below it. */
import type { Clock } from "../core/clock.ts";
import { sameProcess } from "../core/process.ts";
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

const CUT_PROCESSES_NAMED_MAX = 3;
const PATH_SHOWN_MAX = 200;

/** Exported for tests. */
export function faultsOf(sweep: ProcessSweep): readonly Fault[] {
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
    faults.push({
      kind: "limit",
      message: `there are more processes than one sweep looks at: the ${sweep.processes.length} with the lowest pids were seen, the rest was not`,
      remedy:
        "find who starts them (`ps -eo user= | sort | uniq -c | sort -n`), end them, and bound that user with TasksMax= of its user-UID.slice or nproc in /etc/security/limits.conf",
    });
  if (sweep.cut.descriptors > 0) faults.push(cutDescriptors(sweep));
  return faults;
}

function cutDescriptors({ cut, cutProcesses, processes }: ProcessSweep): Fault {
  const named = cutProcesses.slice(0, CUT_PROCESSES_NAMED_MAX).map((process) => {
    const { name, executable } = processes.find((seen) => sameProcess(seen.ref, process)) ?? {};
    // Both are the process's own words; whoever prints a fault makes them printable.
    const words = [name ?? "ended", ...(executable === undefined ? [] : [executable.path.slice(0, PATH_SHOWN_MAX)])];
    return `pid ${process.pid} (${words.join(", ")}, uid ${process.uid}) has ${process.descriptors} open`;
  });
  const others = cut.descriptors - named.length;
  const [first] = cutProcesses;
  return {
    kind: "limit",
    message: `${cut.descriptors === 1 ? "a process has" : `${cut.descriptors} processes have`} more descriptors than one sweep looks at: ${named.join("; ")}${others > 0 ? `; and ${others} more` : ""}. Descriptors 0 to 2 are seen in each sweep, the rest in turn`,
    remedy: `see what they are for (\`ls -l /proc/${first?.pid ?? "PID"}/fd | head\`); unless it is a server with that many connections, end it, and bound uid ${first?.uid ?? "UID"} with nofile in /etc/security/limits.conf or LimitNOFILE= of its unit`,
  };
}
