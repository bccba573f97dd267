/**
 * The control socket's server: JSON lines over a unix socket that only root can reach (0600 in a 0700 folder).
 * Trusts nothing it reads: lines, clients, waiting time and unread answers are bounded, and whoever passes a bound
 * is dropped and counted. Costs nothing while nobody asks.
 */
import { lstatSync } from "node:fs";
import type { Caller, Handlers } from "../core/control.ts";
import {
  callHandler,
  encodeResponse,
  parseRequest,
  REQUEST_BYTES_MAX,
  type Request,
  requestIdOf,
} from "../core/control_wire.ts";
import type { Fault, Result } from "../core/result.ts";
import { fail, messageOf, ok } from "../core/result.ts";

export interface ControlServerOptions {
  readonly path: string;
  readonly handlers: Handlers;
  /** SO_PEERCRED of a connected descriptor; without it only the socket file's mode guards. */
  readonly peerCredentials?: (fd: number) => { readonly uid: number; readonly pid: number } | undefined;
  readonly onFault: (fault: Fault) => void;
  readonly limits?: Partial<ControlLimits>;
}

export interface ControlLimits {
  readonly clientsMax: number;
  readonly lineBytesMax: number;
  /** Requests of one client that may wait behind the one under way. */
  readonly waitingMax: number;
  /** Bytes of answers a client may leave unread. */
  readonly unreadBytesMax: number;
  /** A client without a request under way and without a word is closed after this. */
  readonly idleMs: number;
  /** Lines that are no requests, before the client is dropped. */
  readonly malformedMax: number;
}

export interface ControlServer {
  status(): ControlStatus;
  stop(): Promise<void>;
}

export interface ControlStatus {
  readonly clients: number;
  readonly answered: number;
  /** Turned away at the door: too many clients, or not root. */
  readonly refused: number;
  /** Closed by us because they passed a bound. */
  readonly dropped: number;
  readonly malformed: number;
}

const LIMITS: ControlLimits = {
  clientsMax: 16,
  lineBytesMax: REQUEST_BYTES_MAX,
  waitingMax: 32,
  unreadBytesMax: 8 * 1024 * 1024,
  idleMs: 30_000,
  malformedMax: 8,
};
const PROBE_TIMEOUT_MS = 1000;
const NEWLINE = 10;

interface Client {
  readonly caller: { readonly uid: number; readonly pid: number };
  readonly admitted: boolean;
  parts: Uint8Array[];
  partBytes: number;
  waiting: string[];
  busy: boolean;
  malformed: number;
  unread: Uint8Array[];
  unreadBytes: number;
  closing: boolean;
  quietSinceMs: number;
}

type ClientSocket = Bun.Socket<Client>;

interface State {
  readonly options: ControlServerOptions;
  readonly limits: ControlLimits;
  readonly clients: Set<ClientSocket>;
  readonly counters: { answered: number; refused: number; dropped: number; malformed: number };
}

/** Takes the socket over from a daemon that died, never from one that answers. The folder must exist. */
export async function startControlServer(options: ControlServerOptions): Promise<Result<ControlServer>> {
  const cleared = await clearStale(options.path);
  if (!cleared.ok) return cleared;
  const state: State = {
    options,
    limits: { ...LIMITS, ...options.limits },
    clients: new Set(),
    counters: { answered: 0, refused: 0, dropped: 0, malformed: 0 },
  };
  const listening = listen(state);
  if (!listening.ok) return listening;
  const listener = listening.value;
  const reaper = setInterval(() => dropIdle(state), Math.max(50, state.limits.idleMs / 4));
  reaper.unref();
  return ok({
    status: () => ({ clients: state.clients.size, ...state.counters }),
    stop: async () => {
      clearInterval(reaper);
      listener.stop(true);
      state.clients.clear();
    },
  });
}

function listen(state: State): Result<Bun.UnixSocketListener<Client>> {
  // Set before bind(2), so that the file is never there with a wider mode.
  const umask = process.umask(0o177);
  try {
    return ok(
      Bun.listen<Client>({
        unix: state.options.path,
        socket: {
          open: (socket) => admit(state, socket),
          data: (socket, bytes) => receive(state, socket, bytes),
          drain: (socket) => flush(state, socket),
          close: (socket) => void state.clients.delete(socket),
          error: (socket) => void state.clients.delete(socket),
        },
      }),
    );
  } catch (thrown) {
    return fail(
      "io",
      `the control socket ${state.options.path} cannot be opened: ${messageOf(thrown)}`,
      "the command line cannot reach this daemon; check the folder and restart algo-monitor",
    );
  } finally {
    process.umask(umask);
  }
}

async function clearStale(path: string): Promise<Result<undefined>> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return ok(undefined);
  if (!stat.isSocket())
    return fail(
      "invalid",
      `${path} is there and is not a socket`,
      `look at it, move it away, and restart algo-monitor`,
    );
  if (await answers(path))
    return fail(
      "limit",
      `another algo-monitor answers on ${path}`,
      "stop that one first: sudo systemctl stop algo-monitor",
    );
  try {
    await Bun.file(path).unlink();
    return ok(undefined);
  } catch (thrown) {
    return fail("io", `the stale control socket ${path} cannot be removed: ${messageOf(thrown)}`);
  }
}

async function answers(path: string): Promise<boolean> {
  const connecting = Bun.connect({ unix: path, socket: { data: () => undefined } }).then(
    (socket) => {
      socket.terminate();
      return true;
    },
    () => false,
  );
  // A full backlog means that somebody lives there.
  return Promise.race([connecting, Bun.sleep(PROBE_TIMEOUT_MS).then(() => true)]);
}

function admit(state: State, socket: ClientSocket): void {
  const peer = state.options.peerCredentials?.(descriptorOf(socket));
  const caller = peer ?? { uid: 0, pid: 0 };
  const permitted = caller.uid === 0;
  const admitted = permitted && state.clients.size < state.limits.clientsMax;
  socket.data = {
    caller,
    admitted,
    parts: [],
    partBytes: 0,
    waiting: [],
    busy: false,
    malformed: 0,
    unread: [],
    unreadBytes: 0,
    closing: false,
    quietSinceMs: performance.now(),
  };
  if (admitted) {
    state.clients.add(socket);
    return;
  }
  state.counters.refused++;
  const refusal = permitted
    ? fail("limit", `${state.limits.clientsMax} clients are connected already`, "try again in a moment")
    : fail("denied", `uid ${caller.uid} may not ask algo-monitor`, "use sudo");
  answer(state, socket, { id: null, ...refusal });
  socket.data.closing = true;
  flush(state, socket);
}

function descriptorOf(socket: ClientSocket): number {
  const fd: unknown = Reflect.get(socket, "fd");
  return typeof fd === "number" ? fd : -1;
}

function receive(state: State, socket: ClientSocket, bytes: Uint8Array): void {
  const client = socket.data;
  if (!client.admitted || client.closing) return;
  client.quietSinceMs = performance.now();
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE, start); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
    const line = takeLine(state, client, bytes.subarray(start, end));
    start = end + 1;
    if (line === "too long") return drop(state, socket, `a line is longer than ${state.limits.lineBytesMax} bytes`);
    if (client.waiting.length >= state.limits.waitingMax)
      return drop(state, socket, `more than ${state.limits.waitingMax} requests are waiting`);
    client.waiting.push(line.text);
    // Answers in order, one at a time: a client cannot make us work on many things at once.
    if (!client.busy) void work(state, socket);
    if (client.closing) return;
  }
  if (start === bytes.length) return;
  client.partBytes += bytes.length - start;
  if (client.partBytes > state.limits.lineBytesMax)
    return drop(state, socket, `a line is longer than ${state.limits.lineBytesMax} bytes`);
  client.parts.push(bytes.slice(start));
}

function takeLine(state: State, client: Client, rest: Uint8Array): "too long" | { readonly text: string } {
  if (client.partBytes + rest.length > state.limits.lineBytesMax) return "too long";
  const whole = client.parts.length === 0 ? rest : Buffer.concat([...client.parts, rest]);
  client.parts = [];
  client.partBytes = 0;
  // Invalid UTF-8 becomes U+FFFD: inside a text it is a strange text, anywhere else no JSON.
  return { text: new TextDecoder().decode(whole) };
}

async function work(state: State, socket: ClientSocket): Promise<void> {
  const client = socket.data;
  client.busy = true;
  for (let line = client.waiting.shift(); line !== undefined && !client.closing; line = client.waiting.shift()) {
    const request = parseRequest(line);
    if (request.ok) await serve(state, socket, request.value);
    else refuseLine(state, socket, line, request.fault);
  }
  client.busy = false;
  client.quietSinceMs = performance.now();
}

async function serve(state: State, socket: ClientSocket, request: Request): Promise<void> {
  const { uid, pid } = socket.data.caller;
  const caller: Caller = { uid, pid: pid === 0 ? (request.pid ?? 0) : pid, user: request.user ?? `uid ${uid}` };
  try {
    const result = await callHandler(state.options.handlers, request.method, request.params, caller);
    answer(
      state,
      socket,
      result.ok
        ? { id: request.id, ok: true, result: result.value }
        : { id: request.id, ok: false, fault: result.fault },
    );
  } catch (thrown) {
    const bug = fail(
      "io",
      `algo-monitor failed at ${request.method}: ${messageOf(thrown)}`,
      "this is a bug: please report it with the journal of algo-monitor",
    );
    state.options.onFault(bug.fault);
    answer(state, socket, { id: request.id, ok: false, fault: bug.fault });
  }
}

function refuseLine(state: State, socket: ClientSocket, line: string, fault: Fault): void {
  state.counters.malformed++;
  answer(state, socket, { id: requestIdOf(line), ok: false, fault });
  if (++socket.data.malformed >= state.limits.malformedMax)
    drop(state, socket, `${state.limits.malformedMax} lines were no requests`);
}

function answer(state: State, socket: ClientSocket, response: Parameters<typeof encodeResponse>[0]): void {
  const client = socket.data;
  if (client.closing) return;
  const bytes = new TextEncoder().encode(encodeResponse(response));
  client.unread.push(bytes);
  client.unreadBytes += bytes.length;
  state.counters.answered++;
  flush(state, socket);
  if (client.unreadBytes <= state.limits.unreadBytesMax) return;
  client.closing = true;
  state.counters.dropped++;
  socket.terminate();
}

function flush(state: State, socket: ClientSocket): void {
  const client = socket.data;
  for (let bytes = client.unread[0]; bytes !== undefined; bytes = client.unread[0]) {
    const written = Math.max(0, socket.write(bytes));
    client.unreadBytes -= written;
    if (written > 0) client.quietSinceMs = performance.now();
    if (written < bytes.length) {
      client.unread[0] = bytes.subarray(written);
      return;
    }
    client.unread.shift();
  }
  if (!client.closing) return;
  state.clients.delete(socket);
  socket.end();
}

/** Says why, then closes as soon as that is read. */
function drop(state: State, socket: ClientSocket, reason: string): void {
  if (socket.data.closing) return;
  state.counters.dropped++;
  answer(state, socket, { id: null, ...fail("limit", `connection closed: ${reason}`) });
  socket.data.closing = true;
  socket.data.waiting = [];
  flush(state, socket);
}

function dropIdle(state: State): void {
  const before = performance.now() - state.limits.idleMs;
  for (const socket of state.clients) {
    // A client whose answer waits to be read is slow, one with a request under way is not.
    if ((socket.data.busy && socket.data.unreadBytes === 0) || socket.data.quietSinceMs > before) continue;
    state.counters.dropped++;
    socket.data.closing = true;
    state.clients.delete(socket);
    socket.terminate();
  }
}
