// The product in a test host: a release folder is made, copied in, installed and asked through its own CLI.
import { existsSync, globSync, mkdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { CACHE, type CommandResult, must } from "./machine.ts";
import type { Host } from "./testhost.ts";

const ROOT = join(import.meta.dir, "../..");
export const RELEASE = "/root/release";
export const HOME = "/opt/.monitor";

const statusSchema = z.looseObject({
  pid: z.number(),
  mode: z.string(),
  configGeneration: z.number(),
  configProblems: z.array(z.looseObject({ key: z.string(), severity: z.string() })),
  scanners: z.array(
    z.looseObject({
      name: z.string(),
      intervalMs: z.number(),
      scans: z.number(),
      overruns: z.number(),
      items: z.number(),
    }),
  ),
  budgets: z.array(
    z.looseObject({
      rule: z.string(),
      executable: z.string(),
      used: z.number(),
      loweredUntilMs: z.number().optional(),
    }),
  ),
  degradations: z.array(z.looseObject({ part: z.string(), reason: z.string() })),
  counts: z.looseObject({
    kills: z.number(),
    disconnects: z.number(),
    rehearsed: z.number(),
    actionsFailed: z.number(),
    findings: z.record(z.string(), z.number()),
  }),
  store: z.looseObject({ pending: z.number(), dropped: z.number() }),
  self: z.looseObject({ rssBytes: z.number(), cpuPercent: z.number() }),
  kernel: z.looseObject({ watches: z.boolean(), verdicts: z.number(), holdsExpired: z.number() }),
});
export type Status = z.infer<typeof statusSchema>;

const alertSchema = z.looseObject({
  id: z.string(),
  severity: z.string(),
  title: z.string(),
  status: z.string(),
  count: z.number(),
  lastAtMs: z.number(),
  action: z.string().optional(),
  rule: z.looseObject({ name: z.string() }),
});
export type Alert = z.infer<typeof alertSchema>;

/** A line of logs/alerts.jsonl, as far as the tests read it. */
const documentSchema = z.looseObject({
  message: z.string(),
  rule: z.looseObject({ name: z.string() }),
  process: z.looseObject({ pid: z.number().optional() }).optional(),
  algo_monitor: z.looseObject({
    severity: z.string(),
    decision: z.looseObject({ do: z.string() }).optional(),
    outcome: z.looseObject({ result: z.string(), verified: z.boolean(), killed_pids: z.array(z.number()) }).optional(),
  }),
});
export type AlertDocument = z.infer<typeof documentSchema>;

/** Makes the release folder (building what is older than its sources) and unpacks it into the host. */
export async function copyRelease(host: Host): Promise<void> {
  const folder = join(CACHE, `release-${process.pid}`);
  mkdirSync(folder, { recursive: true });
  try {
    await must(["tar", "-xzf", await releaseArchive(), "-C", folder, "--strip-components=1"]);
    host.copyIn(folder, RELEASE);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `ALGO_RELEASE` names an archive to test instead. */
export async function releaseArchive(): Promise<string> {
  const given = process.env["ALGO_RELEASE"];
  if (given !== undefined) return given;
  const existing = newest(globSync("dist/*.tar.gz", { cwd: ROOT }));
  const sources = [
    "src/**/*.ts",
    "src/sensor/**/*.[ch]",
    "rules/**/*",
    "install",
    "uninstall",
    "package.json",
    "algo-monitor.service",
  ];
  const inputs = sources
    .flatMap((pattern) => globSync(pattern, { cwd: ROOT }))
    .filter((file) => !file.endsWith(".test.ts"));
  if (existing !== undefined && mtimeOf(existing) > Math.max(...inputs.map(mtimeOf))) return join(ROOT, existing);
  await must([process.execPath, join(ROOT, "src/tools/dist.ts")], { timeoutMs: 300_000 });
  const made = newest(globSync("dist/*.tar.gz", { cwd: ROOT }));
  if (made === undefined) throw new Error("product: src/tools/dist.ts made no dist/*.tar.gz");
  return join(ROOT, made);
}

function newest(files: readonly string[]): string | undefined {
  return [...files].sort((left, right) => mtimeOf(left) - mtimeOf(right)).at(-1);
}

function mtimeOf(file: string): number {
  const path = join(ROOT, file);
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

export async function install(host: Host, flags = ""): Promise<CommandResult> {
  return host.exec(`cd ${RELEASE} && ./install --yes ${flags} </dev/null 2>&1`, { timeoutMs: 180_000 });
}

/** Installs and throws with what the installer said when it fails. */
export async function mustInstall(host: Host, flags = ""): Promise<string> {
  const done = await install(host, flags);
  if (done.exitCode !== 0) throw new Error(`install ended with ${done.exitCode}:\n${done.stdout}`);
  return done.stdout;
}

export async function cli(host: Host, args: string, timeoutMs = 30_000): Promise<CommandResult> {
  return host.exec(`algo-monitor ${args}`, { timeoutMs });
}

async function ask<S extends z.ZodType>(host: Host, args: string, schema: S): Promise<z.output<S>> {
  const done = await cli(host, `${args} --json`);
  if (done.exitCode !== 0)
    throw new Error(
      `algo-monitor ${args} ended with ${done.exitCode}: ${done.stderr.trim()}${done.stdout.slice(0, 500)}`,
    );
  return schema.parse(JSON.parse(done.stdout));
}

export function status(host: Host): Promise<Status> {
  return ask(host, "status", statusSchema);
}

/** Newest first; what sqlite holds, read through the CLI. */
export async function alerts(host: Host, filter = ""): Promise<Alert[]> {
  return (await ask(host, `alerts --all -n 10000 ${filter}`, z.looseObject({ alerts: z.array(alertSchema) }))).alerts;
}

export async function showAlert(host: Host, id: string): Promise<string> {
  return (await cli(host, `alerts show ${id}`)).stdout;
}

/** logs/alerts.jsonl, oldest first, rotated parts left out. */
export async function documents(host: Host): Promise<AlertDocument[]> {
  const text = (await host.exec(`cat ${HOME}/logs/alerts.jsonl 2>/dev/null`)).stdout;
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => documentSchema.parse(JSON.parse(line)));
}

/** Pids of all findings behind alerts of severity ALERT, also of those that were folded and not told again. */
export async function accusedPids(host: Host): Promise<ReadonlySet<number>> {
  const query =
    "SELECT DISTINCT r.pid FROM finding_rows r JOIN findings f ON f.id = r.alert_id WHERE f.severity = 'ALERT'";
  const rows = await host.exec(`sqlite3 -readonly ${HOME}/algo-monitor.db "${query}"`);
  // A test broke the database or filled its disk: what was told then is in the log, or nowhere.
  if (rows.exitCode !== 0) return new Set((await documents(host)).flatMap((document) => document.process?.pid ?? []));
  return new Set(rows.stdout.split("\n").filter(Boolean).map(Number));
}

/** Sets keys of the configuration; values as JSON text. The daemon reloads by itself. */
export async function configure(host: Host, keys: Readonly<Record<string, unknown>>): Promise<void> {
  for (const [key, value] of Object.entries(keys)) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    await host.must(`algo-monitor config set ${key} '${text.replaceAll("'", "'\\''")}'`);
  }
}

/** The scanners that look every few seconds; a round over the files takes as long as it takes. */
const QUICK_SCANNERS: ReadonlySet<string> = new Set(["processes", "network"]);

/** Waits until the scanners of processes and of connections have finished `count` further scans. */
export async function waitForScans(host: Host, count: number, timeoutMs = count * 5000 + 15_000): Promise<void> {
  const before = await status(host);
  const until = Date.now() + timeoutMs;
  for (;;) {
    const now = await status(host);
    // A restarted daemon counts from zero.
    const base = now.pid === before.pid ? before.scanners : now.scanners.map((scanner) => ({ ...scanner, scans: 0 }));
    if (
      now.scanners.every(
        (scanner) =>
          !QUICK_SCANNERS.has(scanner.name) ||
          scanner.scans >= (base.find((one) => one.name === scanner.name)?.scans ?? 0) + count,
      )
    )
      return;
    if (Date.now() > until)
      throw new Error(`product: fewer than ${count} scans in ${timeoutMs} ms: ${JSON.stringify(now.scanners)}`);
    await Bun.sleep(300);
  }
}

/** What the scans promise holds without the kernel sensor, which leaves them nothing to do. */
export async function scansAlone(host: Host): Promise<void> {
  await configure(host, { "SENSOR.enabled": false });
  const ended = async (): Promise<boolean> => (await host.exec("pgrep -x algo-sensor")).exitCode !== 0;
  await waitUntil("the kernel sensor has ended", ended, 10_000);
}

/** After an installation or a start: until the sensor has its policy. The scans guard sooner. */
export function waitForKernel(host: Host): Promise<void> {
  return waitUntil("the kernel sensor watches", async () => (await status(host)).kernel.watches, 15_000);
}

export async function waitUntil(what: string, condition: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const until = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > until) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await Bun.sleep(250);
  }
}

/** What an operator would look at first, for the message of a failing test. */
export async function lastWords(host: Host): Promise<string> {
  const log = await host.exec(
    "systemctl status algo-monitor --no-pager -l | head -20; journalctl -u algo-monitor -q --no-pager -n 40 -o cat",
  );
  return log.stdout;
}
