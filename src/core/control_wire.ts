/**
 * The control protocol's bytes: JSON lines, strictly checked on the way in. Pure; no I/O.
 * Request `{id, method, params, user?, pid?}`, response `{id, ok: true, result}` or `{id, ok: false, fault}`.
 */
import { BLOCK_MINUTES_MAX } from "./blocks.ts";
import type { Caller, Handlers, MethodName, Methods } from "./control.ts";
import { ALERT_STATUSES, PAUSE_MINUTES_MAX, SCANNER_NAMES } from "./control.ts";
import { PROCESS_ORDERS, VIEW_ROWS_MAX } from "./control_views.ts";
import type { Fault, FaultKind, Result } from "./result.ts";
import { fail, ok } from "./result.ts";

/** Longest line accepted from a client, bytes without the newline. */
export const REQUEST_BYTES_MAX = 1024 * 1024;
/** Longest answer a client accepts. */
export const RESPONSE_BYTES_MAX = 64 * 1024 * 1024;

const TEXT_MAX = 1000;
const PATH_MAX = 4096;

export interface Request {
  readonly id: number;
  readonly method: MethodName;
  readonly params: unknown;
  /** Who the client says is behind it. */
  readonly user?: string;
  readonly pid?: number;
}

export type Response =
  | { readonly id: number | null; readonly ok: true; readonly result: unknown }
  | { readonly id: number | null; readonly ok: false; readonly fault: Fault };

/** A check of foreign JSON: the value, typed, or one sentence why not. `place` names the value in that sentence. */
export type Check<T> = (value: unknown, place: string) => Result<T>;
type Checked<C> = C extends Check<infer T> ? T : never;
type Shape = Readonly<Record<string, Check<unknown>>>;

const PARAMS: { readonly [M in MethodName]: Check<Methods[M]["params"]> } = {
  version: record({}, {}),
  status: record({}, {}),
  reload: record({}, {}),
  pause: record({ minutes: whole(1, PAUSE_MINUTES_MAX), reason: text(1, TEXT_MAX) }, {}),
  resume: record({}, {}),
  block: record({ target: text(1, TEXT_MAX), minutes: whole(1, BLOCK_MINUTES_MAX), reason: text(1, TEXT_MAX) }, {}),
  unblock: record({}, { target: text(1, TEXT_MAX) }),
  blocks: record({}, {}),
  scan: record({}, { scanner: oneOf(SCANNER_NAMES) }),
  trust: endOnlyWithAlert(
    oneTarget(
      record({ reason: text(1, TEXT_MAX) }, { alertId: text(1, 64), path: absolutePath(), until: text(1, 64) }),
    ),
  ),
  untrust: oneTarget(record({}, { alertId: text(1, 64), path: absolutePath() })),
  set_alert_status: record({ id: text(1, 64), status: oneOf(ALERT_STATUSES) }, {}),
  selftest: record(
    {
      marker: text(1, 64),
      process: record({ pid: whole(1, 2 ** 31), startedAtTicks: whole(0, Number.MAX_SAFE_INTEGER) }, {}),
      port: whole(1, 65_535),
      waitMs: whole(0, 120_000),
    },
    {},
  ),
  config_edited: record({ key: text(1, TEXT_MAX), value: text(1, TEXT_MAX) }, {}),
  processes: record(
    {},
    {
      unknown: flag,
      kernel: flag,
      user: text(1, 64),
      sort: oneOf(PROCESS_ORDERS),
      limit: whole(1, VIEW_ROWS_MAX),
    },
  ),
  process: record({ pid: whole(1, 2 ** 31) }, {}),
  connections: record(
    {},
    { listening: flag, all: flag, pid: whole(1, 2 ** 31), public: flag, limit: whole(1, VIEW_ROWS_MAX) },
  ),
  sessions: record({}, {}),
  files: record({}, {}),
  scan_files: record({}, {}),
  verify_files: record({}, {}),
};

export const METHOD_NAMES: readonly MethodName[] = methodNames();

const ENVELOPE = record(
  { id: whole(0, Number.MAX_SAFE_INTEGER), method: oneOf(METHOD_NAMES) },
  { params: anything, user: text(1, 64), pid: whole(1, 2 ** 31) },
);

const FAULT_KINDS: readonly FaultKind[] = ["gone", "denied", "invalid", "limit", "unsupported", "timeout", "io"];

/** One request line. The params are checked by `callHandler`, against the method they are for. */
export function parseRequest(line: string): Result<Request> {
  const json = parseJson(line);
  if (!json.ok) return json;
  const envelope = ENVELOPE(json.value, "request");
  if (!envelope.ok) return envelope;
  return ok({ ...envelope.value, params: envelope.value.params ?? {} });
}

/** The id of a line that is no valid request, so that the refusal still finds its question. */
export function requestIdOf(line: string): number | null {
  const json = parseJson(line);
  if (!json.ok || !isRecord(json.value)) return null;
  const id = whole(0, Number.MAX_SAFE_INTEGER)(json.value["id"], "id");
  return id.ok ? id.value : null;
}

/** Checks the params and asks the handler. Rejects only where the handler does: a bug of ours. */
export async function callHandler<M extends MethodName>(
  handlers: Handlers,
  method: M,
  params: unknown,
  caller: Caller,
): Promise<Result<Methods[M]["result"]>> {
  const check: Check<Methods[M]["params"]> = PARAMS[method];
  const checked = check(params, "params");
  if (!checked.ok) return checked;
  return handlers[method](checked.value, caller);
}

export function encodeRequest(request: Request): string {
  return `${JSON.stringify(request)}\n`;
}

export function encodeResponse(response: Response): string {
  // A bigint (a socket cookie) would throw; it travels as text.
  return `${JSON.stringify(response, (_key, value: unknown) => (typeof value === "bigint" ? String(value) : value))}\n`;
}

/** One response line. The result is our own daemon's and taken as typed by its method. */
export function parseResponse(line: string): Result<Response> {
  const json = parseJson(line);
  if (!json.ok) return json;
  if (!isRecord(json.value)) return fail("invalid", "the answer is not an object");
  const { id, ok: good, result, fault } = json.value;
  if (id !== null && typeof id !== "number") return fail("invalid", "the answer has no id");
  if (good === true) return ok({ id, ok: true, result });
  if (good !== false || !isRecord(fault)) return fail("invalid", "the answer is neither a result nor a fault");
  const { kind, message, remedy } = fault;
  const known = FAULT_KINDS.find((name) => name === kind) ?? "io";
  const said = typeof message === "string" ? message : "the daemon refused without a reason";
  return ok({
    id,
    ok: false,
    fault: typeof remedy === "string" ? { kind: known, message: said, remedy } : { kind: known, message: said },
  });
}

function parseJson(line: string): Result<unknown> {
  try {
    const value: unknown = JSON.parse(line);
    return ok(value);
  } catch {
    return fail("invalid", "the line is not JSON");
  }
}

function methodNames(): readonly MethodName[] {
  const table: Readonly<Record<MethodName, unknown>> = PARAMS;
  // The keys of a literal typed by MethodName; Object.keys forgets that.
  return Object.keys(table).sort() as MethodName[];
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function anything(value: unknown): Result<unknown> {
  return ok(value);
}

export function text(lengthMin: number, lengthMax: number): Check<string> {
  return (value, place) => {
    if (typeof value !== "string") return fail("invalid", `${place} must be text`);
    if (value.length < lengthMin) return fail("invalid", `${place} must not be empty`);
    if (value.length > lengthMax) return fail("limit", `${place} is longer than ${lengthMax} characters`);
    return ok(value);
  };
}

export function whole(min: number, max: number): Check<number> {
  return (value, place) => {
    if (typeof value !== "number" || !Number.isSafeInteger(value))
      return fail("invalid", `${place} must be a whole number`);
    if (value < min || value > max) return fail("invalid", `${place} must be between ${min} and ${max}`);
    return ok(value);
  };
}

function flag(value: unknown, place: string): Result<boolean> {
  return typeof value === "boolean" ? ok(value) : fail("invalid", `${place} must be true or false`);
}

export function oneOf<const T extends string>(names: readonly T[]): Check<T> {
  return (value, place) => {
    const found = names.find((name) => name === value);
    return found === undefined ? fail("invalid", `${place} must be one of ${names.join(", ")}`) : ok(found);
  };
}

function absolutePath(): Check<string> {
  return (value, place) => {
    const path = text(1, PATH_MAX)(value, place);
    if (!path.ok) return path;
    if (!path.value.startsWith("/")) return fail("invalid", `${place} must be an absolute path`);
    if (path.value.includes("\0")) return fail("invalid", `${place} must not contain a NUL`);
    return path;
  };
}

/** An object with exactly these keys; any other one is refused by name. */
export function record<R extends Shape, O extends Shape>(
  required: R,
  optional: O,
): Check<{ readonly [K in keyof R]: Checked<R[K]> } & { readonly [K in keyof O]?: Checked<O[K]> }> {
  const checks = new Map<string, Check<unknown>>([...Object.entries(required), ...Object.entries(optional)]);
  const needed = Object.keys(required);
  return (value, place) => {
    if (!isRecord(value)) return fail("invalid", `${place} must be an object`);
    const output: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(value)) {
      const check = checks.get(key);
      if (check === undefined)
        return fail("invalid", `${place} has an unknown key ${JSON.stringify(key.slice(0, 64))}`);
      const checked = check(item, `${place}.${key}`);
      if (!checked.ok) return checked;
      output[key] = checked.value;
    }
    const missing = needed.find((key) => !Object.hasOwn(output, key));
    if (missing !== undefined) return fail("invalid", `${place}.${missing} is missing`);
    // Every key was checked by its own entry above; the compiler cannot follow that through a loop.
    return ok(output as { readonly [K in keyof R]: Checked<R[K]> } & { readonly [K in keyof O]?: Checked<O[K]> });
  };
}

function oneTarget<T extends { readonly alertId?: string; readonly path?: string }>(check: Check<T>): Check<T> {
  return (value, place) => {
    const checked = check(value, place);
    if (!checked.ok) return checked;
    const given = (checked.value.alertId === undefined ? 0 : 1) + (checked.value.path === undefined ? 0 : 1);
    return given === 1 ? checked : fail("invalid", `${place} needs exactly one of alertId and path`);
  };
}

function endOnlyWithAlert<T extends { readonly path?: string; readonly until?: string }>(check: Check<T>): Check<T> {
  return (value, place) => {
    const checked = check(value, place);
    if (!checked.ok || checked.value.path === undefined || checked.value.until === undefined) return checked;
    return fail("invalid", `${place}.until goes with alertId only`);
  };
}
