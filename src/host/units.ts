// Which systemd unit a process belongs to, and what systemd says of that unit.
// Trusts systemd's answers and the outermost unit of a cgroup path: what lies below it was delegated and may be named by anyone.
// Costs one `systemctl show` (20 ms) for all names at once; callers cache it.
import type { Unit } from "../core/view.ts";

const TIMEOUT_MS = 2000;
const NAMES_MAX = 512;
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
const PROPERTIES = "Id,LoadState,MainPID,FragmentPath,Transient";

/**
 * The unit of the system's own manager that a cgroup path lies in: `/system.slice/ssh.service` -> `ssh.service`,
 * `/user.slice/user-1000.slice/user@1000.service/app.slice/x.service` -> `user@1000.service`. `\x2d` escapes are kept.
 * `root` is where the system's manager sits (SystemFacts.cgroupRoot), which is not `/` in some containers.
 */
export function unitNameOf(cgroup: string, root = ""): string | undefined {
  if (!cgroup.startsWith(`${root}/`)) return undefined;
  for (const part of cgroup.slice(root.length).split("/")) {
    if (part.endsWith(".service") || part.endsWith(".scope")) return isUnitName(part) ? part : undefined;
    if (part !== "" && !part.endsWith(".slice")) return undefined; // not made by a systemd whose root is ours
  }
  return undefined;
}

/** Units by name; those that systemd does not know, and all of them where there is no systemd, are absent. */
export async function readUnits(
  names: readonly string[],
  command: readonly string[] = ["systemctl"],
): Promise<Map<string, Unit>> {
  const wanted = [...new Set(names)].filter(isUnitName).slice(0, NAMES_MAX);
  if (wanted.length === 0) return new Map();
  try {
    const child = Bun.spawn([...command, "show", "--no-pager", "-p", PROPERTIES, "--", ...wanted], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      timeout: TIMEOUT_MS,
      killSignal: "SIGKILL",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", SYSTEMD_COLORS: "0" },
    });
    const output = await new Response(child.stdout).text();
    return (await child.exited) === 0 && output.length <= OUTPUT_BYTES_MAX ? parseUnits(output, wanted) : new Map();
  } catch {
    return new Map(); // no systemctl on this host
  }
}

/** Blocks of `Key=value` lines divided by empty lines, one block a unit; a block that lacks a property is left out. */
export function parseUnits(output: string, wanted: readonly string[]): Map<string, Unit> {
  const units = new Map<string, Unit>();
  for (const block of output.split("\n\n")) {
    const properties = new Map<string, string>();
    for (const line of block.split("\n")) {
      const equals = line.indexOf("=");
      if (equals > 0) properties.set(line.slice(0, equals), line.slice(equals + 1));
    }
    const name = properties.get("Id");
    const mainPid = Number(properties.get("MainPID") ?? "0"); // scopes have none
    const fragmentPath = properties.get("FragmentPath");
    const transient = properties.get("Transient");
    if (name === undefined || fragmentPath === undefined || !Number.isSafeInteger(mainPid) || mainPid < 0) continue;
    if (properties.get("LoadState") === "not-found") continue;
    if (transient !== "yes" && transient !== "no") continue;
    if (wanted.includes(name)) units.set(name, { name, mainPid, transient: transient === "yes", fragmentPath });
  }
  return units;
}

function isUnitName(name: string): boolean {
  return name.length <= 255 && /^[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]*\.[a-z]+$/.test(name);
}
