/** `alerts`: lists, follows, shows and settles what was found. Reads the store alone; settling asks the daemon. */

import { Argument, Command, Option } from "commander";
import { ALERT_STATUSES, type AlertStatus } from "../core/control.ts";
import type { Decision, Level } from "../core/nouns.ts";
import { printable } from "../core/printable.ts";
import { ok, type Result } from "../core/result.ts";
import { type Answered, asRoot, type JsonOption, paintOf, present, withJson } from "./action.ts";
import { alertText } from "./alert_text.ts";
import { followAlerts } from "./alerts_follow.ts";
import { asCommandFault, askDaemon, notRoot, refuse } from "./client.ts";
import { type CommandFault, EXIT } from "./exit.ts";
import { type Alert, type AlertFilter, historyCaveat, withHistory } from "./history.ts";
import { type Paint, parseSince, plural, relativeTime, table } from "./text.ts";
import type { Cli } from "./world.ts";

const LEVELS: readonly Level[] = ["informational", "low", "medium", "high", "critical"];
const LIMIT_MAX = 10_000;

interface ListOptions extends JsonOption {
  readonly status?: AlertStatus;
  readonly level?: Level;
  readonly rule?: string;
  readonly since?: string;
  readonly exe?: string;
  readonly limit: string;
  readonly all?: true;
  readonly follow?: true;
}

export function alertsCommand(cli: Cli): Command {
  const command = new Command("alerts")
    .summary("list, follow, show and settle what was found")
    .description(
      "Lists alerts, newest first. Works while the daemon is down. An ID may be shortened to any part at its beginning or end that is unique.",
    )
    .addOption(new Option("-s, --status <status>", "only of this status").choices(ALERT_STATUSES))
    .addOption(new Option("-l, --level <level>", "only of this level").choices(LEVELS))
    .option("-r, --rule <name>", "only of this rule, by name or id")
    .option("--since <when>", "only seen since then: 2h, 1d, 2026-03-14, 2026-03-14T12:00")
    .option("-e, --exe <path>", "only of this executable: an absolute path, or a part of one")
    .option("-n, --limit <count>", "how many at most", "50")
    .option("-a, --all", "also what is only kept for the record (INFO); --level and --rule find it too")
    .option("-f, --follow", "keep running and print alerts as they come (with --json: one document a line)")
    .addHelpText("after", EXAMPLES);
  withJson(command).action((options: ListOptions) =>
    options.follow === true
      ? asRootFollowing(cli, options)
      : asRoot(cli, options, "reading alerts", () => runList(cli, options)),
  );
  command.addCommand(showCommand(cli));
  for (const verb of VERBS) command.addCommand(settleCommand(cli, verb));
  return command;
}

const EXAMPLES = `
Examples:
  sudo algo-monitor alerts --status new --since 1d
  sudo algo-monitor alerts show 8k2m4
  sudo algo-monitor alerts false-positive 8k2m4
  sudo algo-monitor alerts --follow --level critical
`;

async function asRootFollowing(cli: Cli, options: ListOptions): Promise<void> {
  if (cli.uid !== 0) return present(cli, options, notRoot("following alerts"));
  const filter = filterOf(cli, options);
  if (!filter.ok) return present(cli, options, filter);
  await followAlerts(cli, filter.value, options.json === true);
}

async function runList(cli: Cli, options: ListOptions): Promise<Answered> {
  const filter = filterOf(cli, options);
  if (!filter.ok) return filter;
  return withHistory(cli, (reader) => {
    const found = reader.alerts(filter.value);
    if (!found.ok) return { ok: false, fault: asCommandFault(found.fault) };
    const caveat = historyCaveat(reader);
    const full =
      found.value.length === filter.value.limit
        ? `Only the newest ${found.value.length} are shown: --limit shows more.\n`
        : "";
    const none = "No alerts fit.\n";
    const left = filter.value.loud === true ? leftOut(reader) : "";
    return ok({
      json: { alerts: found.value },
      text: (found.value.length === 0 ? none : listText(cli, found.value)) + full + left + caveat,
    });
  });
}

function filterOf(cli: Cli, options: ListOptions): Result<AlertFilter & { readonly limit: number }, CommandFault> {
  const limit = /^\d{1,6}$/.test(options.limit) ? Number(options.limit) : 0;
  if (limit < 1 || limit > LIMIT_MAX)
    return refuse("invalid", EXIT.usage, `--limit must be between 1 and ${LIMIT_MAX}`);
  const sinceMs = options.since === undefined ? undefined : parseSince(options.since, cli.clock.nowMs());
  if (options.since !== undefined && sinceMs === undefined)
    return refuse(
      "invalid",
      EXIT.usage,
      `--since ${JSON.stringify(options.since)} is no time`,
      "write it like 2h, 1d, 2026-03-14 or 2026-03-14T12:00",
    );
  return ok({
    limit,
    ...(options.status === undefined ? {} : { status: options.status }),
    ...(options.level === undefined ? {} : { level: options.level }),
    ...(options.rule === undefined ? {} : { rule: options.rule }),
    ...(isForEverything(options) ? {} : { loud: true as const }),
    ...(options.exe === undefined ? {} : { executable: options.exe }),
    ...(sinceMs === undefined ? {} : { sinceMs }),
  });
}

/** Who asks for a level or a rule wants what it says. */
function isForEverything({ all, level, rule }: ListOptions): boolean {
  return all === true || level !== undefined || rule !== undefined;
}

function leftOut(reader: Parameters<typeof historyCaveat>[0]): string {
  const counts = reader.counts();
  const infos = counts.ok ? counts.value.alertsBySeverity.INFO : 0;
  return infos === 0 ? "" : `${plural(infos, "alert")} of severity INFO left out: --all shows all.\n`;
}

export function listText(cli: Cli, alerts: readonly Alert[]): string {
  return table(
    ["ID", "SEVERITY", "SCORE", "STATUS", "COUNT", "LAST SEEN", "DONE", "RULE", "WHAT"],
    alerts.map((alert) => alertRow(cli, alert)),
    cli.columns,
  );
}

export function alertRow(cli: Cli, alert: Alert): string[] {
  const paint = paintOf(cli);
  const colours: Readonly<Partial<Record<string, Paint>>> = { ALERT: "red", WARNING: "yellow" };
  const colour = colours[alert.severity];
  return [
    alert.id,
    colour === undefined ? alert.severity : paint(alert.severity, colour),
    String(alert.score),
    alert.status,
    String(alert.count),
    relativeTime(alert.lastAtMs, cli.clock.nowMs()),
    actionWord(alert.action),
    printable(alert.rule.name, 60),
    printable(alert.title, 400),
  ];
}

function actionWord(action: Decision["do"] | undefined): string {
  switch (action) {
    case "kill":
      return "kill";
    case "disconnect":
      return "disconnect";
    case "rehearse":
      return "rehearsed";
    case "refuse":
      return "refused";
    case "record":
    case undefined:
      return "-";
  }
}

function showCommand(cli: Cli): Command {
  const command = new Command("show")
    .summary("one alert with evidence, decisions and reasons")
    .description(
      "Shows one alert: what happened, why it was found, what was decided and why, what became of it, the evidence, and what to do next.",
    )
    .argument("<id>", "the alert, or a unique part at the beginning or end of its id");
  return withJson(command).action((id: string, _options: unknown, self: Command) =>
    asRoot(cli, self.optsWithGlobals(), "reading alerts", () => runShow(cli, id)),
  );
}

async function runShow(cli: Cli, id: string): Promise<Answered> {
  return withHistory(cli, (reader) => {
    const found = reader.alert(id);
    if (!found.ok) return { ok: false, fault: asCommandFault(found.fault) };
    return ok({ json: found.value, text: alertText(cli, found.value) + historyCaveat(reader) });
  });
}

interface Verb {
  readonly name: string;
  readonly status: AlertStatus;
  readonly summary: string;
  readonly description: string;
}

const VERBS: readonly Verb[] = [
  {
    name: "ack",
    status: "acknowledged",
    summary: "somebody looks at it",
    description: "Marks alerts as acknowledged: known, and somebody looks at them.",
  },
  {
    name: "resolve",
    status: "resolved",
    summary: "it is dealt with",
    description: "Marks alerts as resolved. The same thing happening again opens a new alert.",
  },
  {
    name: "false-positive",
    status: "false-positive",
    summary: "it was no attack",
    description:
      "Marks alerts as false positives. Changes no rule: to keep it from being stopped again use `algo-monitor trust ID`.",
  },
];

function settleCommand(cli: Cli, verb: Verb): Command {
  const command = new Command(verb.name)
    .summary(verb.summary)
    .description(verb.description)
    .addArgument(new Argument("<id...>", "the alerts, or unique parts of their ids"));
  return withJson(command).action((ids: readonly string[], _options: unknown, self: Command) =>
    asRoot(cli, self.optsWithGlobals(), "settling alerts", () => runSettle(cli, verb, ids)),
  );
}

async function runSettle(cli: Cli, verb: Verb, ids: readonly string[]): Promise<Answered> {
  const settled: { readonly id: string; readonly previous: AlertStatus; readonly status: AlertStatus }[] = [];
  for (const id of ids) {
    const asked = await askDaemon(cli, "set_alert_status", { id, status: verb.status });
    if (asked.ok) {
      settled.push(asked.value);
      continue;
    }
    const before = settled.length === 0 ? "" : ` (${plural(settled.length, "alert")} before it settled)`;
    return { ok: false, fault: { ...asked.fault, message: asked.fault.message + before } };
  }
  const lines = settled.map(({ id, previous, status }) =>
    previous === status ? `${id} was ${status} already.\n` : `${id} is ${status} (was ${previous}).\n`,
  );
  const hint = verb.status === "false-positive" ? "To keep it from happening again: sudo algo-monitor trust ID\n" : "";
  return ok({ json: { settled }, text: lines.join("") + hint });
}
