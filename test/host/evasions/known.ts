// Evasions that are not stopped before they had their first effect, with the reason. The threat model names the reasons;
// what is stopped after all may leave this table, what joins it is a decision.
import type { Evasion } from "./row.ts";

const REASONS = {
  file: "a program from a file with a connection starts programs: clients, agents, runners and web terminals do nothing else",
  builtin: "the shell obeys in itself until it starts a first program; what its builtins said has gone out by then",
  itself: "nothing is started: the interpreter that has the connection obeys in itself",
  encoded: "what is executed is not what came over the wire, and a one-line client that runs a program looks the same",
  inside: "what is executed stands inside of what was heard, not at its beginning; so does what many a client asks for",
  noise: "only the newest packet is remembered, and another came before the command was executed",
  polling:
    "each request is over before the command runs, and the client spoke first; installers and pollers look the same",
  files: "the command goes through a file: whoever wrote it and whoever obeys have nothing in common",
  driver: "expect is made to join programs: a script of the site that drives telnet and a local shell looks the same",
  elsewhere: "who obeys has no connection: another process read it and handed over words",
  unstable: "caught by the scan only: what connects shell and connection is made after the hold has run out",
} as const;

type Reason = keyof typeof REASONS;

/** By the beginning of the name. */
const KNOWN: readonly (readonly [names: RegExp, reason: Reason])[] = [
  [/, from a file$|from a file /, "file"],
  [/^a script evaluates|^tcl runs each line/, "file"],
  [/^(a loop evaluates|cat feeds a loop|source reads|zsh connects|a coprocess of netcat)/, "builtin"],
  [/^a shell is given the connection as a script|^here-strings/, "builtin"],
  [/executes code that it is sent/, "itself"],
  [/decodes|over TLS runs each line/, "encoded"],
  [/^sqlite obeys|quoted in a way/, "inside"],
  [/^noise follows|over a connected UDP socket/, "noise"],
  [/^python over TLS gives a shell a terminal$/, "file"],
  [/^(curl|inline python (asks|keeps)|a script asks)/, "polling"],
  [/^(tail follows|a loop polls) the file/, "files"],
  [/^(a command line holds|BASH_ENV|a shell runs the process substitution|tmux)/, "elsewhere"],
  [/^(node|python greets with fifty bytes and) gives? a shell pipes|^socat relays through a unix socket/, "unstable"],
  [/^(node forks|python hands each line|python writes each line into|a timer of systemd)/, "elsewhere"],
  [/^(gawk reads its program|the shell that evaluates is started|gcc compiles|each line goes through gzip)/, "builtin"],
  [/^head writes what came into a file/, "files"],
  [/^expect joins/, "driver"],
  [/^python shuts its way out|^openssl fetches/, "unstable"],
  [/^a compiled relay splices/, "file"],
];

/** Why this one is not expected to be stopped in time; undefined where it must be. */
export function knownLeak(evasion: Evasion): string | undefined {
  const reason = KNOWN.find(([names]) => names.test(evasion.name))?.[1];
  return reason === undefined ? undefined : REASONS[reason];
}
