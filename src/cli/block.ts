/** `block`, `unblock`, `blocks`: addresses, networks and domains that are refused for a time. */
import { Command } from "commander";
import { BLOCK_MINUTES_MAX, type BlockMeans, type BlocksReport, type ListedBlock } from "../core/blocks.ts";
import { printable } from "../core/printable.ts";
import { ok } from "../core/result.ts";
import { removeTable } from "../host/nftables.ts";
import { type Answered, asRoot, type JsonOption, withJson } from "./action.ts";
import { askDaemon, refuse } from "./client.ts";
import { EXIT } from "./exit.ts";
import { duration, localTime, parseMinutes, plural, table } from "./text.ts";
import type { Cli } from "./world.ts";

const MEANS_WORDS: Readonly<Record<BlockMeans, string>> = {
  "packet-filter": "by the packet filter (nftables table inet algo_monitor), also for containers behind this host",
  sensor: "by the kernel sensor, at connect (programs see EPERM)",
};

interface BlockOptions extends JsonOption {
  readonly for: string;
  readonly reason?: string;
}

export function blockCommand(cli: Cli): Command {
  const command = new Command("block")
    .summary("refuse an address for a time")
    .description(
      "Refuses an address, a network or a domain, both ways, until the time is over; connections that stand are cut. Never your own session, this host, its gateway or its resolvers. It holds in every MODE, and over restarts.",
    )
    .argument("<target>", "203.0.113.7, 203.0.113.0/24, 2001:db8::/32 or c2.example.org")
    .option("--for <duration>", "how long: 30m, 2h, at most 744h", "1h")
    .option("-r, --reason <text>", "why, for the audit trail")
    .addHelpText(
      "after",
      "\nExamples:\n  sudo algo-monitor block 203.0.113.7 --for 2h --reason 'brute force'\n  sudo algo-monitor blocks\n  sudo algo-monitor unblock 203.0.113.7\n",
    );
  return withJson(command).action((target: string, options: BlockOptions) =>
    asRoot(cli, options, "blocking an address", () => runBlock(cli, target, options)),
  );
}

async function runBlock(cli: Cli, target: string, options: BlockOptions): Promise<Answered> {
  const minutes = parseMinutes(options.for);
  if (minutes === undefined)
    return refuse(
      "invalid",
      EXIT.usage,
      `${JSON.stringify(options.for)} is no duration`,
      "write it like 30m, 2h or 1h30m",
    );
  if (minutes < 1 || minutes > BLOCK_MINUTES_MAX)
    return refuse(
      "limit",
      EXIT.usage,
      `a block lasts between 1 minute and ${BLOCK_MINUTES_MAX / 60} hours`,
      "what is to stay is for the firewall of this site",
    );
  const asked = await askDaemon(cli, "block", { target, minutes, reason: options.reason ?? "no reason given" });
  if (!asked.ok) return asked;
  const { block, replaced, means, cut, remarks } = asked.value;
  const how = means.length === 0 ? ["by nothing at the moment"] : means.map((one) => MEANS_WORDS[one]);
  const lines = [
    `${printable(block.target)} is blocked until ${localTime(block.untilMs)}${replaced ? ", instead of a block before" : ""}:`,
    ...how.map((one) => `  ${one}`),
    ...(block.kind === "domain" ? [`  its addresses: ${block.networks.join(", ")}; looked up again each minute`] : []),
    `${plural(cut, "connection")} cut. End it earlier: sudo algo-monitor unblock ${printable(block.target)}`,
  ];
  return ok({ json: asked.value, text: `${lines.join("\n")}\n${remarksText(remarks)}` });
}

interface UnblockOptions extends JsonOption {
  readonly all?: true;
}

export function unblockCommand(cli: Cli): Command {
  const command = new Command("unblock")
    .summary("end a block")
    .description(
      "Ends one block, or all of them. When the daemon does not run, --all takes our table of the packet filter away.",
    )
    .argument("[target]", "as `blocks` lists it")
    .option("-a, --all", "every block");
  return withJson(command).action((target: string | undefined, options: UnblockOptions) =>
    asRoot(cli, options, "ending a block", () => runUnblock(cli, target, options)),
  );
}

async function runUnblock(cli: Cli, target: string | undefined, { all }: UnblockOptions): Promise<Answered> {
  if ((target === undefined) === (all === undefined))
    return refuse("invalid", EXIT.usage, "say which block, or --all", "see them: sudo algo-monitor blocks");
  const asked = await askDaemon(cli, "unblock", target === undefined ? {} : { target });
  if (!asked.ok) return asked.fault.exit === EXIT.notRunning && all === true ? removeAlone() : asked;
  const { ended, remarks } = asked.value;
  const what = ended.map((one) => printable(one.target)).join(", ");
  const text = ended.length === 0 ? "Nothing was blocked.\n" : `Reachable again: ${what}.\n`;
  return ok({ json: asked.value, text: text + remarksText(remarks) });
}

/** Nobody else can while the daemon does not run; what it wrote down holds again when it starts. */
function removeAlone(): Answered {
  const removed = removeTable();
  if (!removed.ok) return { ok: false, fault: { ...removed.fault, exit: EXIT.failed } };
  const remark = "the daemon does not run: blocks that are not over hold again when it starts";
  return ok({
    json: { ended: [], remarks: [remark] },
    text: `The packet filter refuses nothing of ours.\n${remarksText([remark])}`,
  });
}

export function blocksCommand(cli: Cli): Command {
  const command = new Command("blocks")
    .summary("which addresses are refused")
    .description("Lists what is blocked, by whom, why and until when.");
  return withJson(command).action((options: JsonOption) =>
    asRoot(cli, options, "listing the blocks", () => runBlocks(cli)),
  );
}

async function runBlocks(cli: Cli): Promise<Answered> {
  const asked = await askDaemon(cli, "blocks", {});
  return asked.ok ? ok({ json: asked.value, text: blocksText(cli, asked.value) }) : asked;
}

/** Exported for tests. */
export function blocksText(cli: Pick<Cli, "clock" | "columns">, report: BlocksReport): string {
  const { blocks, means, packets, remarks } = report;
  if (blocks.length === 0) return `Nothing is blocked.\n${remarksText(remarks)}`;
  const rows = blocks.map((block) => cells(block, cli.clock.nowMs()));
  const list = table(["TARGET", "UNTIL", "LEFT", "BY", "REASON"], rows, cli.columns);
  const refused = packets === undefined ? "" : `, ${plural(packets, "packet")} refused so far`;
  const how = means.map((one) => `  ${MEANS_WORDS[one]}\n`).join("");
  return `${list}${plural(blocks.length, "block")}${refused}.\n${how}${remarksText(remarks)}`;
}

function cells({ target, untilMs, by, reason, suspended }: ListedBlock, nowMs: number): string[] {
  return [
    printable(target, 64),
    localTime(untilMs),
    suspended === undefined ? duration(Math.max(0, untilMs - nowMs)) : "suspended",
    printable(by, 32),
    printable(reason, 200),
  ];
}

function remarksText(remarks: readonly string[]): string {
  return remarks.map((remark) => `  note: ${printable(remark)}\n`).join("");
}
