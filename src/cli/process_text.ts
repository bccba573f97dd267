/** One process as an operator reads it: what it is, where it comes from, what it holds, whom it talks to. Pure. */

import type { DescriptorRow, ProcessReport, ProcessRow } from "../core/control_views.ts";
import { printable } from "../core/printable.ts";
import { unreachable } from "../core/result.ts";
import type { PackageState } from "../core/view.ts";
import { paintOf } from "./action.ts";
import { connectionsTable } from "./connections.ts";
import { sweptByText } from "./one_shot.ts";
import { commandOf, whatText } from "./process_words.ts";
import { bytes, duration, pairs, plural, table, timeWithHint } from "./text.ts";
import type { Cli } from "./world.ts";

const CHILDREN_SHOWN = 20;

export function processText(cli: Cli, report: ProcessReport): string {
  const paint = paintOf(cli);
  const section = (title: string, body: string): string => (body === "" ? "" : `\n${paint(title, "bold")}\n${body}`);
  return [
    `${paint(`pid ${report.process.pid}`, "bold")} ${printable(report.process.name, 64)}: ${whatText(report.process)}\n\n`,
    pairs(rowsOf(cli, report)),
    section("Where it comes from", lineageText(report)),
    section("What it started", childrenText(report)),
    section("What it holds", descriptorsText(cli, report.descriptors)),
    section("Connections", report.connections.length === 0 ? "" : connectionsTable(cli, report.connections)),
    sweptByText(report.sweptBy),
  ].join("");
}

function rowsOf(cli: Cli, report: ProcessReport): readonly (readonly [string, string])[] {
  const { process, file, unit } = report;
  const acts = process.user === report.realUser ? "" : ` (real user ${printable(report.realUser, 64)})`;
  const login = report.loginUser === "" ? "" : `, logged in as ${printable(report.loginUser, 64)}`;
  const main = unit?.isMainProcess === true ? ", its main process" : "";
  const from = unit === undefined || unit.file === "" ? "" : `, ${printable(unit.file, 200)}`;
  const all: readonly (readonly [string, string])[] = [
    ["command line", printable(report.commandLine)],
    ["executable", process.executable === "" ? "none" : printable(process.executable)],
    ["program", process.program === process.executable ? "" : printable(process.program, 200)],
    ["script", printable(report.scriptPath)],
    ["file", file === undefined ? "" : `owner ${printable(file.owner, 64)}, mode ${file.mode}, inode ${file.inode}`],
    ["package", packageText(report)],
    ["SHA-256", report.identity?.sha256 ?? ""],
    ["user", `${printable(process.user, 64)}${acts}${login}`],
    ["unit", unit === undefined ? "" : `${printable(unit.name, 200)}${main}${from}`],
    ["control group", unit === undefined ? printable(report.cgroup, 400) : ""],
    ["working in", printable(report.workingDirectory)],
    ["terminal", report.terminal ? "yes" : "no"],
    ["started", timeWithHint(process.startedAtMs, cli.clock.nowMs())],
    ["uses", usage(report)],
    ["your lists say", report.hints.map((hint) => printable(hint, 200)).join("; ")],
  ];
  return all.filter(([, value]) => value !== "");
}

function usage({ process, threads, fileHandles, cpuTimeMs, state }: ProcessReport): string {
  const busy = `${process.cpuPercent.toFixed(1)} % of a core, ${duration(cpuTimeMs)} in all`;
  return `${busy}; ${bytes(process.residentBytes)}; ${plural(threads, "thread")}, ${plural(fileHandles, "open file")}; state ${state}`;
}

function packageText({ identity, process }: ProcessReport): string {
  if (identity !== undefined) return packageWords(identity.packageState, printable(identity.packageName, 100));
  return process.executable === "" || process.kind === "kernel"
    ? ""
    : "not known: the file was not read yet, or cannot be";
}

function packageWords(state: PackageState, name: string): string {
  switch (state) {
    case "matches":
      return `${name}, and the file is what the package database says`;
    case "differs":
      return `${name}, BUT THE FILE IS NOT what the package database says`;
    case "config":
      return `${name}, one of its configuration files`;
    case "none":
      return "in no package";
    case "unknown":
      return "the package database cannot say";
    default:
      return unreachable(state);
  }
}

function lineageText({ process, ancestors }: ProcessReport): string {
  if (ancestors.length === 0) return "";
  const chain = [...ancestors.toReversed(), process];
  return chain.map((row, depth) => `  ${"  ".repeat(depth)}${lineOf(row)}\n`).join("");
}

function childrenText({ children, childrenTotal }: ProcessReport): string {
  const shown = children.slice(0, CHILDREN_SHOWN);
  const more = childrenTotal > shown.length ? `  and ${childrenTotal - shown.length} more\n` : "";
  return shown.map((row) => `  ${lineOf(row)}\n`).join("") + more;
}

function lineOf(row: ProcessRow): string {
  return `${row.pid} ${printable(row.user, 32)}, ${whatText(row)}: ${commandOf(row).slice(0, 200)}`;
}

function descriptorsText(cli: Cli, descriptors: readonly DescriptorRow[]): string {
  if (descriptors.length === 0) return "";
  const rows = descriptors.map(({ fd, kind, target, reads, writes, others }) => [
    FIRST_NAMES[fd] ?? String(fd),
    kind,
    [reads ? "reads" : "", writes ? "writes" : ""].filter((word) => word !== "").join("+"),
    others.length === 0 ? "-" : printable(others.join(", "), 60),
    printable(target, 400),
  ]);
  return table(["FD", "KIND", "DOES", "WITH", "TARGET"], rows, cli.columns);
}

const FIRST_NAMES: Readonly<Record<number, string>> = { 0: "0 input", 1: "1 output", 2: "2 errors" };
