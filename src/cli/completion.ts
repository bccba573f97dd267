/** `completion SHELL`: prints a completion script made from the command tree. */
import { Argument, type Command, Command as Node } from "commander";
import { EXIT } from "./exit.ts";
import type { Cli } from "./world.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;
type Shell = (typeof SHELLS)[number];

export function completionCommand(cli: Cli, tree: () => Command): Command {
  return new Node("completion")
    .summary("print a completion script for a shell")
    .description(
      "Prints a completion script. For bash: algo-monitor completion bash | sudo tee /etc/bash_completion.d/algo-monitor",
    )
    .addArgument(new Argument("<shell>", "which shell").choices(SHELLS))
    .action((shell: Shell) => {
      cli.out(completionScript(tree(), shell));
      cli.exit(EXIT.ok);
    });
}

export function completionScript(program: Command, shell: Shell): string {
  switch (shell) {
    case "bash":
      return bash(program);
    case "zsh":
      return `#compdef algo-monitor\nautoload -U +X bashcompinit && bashcompinit\n${bash(program)}`;
    case "fish":
      return fish(program);
  }
}

/** What may follow a command: its subcommands, the values its arguments are limited to, its options. */
function words(command: Command): string[] {
  const children = command.commands.map((child) => child.name());
  const values = command.registeredArguments.flatMap((argument) => argument.argChoices ?? []);
  const options = command.options
    .filter((option) => !option.hidden)
    .flatMap((option) => (option.long ? [option.long] : []));
  return [...children, ...values, ...options, "--help"];
}

function bash(program: Command): string {
  const cases = [`    "") words=${quoted(words(program))} ;;`];
  for (const child of program.commands) {
    cases.push(`    ${child.name()}) words=${quoted(words(child))} ;;`);
    for (const grandchild of child.commands)
      cases.push(`    "${child.name()} ${grandchild.name()}") words=${quoted(words(grandchild))} ;;`);
  }
  return `_algo_monitor() {
  local path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in -*) ;; *) path="\${path:+$path }$word" ;; esac
  done
  while :; do
    case "$path" in
${cases.join("\n")}
    esac
    [ -n "$words" ] && break
    case "$path" in *" "*) path="\${path% *}" ;; *) break ;; esac
  done
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _algo_monitor algo-monitor
`;
}

function quoted(list: readonly string[]): string {
  return `"${list.join(" ")}"`;
}

function fish(program: Command): string {
  const lines = ["complete -c algo-monitor -f"];
  for (const child of program.commands) {
    lines.push(
      `complete -c algo-monitor -n __fish_use_subcommand -a ${child.name()} -d '${text(child.summary() || child.description())}'`,
    );
    lines.push(
      `complete -c algo-monitor -n '__fish_seen_subcommand_from ${child.name()}' -a '${words(child).join(" ")}'`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function text(line: string): string {
  return line.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
}
