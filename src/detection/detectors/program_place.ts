/**
 * States where the file of a new process lies when that is unusual: in memory, deleted, in a temporary or hidden
 * directory; and when a process borrows the name of a well-known system program. Once per process and executable.
 */
import type { EventDraft } from "../../core/nouns.ts";
import { baseName, isHiddenPath } from "../../core/place.ts";
import type { Process } from "../../core/process.ts";
import { processFields } from "../../core/render.ts";
import type { HostView } from "../../core/view.ts";
import { NO_PROCESS_LISTS, type ProcessLists } from "../site/process_lists.ts";
import { remoteSockets } from "./channels.ts";
import { type Detector, derived } from "./detector.ts";
import { createOncePerProcess } from "./new_processes.ts";

/** Names attackers borrow (T1036.005) and the only places the real ones run from. Never a name that a site added. */
const SYSTEM_NAMES: ReadonlyMap<string, readonly string[]> = new Map([
  ["systemd", ["/usr/lib/systemd/", "/lib/systemd/", "/sbin/init"]],
  ["systemd-journald", ["/usr/lib/systemd/", "/lib/systemd/"]],
  ["systemd-logind", ["/usr/lib/systemd/", "/lib/systemd/"]],
  ["systemd-udevd", ["/usr/lib/systemd/", "/lib/systemd/", "/usr/bin/udevadm", "/bin/udevadm"]],
  ["systemd-resolved", ["/usr/lib/systemd/", "/lib/systemd/"]],
  ["systemd-networkd", ["/usr/lib/systemd/", "/lib/systemd/"]],
  ["dbus-daemon", ["/usr/bin/", "/bin/"]],
  ["sshd", ["/usr/sbin/", "/sbin/", "/usr/lib/openssh/", "/usr/libexec/"]],
  ["cron", ["/usr/sbin/", "/sbin/"]],
  ["crond", ["/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"]],
  ["rsyslogd", ["/usr/sbin/", "/sbin/"]],
  ["agetty", ["/usr/sbin/", "/sbin/"]],
  ["auditd", ["/usr/sbin/", "/sbin/"]],
  ["polkitd", ["/usr/lib/", "/usr/libexec/"]],
  ["udevd", ["/usr/lib/", "/lib/", "/sbin/"]],
]);

/** Kernel threads show their names in brackets; nothing in user land has a reason to. */
const KERNEL_THREAD_NAME =
  /^\[?(kworker|kthreadd|ksoftirqd|migration|rcu_\w+|kswapd\d|khugepaged|watchdogd|kdevtmpfs|jbd2)\b[^\]]*\]?$/;

/** `lists` adds the prefixes of TRUSTED_SYSTEM_PATTERNS that have the form of a kernel thread's name. */
export function createProgramPlaceDetector(lists: () => ProcessLists = () => NO_PROCESS_LISTS): Detector {
  const once = createOncePerProcess();
  return {
    id: "program_place",
    emits: ["program_place", "masquerade"],
    sweep: (view) => {
      const current = lists();
      return once.fresh(view).flatMap((process) => [...place(view, process), ...masquerade(view, process, current)]);
    },
  };
}

function place(view: HostView, process: Process): readonly EventDraft[] {
  const executable = process.executable;
  if (executable === undefined) return [];
  const unusual =
    executable.memfd || executable.deleted || view.program(process).temporary || isHiddenPath(executable.path);
  if (!unusual) return [];
  const fields = {
    ...processFields(view, process),
    "process.has_network": remoteSockets(view, process).length > 0,
    "process.executable_replaced_by_package": executable.deleted && executable.replaced === true,
  };
  return [
    derived("program_place", "program-in-unusual-place", process, fields, {
      actors: [process.ref],
      relays: [],
      sockets: [],
    }),
  ];
}

function masquerade(view: HostView, process: Process, lists: ProcessLists): readonly EventDraft[] {
  const executable = process.executable;
  // A container's own systemd or cron lies in the right place of its own tree.
  if (executable === undefined || process.ref.pid === 1) return [];
  const shown = process.argv[0] ?? "";
  const kernelName = kernelThreadName(process, shown, lists);
  const fakesKernelThread = kernelName !== undefined;
  const borrowed = [
    process.name,
    baseName(executable.path),
    shown.startsWith("/") ? baseName(shown) : (shown.split(/[\s:]/)[0] ?? ""),
  ].find((name) => SYSTEM_NAMES.has(name));
  const expected = borrowed === undefined ? undefined : SYSTEM_NAMES.get(borrowed);
  const inPlace = expected?.some((prefix) => executable.path.startsWith(prefix)) ?? true;
  if (!fakesKernelThread && inPlace) return [];
  const fields = {
    ...processFields(view, process),
    "process.name_claimed": kernelName ?? borrowed ?? "",
    "process.executable_expected": fakesKernelThread ? "a kernel thread runs no file" : (expected ?? []).join(" or "),
    "process.has_network": remoteSockets(view, process).length > 0,
  };
  return [
    derived("masquerade", "system-name-borrowed", process, fields, { actors: [process.ref], relays: [], sockets: [] }),
  ];
}

/** A file's own name may be `migration`, so the short name counts alone only with a slash, which no file's name has. */
function kernelThreadName(process: Process, shown: string, lists: ProcessLists): string | undefined {
  if (KERNEL_THREAD_NAME.test(shown) || lists.claimsKernelThread(shown)) return shown;
  const { name } = process;
  if (shown === "" && process.argv.length > 0 && KERNEL_THREAD_NAME.test(name)) return name;
  return name.includes("/") && lists.claimsKernelThread(name) ? name : undefined;
}
