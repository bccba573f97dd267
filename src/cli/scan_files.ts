/** `scan filesystem`: the daemon looks at all files now; this command waits, shows how far it is, and lists the changes. */
import type { FilesStatus } from "../core/files.ts";
import type { Event } from "../core/nouns.ts";
import { printable } from "../core/printable.ts";
import { ok } from "../core/result.ts";
import type { Answered } from "./action.ts";
import { type Asked, asCommandFault, askDaemon, refuse } from "./client.ts";
import { EXIT } from "./exit.ts";
import { isBusy, untilSettled } from "./files.ts";
import { withHistory } from "./history.ts";
import { pause } from "./progress.ts";
import { bytes, milliseconds, plural, table } from "./text.ts";
import type { Cli } from "./world.ts";

const CHANGES_SHOWN = 50;
const EVENTS_MAX = 10_000;
/** Changes reach the store with the next sweep. */
const STORED_WAIT_MS = 6_000;
const STORED_POLL_MS = 500;
/** So long a round may be on its way without a sign of it. */
const BEGIN_MS = 15_000;

export interface FileChange {
  readonly action: string;
  readonly path: string;
  readonly changes: readonly string[];
}

export async function scanFiles(cli: Cli, pollMs = 300): Promise<Answered> {
  const before = await askDaemon(cli, "files", {});
  if (!before.ok) return before;
  const begunMs = cli.clock.nowMs();
  const started = await askDaemon(cli, "scan_files", {});
  if (!started.ok) return started;
  if (!started.value.started && !isBusy(before.value))
    return refuse("unsupported", EXIT.failed, started.value.reason, "sudo algo-monitor files status says more");
  const ended = await roundAfter(cli, before.value, pollMs);
  if (!ended.ok) return ended;
  const { lastRound, state } = ended.value;
  const isNew = lastRound !== undefined && lastRound.atMs !== before.value.lastRound?.atMs;
  if (!isNew || state !== "watching" || isBusy(ended.value))
    return refuse("timeout", EXIT.failed, "the round has not ended", "sudo algo-monitor files status --watch");
  const changes = lastRound.changes === 0 ? [] : await storedChanges(cli, begunMs, lastRound.changes);
  return ok({
    json: { joined: !started.value.started, round: lastRound, entries: ended.value.entries, changes },
    text: roundText(cli, ended.value, changes, started.value.started),
  });
}

/** The round that was asked for may not have begun when we first look: its end shows as a newer `lastRound`. */
async function roundAfter(cli: Cli, before: FilesStatus, pollMs: number): Promise<Asked<FilesStatus>> {
  const beganMs = performance.now();
  const isOver = (status: FilesStatus): boolean =>
    !isBusy(status) && (status.lastRound?.atMs !== before.lastRound?.atMs || performance.now() - beganMs > BEGIN_MS);
  return untilSettled(cli, (status) => !isOver(status), pollMs);
}

async function storedChanges(cli: Cli, sinceMs: number, expected: number): Promise<readonly FileChange[]> {
  const stop = cli.stop();
  for (let waitedMs = 0; ; waitedMs += STORED_POLL_MS) {
    const found = await withHistory(cli, (reader) => {
      const events = reader.events({ sinceMs, limit: EVENTS_MAX });
      return events.ok ? ok(events.value.flatMap(changeOf)) : { ok: false, fault: asCommandFault(events.fault) };
    });
    if (!found.ok) return [];
    if (found.value.length >= expected || waitedMs >= STORED_WAIT_MS || stop.aborted)
      return found.value.toSorted((left, right) => (left.path < right.path ? -1 : 1));
    await pause(STORED_POLL_MS, stop);
  }
}

function changeOf({ action, logsource, fields }: Event): FileChange[] {
  const path = fields["file.path"];
  if (!logsource.category.startsWith("file_") || typeof path !== "string") return [];
  const changes = fields["file.changes"];
  return [{ action, path, changes: Array.isArray(changes) ? changes.map(String) : [] }];
}

function roundText(cli: Cli, status: FilesStatus, changes: readonly FileChange[], asked: boolean): string {
  const { lastRound, entries, held } = status;
  if (lastRound === undefined) return "";
  const whose = asked ? "" : " (a round that was under way already)";
  const head = `Looked at ${entries.toLocaleString("en-US")} files and directories in ${milliseconds(lastRound.tookMs)}${whose}, ${bytes(lastRound.bytesRead)} read: ${plural(lastRound.changes, "change")}.\n`;
  const rows = changes
    .slice(0, CHANGES_SHOWN)
    .map(({ action, path, changes: what }) => [
      action,
      what.map((one) => printable(one, 40)).join(", "),
      printable(path),
    ]);
  const list = rows.length === 0 ? "" : `\n${table(["ACTION", "CHANGED", "PATH"], rows, cli.columns)}`;
  const more = changes.length > CHANGES_SHOWN ? `and ${changes.length - CHANGES_SHOWN} more\n` : "";
  const waits = held === 0 ? "" : `${plural(held, "change")} wait until the package manager has finished.\n`;
  const next = lastRound.changes === 0 ? "" : "\nWhat was found in them: sudo algo-monitor alerts --since 5min\n";
  return `${head}${list}${more}${waits}${next}`;
}
