// Evasions that are not stopped before they had their first effect, with the reason. The threat model names the reasons;
// what is stopped after all may leave this table, what joins it is a decision.
import type { Evasion } from "./row.ts";

const REASONS = {
  file: "a program from a file that speaks before it is told anything, or speaks TLS: clients, agents, runners and web terminals do nothing else",
  encoded: "what is executed is not what came over the wire, and a one-line client that runs a program looks the same",
  inside: "what is executed stands inside of what was heard, not at its beginning; so does what many a client asks for",
  noise: "only the newest packet is remembered, and another came before the command was executed",
  datagram: "a client of datagrams speaks first, or nobody would know of it",
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
  [/^python decodes each line before it runs it, from a file/, "encoded"],
  [
    /^(python greets with fifty bytes|a program from a file speaks first).* from a file|^a program from a file speaks/,
    "file",
  ],
  [/^python over TLS gives a shell a terminal$|^a bind shell from a file gives/, "file"],
  [/decodes/, "encoded"],
  [/^sqlite obeys|quoted in a way/, "inside"],
  [/^noise follows/, "noise"],
  [/from a file over an? (un)?connected UDP socket/, "datagram"],
  [/^(curl|inline python (asks|keeps)|a script asks)/, "polling"],
  [/^(tail follows|a loop polls) the file/, "files"],
  [/^head writes what came into a file/, "files"],
  [/^expect joins/, "driver"],
  [/^(node forks|python writes each line into|a timer of systemd)/, "elsewhere"],
  [/^node gives a shell pipes|^socat relays through a unix socket/, "unstable"],
  [/^python shuts its way out|^openssl fetches/, "unstable"],
  [/^a compiled relay splices/, "file"],
];

/** Why this one is not expected to be stopped in time; undefined where it must be. */
export function knownLeak(evasion: Evasion): string | undefined {
  const reason = KNOWN.find(([names]) => names.test(evasion.name))?.[1];
  return reason === undefined ? undefined : REASONS[reason];
}
