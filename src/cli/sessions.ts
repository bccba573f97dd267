/** `sessions`: who is logged in, from where and since when. Only looks. */

import { Command } from "commander";
import type { SessionsReport } from "../core/control_views.ts";
import { printable } from "../core/printable.ts";
import { ok } from "../core/result.ts";
import type { Session } from "../core/session.ts";
import { type Answered, asRoot, type JsonOption, withJson } from "./action.ts";
import { type Asked, askDaemon } from "./client.ts";
import { orLook, sweptByText } from "./one_shot.ts";
import { duration, localTime, plural, table } from "./text.ts";
import type { Cli } from "./world.ts";

interface SessionsOptions extends JsonOption {
  readonly all?: true;
  readonly user?: string;
}

/** logind's classes for a person at work; the others are greeters, managers and cron. */
const OF_PEOPLE: ReadonlySet<string> = new Set(["user", "user-early", "user-light", "user-incomplete", ""]);

export function sessionsCommand(cli: Cli): Command {
  const command = new Command("sessions")
    .summary("who is logged in, from where")
    .description(
      "Lists the logins there are now. Whether one was unusual is told by alerts. When the daemon does not run this command looks by itself.",
    )
    .option("-a, --all", "background sessions, greeters and session managers too")
    .option("--user <name>", "only of this account, by name or number");
  return withJson(command).action((options: SessionsOptions) =>
    asRoot(cli, options, "looking at the logins of all users", () => runSessions(cli, options)),
  );
}

async function runSessions(cli: Cli, options: SessionsOptions): Promise<Answered> {
  const found = await askSessions(cli);
  if (!found.ok) return found;
  const fitting = found.value.sessions
    .filter((session) => options.all === true || OF_PEOPLE.has(session.class))
    .filter(({ user, uid }) => options.user === undefined || user === options.user || String(uid) === options.user);
  const report = { ...found.value, sessions: fitting };
  return ok({ json: report, text: sessionsText(cli, report, found.value.sessions.length) });
}

export async function askSessions(cli: Cli): Promise<Asked<SessionsReport>> {
  const asked = await askDaemon(cli, "sessions", {});
  return orLook<SessionsReport>(cli, asked, async (views) => {
    const sessions = await views.sessions();
    return sessions.ok ? ok({ atMs: cli.clock.nowMs(), readBy: "one-shot", sessions: sessions.value }) : sessions;
  });
}

export function sessionsText(cli: Cli, report: SessionsReport, total: number): string {
  const nowMs = cli.clock.nowMs();
  const rows = report.sessions.map((session) => cells(session, nowMs));
  const header = ["USER", "FROM", "TERMINAL", "SERVICE", "SINCE", "FOR", "CLASS", "LEADER", "SESSION"] as const;
  const list = rows.length === 0 ? "Nobody is logged in.\n" : table(header, rows, cli.columns);
  const rest = total - rows.length;
  const hidden = rest === 0 ? "" : `, ${rest} not shown (--all shows background ones)`;
  return `${list}${plural(rows.length, "session")}${hidden}.\n${sweptByText(report.readBy)}`;
}

function cells(session: Session, nowMs: number): string[] {
  return [
    printable(session.user, 32),
    session.source === "" ? originOf(session) : printable(session.source, 60),
    session.terminal === "" ? "-" : printable(session.terminal, 16),
    session.service === "" ? "-" : printable(session.service, 24),
    localTime(session.startedAtMs),
    duration(nowMs - session.startedAtMs),
    [session.class, session.type].map((part) => printable(part, 16)).join("/"),
    session.leaderPid === 0 ? "-" : String(session.leaderPid),
    printable(session.id, 40),
  ];
}

function originOf({ remote }: Session): string {
  return remote ? "remote, address not known" : "here";
}
