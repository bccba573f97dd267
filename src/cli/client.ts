/** Asks the daemon over the control socket. Bounded in time and size; every fault says what to do and how to exit. */
import { statSync } from "node:fs";
import type { MethodName, Methods } from "../core/control.ts";
import { encodeRequest, parseResponse, RESPONSE_BYTES_MAX } from "../core/control_wire.ts";
import type { Fault, FaultKind, Result } from "../core/result.ts";
import { messageOf, ok } from "../core/result.ts";
import { type CommandFault, EXIT, type ExitCode, exitOf } from "./exit.ts";
import { CONTAINER_DAEMON, containerNamespace } from "./host_place.ts";
import type { Cli } from "./world.ts";

const CONNECT_TIMEOUT_MS = 3000;
const ANSWER_TIMEOUT_MS = 30_000;
const REQUEST_ID = 1;

export type Asked<T> = Result<T, CommandFault>;
type World = Pick<Cli, "paths" | "uid" | "user" | "pid" | "procRoot">;

export async function askDaemon<M extends MethodName>(
  cli: World,
  method: M,
  params: Methods[M]["params"],
  answerTimeoutMs = ANSWER_TIMEOUT_MS,
): Promise<Asked<Methods[M]["result"]>> {
  const line = await exchange(
    cli.paths.controlSocket,
    encodeRequest({ id: REQUEST_ID, method, params, user: cli.user, pid: cli.pid }),
    answerTimeoutMs,
  );
  if (!line.ok) return line.fault.exit === EXIT.notRunning ? seenFromHere(cli, line.fault) : line;
  const response = parseResponse(line.value);
  if (!response.ok)
    return refuse("invalid", EXIT.failed, `the daemon's answer makes no sense: ${response.fault.message}`, MISMATCH);
  if (!response.value.ok) return { ok: false, fault: { ...response.value.fault, exit: exitOf(response.value.fault) } };
  if (response.value.id !== REQUEST_ID)
    return refuse("invalid", EXIT.failed, "the daemon answered another question", MISMATCH);
  // Our own daemon, root only, same release: its result is typed by its method.
  return ok(response.value.result as Methods[M]["result"]);
}

/** From inside a container the host's daemon looks as if it did not run: `status` and `doctor` say so alike. */
function seenFromHere(cli: World, fault: CommandFault): { readonly ok: false; readonly fault: CommandFault } {
  if (containerNamespace(cli.procRoot) === undefined) return { ok: false, fault };
  return { ok: false, fault: { ...fault, message: `${fault.message}; this is a container, and ${CONTAINER_DAEMON}` } };
}

const MISMATCH = "the daemon may be of another release: sudo systemctl restart algo-monitor";

interface Exchange {
  readonly settle: (line: Asked<string>) => void;
  readonly parts: Uint8Array[];
  size: number;
}

async function exchange(path: string, request: string, answerTimeoutMs: number): Promise<Asked<string>> {
  const { promise, resolve } = Promise.withResolvers<Asked<string>>();
  const state: Exchange = { settle: resolve, parts: [], size: 0 };
  const connecting = connect(path, request, state);
  const connected = await within(connecting, CONNECT_TIMEOUT_MS);
  if (connected === "timeout") {
    void connecting.then((late) => late.ok && late.value.terminate());
    return refuse(
      "timeout",
      EXIT.failed,
      `the daemon did not take the connection within ${CONNECT_TIMEOUT_MS / 1000} s`,
      STUCK,
    );
  }
  if (!connected.ok) return connected;
  const answer = await within(promise, answerTimeoutMs);
  connected.value.terminate();
  if (answer !== "timeout") return answer;
  return refuse(
    "timeout",
    EXIT.failed,
    `the daemon did not answer within ${Math.round(answerTimeoutMs / 1000)} s`,
    STUCK,
  );
}

const STUCK = "see what it is doing: sudo journalctl -u algo-monitor -n 50";

async function connect(path: string, request: string, state: Exchange): Promise<Asked<{ terminate(): void }>> {
  let unsent: Uint8Array = new TextEncoder().encode(request);
  const send = (socket: { write(data: Uint8Array): number }): void => {
    unsent = unsent.subarray(Math.max(0, socket.write(unsent)));
  };
  const lost = (): void =>
    state.settle(refuse("io", EXIT.failed, "the daemon closed the connection without an answer", STUCK));
  try {
    return ok(
      await Bun.connect({
        unix: path,
        socket: {
          open: send,
          drain: send,
          data: (_socket, bytes) => receive(state, bytes),
          end: lost,
          close: lost,
          error: (_socket, thrown) =>
            state.settle(refuse("io", EXIT.failed, `the connection to the daemon broke: ${messageOf(thrown)}`, STUCK)),
        },
      }),
    );
  } catch (thrown) {
    return connectFault(path, thrown);
  }
}

function receive(state: Exchange, bytes: Uint8Array): void {
  const end = bytes.indexOf(10);
  state.parts.push(bytes.slice(0, end === -1 ? bytes.length : end));
  state.size += bytes.length;
  if (end !== -1) state.settle(ok(Buffer.concat(state.parts).toString("utf8")));
  else if (state.size > RESPONSE_BYTES_MAX)
    state.settle(refuse("limit", EXIT.failed, `the daemon's answer is longer than ${RESPONSE_BYTES_MAX} bytes`));
}

function connectFault(path: string, thrown: unknown): Asked<never> {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  if (code === "EACCES" || code === "EPERM") return notRoot("asking the daemon");
  if (code === "ENOENT" || code === "ECONNREFUSED") return notRunning(path);
  return refuse("io", EXIT.failed, `the daemon cannot be reached at ${path}: ${messageOf(thrown)}`);
}

export function notRunning(path: string): ReturnType<typeof refuse> {
  const left =
    statSync(path, { throwIfNoEntry: false }) === undefined
      ? "nothing listens"
      : "the last daemon left its socket behind and nobody answers";
  return refuse(
    "gone",
    EXIT.notRunning,
    `algo-monitor does not run: ${left} at ${path}`,
    "start it: sudo systemctl start algo-monitor",
  );
}

export function notRoot(what: string): ReturnType<typeof refuse> {
  return refuse("denied", EXIT.notPermitted, `${what} needs root`, "run the same command with sudo");
}

export function refuse(
  kind: FaultKind,
  exit: ExitCode,
  message: string,
  remedy?: string,
): { readonly ok: false; readonly fault: CommandFault } {
  return { ok: false, fault: remedy === undefined ? { kind, exit, message } : { kind, exit, message, remedy } };
}

/** A fault of another part, with the exit code it means here. */
export function asCommandFault(fault: Fault): CommandFault {
  return { ...fault, exit: exitOf(fault) };
}

async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T | "timeout"> {
  let timer: Timer | undefined;
  const timeout = new Promise<"timeout">((resolve) => {
    timer = setTimeout(() => resolve("timeout"), timeoutMs);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
