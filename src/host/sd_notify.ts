// What the daemon tells systemd about itself (sd_notify(3)): ready, reloading, stopping, status, alive.
// Trusts NOTIFY_SOCKET and WATCHDOG_* of the environment that systemd set; without them every call does nothing.
// Costs one datagram a call.
import { ok, type Result } from "../core/result.ts";
import { openDatagramSender } from "./datagram.ts";
import { monotonicUs } from "./libc.ts";

const STATUS_CHARACTERS_MAX = 1024;

export interface Notifier {
  /** False where nobody listens: not started by systemd. */
  readonly listening: boolean;
  /** How often systemd wants a sign of life; undefined without watchdog. Send `watchdog()` at less than half of it. */
  readonly watchdogIntervalMs: number | undefined;
  ready(status?: string): Result<void>;
  reloading(): Result<void>;
  stopping(status?: string): Result<void>;
  status(text: string): Result<void>;
  watchdog(): Result<void>;
  /** Asks for more time while starting or stopping. */
  extendTimeout(ms: number): Result<void>;
  close(): void;
}

export function createNotifier(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  pid = process.pid,
): Notifier {
  const path = environment["NOTIFY_SOCKET"];
  const opened = path === undefined || path === "" ? undefined : openDatagramSender(path);
  return {
    listening: opened?.ok === true,
    watchdogIntervalMs: watchdogIntervalMs(environment, pid),
    ready: (status) => send(["READY=1", ...statusLine(status)]),
    // systemd orders a reload by this time stamp (Type=notify-reload).
    reloading: () => send(["RELOADING=1", `MONOTONIC_USEC=${monotonicUs()}`]),
    stopping: (status) => send(["STOPPING=1", ...statusLine(status)]),
    status: (text) => send(statusLine(text)),
    watchdog: () => send(["WATCHDOG=1"]),
    extendTimeout: (ms) => send([`EXTEND_TIMEOUT_USEC=${Math.max(0, Math.floor(ms * 1000))}`]),
    close() {
      if (opened?.ok === true) opened.value.close();
    },
  };

  function send(lines: readonly string[]): Result<void> {
    if (opened === undefined) return ok(undefined);
    return opened.ok ? opened.value.send(new TextEncoder().encode(lines.join("\n"))) : opened;
  }
}

function statusLine(text: string | undefined): string[] {
  if (text === undefined) return [];
  let line = "";
  for (const character of text.slice(0, STATUS_CHARACTERS_MAX)) line += character < " " ? " " : character;
  return [`STATUS=${line}`];
}

function watchdogIntervalMs(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const intervalUs = Number(environment["WATCHDOG_USEC"]);
  const forPid = environment["WATCHDOG_PID"];
  if (!Number.isSafeInteger(intervalUs) || intervalUs <= 0) return undefined;
  return forPid === undefined || Number(forPid) === pid ? intervalUs / 1000 : undefined;
}
