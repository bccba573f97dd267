/**
 * `trust` and `untrust`: tell the guard what is normal here. Shows the narrowest entry, why it may hide more than it
 * seems and what it would have hidden so far; the daemon writes the config file and the audit trail.
 */

import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import { Command } from "commander";
import type { UntrustReport } from "../core/control.ts";
import { type ExceptionEntry, exceptionFor, exceptionWarnings, isNarrowed, untilMs } from "../core/exception.ts";
import { printable } from "../core/printable.ts";
import { ok } from "../core/result.ts";
import { type Answered, asRoot, type JsonOption, paintOf, withJson } from "./action.ts";
import { type Asked, asCommandFault, askDaemon, refuse } from "./client.ts";
import { EXIT } from "./exit.ts";
import { withHistory } from "./history.ts";
import { localTime, plural } from "./text.ts";
import { checkTrustedPath } from "./trust_path.ts";
import { type Hidden, hiddenBy, NOTHING_HIDDEN } from "./trust_preview.ts";
import type { Cli } from "./world.ts";

interface TrustOptions extends JsonOption {
  readonly reason?: string;
  readonly until?: string;
  readonly yes?: true;
  readonly dryRun?: true;
}

/** What would be written, and what an operator should know before. */
interface Proposal {
  readonly entry?: ExceptionEntry;
  readonly path?: string;
  readonly warnings: readonly string[];
  readonly hidden: Hidden;
}

export function trustCommand(cli: Cli): Command {
  const command = new Command("trust")
    .summary("declare an alert's behaviour, or an executable, normal here")
    .description(
      "With an alert's ID: proposes the narrowest EXCEPTIONS entry that covers it (rule, executable, parent, user, peer; rule and file for a file), shows what it would have hidden so far, and adds it. With an absolute PATH: adds that executable to TRUSTED_SYSTEM_PROCESSES, after checking that only root can change it.",
    )
    .argument("<id|path>", "an alert, or the absolute path of an executable")
    .option("-r, --reason <text>", "why this is normal; kept in the config and the audit trail")
    .option("-u, --until <date>", "only until the end of that day (2027-12-31) or moment; alerts only")
    .option("-y, --yes", "do not ask")
    .option("-n, --dry-run", "show what would be added, add nothing")
    .addHelpText("after", TRUST_EXAMPLES);
  return withJson(command).action((target: string, options: TrustOptions) =>
    asRoot(cli, options, "changing what is trusted", () => runTrust(cli, target, options)),
  );
}

const TRUST_EXAMPLES = `
Examples:
  sudo algo-monitor trust 8k2m4 --reason 'console of the backup appliance, ticket 4711'
  sudo algo-monitor trust 8k2m4 --until 2027-12-31 --reason 'vendor test' --yes
  sudo algo-monitor trust /usr/local/bin/ttyd --reason 'web terminal behind the VPN'
`;

async function runTrust(cli: Cli, target: string, options: TrustOptions): Promise<Answered> {
  const isPath = looksLikePath(target);
  const usage = usageFault(cli, options, isPath);
  if (usage !== undefined) return usage;
  const proposed = isPath ? proposePath(target) : await proposeException(cli, target, options);
  if (!proposed.ok) return proposed;
  const proposal = proposed.value;
  const shown = proposalText(cli, proposal);
  if (options.dryRun === true)
    return ok({ json: { changed: false, ...proposal }, text: `${shown}\nNothing was changed (--dry-run).\n` });
  if (options.yes !== true) {
    cli.out(`${shown}\n`);
    if (!(await confirmed(cli))) return ok({ json: { changed: false, ...proposal }, text: "Nothing was changed.\n" });
  }
  const reason = options.reason ?? (options.yes === true ? "" : (await cli.ask("Why is this normal? ")).trim());
  if (reason === "")
    return refuse("invalid", EXIT.usage, "an exception without a reason is refused", "say why with --reason");
  const params = isPath
    ? { path: proposal.path ?? target, reason }
    : { alertId: target, reason, ...(options.until === undefined ? {} : { until: options.until }) };
  const asked = await askDaemon(cli, "trust", params);
  if (!asked.ok) return asked;
  const { changed, file, configGeneration } = asked.value;
  const done = changed
    ? `Added to ${printable(file)}; generation ${configGeneration} of the configuration is in force.`
    : `It stands in ${printable(file)} already.`;
  return ok({
    json: { ...asked.value, hidden: proposal.hidden, warnings: proposal.warnings },
    text: `${options.yes === true ? `${shown}\n` : ""}${done}\nTake it back: sudo algo-monitor untrust ${printable(proposal.path ?? target)}\n`,
  });
}

function looksLikePath(target: string): boolean {
  return target.includes("/");
}

function usageFault(cli: Cli, options: TrustOptions, isPath: boolean): ReturnType<typeof refuse> | undefined {
  if (options.until !== undefined) {
    if (isPath)
      return refuse("invalid", EXIT.usage, "--until goes with an alert only: TRUSTED_SYSTEM_PROCESSES has no dates");
    const endMs = untilMs(options.until);
    if (Number.isNaN(endMs))
      return refuse(
        "invalid",
        EXIT.usage,
        `--until ${JSON.stringify(options.until)} is no date`,
        "write it like 2027-12-31 or 2027-12-31T18:00",
      );
    if (endMs <= cli.clock.nowMs())
      return refuse("invalid", EXIT.usage, `--until ${JSON.stringify(options.until)} has passed`);
  }
  if (options.dryRun === true) return undefined;
  if (options.yes === true && (options.reason ?? "").trim() === "")
    return refuse("invalid", EXIT.usage, "--yes needs --reason: nobody is asked for it");
  if (options.yes === true || (cli.interactive && options.json !== true)) return undefined;
  return refuse(
    "invalid",
    EXIT.usage,
    "nobody can be asked here",
    "add --yes and --reason, or look first with --dry-run",
  );
}

async function proposeException(cli: Cli, id: string, options: TrustOptions): Promise<Asked<Proposal>> {
  return withHistory(cli, (reader) => {
    const found = reader.alert(id);
    if (!found.ok) return { ok: false, fault: asCommandFault(found.fault) };
    const entry = exceptionFor(found.value.finding, {
      reason: options.reason ?? "say here why this is normal",
      author: cli.user,
      ...(options.until === undefined ? {} : { until: options.until }),
    });
    if (!isNarrowed(entry))
      return refuse(
        "invalid",
        EXIT.usage,
        `the alert names no program, file, user or address: an exception would silence ${entry.rule} as a whole`,
        `if that is meant: sudo algo-monitor config set RULES.${entry.rule} off`,
      );
    const past = reader.findSimilar(entry.rule);
    if (!past.ok) return { ok: false, fault: asCommandFault(past.fault) };
    return ok({ entry, warnings: exceptionWarnings(entry), hidden: hiddenBy(entry, past.value) });
  });
}

function proposePath(target: string): Asked<Proposal> {
  const checked = checkTrustedPath(target.startsWith("/") ? target : resolve(target));
  if (!checked.ok) return checked;
  return ok({ path: checked.value.path, warnings: checked.value.notes, hidden: NOTHING_HIDDEN });
}

function proposalText(cli: Cli, proposal: Proposal): string {
  const paint = paintOf(cli);
  const warnings = proposal.warnings.map((warning) => `  ${paint("note", "yellow")}: ${printable(warning)}\n`).join("");
  if (proposal.entry === undefined) {
    const path = printable(proposal.path ?? "");
    return `To be added to TRUSTED_SYSTEM_PROCESSES:\n\n  ${JSON.stringify(path)}\n\nWhatever ${path} does, also a shell wired to the network, is left alone from then on.\n${warnings}`;
  }
  return `To be added to EXCEPTIONS:\n\n${entryText(proposal.entry)}\n\n${hiddenText(proposal.hidden)}${warnings}`;
}

export function entryText(entry: ExceptionEntry): string {
  const json = JSON.stringify(entry, null, 2).split("\n");
  return json.map((line) => `  ${printable(line)}`).join("\n");
}

function hiddenText(hidden: Hidden): string {
  if (hidden.findings === 0)
    return `Of ${plural(hidden.looked, "finding")} on record of this rule it covers none by now.\n`;
  const kills = hidden.killed === 0 ? "" : `, ${plural(hidden.killed, "kill")} among them`;
  const since = hidden.oldestMs === undefined ? "" : ` since ${localTime(hidden.oldestMs)}`;
  return `It would have hidden ${hidden.findings} of ${plural(hidden.looked, "finding")} on record of this rule${since} (${plural(hidden.alerts, "alert")}${kills}).\n`;
}

async function confirmed(cli: Cli): Promise<boolean> {
  const answer = (await cli.ask("Add it? [y/N] ")).trim().toLowerCase();
  return answer === "y" || answer === "yes";
}

export function untrustCommand(cli: Cli): Command {
  const command = new Command("untrust")
    .summary("take trust back")
    .description(
      "With an alert's ID: removes every EXCEPTIONS entry that covers the alert. With a PATH: removes it from TRUSTED_SYSTEM_PROCESSES. Does not ask: it only makes the guard stricter.",
    )
    .argument("<id|path>", "what was given to `trust`");
  return withJson(command).action((target: string, options: JsonOption) =>
    asRoot(cli, options, "changing what is trusted", () => runUntrust(cli, target)),
  );
}

async function runUntrust(cli: Cli, target: string): Promise<Answered> {
  const asked = await askUntrust(cli, target);
  if (!asked.ok) return asked;
  const { file, removedEntries, removedPaths, configGeneration } = asked.value;
  const removed = removedEntries.length + removedPaths.length;
  if (removed === 0)
    return refuse(
      "gone",
      EXIT.notFound,
      `nothing in ${file} trusts ${target}`,
      "see what is trusted: sudo algo-monitor config show",
    );
  const lines = [...removedPaths.map((path) => `  ${printable(path)}`), ...removedEntries.map(entryText)];
  return ok({
    json: asked.value,
    text: `Removed from ${printable(file)}; generation ${configGeneration} of the configuration is in force:\n${lines.join("\n")}\n`,
  });
}

/** A path as it is written first; `trust` wrote what a link leads to, so that is asked for next. */
async function askUntrust(cli: Cli, target: string): Promise<Asked<UntrustReport>> {
  if (!looksLikePath(target)) return askDaemon(cli, "untrust", { alertId: target });
  const path = resolve(target);
  const asked = await askDaemon(cli, "untrust", { path });
  if (!asked.ok || asked.value.removedPaths.length > 0) return asked;
  const real = realPath(path);
  return real === undefined || real === path ? asked : askDaemon(cli, "untrust", { path: real });
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    // Gone by now, or never there: then only the written path can be meant.
    return undefined;
  }
}
