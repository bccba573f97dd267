/** `doctor` about the kernel sensor: what the daemon says of it, else what this kernel has for it. */
import { existsSync } from "node:fs";
import { release } from "node:os";
import type { SensorReport } from "../core/control.ts";
import { printable } from "../core/printable.ts";
import { askDaemon } from "./client.ts";
import type { Finding } from "./doctor.ts";
import type { Cli } from "./world.ts";

/** What is lost where a hook is missing. */
const LOSSES: Readonly<Record<string, string>> = {
  on_ingress: "bytes of a connection cannot be withheld, and commands are not recognised by what was heard",
  on_egress: "names that are looked up and logins of miners are not seen",
  on_connect4: "blocked addresses are not refused, UDP is not seen",
  on_connect6: "blocked IPv6 addresses are not refused, UDP over IPv6 is not seen",
  on_send4: "UDP without a connection is not seen",
  on_send6: "UDP over IPv6 without a connection is not seen",
  on_exec_environment: "libraries that a program's environment loads into it (LD_PRELOAD) are not seen",
  on_signal: "who signals the daemon is not seen",
  on_module: "loaded kernel modules are not seen",
  on_uring: "programs that set io_uring up are not seen (their connections are)",
  on_reset: "scans of closed ports are not seen",
  on_release: "some tables of UDP sockets are kept longer than needed",
  watched_files: "who opens password hashes, private keys and decoys is not seen",
  process_memory: "who writes into the memory of another process is not seen",
  replaced_files: "a watched file that is replaced is watched again up to ten seconds later",
};
const BTF = "/sys/kernel/btf/vmlinux";
const KERNEL_MIN = [5, 8] as const;

export async function kernelSensor(cli: Cli): Promise<Finding> {
  const asked = cli.uid === 0 ? await askDaemon(cli, "status", {}) : undefined;
  if (asked?.ok === true && asked.value.sensor !== undefined) return ofReport(asked.value.sensor);
  return ofKernel(release(), existsSync(BTF));
}

/** Exported for tests. */
export function ofReport(report: SensorReport): Finding {
  if (report.state === "connector")
    return {
      state: "degraded",
      detail: `hears of starts and ends by the process connector, because BPF is refused: ${printable(report.reason ?? "")}`,
      remedy: `${remedyFor(report.reason ?? "")}; until then the scan looks at once where a program starts that could serve a remote shell, and nothing is stopped before it acts`,
    };
  if (report.state !== "kernel")
    return {
      state: "degraded",
      detail: `does not watch: ${printable(report.reason ?? "it starts")}`,
      remedy: `${remedyFor(report.reason ?? "")}; the scans guard every five seconds meanwhile`,
    };
  const missing = report.hooks.filter(({ answer }) => answer !== "ok");
  const lost = missing.map(({ name, answer }) => `${name} (${printable(answer)}): ${LOSSES[name] ?? "unknown"}`);
  const detail = `${report.hooks.length - missing.length} of ${report.hooks.length} hooks stand${lost.length === 0 ? "" : `; missing ${lost.join("; ")}`}`;
  if (report.canary.missed > 0)
    return {
      state: "degraded",
      detail: `${detail}; it missed ${report.canary.missed} of its own canaries`,
      remedy: "sudo algo-monitor status",
    };
  return { state: "works", detail };
}

function remedyFor(reason: string): string {
  if (/no kernel sensor/.test(reason)) return "install a release, or build with clang and libbpf";
  if (/type information|btf/i.test(reason)) return "use a kernel that is built with CONFIG_DEBUG_INFO_BTF";
  if (/not permitted|Permission denied|EPERM/i.test(reason))
    return "BPF is refused to root here: kernel lockdown, a container without CAP_BPF, or a system call filter";
  if (/SENSOR/.test(reason)) return "sudo algo-monitor config set SENSOR.enabled true";
  return "sudo journalctl -u algo-monitor | grep sensor";
}

/** Exported for tests. */
export function ofKernel(uname: string, hasBtf: boolean): Finding {
  const [major = 0, minor = 0] = (/^(\d+)\.(\d+)/.exec(uname) ?? []).slice(1).map(Number);
  if (major < KERNEL_MIN[0] || (major === KERNEL_MIN[0] && minor < KERNEL_MIN[1]))
    return {
      state: "degraded",
      detail: `${uname} is older than ${KERNEL_MIN.join(".")}`,
      remedy: "the scans guard every five seconds; a newer kernel gives more",
    };
  if (!hasBtf)
    return {
      state: "degraded",
      detail: `this kernel has no type information (${BTF})`,
      remedy: "use a kernel that is built with CONFIG_DEBUG_INFO_BTF; the scans guard meanwhile",
    };
  return {
    state: "unknown",
    detail: "this kernel has what it needs; the daemon was not asked",
    remedy: "sudo algo-monitor doctor",
  };
}
