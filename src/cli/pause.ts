/** `pause DURATION`, `resume` and `reload`: small orders to the running daemon, each audited there with who and when. */

import { Command } from "commander";
import { PAUSE_MINUTES_MAX, type ReloadReport } from "../core/control.ts";
import { printable } from "../core/printable.ts";
import { ok } from "../core/result.ts";
import { type Answered, asRoot, type JsonOption, withJson } from "./action.ts";
import { askDaemon, refuse } from "./client.ts";
import { EXIT } from "./exit.ts";
import { duration, localTime, parseMinutes, plural } from "./text.ts";
import type { Cli } from "./world.ts";

interface PauseOptions extends JsonOption {
  readonly reason?: string;
}

export function pauseCommand(cli: Cli): Command {
  const command = new Command("pause")
    .summary("watch only, for a limited time")
    .description(
      "Behaves as MODE monitor until the time is over: everything is seen, recorded and told, nothing is killed or disconnected.",
    )
    .argument("<duration>", "how long: 30m, 2h, 1h30m, at most 24h")
    .option("-r, --reason <text>", "why, for the audit trail")
    .addHelpText(
      "after",
      "\nExamples:\n  sudo algo-monitor pause 30m --reason 'vendor on the console'\n  sudo algo-monitor resume\n",
    );
  return withJson(command).action((text: string, options: PauseOptions) =>
    asRoot(cli, options, "pausing protection", () => runPause(cli, text, options)),
  );
}

async function runPause(cli: Cli, text: string, options: PauseOptions): Promise<Answered> {
  const minutes = parseMinutes(text);
  if (minutes === undefined)
    return refuse("invalid", EXIT.usage, `${JSON.stringify(text)} is no duration`, "write it like 30m, 2h or 1h30m");
  if (minutes < 1 || minutes > PAUSE_MINUTES_MAX)
    return refuse(
      "limit",
      EXIT.usage,
      "a pause lasts between 1 minute and 24 hours",
      "to watch only for longer: sudo algo-monitor config set MODE monitor",
    );
  const asked = await askDaemon(cli, "pause", { minutes, reason: options.reason ?? "no reason given" });
  if (!asked.ok) return asked;
  const { pausedUntilMs } = asked.value;
  const left = duration(minutes * 60_000);
  return ok({
    json: { pausedUntil: new Date(pausedUntilMs).toISOString(), pausedUntilMs },
    text: `Paused until ${localTime(pausedUntilMs)} (${left}). Everything is recorded, nothing is stopped.\nEnd it earlier: sudo algo-monitor resume\n`,
  });
}

export function resumeCommand(cli: Cli): Command {
  const command = new Command("resume")
    .summary("end a pause")
    .description("Ends a running pause; the configured MODE is in force again at once.");
  return withJson(command).action((options: JsonOption) =>
    asRoot(cli, options, "ending a pause", () => runResume(cli)),
  );
}

async function runResume(cli: Cli): Promise<Answered> {
  const asked = await askDaemon(cli, "resume", {});
  if (!asked.ok) return asked;
  const { wasPaused, mode } = asked.value;
  const now =
    mode === "enforce"
      ? "it enforces"
      : "it watches only, because MODE is monitor; to enforce: sudo algo-monitor config set MODE enforce";
  return ok({ json: asked.value, text: `${wasPaused ? "The pause is over" : "There was no pause"}: ${now}.\n` });
}

export function reloadCommand(cli: Cli): Command {
  const command = new Command("reload")
    .summary("read the config and rules again now")
    .description(
      "Makes the daemon read its config and rules again, whole or not at all. It does so by itself when the file changes; this says what came of it.",
    );
  return withJson(command).action((options: JsonOption) =>
    asRoot(cli, options, "reloading the configuration", () => runReload(cli)),
  );
}

async function runReload(cli: Cli): Promise<Answered> {
  const asked = await askDaemon(cli, "reload", {});
  if (!asked.ok) return asked;
  const report = asked.value;
  const bad = report.problems.some((problem) => problem.severity === "error");
  return ok({ json: report, text: reloadText(report), exit: bad ? EXIT.invalid : EXIT.ok });
}

/** Exported for tests. */
export function reloadText(report: ReloadReport): string {
  const generation = `generation ${report.configGeneration} of the configuration ${report.changed ? "is" : "stays"} in force`;
  const rules = report.rulesChanged ? "the rules changed, " : "";
  const head = `${report.changed || report.rulesChanged ? "Read again" : "Nothing changed"}: ${rules}${generation}`;
  const problems = report.problems.map((problem) => {
    const remedy = problem.remedy === undefined ? "" : ` (${printable(problem.remedy)})`;
    return `  ${problem.severity} line ${problem.line}:${problem.column} ${printable(problem.key)}: ${printable(problem.message)}${remedy}\n`;
  });
  return `${head}, ${problems.length === 0 ? "no problems" : plural(problems.length, "problem")}.\n${problems.join("")}`;
}
