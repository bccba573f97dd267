/**
 * The site's own program, started with the envelope on its standard input. Runs as root, so it must be a file that only
 * root can change. At most 2 at once and 100 waiting; after its time limit it dies with all it started.
 * Its input is a file and its output nothing: it has no pipe or socket that leads to us.
 */
import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { Notice } from "../core/notice.ts";
import { printable } from "../core/printable.ts";
import { type Fault, fail, messageOf, ok, type Result } from "../core/result.ts";
import { type EnvelopeHost, envelopeOf } from "./envelope.ts";
import { journalFields } from "./journald.ts";
import type { Output } from "./output.ts";
import { createRoute, type Route, type RouteSettings, rankOf } from "./routes.ts";

export interface CommandSettings extends RouteSettings {
  /** Program (absolute path) and its arguments. No shell is involved. */
  readonly argv: readonly string[];
  readonly timeoutMs: number;
}

export interface CommandOptions extends EnvelopeHost {
  readonly clock: Clock;
  readonly settings: () => CommandSettings | undefined;
  /** Where the file on its standard input is made and unlinked at once, e.g. `/opt/.monitor/spool`. */
  readonly directory: string;
  readonly onFault: (fault: Fault, phase: "once") => void;
  /** Ends a child of ours with its process group (host/process_group.ts). */
  readonly killGroup: (leaderPid: number) => Result<void>;
}

const RUNNING_MAX = 2;
const WAITING_MAX = 100;
const TOLD_EVERY_MS = 3_600_000;
const VALUE_CHARACTERS_MAX = 4_096;
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** They would move where our own commands look. */
const NOT_PASSED: ReadonlySet<string> = new Set(["ALGO_HOME", "ALGO_RUN"]);

interface State {
  readonly options: CommandOptions;
  readonly route: Route;
  readonly waiting: Notice[];
  running: number;
  closed: boolean;
  toldAtMonotonicMs: number;
  untold: number;
  sent: number;
  failed: number;
  lastFault: string | undefined;
}

export function commandOutput(options: CommandOptions): Output {
  const state: State = {
    options,
    route: createRoute({ ...options, deliver: (notice) => enqueue(state, notice) }),
    waiting: [],
    running: 0,
    closed: false,
    toldAtMonotonicMs: Number.NEGATIVE_INFINITY,
    untold: 0,
    sent: 0,
    failed: 0,
    lastFault: undefined,
  };
  return {
    name: "command",
    filtered: false,
    accepts: state.route.accepts,
    send: (notice) => {
      state.route.offer(notice);
      next(state);
      return ok(undefined);
    },
    maintain: () => {
      state.route.tick();
      next(state);
    },
    close: () => {
      state.closed = true;
      state.waiting.length = 0;
    },
    status: () => ({
      sent: state.sent,
      failed: state.failed,
      waiting: state.waiting.length + state.running,
      heldBack: state.route.heldBack,
      ...(state.lastFault === undefined ? {} : { lastFault: state.lastFault }),
    }),
  };
}

/** Full: the oldest of the lowest rank goes, be it the new one. */
function enqueue(state: State, notice: Notice): void {
  state.waiting.push(notice);
  if (state.waiting.length <= WAITING_MAX) return;
  let least = 0;
  state.waiting.forEach((one, index) => {
    if (rankOf(one) < rankOf(state.waiting[least] ?? one)) least = index;
  });
  state.waiting.splice(least, 1);
  failed(state, fail("limit", `more than ${WAITING_MAX} notices wait for it`, "let it end sooner").fault);
}

function next(state: State): void {
  const settings = state.options.settings();
  if (settings === undefined) state.waiting.length = 0;
  while (settings !== undefined && !state.closed && state.running < RUNNING_MAX) {
    const notice = state.waiting.shift();
    if (notice === undefined) return;
    state.running++;
    run(state, settings, notice)
      .catch((thrown: unknown) => fail("io", messageOf(thrown)))
      .then((ended) => {
        state.running--;
        if (ended.ok) state.sent++;
        else failed(state, ended.fault);
        next(state);
      })
      .catch(() => undefined);
  }
}

/** Told at most once an hour. */
function failed(state: State, fault: Fault): void {
  const { clock, onFault } = state.options;
  state.failed++;
  state.lastFault = fault.message;
  const nowMs = clock.monotonicMs();
  if (state.closed || nowMs - state.toldAtMonotonicMs < TOLD_EVERY_MS) {
    state.untold++;
    return;
  }
  const before = state.untold === 0 ? "" : ` (and ${state.untold} times before)`;
  state.toldAtMonotonicMs = nowMs;
  state.untold = 0;
  const remedy = fault.remedy ?? "try it by hand with a document from docs/notifications.md on its standard input";
  onFault(
    { ...fault, message: `a notice did not get out by NOTIFICATIONS.command: ${fault.message}${before}`, remedy },
    "once",
  );
}

async function run(state: State, settings: CommandSettings, notice: Notice): Promise<Result<void>> {
  const { options } = state;
  const program = settings.argv[0] ?? "";
  const trusted = trustedCommand(settings.argv);
  if (!trusted.ok) return trusted;
  const id = newId(options.clock.nowMs());
  const input = inputFile(options.directory, id, envelopeOf(notice, id, options));
  if (!input.ok) return input;
  try {
    const child = Bun.spawn([...settings.argv], {
      stdin: input.value,
      stdout: "ignore",
      stderr: "ignore",
      cwd: "/",
      env: environmentOf(notice, id, options),
      // A session and group of its own, so that the time limit reaches all it started.
      detached: true,
    });
    let isOverdue = false;
    const timer = setTimeout(() => {
      isOverdue = true;
      if (!options.killGroup(child.pid).ok) child.kill("SIGKILL");
    }, settings.timeoutMs);
    const exitCode = await child.exited.finally(() => clearTimeout(timer));
    if (isOverdue) return fail("timeout", `${program} took more than ${settings.timeoutMs / 1000} s and was killed`);
    return exitCode === 0
      ? ok(undefined)
      : fail("io", `${program} ended with ${child.signalCode ?? `exit code ${exitCode}`}`);
  } catch (thrown) {
    return fail("io", `${program} could not be started: ${messageOf(thrown)}`, `look at: ls -la ${program}`);
  } finally {
    closeSync(input.value);
  }
}

/** A descriptor of a file that has no name any more. */
function inputFile(directory: string, id: string, text: string): Result<number> {
  const path = `${directory}/command-${id}.json`;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW, 0o600);
    unlinkSync(path);
    // By position: the descriptor stays at the beginning, from where the child reads.
    const written = writeSync(fd, `${text}\n`, 0);
    if (written === Buffer.byteLength(text) + 1) return ok(fd);
    closeSync(fd);
    return fail("io", `${directory} is full`, `free space: df -h ${directory}`);
  } catch (thrown) {
    return fail("io", `${directory} cannot be written: ${messageOf(thrown)}`, `look at: ls -la ${directory}`);
  }
}

function environmentOf(notice: Notice, id: string, host: EnvelopeHost): Record<string, string> {
  const environment: Record<string, string> = { PATH, LANG: "C.UTF-8", HOME: "/root" };
  for (const [name, value] of Object.entries(journalFields(notice)))
    if (name.startsWith("ALGO_") && !NOT_PASSED.has(name)) environment[name] = printable(value, VALUE_CHARACTERS_MAX);
  environment["ALGO_MESSAGE"] = printable(notice.message, VALUE_CHARACTERS_MAX);
  environment["ALGO_MESSAGE_ID"] = id;
  environment["ALGO_HOST"] = printable(host.hostName, VALUE_CHARACTERS_MAX);
  environment["ALGO_TIME"] = new Date(notice.atMs).toISOString();
  return environment;
}

/**
 * The program, and every argument that names a file (a script for an interpreter, its settings), as written and where
 * links lead: whoever may change one of them or a folder above it would be root with the next alert.
 */
export function trustedCommand(argv: readonly string[]): Result<void> {
  const program = argv[0] ?? "";
  if (!program.startsWith("/"))
    return fail(
      "invalid",
      `${printable(program, 200)} is no absolute path`,
      "write the whole path into NOTIFICATIONS.command.argv",
    );
  const target = realPath(program);
  if (target === undefined)
    return fail(
      "gone",
      `${printable(program, 200)} does not exist`,
      "install it or correct NOTIFICATIONS.command.argv",
    );
  for (const argument of argv) {
    if (!argument.startsWith("/")) continue;
    const real = realPath(argument);
    const isFile = real !== undefined && quietStat(real)?.isFile() === true;
    if (real === undefined || (!isFile && argument !== program)) continue;
    for (const path of new Set([argument, real])) {
      const refusal = refusalOf(path);
      if (refusal !== undefined) return refusal;
    }
  }
  return quietStat(target)?.isFile() === true
    ? ok(undefined)
    : fail("invalid", `${printable(program, 200)} is not a file`);
}

function refusalOf(path: string): ReturnType<typeof fail> | undefined {
  for (let place = path; ; place = dirname(place)) {
    const stats = quietStat(place);
    const shown = printable(place, 200);
    if (stats === undefined) return fail("gone", `${shown} cannot be looked at`);
    if (stats.uid !== 0)
      return fail("denied", `${shown} belongs to uid ${stats.uid}, not to root`, `sudo chown root ${shown}`);
    // The mode of a link says nothing; where it leads is looked at by itself.
    if (!stats.isSymbolicLink() && (stats.mode & 0o022) !== 0)
      return fail("denied", `${shown} can be written by others than root`, `sudo chmod go-w ${shown}`);
    if (place === "/" || place === ".") return undefined;
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function quietStat(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}
