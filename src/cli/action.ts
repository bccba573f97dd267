/** How every command ends: text for people or one JSON document, faults on standard error, an exit code. */

import type { Command } from "commander";
import { printable } from "../core/printable.ts";
import type { Result } from "../core/result.ts";
import { notRoot } from "./client.ts";
import { type CommandFault, EXIT, type ExitCode } from "./exit.ts";
import { painter } from "./text.ts";
import type { Cli } from "./world.ts";

/** What a command found out, in both forms. */
export interface Answer {
  readonly json: unknown;
  /** With its own line ends. */
  readonly text: string;
  readonly exit?: ExitCode;
}

export type Answered = Result<Answer, CommandFault>;

/** The flag that every command has. */
export function withJson(command: Command): Command {
  return command.option("--json", "print one JSON document instead of text (shape: docs/cli.md)");
}

export interface JsonOption {
  readonly json?: true;
}

/** Shows the answer or the fault. The only place that prints and sets the exit code. */
export function present(cli: Cli, options: JsonOption, answered: Answered): void {
  if (!answered.ok) {
    presentFault(cli, options, answered.fault);
    return;
  }
  cli.out(options.json === true ? `${toJson(answered.value.json, 2)}\n` : answered.value.text);
  cli.exit(answered.value.exit ?? EXIT.ok);
}

export function presentFault(cli: Cli, options: JsonOption, fault: CommandFault): void {
  if (options.json === true) cli.out(faultJson(fault));
  cli.error(`algo-monitor: ${printable(fault.message)}\n`);
  if (fault.remedy !== undefined) cli.error(`  what to do: ${printable(fault.remedy)}\n`);
  cli.exit(fault.exit);
}

export function faultJson({ exit, ...fault }: CommandFault): string {
  return `${JSON.stringify({ fault, exit }, null, 2)}\n`;
}

/** Socket cookies are bigints and travel as text. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? String(item) : item), indent);
}

/** Runs a command that needs root; without it says so and nothing else happens. */
export async function asRoot(cli: Cli, options: JsonOption, what: string, run: () => Promise<Answered>): Promise<void> {
  present(cli, options, cli.uid === 0 ? await run() : notRoot(what));
}

export function paintOf(cli: Cli): ReturnType<typeof painter> {
  return painter(cli.colour);
}
