/** Whether a process stands for something that root installed: a verified program, a unit's own. Names prove nothing. */
import type { Process } from "../../core/process.ts";
import type { HostView, Unit } from "../../core/view.ts";
import { isServedByUnit } from "../detectors/origin.ts";

/** A program of the system that does what its file says: no interpreter without a file of its own, no tool that only relays. */
export function isVerifiedOwner(view: HostView, process: Process): boolean {
  const program = view.program(process);
  const script = view.scriptOf(process);
  if (!program.verified || program.isCopy) return false;
  if (program.interpreter) return script.kind === "file" && script.verified;
  return !program.relayTool || (script.kind === "file" && script.verified);
}

/**
 * Part of an installed service: its main process, what that brought along (see isServedByUnit), or, where a service has
 * no main process (a DHCP client that `ifup` left behind), a verified program in its cgroup that no login stands above.
 */
export function servesUnit(view: HostView, process: Process): boolean {
  if (process.ref.pid === 1) return true;
  const unit = installedUnit(view, process);
  if (unit === undefined) return false;
  if (unit.mainPid === process.ref.pid) return true;
  if (process.loginUid !== -1) return false;
  return isServedByUnit(view, process) || (unit.mainPid === 0 && isVerifiedOwner(view, process));
}

/** The main process of an installed unit, or another process of the very same file (a worker of it). */
export function isUnitProgram(view: HostView, process: Process): boolean {
  const unit = installedUnit(view, process);
  if (unit === undefined || unit.mainPid === 0) return false;
  if (unit.mainPid === process.ref.pid) return true;
  const main = view.processes.get(unit.mainPid)?.executable;
  const own = process.executable;
  const isItsFile = main !== undefined && own !== undefined && main.device === own.device && main.inode === own.inode;
  return isItsFile && !view.program(process).interpreter;
}

function installedUnit(view: HostView, process: Process): Unit | undefined {
  const unit = view.unit(process);
  const counts =
    unit !== undefined && !unit.transient && unit.name.endsWith(".service") && !unit.name.startsWith("user@");
  return counts ? unit : undefined;
}

/** Cgroups that only a container engine of the system makes. Rootless ones lie in the user's own part. */
const CONTAINER_CGROUP =
  /^\/(system\.slice\/(docker|libpod|crio|cri-containerd|nerdctl)-[0-9a-f]{12,64}\.scope|kubepods|machine\.slice\/|docker\/|lxc|garden\/)/;

export function isInContainer(process: Process): boolean {
  return CONTAINER_CGROUP.test(process.cgroup);
}
