/** `scan`: one sweep now, judged as enforce would, with nothing touched. Exit 10 says that enforce would kill. */

import { Argument, Command } from "commander";
import { type RehearsalReport, SCANNER_NAMES, type ScannerName } from "../core/control.ts";
import { printable } from "../core/printable.ts";
import { ok, type Result, unreachable } from "../core/result.ts";
import { type Answered, asRoot, type JsonOption, paintOf, withJson } from "./action.ts";
import { asCommandFault, askDaemon, refuse } from "./client.ts";
import { type CommandFault, EXIT } from "./exit.ts";
import { whileShowing } from "./progress.ts";
import { askSessions, sessionsText } from "./sessions.ts";
import { duration, milliseconds, plural, table } from "./text.ts";
import type { Cli, DaemonParts } from "./world.ts";
import { loadPart } from "./world.ts";

export const loadRehearsal: DaemonParts["rehearseOnce"] = async () =>
  (await import("../daemon/rehearse.ts")).rehearseOnce;

interface ScanOptions extends JsonOption {
  readonly rehearse?: true;
}

export function scanCommand(cli: Cli): Command {
  const command = new Command("scan")
    .summary("look now and say what enforce would do")
    .description(
      "Looks at the host now. Processes and connections are judged as MODE enforce would, in a rehearsal that touches nothing; a running daemon also makes its own sweep first, and acts on it as its mode says. `filesystem` has the daemon look at all files now and waits for the end; `sessions` and `host` say what there is.",
    )
    .addArgument(new Argument("[scanner]", "only this scanner").choices(SCANNER_NAMES))
    .option("--rehearse", "the default, and the only way: accepted for scripts that say it")
    .addHelpText(
      "after",
      "\nExit codes: 0 nothing would be killed, 10 enforce would kill something or the session it runs in.\n",
    );
  return withJson(command).action((scanner: ScannerName | undefined, options: ScanOptions) =>
    asRoot(cli, options, "a look at the whole host", () => runScan(cli, scanner)),
  );
}

async function runScan(cli: Cli, scanner: ScannerName | undefined): Promise<Answered> {
  switch (scanner) {
    case undefined:
    case "processes":
    case "network":
      return runRehearsal(cli, scanner);
    case "filesystem":
      return (await import("./scan_files.ts")).scanFiles(cli);
    case "sessions":
      return scanSessions(cli);
    case "host":
      return (await import("./scan_host.ts")).scanHost(cli);
    default:
      return unreachable(scanner);
  }
}

async function scanSessions(cli: Cli): Promise<Answered> {
  const found = await askSessions(cli);
  if (!found.ok) return found;
  const { sessions } = found.value;
  const next = "\nA login is judged once, when it begins. What was unusual: sudo algo-monitor alerts --since 7d\n";
  return ok({ json: found.value, text: sessionsText(cli, found.value, sessions.length) + next });
}

async function runRehearsal(cli: Cli, scanner: ScannerName | undefined): Promise<Answered> {
  const words = (elapsedMs: number): string => `looking at all processes and connections, ${duration(elapsedMs)}`;
  const swept = await whileShowing(cli, words, sweep(cli, scanner));
  if (!swept.ok) return swept;
  const report = swept.value;
  const kills = report.wouldKill.length > 0 || report.ownSessionConcerned;
  return ok({ json: report, text: scanText(cli, report), exit: kills ? EXIT.wouldKill : EXIT.ok });
}

async function sweep(cli: Cli, scanner: ScannerName | undefined): Promise<Result<RehearsalReport, CommandFault>> {
  const asked = await askDaemon(cli, "scan", scanner === undefined ? {} : { scanner }, 60_000);
  if (asked.ok) return asked;
  // The scanner's name was checked already: what is invalid are the daemon's rules.
  if (asked.fault.kind === "invalid") return { ok: false, fault: { ...asked.fault, exit: EXIT.invalid } };
  if (asked.fault.exit !== EXIT.notRunning) return asked;
  const blind = await blindFault(cli);
  if (blind !== undefined) return blind;
  const loaded = await loadPart("the scanner", cli.daemon.rehearseOnce);
  if (!loaded.ok) return { ok: false, fault: asCommandFault(loaded.fault) };
  const rehearsed = await loadPart("the sweep", loaded.value);
  return rehearsed.ok ? rehearsed : { ok: false, fault: asCommandFault(rehearsed.fault) };
}

/** A sweep without rules finds nothing and would read as "all is well"; the installer believes that. */
async function blindFault(cli: Cli): Promise<ReturnType<typeof refuse> | undefined> {
  const [{ blindness }, { rulesOf }] = await Promise.all([
    import("../daemon/rule_files.ts"),
    import("./rule_files.ts"),
  ]);
  const loaded = rulesOf(cli.paths);
  if (!loaded.ok) return loaded;
  const blind = blindness(loaded.value);
  return blind === undefined ? undefined : refuse("invalid", EXIT.invalid, blind, "algo-monitor rules list says more");
}

function scanText(cli: Cli, report: RehearsalReport): string {
  const paint = paintOf(cli);
  const looked = `Looked at ${plural(report.processes, "process").replace(/ss(s)$/, "sses")} and ${plural(report.sockets, "socket")} in ${milliseconds(report.tookMs)}.`;
  return (
    `${looked} ${TOUCHED[report.sweptBy]}\n` +
    findingsText(cli, report) +
    victimsText(cli, report) +
    verdict(report, paint)
  );
}

/** The truth about the daemon's own sweep: it is a real one. */
const TOUCHED: Readonly<Record<RehearsalReport["sweptBy"], string>> = {
  daemon:
    "What follows is a rehearsal and touched nothing. The daemon made its own sweep first and acted as its mode says: sudo algo-monitor alerts --since 5min",
  "one-shot": "Nothing was touched. The daemon does not run, so this command swept by itself.",
};

function findingsText(cli: Cli, report: RehearsalReport): string {
  if (report.findings.length === 0) return "\nNo findings.\n";
  const rows = report.findings.map((finding) => [
    finding.severity,
    String(finding.score),
    finding.rule,
    finding.pid === undefined ? "-" : String(finding.pid),
    printable(finding.title, 400),
  ]);
  return `\n${plural(report.findings.length, "finding")}:\n${table(["SEVERITY", "SCORE", "RULE", "PID", "WHAT"], rows, cli.columns)}`;
}

function victimsText(cli: Cli, report: RehearsalReport): string {
  const cuts = report.wouldDisconnect.map((cut) => `Would disconnect ${printable(cut.peer)} (${cut.rule}).\n`).join("");
  if (report.wouldKill.length === 0) return cuts === "" ? "" : `\n${cuts}`;
  const rows = report.wouldKill.map((victim) => [
    String(victim.process.pid),
    victim.rule,
    printable(victim.user, 64),
    printable(victim.executable, 200),
    victim.ownSession ? "YOUR OWN SESSION" : printable(victim.reason, 200),
  ]);
  return `\nEnforce would kill:\n${table(["PID", "RULE", "USER", "EXECUTABLE", "WHY"], rows, cli.columns)}${cuts}`;
}

function verdict(report: RehearsalReport, paint: ReturnType<typeof paintOf>): string {
  if (report.ownSessionConcerned)
    return `\n${paint("The session that runs this command would be killed.", "red")} Do not enforce before it is trusted: sudo algo-monitor trust --help\n`;
  if (report.wouldKill.length > 0)
    return `\n${paint(`Enforce would kill ${plural(report.wouldKill.length, "process").replace(/ss(s)$/, "sses")} now.`, "red")} If one is legitimate: sudo algo-monitor trust --help\n`;
  return `\n${paint("Enforce would kill nothing now.", "green")}\n`;
}
