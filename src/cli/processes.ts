/** `processes`: what runs here and what is known of it, as a list, as a tree, or one process in full. Only looks. */

import { Argument, Command, Option } from "commander";
import {
  PROCESS_ORDERS,
  type ProcessesParams,
  type ProcessesReport,
  type ProcessOrder,
  type ProcessRow,
  VIEW_ROWS_MAX,
} from "../core/control_views.ts";
import { printable } from "../core/printable.ts";
import { ok, type Result } from "../core/result.ts";
import { type Answered, asRoot, type JsonOption, paintOf, withJson } from "./action.ts";
import { askDaemon, refuse } from "./client.ts";
import { type CommandFault, EXIT } from "./exit.ts";
import { orLook, sweptByText } from "./one_shot.ts";
import { processText } from "./process_text.ts";
import { commandOf, whatText } from "./process_words.ts";
import { bytes, duration, table } from "./text.ts";
import { wholeNumber } from "./whole_number.ts";
import type { Cli } from "./world.ts";

interface ProcessesOptions extends JsonOption {
  readonly unknown?: true;
  readonly kernel?: true;
  readonly user?: string;
  readonly sort: ProcessOrder;
  readonly tree?: true;
  readonly limit: string;
}

const EXAMPLES = `
WHAT says what is known of the file that runs:
  verified   root's, in a system directory      packaged   as the package database has it
  trusted    in TRUSTED_SYSTEM_PROCESSES        container  in a container: nothing can be said
  unknown    none of these; look at it once     kernel     a thread of the kernel

Examples:
  sudo algo-monitor processes --unknown
  sudo algo-monitor processes --sort cpu --limit 10
  sudo algo-monitor processes 4711
`;

export function processesCommand(cli: Cli): Command {
  const command = new Command("processes")
    .summary("what runs here and what is known of it")
    .description(
      "Lists the processes of the newest sweep with what is known of each, or shows one in full. Judges nothing. When the daemon does not run this command looks by itself.",
    )
    .addArgument(new Argument("[pid]", "show this process in full: where from, what it holds, what its file is"))
    .option("-u, --unknown", "only programs that nothing vouches for")
    .option("--user <name>", "only those that act as this account, by name or number")
    .addOption(new Option("-s, --sort <by>", "order").choices(PROCESS_ORDERS).default("pid"))
    .option("-t, --tree", "as a tree, children below their parents")
    .option("-k, --kernel", "kernel threads too")
    .option("-n, --limit <count>", "how many at most", "500")
    .addHelpText("after", EXAMPLES);
  return withJson(command).action((pid: string | undefined, options: ProcessesOptions) =>
    asRoot(cli, options, "looking at all processes", () =>
      pid === undefined ? runList(cli, options) : runShow(cli, pid),
    ),
  );
}

async function runList(cli: Cli, options: ProcessesOptions): Promise<Answered> {
  const params = paramsOf(options);
  if (!params.ok) return params;
  const asked = await askDaemon(cli, "processes", params.value);
  const found = await orLook(cli, asked, async (views) => ok(await views.processes(params.value)));
  if (!found.ok) return found;
  return ok({ json: found.value, text: listText(cli, found.value, options.tree === true) });
}

async function runShow(cli: Cli, pidText: string): Promise<Answered> {
  const pid = wholeNumber(pidText, 2 ** 22);
  if (pid === undefined)
    return refuse(
      "invalid",
      EXIT.usage,
      `${JSON.stringify(pidText)} is no process number`,
      "list them: sudo algo-monitor processes",
    );
  const asked = await askDaemon(cli, "process", { pid });
  const found = await orLook(cli, asked, (views) => views.process(pid));
  return found.ok ? ok({ json: found.value, text: processText(cli, found.value) }) : found;
}

function paramsOf(options: ProcessesOptions): Result<ProcessesParams, CommandFault> {
  const limit = wholeNumber(options.limit, VIEW_ROWS_MAX);
  if (limit === undefined) return refuse("invalid", EXIT.usage, `--limit must be between 1 and ${VIEW_ROWS_MAX}`);
  const { user } = options;
  if (user !== undefined && (user === "" || user.length > 64))
    return refuse("invalid", EXIT.usage, "--user must be the name or number of an account");
  return ok({
    limit,
    sort: options.sort,
    ...(options.unknown === true ? { unknown: true } : {}),
    ...(options.kernel === true ? { kernel: true } : {}),
    ...(user === undefined ? {} : { user }),
  });
}

function listText(cli: Cli, report: ProcessesReport, isTree: boolean): string {
  const { processes, matching, total } = report;
  const ordered = isTree ? treeOf(processes) : processes.map((row) => ({ row, depth: 0 }));
  const nowMs = cli.clock.nowMs();
  const rows = ordered.map(({ row, depth }) => rowCells(cli, row, nowMs, depth));
  const cut =
    matching > processes.length ? `Only ${processes.length} of ${matching} are shown: --limit shows more.\n` : "";
  const list = rows.length === 0 ? "No process fits.\n" : table(HEADER, rows, cli.columns);
  return `${list}${matching} of ${total} processes.\n${cut}${sweptByText(report.sweptBy)}`;
}

const HEADER = ["PID", "USER", "AGE", "CPU %", "MEMORY", "WHAT", "UNIT", "COMMAND"] as const;
/** Deeper ones stand below each other: a row must stay readable. */
const INDENTED_MAX = 16;

function rowCells(cli: Cli, row: ProcessRow, nowMs: number, depth: number): string[] {
  const indent = depth === 0 ? "" : `${"  ".repeat(Math.min(depth, INDENTED_MAX) - 1)}└ `;
  return [
    String(row.pid),
    printable(row.user, 20),
    duration(nowMs - row.startedAtMs),
    row.cpuPercent.toFixed(1),
    row.kind === "kernel" ? "-" : bytes(row.residentBytes),
    whatCell(cli, row),
    row.unit === "" ? "-" : printable(row.unit, 30),
    indent + commandOf(row),
  ];
}

function whatCell(cli: Cli, row: ProcessRow): string {
  const paint = paintOf(cli);
  const text = whatText(row);
  return row.kind === "unknown" || row.traits.length > 0 ? paint(text, "yellow") : text;
}

/** Depth first. Those whose parent is not among them stand at the left. */
function treeOf(rows: readonly ProcessRow[]): readonly { readonly row: ProcessRow; readonly depth: number }[] {
  const known = new Set(rows.map((row) => row.pid));
  const children = Map.groupBy(rows, (row) =>
    known.has(row.parentPid) && row.parentPid !== row.pid ? row.parentPid : 0,
  );
  const result: { readonly row: ProcessRow; readonly depth: number }[] = [];
  const left = (children.get(0) ?? []).map((row) => ({ row, depth: 0 })).reverse();
  const seen = new Set<number>();
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (seen.has(next.row.pid)) continue;
    seen.add(next.row.pid);
    result.push(next);
    for (const row of (children.get(next.row.pid) ?? []).toReversed()) left.push({ row, depth: next.depth + 1 });
  }
  return result;
}
