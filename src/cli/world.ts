/** Everything a command may touch, handed in as one value: output, terminal, clock, paths, who runs it. */
import { createInterface } from "node:readline/promises";
import type { Clock } from "../core/clock.ts";
import { systemClock } from "../core/clock.ts";
import type { RehearsalReport } from "../core/control.ts";
import type {
  ConnectionsParams,
  ConnectionsReport,
  ProcessesParams,
  ProcessesReport,
  ProcessReport,
} from "../core/control_views.ts";
import type { Paths } from "../core/paths.ts";
import { pathsOf } from "../core/paths.ts";
import { fail, messageOf, ok, type Result } from "../core/result.ts";
import type { Session } from "../core/session.ts";
import { EXIT, type ExitCode } from "./exit.ts";

/** The parts of the daemon that some commands start in their own process. Loaded only by them. */
export interface DaemonParts {
  readonly runDaemon: () => Promise<(options: { readonly monitor: boolean }) => Promise<number>>;
  readonly rehearseOnce: () => Promise<() => Promise<RehearsalReport>>;
  readonly lookOnce: () => Promise<OneShotViews>;
}

/** What is answered without a daemon: each looks at the host itself. */
export interface OneShotViews {
  processes(params: ProcessesParams): Promise<ProcessesReport>;
  process(pid: number): Promise<Result<ProcessReport>>;
  connections(params: ConnectionsParams): Promise<ConnectionsReport>;
  sessions(): Promise<Result<readonly Session[]>>;
}

export interface Cli {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Colour on standard output: a terminal, and NO_COLOR is not set. */
  readonly colour: boolean;
  /** Width to fit tables into; undefined where standard output is no terminal. */
  readonly columns: number | undefined;
  /** Standard error is a terminal: a line that updates can be shown. */
  readonly errorIsTerminal: boolean;
  /** A person can be asked. */
  readonly interactive: boolean;
  readonly ask: (question: string) => Promise<string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly pid: number;
  /** The person behind sudo, for the audit trail. */
  readonly user: string;
  readonly paths: Paths;
  readonly clock: Clock;
  /** Where /proc is, so that `doctor` can be shown another kernel. */
  readonly procRoot: string;
  /** Aborted by SIGINT and SIGTERM from the first call on; commands that wait end quietly by it. */
  readonly stop: () => AbortSignal;
  readonly exit: (code: ExitCode | number) => void;
  readonly daemon: DaemonParts;
}

/** The real world. Installs the handlers for a closed pipe and for Ctrl-C. */
export function realCli(daemon: DaemonParts): Cli {
  const environment = process.env;
  const uid = process.geteuid?.() ?? -1;
  let stop: AbortSignal | undefined;
  for (const stream of [process.stdout, process.stderr]) stream.on("error", endOnClosedPipe);
  return {
    out: (text) => void process.stdout.write(text),
    error: (text) => void process.stderr.write(text),
    colour: process.stdout.isTTY === true && !environment["NO_COLOR"] && environment["TERM"] !== "dumb",
    columns: process.stdout.isTTY === true ? process.stdout.columns : undefined,
    errorIsTerminal: process.stderr.isTTY === true && environment["TERM"] !== "dumb",
    interactive: process.stdin.isTTY === true && process.stdout.isTTY === true,
    ask: askTerminal,
    environment,
    uid,
    pid: process.pid,
    user: loginUser(environment, uid),
    paths: pathsOf(environment),
    clock: systemClock,
    procRoot: "/proc",
    stop: () => (stop ??= interruptSignal()),
    exit: (code) => {
      process.exitCode = code;
    },
    daemon,
  };
}

/** `head` closing the pipe is how a reader says "enough", not a failure. */
function endOnClosedPipe(thrown: Error): void {
  process.exit("code" in thrown && thrown.code === "EPIPE" ? EXIT.ok : EXIT.failed);
}

/** Until somebody asks for the signal Ctrl-C kills at once, as it should. */
function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => controller.abort());
  return controller.signal;
}

async function askTerminal(question: string): Promise<string> {
  const reader = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await reader.question(question);
  } finally {
    reader.close();
  }
}

function loginUser(environment: Readonly<Record<string, string | undefined>>, uid: number): string {
  const named = environment["SUDO_USER"] ?? environment["DOAS_USER"] ?? environment["LOGNAME"] ?? environment["USER"];
  const user = (named ?? "").slice(0, 64);
  if (user !== "") return user;
  return uid === 0 ? "root" : `uid ${uid}`;
}

/** Loads a part of the daemon; a failure is a fault, not a stack trace. */
export async function loadPart<T>(what: string, load: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await load());
  } catch (thrown) {
    return fail("io", `${what} could not be loaded: ${messageOf(thrown)}`);
  }
}
