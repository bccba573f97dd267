/** `scan`: one sweep now, judged as enforce would, with nothing touched. Exit 10 says that enforce would kill. */
import { Argument, Command } from "commander";
import { type RehearsalReport, SCANNER_NAMES, type ScannerName } from "../core/control.ts";
import { ok, type Result } from "../core/result.ts";
import { type Answered, asRoot, type JsonOption, paintOf, withJson } from "./action.ts";
import { asCommandFault, askDaemon, refuse } from "./client.ts";
import { type CommandFault, EXIT } from "./exit.ts";
import { milliseconds, plural, printable, table } from "./text.ts";
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
      "Sweeps the host once and judges what is there as MODE enforce would. Touches nothing. Asks the daemon, or sweeps by itself when none runs.",
    )
    .addArgument(new Argument("[scanner]", "only findings of this scanner").choices(SCANNER_NAMES))
    .option("--rehearse", "the default, and the only way: accepted for scripts that say it")
    .addHelpText(
      "after",
      "\nExit codes: 0 nothing would be killed, 10 enforce would kill something or the session it runs in.\n",
    );
  return withJson(command).action((scanner: ScannerName | undefined, options: ScanOptions) =>
    asRoot(cli, options, "a look at all processes", () => runScan(cli, scanner)),
  );
}

async function runScan(cli: Cli, scanner: ScannerName | undefined): Promise<Answered> {
  const swept = await sweep(cli, scanner);
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
  const by = report.sweptBy === "daemon" ? "" : " The daemon does not run, so this command swept by itself.";
  const seen = `Looked at ${plural(report.processes, "process").replace(/ss(s)$/, "sses")} and ${plural(report.sockets, "socket")} in ${milliseconds(report.tookMs)}; nothing was touched.${by}\n`;
  return seen + findingsText(cli, report) + victimsText(cli, report) + verdict(report, paint);
}

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
