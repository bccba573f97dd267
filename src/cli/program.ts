/** The command tree and how it ends: every usage fault is exit 2, every bug is said to be one. */
import { Command, CommanderError } from "commander";
import { messageOf } from "../core/result.ts";
import { faultJson } from "./action.ts";
import { alertsCommand } from "./alerts.ts";
import { blockCommand, blocksCommand, unblockCommand } from "./block.ts";
import { completionCommand } from "./completion.ts";
import { connectionsCommand } from "./connections.ts";
import { doctorCommand } from "./doctor.ts";
import { EXIT, EXIT_MEANING } from "./exit.ts";
import { filesCommand } from "./files.ts";
import { pauseCommand, reloadCommand, resumeCommand } from "./pause.ts";
import { processesCommand } from "./processes.ts";
import { rulesCommand } from "./rules.ts";
import { runCommand } from "./run.ts";
import { scanCommand } from "./scan.ts";
import { selftestCommand } from "./selftest.ts";
import { sessionsCommand } from "./sessions.ts";
import { statusCommand } from "./status.ts";
import { trustCommand, untrustCommand } from "./trust.ts";
import { VERSION_TEXT, versionCommand } from "./version.ts";
import type { Cli } from "./world.ts";

const GROUPS = { look: "Look:", act: "Act:", set: "Set up:" } as const;

const WITHOUT_SCHEMA: readonly string[] =
  "status alerts processes connections sessions files scan doctor rules trust untrust pause resume block unblock blocks reload selftest run version".split(
    " ",
  );

/**
 * The whole tree, in the order that help shows. `wanted` is the one command that will run: where that is not `config`,
 * its schema is not loaded, which is most of the start-up time.
 */
export async function buildProgram(cli: Cli, wanted?: string): Promise<Command> {
  const program = new Command("algo-monitor")
    .description("Guards this host: sees what happens, judges it by rules, stops what must be stopped, and remembers.")
    .version(VERSION_TEXT, "-V, --version", "print version and commit")
    .commandsGroup(GROUPS.set)
    .helpCommand("help [command]", "show help for a command")
    .addHelpText("after", closingHelp());
  const skipped = wanted !== undefined && WITHOUT_SCHEMA.includes(wanted);
  const config = skipped ? [] : [(await import("./config.ts")).configCommand(cli)];
  add(program, GROUPS.look, [
    statusCommand(cli),
    alertsCommand(cli),
    processesCommand(cli),
    connectionsCommand(cli),
    sessionsCommand(cli),
    filesCommand(cli),
    scanCommand(cli),
    doctorCommand(cli),
    rulesCommand(cli),
    blocksCommand(cli),
  ]);
  add(program, GROUPS.act, [
    trustCommand(cli),
    untrustCommand(cli),
    pauseCommand(cli),
    resumeCommand(cli),
    blockCommand(cli),
    unblockCommand(cli),
  ]);
  add(program, GROUPS.set, [
    ...config,
    reloadCommand(cli),
    selftestCommand(cli),
    runCommand(cli),
    completionCommand(cli, () => program),
    versionCommand(cli),
  ]);
  everyCommand(program, (command) => settle(cli, command));
  return program;
}

/** `argv` without the program's own name. Sets the exit code; throws nothing. */
export async function runCli(cli: Cli, argv: readonly string[]): Promise<void> {
  try {
    const program = await buildProgram(cli, argv[0]);
    await program.parseAsync([...argv], { from: "user" });
  } catch (thrown) {
    if (thrown instanceof CommanderError) {
      const usage = thrown.exitCode !== 0;
      if (usage && argv.includes("--json")) {
        const message = usageMessage(thrown, argv);
        cli.out(faultJson({ kind: "invalid", message, exit: EXIT.usage }));
      }
      cli.exit(usage ? EXIT.usage : EXIT.ok);
      return;
    }
    cli.error(
      `algo-monitor: this is a bug: ${messageOf(thrown)}\n${thrown instanceof Error && thrown.stack !== undefined ? `${thrown.stack}\n` : ""}`,
    );
    cli.exit(EXIT.failed);
  }
}

/** A command that only has subcommands answers with its help, which has no sentence of its own. */
function usageMessage(thrown: CommanderError, argv: readonly string[]): string {
  if (thrown.code === "commander.help")
    return `${argv[0] ?? "the command"} needs one of its subcommands: algo-monitor ${argv[0] ?? ""} --help`;
  return thrown.message.replace(/^error: /, "").replaceAll("\n", " ");
}

export function everyCommand(command: Command, visit: (command: Command) => void): void {
  visit(command);
  for (const child of command.commands) everyCommand(child, visit);
}

function add(program: Command, group: string, commands: readonly Command[]): void {
  for (const command of commands) program.addCommand(command.helpGroup(group));
}

function settle(cli: Cli, command: Command): void {
  command.exitOverride();
  // An option behind a subcommand's name is the subcommand's, also where both have one of that name.
  command.enablePositionalOptions();
  command.showSuggestionAfterError(true);
  command.configureOutput({
    writeOut: cli.out,
    writeErr: cli.error,
    outputError: (text, write) =>
      write(text.replace(/^error: /, "algo-monitor: ").replace(/\n?$/, `\n  see: ${fullName(command)} --help\n`)),
    getOutHasColors: () => cli.colour,
    getErrHasColors: () => false,
    getOutHelpWidth: () => Math.min(cli.columns ?? 100, 100),
    getErrHelpWidth: () => Math.min(cli.columns ?? 100, 100),
  });
}

export function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

function closingHelp(): string {
  const codes = Object.entries(EXIT).map(
    ([name, code]) => `  ${String(code).padStart(2)}  ${EXIT_MEANING[name as keyof typeof EXIT]}`,
  );
  return `
First steps:
  sudo algo-monitor status             is it running, what does it see
  sudo algo-monitor alerts             what was found
  sudo algo-monitor alerts show ID     why, what was done, what to do next
  sudo algo-monitor trust ID           this is normal here

Exit codes:
${codes.join("\n")}

Without root: version, help, doctor, completion, config check FILE, rules --dir FOLDER.
`;
}
