/**
 * `alerts --follow`: asks the store once a second and prints what is new or has repeated. Opens it anew each time, so
 * that a database set aside and begun again is followed too. Ends quietly on Ctrl-C.
 */
import { printable } from "../core/printable.ts";
import { toJson } from "./action.ts";
import { asCommandFault } from "./client.ts";
import { type CommandFault, EXIT } from "./exit.ts";
import { type Alert, type AlertFilter, withHistory } from "./history.ts";
import { pause } from "./progress.ts";
import { localTime } from "./text.ts";
import type { Cli } from "./world.ts";

const INTERVAL_MS = 1000;
/** The wall clock may step back; alerts of the last minute are looked at again and told apart by id and count. */
const OVERLAP_MS = 60_000;
const LIMIT_MAX = 10_000;

interface Cursor {
  sinceMs: number;
  /** Count last printed, by alert id; only of alerts within the overlap, so it stays small. */
  printed: Map<string, number>;
  first: boolean;
}

export async function followAlerts(
  cli: Cli,
  filter: AlertFilter & { readonly limit: number },
  json: boolean,
  intervalMs = INTERVAL_MS,
): Promise<void> {
  const stop = cli.stop();
  const cursor: Cursor = { sinceMs: filter.sinceMs ?? 0, printed: new Map(), first: true };
  let complained = "";
  while (!stop.aborted) {
    const found = await poll(cli, filter, cursor);
    if (found.ok) for (const alert of found.value) cli.out(json ? `${toJson(alert)}\n` : lineOf(alert));
    const complaint = found.ok ? "" : found.fault.message;
    if (complaint !== complained && complaint !== "")
      cli.error(`algo-monitor: ${printable(complaint)}; still waiting\n`);
    complained = complaint;
    await pause(intervalMs, stop);
  }
  cli.exit(EXIT.ok);
}

type Polled =
  | { readonly ok: true; readonly value: readonly Alert[] }
  | { readonly ok: false; readonly fault: CommandFault };

async function poll(cli: Cli, filter: AlertFilter & { readonly limit: number }, cursor: Cursor): Promise<Polled> {
  return withHistory(cli, (reader) => {
    const found = reader.alerts({ ...filter, sinceMs: cursor.sinceMs, limit: cursor.first ? filter.limit : LIMIT_MAX });
    if (!found.ok) return { ok: false, fault: asCommandFault(found.fault) };
    const fresh = found.value.filter((alert) => cursor.printed.get(alert.id) !== alert.count).reverse();
    const newestMs = found.value.reduce((newest, alert) => Math.max(newest, alert.lastAtMs), 0);
    cursor.sinceMs = Math.max(cursor.sinceMs, Math.min(newestMs, cli.clock.nowMs()) - OVERLAP_MS);
    // On the first look older alerts than the limit were left out on purpose: they are not new on the second.
    if (cursor.first) cursor.sinceMs = Math.max(cursor.sinceMs, oldestShown(found.value, filter.limit));
    cursor.printed = new Map(
      found.value.filter((alert) => alert.lastAtMs >= cursor.sinceMs).map((alert) => [alert.id, alert.count]),
    );
    cursor.first = false;
    return { ok: true, value: fresh };
  });
}

function oldestShown(alerts: readonly Alert[], limit: number): number {
  return alerts.length < limit ? 0 : (alerts.at(-1)?.lastAtMs ?? 0);
}

function lineOf(alert: Alert): string {
  const times = alert.count === 1 ? "" : ` (${alert.count} times)`;
  return `${localTime(alert.lastAtMs)} ${alert.severity} ${alert.id} ${printable(alert.rule.name, 60)}: ${printable(alert.title, 1000)}${times}\n`;
}
