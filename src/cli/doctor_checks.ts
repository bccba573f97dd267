/** The checks of `doctor`, in the order they are shown. Each looks at one thing and says what it saw. */

import { existsSync, readFileSync, readlinkSync, statfsSync, statSync } from "node:fs";
import { release } from "node:os";
import { parseConfig } from "../config/load.ts";
import { printable } from "../core/printable.ts";
import type { Result } from "../core/result.ts";
import { askDaemon } from "./client.ts";
import type { Check, Finding } from "./doctor.ts";
import { kernelSensor } from "./doctor_sensor.ts";
import { SOURCE_CHECKS } from "./doctor_sources.ts";
import { EXIT } from "./exit.ts";
import { CONTAINER_REACH, containerDetail, readContainer } from "./host_place.ts";
import { rulesOf } from "./rule_files.ts";
import { bytes, plural } from "./text.ts";
import type { Cli } from "./world.ts";

const KERNEL_MIN = [4, 4] as const;
const KERNEL_PIDFD = [5, 3] as const;
const MEMORY_MIN_BYTES = 150 * 1024 * 1024;
const DISK_MIN_BYTES = 400 * 1024 * 1024;

export const CHECKS: readonly Check[] = [
  { name: "kernel", purpose: "everything", run: () => kernel(release()) },
  {
    name: "systemd",
    purpose: "starting at boot, restarting after a crash, knowing the main process of a unit",
    run: systemd,
  },
  { name: "daemon", purpose: "protection", run: daemon },
  { name: "kernel sensor", purpose: "stopping a remote shell before its first instruction", run: kernelSensor },
  { name: "pid namespace", purpose: "seeing every process of the host", run: pidNamespace },
  { name: "/proc", purpose: "seeing the processes of all users", run: processes },
  { name: "cgroup v2", purpose: "telling which unit a process belongs to", run: cgroups },
  { name: "sock_diag", purpose: "seeing connections with direction and counters", run: socketDiagnosis },
  { name: "packet filter", purpose: "blocking addresses, also for containers", run: packetFilter },
  { name: "SOCK_DESTROY", purpose: "cutting one connection without killing its owner", run: socketDestroy },
  { name: "pidfd", purpose: "killing exactly the process that was judged", run: pidfd },
  { name: "setns", purpose: "seeing connections in containers and other network namespaces", run: namespaces },
  { name: "journald", purpose: "telling with searchable fields", run: journal },
  { name: "config", purpose: "protection as you configured it", run: config },
  { name: "rules", purpose: "recognising anything", run: rules },
  { name: "files", purpose: "nobody but root changing or reading what guards", run: files },
  ...SOURCE_CHECKS,
  { name: "memory", purpose: "running", run: memory },
  { name: "disk", purpose: "keeping what happened", run: disk },
];

/** `release` as uname says it, e.g. `6.1.0-28-amd64`. */
export function kernel(uname: string): Finding {
  const match = /^(\d+)\.(\d+)/.exec(uname);
  if (match === null) return { state: "unknown", detail: `calls itself ${uname}` };
  const version = [Number(match[1]), Number(match[2])] as const;
  if (older(version, KERNEL_MIN))
    return { state: "fails", detail: `${uname} is older than ${KERNEL_MIN.join(".")}`, remedy: "use a newer kernel" };
  if (older(version, KERNEL_PIDFD))
    return {
      state: "degraded",
      detail: `${uname} has no pidfd`,
      remedy:
        "kernels before 5.3: the start time is read again right before each kill, which leaves a gap of microseconds",
    };
  return { state: "works", detail: uname };
}

function older(version: readonly [number, number], than: readonly [number, number]): boolean {
  return version[0] < than[0] || (version[0] === than[0] && version[1] < than[1]);
}

function systemd(): Finding {
  if (existsSync("/run/systemd/system")) return { state: "works", detail: "runs this host" };
  return {
    state: "fails",
    detail: "does not run this host",
    remedy: "algo-monitor needs systemd to be started and kept alive",
  };
}

async function daemon(cli: Cli): Promise<Finding> {
  if (cli.uid !== 0)
    return { state: "unknown", detail: "may be asked by root only", remedy: "sudo algo-monitor doctor" };
  const asked = await askDaemon(cli, "status", {});
  if (!asked.ok) {
    const { message, remedy } = asked.fault;
    return { state: "fails", detail: message, remedy: remedy ?? "sudo journalctl -u algo-monitor -n 50" };
  }
  const { version, mode, degradations } = asked.value;
  const parts = degradations.map((part) => `${part.part}: ${part.reason}`).join("; ");
  return parts === ""
    ? { state: "works", detail: `${version} runs and its mode is ${mode}` }
    : { state: "degraded", detail: `${version} runs, ${parts}`, remedy: "sudo algo-monitor status" };
}

function pidNamespace(cli: Cli): Finding {
  const namespace = readContainer(cli.procRoot);
  if (namespace === undefined) return { state: "works", detail: "the first one: every process is visible" };
  return { state: "degraded", detail: containerDetail(namespace), remedy: CONTAINER_REACH };
}

function processes(cli: Cli): Finding {
  const mount = readFileSync(`${cli.procRoot}/self/mountinfo`, "utf8")
    .split("\n")
    .find((line) => line.split(" ")[4] === "/proc");
  const hidden = /hidepid=(\w+)/.exec(mount ?? "")?.[1];
  const hides = hidden !== undefined && hidden !== "0" && hidden !== "off";
  if (cli.uid !== 0)
    return hides
      ? { state: "unknown", detail: `mounted with hidepid=${hidden}`, remedy: "sudo algo-monitor doctor" }
      : { state: "works", detail: "every process is listed; its details are root's" };
  try {
    readlinkSync(`${cli.procRoot}/1/exe`);
  } catch {
    return {
      state: "fails",
      detail: "the kernel refuses to show pid 1 to root",
      remedy: "CAP_SYS_PTRACE is missing, as in a container: install algo-monitor on the host",
    };
  }
  return { state: "works", detail: hides ? `hidepid=${hidden} does not hide from root` : "every process is readable" };
}

function cgroups(): Finding {
  if (existsSync("/sys/fs/cgroup/cgroup.controllers")) return { state: "works", detail: "mounted" };
  if (existsSync("/sys/fs/cgroup/systemd"))
    return { state: "works", detail: "version 1 with systemd's own hierarchy, which is used instead" };
  return {
    state: "degraded",
    detail: "no cgroup hierarchy of systemd is mounted",
    remedy: "processes cannot be told apart by unit: more is only reported",
  };
}

function fromResult(result: Result<unknown>, works: string, state: "degraded" | "fails"): Finding {
  if (result.ok) return { state: "works", detail: works };
  return result.fault.remedy === undefined
    ? { state, detail: result.fault.message }
    : { state, detail: result.fault.message, remedy: result.fault.remedy };
}

async function socketDiagnosis(): Promise<Finding> {
  const { openDiagSocket } = await import("../host/netlink.ts");
  const { inetDumpRequest, FAMILY, SOCK_DIAG_BY_FAMILY } = await import("../host/diag.ts");
  const opened = openDiagSocket();
  if (!opened.ok) return fromResult(opened, "", "degraded");
  let seen = 0;
  const dumped = opened.value.dump(SOCK_DIAG_BY_FAMILY, inetDumpRequest(FAMILY.inet, "tcp"), () => seen++);
  opened.value.close();
  return fromResult(dumped, `answers (${plural(seen, "IPv4 TCP socket")})`, "degraded");
}

async function socketDestroy(cli: Cli): Promise<Finding> {
  if (cli.uid !== 0)
    return { state: "unknown", detail: "may be asked by root only", remedy: "sudo algo-monitor doctor" };
  const { probeDestroy } = await import("../host/destroy.ts");
  return fromResult(probeDestroy(), "the kernel destroys sockets when told", "degraded");
}

async function packetFilter(cli: Cli): Promise<Finding> {
  if (cli.uid !== 0)
    return { state: "unknown", detail: "may be asked by root only", remedy: "sudo algo-monitor doctor" };
  const { probeTables } = await import("../host/nftables.ts");
  return fromResult(probeTables(), "nf_tables takes a table of ours", "degraded");
}

async function pidfd(cli: Cli): Promise<Finding> {
  const { closeDescriptor, errnoText, pidfdOpen } = await import("../host/libc.ts");
  const descriptor = pidfdOpen(cli.pid);
  if (descriptor < 0)
    return {
      state: "degraded",
      detail: `refused: ${errnoText(descriptor)}`,
      remedy: "the start time is read again right before each kill instead",
    };
  closeDescriptor(descriptor);
  return { state: "works", detail: "processes are held by descriptor" };
}

async function namespaces(cli: Cli): Promise<Finding> {
  if (cli.uid !== 0)
    return { state: "unknown", detail: "may be tried by root only", remedy: "sudo algo-monitor doctor" };
  const { inNetworkNamespace, ownNetworkNamespace } = await import("../host/netlink.ts");
  const entered = inNetworkNamespace(cli.pid, ownNetworkNamespace(), () => ({ ok: true, value: undefined }));
  return fromResult(entered, "network namespaces can be entered", "degraded");
}

function journal(): Finding {
  if (existsSync("/run/systemd/journal/socket")) return { state: "works", detail: "takes messages" };
  return {
    state: "degraded",
    detail: "its socket /run/systemd/journal/socket is missing",
    remedy: "messages go to the log files and standard error only",
  };
}

function config(cli: Cli): Finding {
  const file = cli.paths.configFile;
  if (statSync(file, { throwIfNoEntry: false }) === undefined)
    return {
      state: "degraded",
      detail: `there is no ${file}`,
      remedy: "built-in defaults are in force; see config.example.json",
    };
  const { problems, usable } = parseConfig(readFileSync(file));
  const errors = problems.filter((problem) => problem.severity === "error");
  const first = errors[0];
  if (!usable)
    return {
      state: "fails",
      detail: `${file} cannot be used: ${first?.message ?? "it does not parse"}`,
      remedy: "sudo algo-monitor config check",
    };
  if (first === undefined) return { state: "works", detail: `${file} is valid` };
  return {
    state: "degraded",
    detail: `${file} has ${plural(errors.length, "error")}, the first at ${first.line}:${first.column} ${printable(first.key)}: ${first.message}`,
    remedy: "sudo algo-monitor config check",
  };
}

function rules(cli: Cli): Finding {
  const found = rulesOf(cli.paths);
  if (!found.ok) {
    const { exit, message, remedy } = found.fault;
    return {
      state: exit === EXIT.notPermitted ? "unknown" : "fails",
      detail: message,
      remedy: exit === EXIT.notPermitted ? "sudo algo-monitor doctor" : (remedy ?? "install algo-monitor again"),
    };
  }
  const loaded = found.value;
  if (loaded.rules.length === 0)
    return {
      state: "fails",
      detail: `no rule in ${cli.paths.rulesDirectory} can be loaded`,
      remedy: "sudo algo-monitor rules list",
    };
  if (loaded.problems.length > 0)
    return {
      state: "degraded",
      detail: `${loaded.rules.length} load, ${plural(loaded.problems.length, "problem")}`,
      remedy: "sudo algo-monitor rules list",
    };
  return { state: "works", detail: `all ${loaded.rules.length} load` };
}

function files(cli: Cli): Finding {
  const { home, configFile, databaseFile, runDirectory } = cli.paths;
  const wrong: string[] = [];
  for (const [path, maskMax] of [
    [home, 0o700],
    [configFile, 0o644],
    [databaseFile, 0o600],
    [runDirectory, 0o700],
    [process.execPath, 0o755],
  ] as const) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) continue;
    if (stat.uid !== 0) wrong.push(`${path} belongs to uid ${stat.uid}`);
    const extra = stat.mode & 0o777 & ~maskMax;
    if (extra !== 0)
      wrong.push(`${path} has mode ${(stat.mode & 0o777).toString(8)}, at most ${maskMax.toString(8)} is meant`);
  }
  if (wrong.length > 0)
    return {
      state: "fails",
      detail: wrong.join("; "),
      remedy: "sudo chown root: and sudo chmod as named, then find out who changed it",
    };
  return { state: "works", detail: "owners and modes are as they must be" };
}

function memory(cli: Cli): Finding {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync(`${cli.procRoot}/meminfo`, "utf8"))?.[1];
  if (available === undefined) return { state: "unknown", detail: "the kernel does not say what is available" };
  const free = Number(available) * 1024;
  if (free >= MEMORY_MIN_BYTES) return { state: "works", detail: `${bytes(free)} available` };
  return {
    state: "degraded",
    detail: `${bytes(free)} available`,
    remedy: `algo-monitor may need up to ${bytes(MEMORY_MIN_BYTES)}`,
  };
}

function disk(cli: Cli): Finding {
  const place = [cli.paths.home, "/opt", "/"].find((path) => existsSync(path)) ?? "/";
  const { bavail, bsize } = statfsSync(place);
  const free = bavail * bsize;
  if (free >= DISK_MIN_BYTES) return { state: "works", detail: `${bytes(free)} free below ${place}` };
  return {
    state: "degraded",
    detail: `${bytes(free)} free below ${place}`,
    remedy: "protection goes on when the disk is full, but what happened is kept in memory only for a while",
  };
}
