/** `files status` and `files verify`: how the watch over files stands. Asks the daemon; without one there is none. */

import { Command } from "commander";
import type { FilesStatus } from "../core/files.ts";
import { printable } from "../core/printable.ts";
import { ok } from "../core/result.ts";
import { type Answered, asRoot, type JsonOption, paintOf, withJson } from "./action.ts";
import { type Asked, askDaemon, refuse } from "./client.ts";
import { EXIT } from "./exit.ts";
import { pause, whileShowing } from "./progress.ts";
import { bytes, duration, localTime, milliseconds, pairs, plural, table, timeWithHint } from "./text.ts";
import type { Cli } from "./world.ts";

const POLL_MS = 1_000;

interface StatusOptions extends JsonOption {
  readonly watch?: true;
}

export function filesCommand(cli: Cli): Command {
  const command = new Command("files")
    .summary("how the watch over files stands")
    .description("Says what is watched below PROTECTED_DIRECTORIES and how far that is. Changes are told by alerts.");
  const status = new Command("status")
    .summary("what is watched, how far, and what is not")
    .description(
      "Says how many files are watched below which directories, what the last round took and found, when everything was last read whole, and what is left out and why. `files` alone does the same.",
    )
    .option(
      "-w, --watch",
      "wait until the first reading or the round under way has ended; a terminal shows how far it is",
    )
    .action((options: StatusOptions) =>
      asRoot(cli, options, "the watch over files", () => runStatus(cli, options.watch === true)),
    );
  const verify = new Command("verify")
    .summary("read every file again now")
    .description(
      "Has every watched file read again in the background, whatever its times say, at the pace of FILES.hash_mb_per_second. A content that changed behind unchanged times becomes an alert.",
    )
    .action((options: JsonOption) => asRoot(cli, options, "reading every file again", () => runVerify(cli)));
  command.addCommand(withJson(status), { isDefault: true });
  command.addCommand(withJson(verify));
  return command;
}

async function runStatus(cli: Cli, isWatching: boolean): Promise<Answered> {
  const asked = isWatching ? await untilSettled(cli, isBusy) : await askDaemon(cli, "files", {});
  return asked.ok ? ok({ json: asked.value, text: filesText(cli, asked.value) }) : asked;
}

async function runVerify(cli: Cli): Promise<Answered> {
  const asked = await askDaemon(cli, "verify_files", {});
  if (!asked.ok) return asked;
  if (!asked.value.started)
    return refuse("unsupported", EXIT.failed, asked.value.reason, "see how it stands: sudo algo-monitor files status");
  const text = "Every watched file is read again now. How far: sudo algo-monitor files status --watch\n";
  return ok({ json: asked.value, text });
}

export function isBusy(status: FilesStatus): boolean {
  return status.state === "starting" || status.state === "baseline" || status.progress !== undefined;
}

/** Asks each second while `goesOn`; Ctrl-C ends the waiting with what is known then. */
export async function untilSettled(
  cli: Cli,
  goesOn: (status: FilesStatus) => boolean,
  pollMs = POLL_MS,
): Promise<Asked<FilesStatus>> {
  const stop = cli.stop();
  let latest: FilesStatus | undefined;
  const waiting = async (): Promise<Asked<FilesStatus>> => {
    for (;;) {
      const asked = await askDaemon(cli, "files", {});
      if (!asked.ok) return asked;
      latest = asked.value;
      if (stop.aborted || !goesOn(latest)) return asked;
      await pause(pollMs, stop);
    }
  };
  return whileShowing(
    cli,
    () => (latest === undefined ? "asking the daemon" : progressText(cli, latest)),
    waiting(),
    0,
  );
}

export function progressText(cli: Cli, status: FilesStatus): string {
  const { progress, state } = status;
  const what =
    state === "baseline" || state === "starting" ? "reading all files for the first time" : "looking at files";
  if (progress === undefined) return what;
  const elapsedMs = Math.max(0, cli.clock.nowMs() - progress.startedAtMs);
  const of = state === "watching" && status.entries > 0 ? ` of ${count(status.entries)}` : "";
  return `${what}: ${count(progress.entries)}${of} entries, ${bytes(progress.bytesRead)} read, ${duration(elapsedMs)}`;
}

function filesText(cli: Cli, status: FilesStatus): string {
  return [
    headline(cli, status),
    pairs(rowsOf(cli, status)),
    rootsText(cli, status),
    skippedText(cli, status),
    nextText(status),
  ].join("");
}

function headline(cli: Cli, status: FilesStatus): string {
  const paint = paintOf(cli);
  switch (status.state) {
    case "off":
      return `${paint("Files are not watched.", "red")} To watch them: sudo algo-monitor config set SCANNERS.filesystem true\n`;
    case "starting":
      return `${paint("The watch over files is starting.", "yellow")}\n`;
    case "baseline":
      return `${paint("The first reading of all files is being made.", "yellow")} Changes are told from its end on.\n`;
    case "watching":
      return `${paint(`${count(status.entries)} files and directories are watched`, "green")}, ${bytes(status.bytes)}.\n`;
  }
}

function rowsOf(cli: Cli, status: FilesStatus): readonly (readonly [string, string])[] {
  const nowMs = cli.clock.nowMs();
  const { progress, lastRound } = status;
  const at = (atMs: number | undefined): string => (atMs === undefined ? "not yet" : timeWithHint(atMs, nowMs));
  return [
    ...(progress === undefined ? [] : ([["under way", progressText(cli, status)]] as const)),
    [
      "last round",
      lastRound === undefined
        ? "none yet"
        : `${timeWithHint(lastRound.atMs, nowMs)}, took ${roundTime(lastRound.tookMs)}, ${plural(lastRound.changes, "change")}, ${bytes(lastRound.bytesRead)} read`,
    ],
    ["first reading", at(status.baselineAtMs)],
    ["all read whole since", at(status.lastVerifiedAtMs)],
    ...(status.held === 0
      ? []
      : ([["held", `${plural(status.held, "change")}, until the package manager has finished`]] as const)),
    ["by size and times only", `${count(status.unhashed)} larger than FILES.hash_mb_max`],
    ...(status.unreadable === 0 ? [] : ([["could not be read", count(status.unreadable)]] as const)),
    [
      "database",
      status.inMemoryOnly === true
        ? `in memory only: ${printable(status.databasePath)} cannot be used; it is tried again each round`
        : `${printable(status.databasePath)}, ${bytes(status.databaseBytes)}`,
    ],
  ];
}

function roundTime(ms: number): string {
  return ms < 10_000 ? milliseconds(ms) : duration(ms);
}

function rootsText(cli: Cli, { roots }: FilesStatus): string {
  if (roots.length === 0) return "\nPROTECTED_DIRECTORIES names nothing.\n";
  const rows = roots.map((root) => [
    String(root.directories),
    count(root.entries),
    `${printable(root.pattern, 400)}${root.reason === undefined ? "" : ` (not watched: ${printable(root.reason, 200)})`}`,
  ]);
  return `\n${table(["DIRECTORIES", "ENTRIES", "PROTECTED_DIRECTORIES"], rows, cli.columns)}`;
}

function skippedText(cli: Cli, { skipped, skippedTotal }: FilesStatus): string {
  if (skippedTotal === 0) return "";
  const rows = skipped.map(({ path, reason }) => [printable(reason, 100), printable(path, 400)]);
  const more = skippedTotal > skipped.length ? `and ${skippedTotal - skipped.length} more\n` : "";
  return `\nNot watched (${count(skippedTotal)}):\n${table(["WHY", "PATH"], rows, cli.columns)}${more}`;
}

function nextText(status: FilesStatus): string {
  if (!isBusy(status)) return "";
  return "\nTo wait for its end: sudo algo-monitor files status --watch\n";
}

/** `1,234,567`: counts of files are long. */
function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** One line for `status`. */
export function filesLine(cli: Cli, status: FilesStatus): string {
  switch (status.state) {
    case "off":
      return "not watched";
    case "starting":
      return "the watch is starting";
    case "baseline":
      return progressText(cli, status);
    case "watching": {
      const last = status.lastRound === undefined ? "no round yet" : `last round ${localTime(status.lastRound.atMs)}`;
      const left = status.skippedTotal === 0 ? "" : `, ${count(status.skippedTotal)} places left out`;
      return `${count(status.entries)} watched, ${last}${left}`;
    }
  }
}
