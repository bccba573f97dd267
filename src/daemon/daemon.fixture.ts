// The whole daemon in a scratch home, as a child process and in monitor mode only: it never acts on this machine.
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askDaemon } from "../cli/client.ts";
import type { MethodName, Methods } from "../core/control.ts";
import { type Paths, pathsOf } from "../core/paths.ts";
import { type AuditRow, openReader } from "../store/reader.ts";

const ROOT = join(import.meta.dir, "..", "..");
const cleanups: (() => Promise<void> | void)[] = [];

/** For `afterEach` or `afterAll`. */
export async function endDaemons(): Promise<void> {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
}

export interface Site {
  readonly paths: Paths;
  readonly ask: <M extends MethodName>(method: M, params: Methods[M]["params"]) => ReturnType<typeof askDaemon<M>>;
  /** The text log of a severity, empty where there is none. */
  readonly log: (severity: "alert" | "warning" | "info" | "error") => string;
  readonly audit: () => readonly AuditRow[];
}

/** Programs in the kernel are for hosts of test/host, and a source tree has none before it is built. */
export const NO_SENSOR = { SENSOR: { enabled: false } } as const;

export function createSite(config: object = { MODE: "enforce" }): Site {
  const home = mkdtempSync(join(tmpdir(), "algo-boot-"));
  chmodSync(home, 0o700);
  cleanups.push(() => rmSync(home, { recursive: true, force: true }));
  const paths = pathsOf({ ALGO_HOME: home, ALGO_RUN: join(home, "run") });
  mkdirSync(paths.runDirectory, { mode: 0o700 });
  cpSync(join(ROOT, "rules"), paths.rulesDirectory, { recursive: true });
  writeFileSync(paths.configFile, JSON.stringify({ ...NO_SENSOR, ...config }), { mode: 0o600 });
  const cli = { paths, uid: 0, user: "alice", pid: process.pid, procRoot: "/proc" };
  return {
    paths,
    ask: (method, params) => askDaemon(cli, method, params),
    log: (severity) => {
      const path = `${paths.logsDirectory}/${severity}.log`;
      return existsSync(path) ? readFileSync(path, "utf8") : "";
    },
    audit: () => {
      const reader = openReader(paths.databaseFile);
      if (!reader.ok) throw new Error(reader.fault.message);
      const rows = reader.value.audit();
      reader.value.close();
      if (!rows.ok) throw new Error(rows.fault.message);
      return rows.value;
    },
  };
}

/** Up, and both scanners have swept. `--monitor`, whatever the config says. */
export async function startDaemon({ paths, ask }: Site): Promise<Bun.Subprocess> {
  const boot = JSON.stringify(join(ROOT, "src/daemon/boot.ts"));
  const program = `const { runDaemon } = await import(${boot}); process.exit(await runDaemon({ monitor: true }));`;
  const child = Bun.spawn([process.execPath, "-e", program], {
    env: { PATH: process.env["PATH"] ?? "", ALGO_HOME: paths.home, ALGO_RUN: paths.runDirectory },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = new Response(child.stderr).text();
  cleanups.push(async () => {
    child.kill("SIGKILL");
    await child.exited;
  });
  for (let attempt = 0; attempt < 800; attempt++) {
    if (child.exitCode !== null) throw new Error(`the daemon ended with ${child.exitCode}: ${await said}`);
    const status = await ask("status", {});
    if (status.ok && status.value.scanners.every((scanner) => scanner.scans > 0)) return child;
    await Bun.sleep(25);
  }
  throw new Error("the daemon did not come up");
}
