/** `connections`: who talks to whom, and what waits to be talked to. Only looks. */

import { Command } from "commander";
import { endpointText } from "../core/control.ts";
import {
  type ConnectionRow,
  type ConnectionsParams,
  type ConnectionsReport,
  VIEW_ROWS_MAX,
} from "../core/control_views.ts";
import { printable } from "../core/printable.ts";
import { ok, type Result } from "../core/result.ts";
import { type Answered, asRoot, type JsonOption, withJson } from "./action.ts";
import { askDaemon, refuse } from "./client.ts";
import { type CommandFault, EXIT } from "./exit.ts";
import { orLook, sweptByText } from "./one_shot.ts";
import { table } from "./text.ts";
import { wholeNumber } from "./whole_number.ts";
import type { Cli } from "./world.ts";

interface ConnectionsOptions extends JsonOption {
  readonly listening?: true;
  readonly all?: true;
  readonly process?: string;
  readonly public?: true;
  readonly limit: string;
}

const EXAMPLES = `
Examples:
  sudo algo-monitor connections --public
  sudo algo-monitor connections --listening
  sudo algo-monitor connections --process 4711 --all
`;

export function connectionsCommand(cli: Cli): Command {
  const command = new Command("connections")
    .summary("who talks to whom, and what listens")
    .description(
      "Lists the connections of the newest sweep: both ends, which side opened it, whose it is. Judges nothing. When the daemon does not run this command looks by itself.",
    )
    .option("-l, --listening", "what waits for others instead: listening TCP sockets, bound UDP sockets")
    .option("-a, --all", "both, in every state")
    .option("-p, --process <pid>", "only those that this process has open")
    .option("--public", "only with a public address at the other end; with --listening all but loopback")
    .option("-n, --limit <count>", "how many at most", "500")
    .addHelpText("after", EXAMPLES);
  return withJson(command).action((options: ConnectionsOptions) =>
    asRoot(cli, options, "looking at all connections", () => runConnections(cli, options)),
  );
}

async function runConnections(cli: Cli, options: ConnectionsOptions): Promise<Answered> {
  const params = paramsOf(options);
  if (!params.ok) return params;
  const asked = await askDaemon(cli, "connections", params.value);
  const found = await orLook(cli, asked, async (views) => ok(await views.connections(params.value)));
  return found.ok ? ok({ json: found.value, text: listText(cli, found.value) }) : found;
}

function paramsOf(options: ConnectionsOptions): Result<ConnectionsParams, CommandFault> {
  const limit = wholeNumber(options.limit, VIEW_ROWS_MAX);
  if (limit === undefined) return refuse("invalid", EXIT.usage, `--limit must be between 1 and ${VIEW_ROWS_MAX}`);
  const pid = options.process === undefined ? undefined : wholeNumber(options.process, 2 ** 22);
  if (options.process !== undefined && pid === undefined)
    return refuse("invalid", EXIT.usage, `--process ${JSON.stringify(options.process)} is no process number`);
  return ok({
    limit,
    ...(options.listening === true ? { listening: true } : {}),
    ...(options.all === true ? { all: true } : {}),
    ...(options.public === true ? { public: true } : {}),
    ...(pid === undefined ? {} : { pid }),
  });
}

function listText(cli: Cli, report: ConnectionsReport): string {
  const { connections, matching, total } = report;
  const cut =
    matching > connections.length ? `Only ${connections.length} of ${matching} are shown: --limit shows more.\n` : "";
  const list = connections.length === 0 ? "No connection fits.\n" : connectionsTable(cli, connections);
  return `${list}${matching} of ${total} sockets.\n${cut}${sweptByText(report.sweptBy)}`;
}

export function connectionsTable(cli: Cli, connections: readonly ConnectionRow[]): string {
  const header = ["PROTO", "STATE", "LOCAL", "", "REMOTE", "SCOPE", "USER", "PROCESS"] as const;
  return table(header, connections.map(cells), cli.columns);
}

const ARROWS: Readonly<Record<ConnectionRow["direction"], string>> = {
  connected: "->",
  accepted: "<-",
  unknown: "--",
  "": "",
};

function cells(row: ConnectionRow): string[] {
  return [
    row.protocol,
    row.state,
    endpointText(printable(row.local, 64), row.localPort),
    ARROWS[row.direction],
    row.remote === "" ? "-" : endpointText(printable(row.remote, 64), row.remotePort),
    row.otherNetworkNamespace ? `${row.scope}, other network` : row.scope,
    printable(row.user, 20),
    holdersText(row),
  ];
}

function holdersText({ holders, state }: ConnectionRow): string {
  const [first] = holders;
  if (first === undefined) return state === "time-wait" ? "-" : "- (the kernel's, or its process has ended)";
  const more = holders.length === 1 ? "" : ` and ${holders.length - 1} more`;
  return `${first.pid} ${printable(first.executable === "" ? first.name : first.executable, 200)}${more}`;
}
