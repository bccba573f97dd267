// A throw-away host: its own namespaces, its own ext4, its own systemd, and a remote attacker in a network namespace.
// Needs root, loop devices and Debian's packages (image.sh); without them it fails with the reason. Booting costs 5 s.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Attacker, startAttacker } from "./attacker.ts";
import {
  type CommandResult,
  childrenOf,
  type Lease,
  must,
  namespaceOf,
  releaseLease,
  rememberProcess,
  run,
  takeLease,
} from "./machine.ts";

const BOOT_TIMEOUT_MS = 60_000;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface Host {
  readonly name: string;
  /** The host's file system, seen from the machine. */
  readonly root: string;
  /** The host's pid 1, seen from the machine. */
  readonly leader: number;
  readonly address: string;
  readonly address6: string;
  readonly attacker: Attacker;
  /** Runs a bash script in the host and waits. It has no unit and no session: use `start` for whatever is being judged. */
  exec(script: string, options?: ExecOptions): Promise<CommandResult>;
  /** As `exec`, but a failure throws; returns standard output. */
  must(script: string, options?: ExecOptions): Promise<string>;
  /** Starts a bash script as a transient unit of the host's systemd, as the host itself would; does not wait. */
  start(unit: string, script: string, options?: StartOptions): Promise<void>;
  stopUnit(unit: string): Promise<void>;
  /** Copies a file or folder of the machine into the host. */
  copyIn(from: string, to: string): void;
  writeFile(path: string, content: string, mode?: number): Promise<void>;
  readFile(path: string): string;
  /** Pids (as the host sees them) of everything in a unit. */
  pidsOf(unit: string): Promise<number[]>;
  stop(): Promise<void>;
}

export interface ExecOptions {
  readonly user?: string;
  readonly timeoutMs?: number;
}

export interface StartOptions {
  readonly user?: string;
  /** systemd-run properties such as `WorkingDirectory=/srv`. */
  readonly properties?: readonly string[];
  /** The whole command instead of `bash -c script`. */
  readonly argv?: readonly string[];
}

const alive = new Set<Lease>();
process.on("exit", () => {
  for (const lease of alive) releaseLease(lease);
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => process.exit(1));

/** Boots a host; about five seconds once the base image exists. The caller stops it; an exit of this process does too. */
export async function bootHost(options: { readonly imageScript?: string } = {}): Promise<Host> {
  if (process.getuid?.() !== 0) throw new Error("test host: needs root (mounts, namespaces). Run the tests with sudo.");
  const script = options.imageScript ?? join(import.meta.dir, "image.sh");
  const image = (await must(["bash", script])).trim();
  const lease = await takeLease();
  alive.add(lease);
  try {
    return await boot(lease, image);
  } catch (thrown) {
    releaseLease(lease);
    alive.delete(lease);
    throw thrown;
  }
}

async function boot(lease: Lease, image: string): Promise<Host> {
  const name = namespaceOf(lease);
  const root = join(lease.directory, "root");
  const disk = join(lease.directory, "disk.img");
  await must(["cp", "--sparse=always", image, disk]);
  mkdirSync(root);
  const mounted = await run(["mount", "-o", "loop", disk, root]);
  if (mounted.exitCode !== 0) {
    throw new Error(
      `test host: cannot mount a loop device (${mounted.stderr.trim()}). Load the loop module or allow /dev/loop*.`,
    );
  }
  writeFileSync(join(root, "etc/hostname"), `${name}\n`);
  writeFileSync(
    join(root, "etc/hosts"),
    `127.0.0.1 localhost ${name}\n::1 localhost\n10.77.${lease.number}.1 remote\n10.77.${lease.number}.2 guarded\n`,
  );
  // Nobody answers there: look-ups fail at once instead of after a timeout.
  writeFileSync(join(root, "etc/resolv.conf"), `nameserver 10.77.${lease.number}.1\n`);
  const leader = await startSystemd(lease, name, root);
  await connectNetwork(lease.number, name, leader);
  const attacker = await startAttacker({
    namespace: name,
    root,
    directory: lease.directory,
    number: lease.number,
    started: (pid) => rememberProcess(lease, pid),
  });
  const host = hostOf(lease, name, root, leader, attacker);
  await waitUntilBooted(host);
  return host;
}

async function startSystemd(lease: Lease, name: string, root: string): Promise<number> {
  const consoleFile = Bun.file(join(lease.directory, "console"));
  const nspawn = Bun.spawn(
    [
      ...[
        "systemd-nspawn",
        "-q",
        "-D",
        root,
        "--machine",
        name,
        "--hostname",
        name,
        "--private-network",
        "--register=no",
        "--keep-unit",
      ],
      "--capability=all",
      "--system-call-filter=bpf perf_event_open fanotify_init fanotify_mark @system-service @privileged @debug",
      ...(existsSync("/sys/kernel/btf") ? ["--bind-ro=/sys/kernel/btf"] : []),
      ...["--resolv-conf=off", "-b", "--console=read-only"],
    ],
    {
      stdin: "ignore",
      stdout: consoleFile,
      stderr: consoleFile,
      env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1" },
      detached: true,
    },
  );
  nspawn.unref();
  rememberProcess(lease, nspawn.pid);
  const until = Date.now() + BOOT_TIMEOUT_MS;
  while (Date.now() < until && nspawn.exitCode === null) {
    const leader = childrenOf(nspawn.pid).find(isPidOne);
    if (leader !== undefined) return leader;
    await Bun.sleep(30);
  }
  throw new Error(`test host: systemd-nspawn did not start: ${await consoleFile.text()}`);
}

/** True once the process is pid 1 of a namespace of its own and runs systemd (before that it is nspawn's own child). */
function isPidOne(pid: number): boolean {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return /^NSpid:.*\t1$/m.test(status) && /^Name:\tsystemd$/m.test(status);
  } catch {
    return false;
  }
}

/** The host's interface gets index 2: payloads that name an IPv6 scope expect the first real interface there. */
async function connectNetwork(number: number, namespace: string, leader: number): Promise<void> {
  const enter = ["nsenter", "-t", String(leader), "-n"];
  await must(["ip", "netns", "add", namespace]);
  await must([
    "ip",
    "link",
    "add",
    namespace,
    "netns",
    namespace,
    "type",
    "veth",
    "peer",
    "name",
    "host0",
    "index",
    "2",
    "netns",
    String(leader),
  ]);
  const lines = [
    `ip -n ${namespace} link set lo up`,
    `ip -n ${namespace} addr add 10.77.${number}.1/24 dev ${namespace}`,
    `ip -n ${namespace} addr add fd77:${number}::1/64 dev ${namespace} nodad`,
    `ip -n ${namespace} link set ${namespace} up`,
  ];
  for (const line of lines) await must(line.split(" "));
  const inside = [
    "ip link set lo up",
    `ip addr add 10.77.${number}.2/24 dev host0`,
    `ip addr add fd77:${number}::2/64 dev host0 nodad`,
    "ip link set host0 up",
    `ip route add default via 10.77.${number}.1`,
  ];
  for (const line of inside) await must([...enter, ...line.split(" ")]);
}

async function waitUntilBooted(host: Host): Promise<void> {
  const until = Date.now() + BOOT_TIMEOUT_MS;
  let state = "";
  while (Date.now() < until) {
    state = (await host.exec("systemctl is-system-running")).stdout.trim();
    if (state === "running" || state === "degraded") return;
    await Bun.sleep(150);
  }
  throw new Error(`test host: systemd is still "${state}" after ${BOOT_TIMEOUT_MS / 1000} s`);
}

function hostOf(lease: Lease, name: string, root: string, leader: number, attacker: Attacker): Host {
  const enter = [
    "nsenter",
    "-t",
    String(leader),
    "-a",
    "--",
    "env",
    "-i",
    `PATH=${PATH}`,
    "HOME=/root",
    "LANG=C.UTF-8",
    "TERM=dumb",
  ];

  function exec(script: string, options: ExecOptions = {}): Promise<CommandResult> {
    const seconds = Math.ceil((options.timeoutMs ?? 60_000) / 1000);
    const asUser = options.user === undefined ? [] : ["runuser", "-u", options.user, "--"];
    return run([...enter, "timeout", "-k", "1", String(seconds), ...asUser, "bash", "-c", script]);
  }

  async function mustExec(script: string, options: ExecOptions = {}): Promise<string> {
    const result = await exec(script, options);
    if (result.exitCode !== 0)
      throw new Error(
        `${name}: \`${script}\` ended with ${result.exitCode}: ${result.stderr.trim() || result.stdout.trim()}`,
      );
    return result.stdout;
  }

  async function start(unit: string, script: string, options: StartOptions = {}): Promise<void> {
    const properties = (options.properties ?? []).flatMap((property) => ["-p", property]);
    const user = options.user === undefined ? [] : [`--uid=${options.user}`];
    // systemd expands ${NAME} in what it is to execute; a doubled dollar is one.
    const command = (options.argv ?? ["/bin/bash", "-c", script]).map((word) => word.replaceAll("$", "$$$$"));
    await must([
      ...enter,
      "systemd-run",
      "--quiet",
      "--collect",
      `--unit=${unit}`,
      ...user,
      "-p",
      "ExitType=cgroup",
      ...properties,
      "--",
      ...command,
    ]);
  }

  async function stop(): Promise<void> {
    await attacker.stop();
    try {
      process.kill(leader, 37); // SIGRTMIN+3: halt, the orderly way for nspawn
    } catch {
      // already off
    }
    const until = Date.now() + 8000;
    while (Date.now() < until && existsSync(`/proc/${leader}`)) await Bun.sleep(50);
    releaseLease(lease);
    alive.delete(lease);
  }

  return {
    name,
    root,
    leader,
    address: `10.77.${lease.number}.2`,
    address6: `fd77:${lease.number}::2`,
    attacker,
    exec,
    must: mustExec,
    start,
    stop,
    stopUnit: async (unit) =>
      void (await exec(`systemctl kill -s KILL ${unit} 2>/dev/null; systemctl stop ${unit} 2>/dev/null`)),
    copyIn: (from, to) => {
      mkdirSync(dirname(join(root, to)), { recursive: true });
      cpSync(from, join(root, to), { recursive: true });
    },
    writeFile: async (path, content, mode = 0o644) => {
      // Through the host's own namespaces: /tmp and /run are other file systems there.
      await must(
        [
          ...enter,
          "bash",
          "-c",
          `mkdir -p "$(dirname "$1")" && cat >"$1" && chmod ${mode.toString(8)} "$1"`,
          "-",
          path,
        ],
        { stdin: content },
      );
    },
    readFile: (path) => readFileSync(join(`/proc/${leader}/root`, path), "utf8"),
    pidsOf: async (unit) => {
      const group = (await mustExec(`systemctl show -P ControlGroup ${unit}`)).trim();
      if (group === "") return [];
      const listed = await exec(`cat /sys/fs/cgroup${group}/cgroup.procs 2>/dev/null`);
      return listed.stdout.split("\n").filter(Boolean).map(Number);
    },
  };
}
