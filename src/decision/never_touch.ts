/** The one list of what no road may kill: consulted for every process of every plan, automatic or ordered. */
import { baseName, isRootOnly, isSystemPath } from "../core/place.ts";
import { type Process, sameProcess } from "../core/process.ts";
import type { HostView } from "../core/view.ts";
import type { NeverTouch } from "./policy.ts";

/** The parts of the system without which a host cannot be reached or repaired. */
const VITAL_PROGRAMS: ReadonlySet<string> = new Set([
  "systemd",
  "systemd-journald",
  "systemd-logind",
  "systemd-udevd",
  "dbus-daemon",
  "dbus-broker",
  "dbus-broker-launch",
]);

/** Why a process must not be touched, or undefined. */
export function untouchable(view: HostView, process: Process, list: NeverTouch): string | undefined {
  if (process.ref.pid <= 1) return "it is pid 1";
  if (process.isKernelThread) return "it is a kernel thread";
  if (list.processes.some((own) => sameProcess(own, process.ref)))
    return "it is algo-monitor or the session that runs it";
  const executable = process.executable;
  if (executable !== undefined && isRootOnly(executable) && isSystemPath(executable.path)) {
    const name = baseName(executable.path);
    if (VITAL_PROGRAMS.has(name)) return `${name} keeps the system alive`;
    if (/^sshd(-session|-auth)?$/.test(name) && view.processes.get(process.parentPid)?.ref.pid === 1)
      return "it is the sshd listener";
  }
  if (executable !== undefined && list.executables.has(executable.path)) return `NEVER_TOUCH names ${executable.path}`;
  if (list.userIds.has(process.effectiveUid) || list.userIds.has(process.uid))
    return `NEVER_TOUCH names its user (uid ${process.uid})`;
  const unit = view.unit(process);
  if (unit !== undefined && list.units.has(unit.name)) return `NEVER_TOUCH names its unit ${unit.name}`;
  return undefined;
}
