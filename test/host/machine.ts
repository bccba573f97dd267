// What the harness does to the machine it runs on: leases of host numbers, commands, mounts, network namespaces.
// Ends only processes that it started itself (pid and start time are kept in the lease); never by name.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const CACHE = process.env["ALGO_TESTHOST_CACHE"] ?? "/var/cache/algo-monitor-testhost";
const LEASES = join(CACHE, "run");
/** 10.77.241 and up are further networks of attackers (full/attacks.test.ts). */
const LEASES_MAX = 240;

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function run(
  argv: readonly string[],
  options: { stdin?: string; timeoutMs?: number } = {},
): Promise<CommandResult> {
  const child = Bun.spawn([...argv], {
    stdin: options.stdin === undefined ? "ignore" : new Blob([options.stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const timer =
    options.timeoutMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const exitCode = await child.exited;
  clearTimeout(timer);
  return { exitCode, stdout, stderr };
}

/** Runs a command that must succeed and returns its standard output. */
export async function must(
  argv: readonly string[],
  options: { stdin?: string; timeoutMs?: number } = {},
): Promise<string> {
  const result = await run(argv, options);
  if (result.exitCode !== 0) {
    throw new Error(
      `test host: \`${argv.join(" ")}\` ended with ${result.exitCode}: ${result.stderr.trim() || result.stdout.trim()}`,
    );
  }
  return result.stdout;
}

/** A host number, held by this process until released. Names, addresses and files are derived from it. */
export interface Lease {
  readonly number: number;
  readonly directory: string;
}

/** Takes a free number. What dead runs left behind is cleaned first. */
export async function takeLease(): Promise<Lease> {
  mkdirSync(LEASES, { recursive: true });
  await cleanStale();
  for (let number = 1; number <= LEASES_MAX; number++) {
    const directory = join(LEASES, String(number));
    try {
      mkdirSync(directory);
    } catch {
      continue;
    }
    writeFileSync(join(directory, "owner"), `${process.pid} ${startOf(process.pid)}\n`);
    return { number, directory };
  }
  throw new Error(`test host: all ${LEASES_MAX} host numbers are taken; look into ${LEASES}`);
}

/** Remembers a process of ours so that a later run can end it if we die. */
export function rememberProcess(lease: Lease, pid: number): void {
  writeFileSync(join(lease.directory, `process-${pid}`), startOf(pid));
}

/** Undoes everything a lease stands for; synchronous, because it also runs while this process exits. */
export function releaseLease(lease: Lease): void {
  for (const file of existsSync(lease.directory) ? readdirSync(lease.directory) : []) {
    if (!file.startsWith("process-")) continue;
    const pid = Number(file.slice("process-".length));
    if (startOf(pid) === readFileSync(join(lease.directory, file), "utf8")) endTree(pid);
  }
  // Sessions on the remote side outlive their sshd; whatever is in our namespace was started by us.
  const inside = Bun.spawnSync(["ip", "netns", "pids", namespaceOf(lease)], { stderr: "ignore" });
  for (const pid of inside.stdout.toString().split("\n").filter(Boolean)) endTree(Number(pid));
  Bun.spawnSync(["ip", "netns", "delete", namespaceOf(lease)], { stderr: "ignore" });
  const root = join(lease.directory, "root");
  for (let attempt = 0; attempt < 20 && isMounted(root); attempt++) {
    if (Bun.spawnSync(["umount", "-R", root], { stderr: "ignore" }).exitCode !== 0) Bun.sleepSync(150);
  }
  if (isMounted(root)) Bun.spawnSync(["umount", "-R", "-l", root], { stderr: "ignore" });
  rmSync(lease.directory, { recursive: true, force: true });
}

export function namespaceOf(lease: Lease): string {
  return `ht${lease.number}`;
}

/** Start time in clock ticks, the half of a process's identity that a reused pid does not share; empty when gone. */
export function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Ends a process that we started and everything below it. */
export function endTree(pid: number): void {
  for (const child of childrenOf(pid)) endTree(child);
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it ended by itself
  }
}

function isMounted(path: string): boolean {
  return readFileSync("/proc/self/mountinfo", "utf8").includes(` ${path} `);
}

async function cleanStale(): Promise<void> {
  for (const name of readdirSync(LEASES)) {
    const directory = join(LEASES, name);
    if (ownerIsAlive(directory)) continue;
    releaseLease({ number: Number(name), directory });
  }
}

/** A lease without an owner file may be one that is being taken right now: it counts as alive for ten seconds. */
function ownerIsAlive(directory: string): boolean {
  try {
    const [pid, start] = readFileSync(join(directory, "owner"), "utf8").trim().split(" ");
    return start !== undefined && startOf(Number(pid)) === start;
  } catch {
    try {
      return Date.now() - Bun.file(directory).lastModified < 10_000;
    } catch {
      return false;
    }
  }
}
