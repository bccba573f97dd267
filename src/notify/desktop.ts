/**
 * A note on the desktop of each user who is logged in to one, on that user's own session bus and as that user.
 * node-notifier turns the note into the arguments of notify-send; its own way to run it (a shell, as ourselves, on our
 * bus) is not used. Off by itself where there is no desktop. The text is foreign: escaped, one line, 400 characters.
 */
import { existsSync } from "node:fs";
import type { Clock } from "../core/clock.ts";
import type { Notice } from "../core/notice.ts";
import type { Severity } from "../core/nouns.ts";
import { printable } from "../core/printable.ts";
import { type Fault, fail, messageOf, ok, type Result } from "../core/result.ts";
import { type LocalTime, localTime } from "./local_time.ts";
import type { Output } from "./output.ts";
import { createRoute, type Route, type RouteSettings } from "./routes.ts";

/** Somebody who looks at a screen of this host. */
export interface GraphicalSession {
  readonly uid: number;
  readonly user: string;
}

export interface DesktopOptions {
  readonly clock: Clock;
  readonly settings: () => RouteSettings | undefined;
  readonly graphicalSessions: () => readonly GraphicalSession[];
  readonly onFault: (fault: Fault, phase: "once") => void;
  readonly time?: LocalTime;
  /** The whole command that runs notify-send with these arguments. Default: as that user, by systemd. Undefined: no desktop. */
  readonly launcher?: Launcher;
  readonly timeoutMs?: number;
}

type Launcher = (session: GraphicalSession, notifySend: readonly string[]) => readonly string[] | undefined;

const TEXT_CHARACTERS_MAX = 400;
const EVERY_MS = 2_000;
const PER_HOUR = 20;
const HOUR_MS = 3_600_000;
const WAITING_MAX = 20;
const USERS_MAX = 32;
const TIMEOUT_MS = 10_000;
const TOLD_EVERY_MS = 3_600_000;
const SYSTEMD_RUN = "/usr/bin/systemd-run";
const NOTIFY_SEND = "/usr/bin/notify-send";
const ALLOWED = ["urgency", "expire-time", "icon", "category", "app-name"];
const URGENCY: Readonly<Record<Severity, string>> = {
  ALERT: "critical",
  ERROR: "normal",
  WARNING: "normal",
  INFO: "low",
};
const SHOWN_SECONDS = 30;

interface Seat {
  readonly waiting: Notice[];
  /** Monotonic, of the last hour. */
  shown: number[];
  held: number;
  heldSinceMs: number;
  busy: boolean;
}

interface State {
  readonly options: DesktopOptions;
  readonly time: LocalTime;
  readonly route: Route;
  readonly seats: Map<number, Seat>;
  closed: boolean;
  toldAtMonotonicMs: number;
  sent: number;
  failed: number;
  heldBack: number;
  lastFault: string | undefined;
}

export function desktopOutput(options: DesktopOptions): Output {
  const state: State = {
    options,
    time: options.time ?? localTime(options.clock),
    route: createRoute({ ...options, deliver: (notice) => enqueue(state, notice) }),
    seats: new Map(),
    closed: false,
    toldAtMonotonicMs: Number.NEGATIVE_INFINITY,
    sent: 0,
    failed: 0,
    heldBack: 0,
    lastFault: undefined,
  };
  return {
    name: "desktop",
    filtered: true,
    accepts: (notice) => state.route.accepts(notice) && options.graphicalSessions().length > 0,
    send: (notice) => {
      state.route.offer(notice);
      showDue(state);
      return ok(undefined);
    },
    maintain: () => {
      state.route.tick();
      showDue(state);
    },
    close: () => {
      state.closed = true;
      state.seats.clear();
    },
    status: () => ({
      sent: state.sent,
      failed: state.failed,
      waiting: [...state.seats.values()].reduce((sum, seat) => sum + seat.waiting.length, 0),
      heldBack: state.route.heldBack + state.heldBack,
      ...(state.lastFault === undefined ? {} : { lastFault: state.lastFault }),
    }),
  };
}

/** Once for each user, however many sessions. */
function enqueue(state: State, notice: Notice): void {
  for (const uid of new Set(state.options.graphicalSessions().map((session) => session.uid))) {
    const seat = seatOf(state, uid);
    if (seat === undefined) continue;
    const hourAgoMs = state.options.clock.monotonicMs() - HOUR_MS;
    seat.shown = seat.shown.filter((atMs) => atMs > hourAgoMs);
    if (seat.held === 0 && seat.shown.length + seat.waiting.length < PER_HOUR && seat.waiting.length < WAITING_MAX) {
      seat.waiting.push(notice);
      continue;
    }
    if (seat.held === 0) seat.heldSinceMs = state.options.clock.nowMs();
    seat.held++;
    state.heldBack++;
  }
}

function seatOf(state: State, uid: number): Seat | undefined {
  const known = state.seats.get(uid);
  if (known !== undefined) return known;
  if (state.seats.size >= USERS_MAX) return undefined;
  const seat: Seat = { waiting: [], shown: [], held: 0, heldSinceMs: 0, busy: false };
  state.seats.set(uid, seat);
  return seat;
}

function showDue(state: State): void {
  if (state.closed || state.seats.size === 0) return;
  const nowMs = state.options.clock.monotonicMs();
  const sessions = new Map(state.options.graphicalSessions().map((session) => [session.uid, session]));
  for (const [uid, seat] of state.seats) {
    const session = sessions.get(uid);
    if (session === undefined) {
      // Nobody is there to read it any more; the logs have it.
      state.seats.delete(uid);
      continue;
    }
    seat.shown = seat.shown.filter((atMs) => atMs > nowMs - HOUR_MS);
    if (seat.busy || nowMs - (seat.shown.at(-1) ?? Number.NEGATIVE_INFINITY) < EVERY_MS) continue;
    const notice = seat.waiting.shift() ?? summaryOf(state, seat);
    if (notice === undefined) continue;
    seat.shown.push(nowMs);
    seat.busy = true;
    show(state, session, notice)
      .catch((thrown: unknown) => fail("io", messageOf(thrown)))
      .then((shown) => {
        seat.busy = false;
        count(state, shown);
      })
      .catch(() => undefined);
  }
}

function summaryOf(state: State, seat: Seat): Notice | undefined {
  if (seat.held === 0 || seat.shown.length >= PER_HOUR) return undefined;
  const message = `${seat.held} more notices since ${state.time.minute(seat.heldSinceMs)}. List them with: sudo algo-monitor alerts --since 2h`;
  seat.held = 0;
  return { kind: "health", severity: "WARNING", atMs: state.options.clock.nowMs(), message, fields: {} };
}

function count(state: State, shown: Result<boolean>): void {
  if (shown.ok) {
    if (shown.value) state.sent++;
    return;
  }
  state.failed++;
  state.lastFault = shown.fault.message;
  const nowMs = state.options.clock.monotonicMs();
  if (state.closed || nowMs - state.toldAtMonotonicMs < TOLD_EVERY_MS) return;
  state.toldAtMonotonicMs = nowMs;
  state.options.onFault(shown.fault, "once");
}

/** False where there is nothing to show it with. */
async function show(state: State, session: GraphicalSession, notice: Notice): Promise<Result<boolean>> {
  if (state.options.launcher === undefined && !canShow(session)) return ok(false);
  const command = (state.options.launcher ?? asThatUser)(session, await notifySendArguments(notice));
  if (command === undefined) return ok(false);
  const child = Bun.spawn([...command], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    cwd: "/",
    env: { PATH: "/usr/bin:/bin", LANG: "C.UTF-8" },
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), state.options.timeoutMs ?? TIMEOUT_MS);
  const exitCode = await child.exited.finally(() => clearTimeout(timer));
  if (exitCode === 0) return ok(true);
  return fail(
    "io",
    `a notice could not be shown on the desktop of ${printable(session.user, 64)} (notify-send ended with ${exitCode})`,
    `see whether a notification service runs there, or set NOTIFICATIONS.desktop.enabled to false`,
  );
}

function canShow(session: GraphicalSession): boolean {
  return [SYSTEMD_RUN, NOTIFY_SEND, `/run/user/${session.uid}/bus`].every((path) => existsSync(path));
}

/**
 * By pid 1, because this daemon has given up the capability to become somebody else (algo-monitor.service).
 * The bus of a user answers to that user only.
 */
export function asThatUser(session: GraphicalSession, notifySend: readonly string[]): readonly string[] {
  const runtime = `/run/user/${session.uid}`;
  return [
    SYSTEMD_RUN,
    "--quiet",
    "--collect",
    `--unit=algo-monitor-notice-${session.uid}-${crypto.randomUUID().slice(0, 8)}`,
    "--wait",
    "--service-type=exec",
    "--description=algo-monitor tells a user on the desktop",
    `--uid=${session.uid}`,
    "--property=RuntimeMaxSec=8",
    "--property=NoNewPrivileges=yes",
    `--setenv=XDG_RUNTIME_DIR=${runtime}`,
    `--setenv=DBUS_SESSION_BUS_ADDRESS=unix:path=${runtime}/bus`,
    "--",
    NOTIFY_SEND,
    // systemd puts variables into arguments, and reads `$$` as a dollar.
    ...notifySend.map((text) => text.replaceAll("$", "$$$$")),
  ];
}

/** What follows `notify-send`. Loads node-notifier (several megabytes) with the first note only: servers never do. */
export async function notifySendArguments(notice: Notice): Promise<readonly string[]> {
  const { constructArgumentList, mapToNotifySend } = await import("node-notifier/lib/utils.js");
  const rule = notice.about?.finding.rule.name;
  const title = `algo-monitor: ${notice.severity}${rule === undefined ? "" : ` ${rule}`}`;
  const options = mapToNotifySend({
    urgency: URGENCY[notice.severity],
    timeout: SHOWN_SECONDS,
    category: "device.error",
    icon: "security-high",
    "app-name": "algo-monitor",
  });
  // Neither quotes nor escapes: this becomes argv, no shell reads it.
  const flags = constructArgumentList(options, {
    keyExtra: "-",
    allowedArguments: ALLOWED,
    noEscape: true,
    wrapper: "",
  });
  return [...flags, "--", printable(title, 100), bodyOf(notice.message)];
}

/** notify-send reads C escapes in the body (g_strcompress), the desktop reads Pango markup. */
function bodyOf(message: string): string {
  const text = printable(message, TEXT_CHARACTERS_MAX);
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\\", "\\\\");
}
