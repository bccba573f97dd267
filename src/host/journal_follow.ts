// The journal as it is written: one `journalctl --follow` for all entries asked for, restarted when it ends.
// Trusts fields that begin with an underscore (journald's own word on who sent the entry); all others are the sender's.
// Costs one process of 10 MB, mostly the journal's own pages in the kernel's cache, and no CPU while nothing is logged.
import type { Clock } from "../core/clock.ts";
import { messageOf } from "../core/result.ts";

/** Fields of one entry that are text; those that repeat or are no UTF-8 text are left out. */
export type JournalEntry = Readonly<Record<string, string>>;

export interface JournalFollowOptions {
  readonly clock: Clock;
  /** Match arguments of journalctl(1): `FIELD=value` and `+`. */
  readonly matches: readonly string[];
  /** What is wanted of each entry, besides its time and cursor. */
  readonly fields: readonly string[];
  readonly onEntry: (entry: JournalEntry) => void;
  /** Something is lost or missing, with what to do about it. */
  readonly onFault: (message: string, remedy: string) => void;
  readonly command?: readonly string[];
  /** Before it is started again after it ended; doubles up to 5 minutes. */
  readonly restartAfterMs?: number;
}

export interface JournalFollowStatus {
  readonly state: "stopped" | "following" | "waiting" | "unavailable";
  readonly entries: number;
  /** Lines longer than the bound, and lines that are no entry. */
  readonly dropped: number;
  readonly restarts: number;
}

export interface JournalFollow {
  start(): void;
  /** Ends the program and waits until it is gone. */
  stop(): Promise<void>;
  status(): JournalFollowStatus;
}

const LINE_BYTES_MAX = 1024 * 1024;
const RESTART_AFTER_MS = 1_000;
const RESTART_AFTER_MS_MAX = 300_000;
/** So long alive, and the next end is a new matter. */
const HEALTHY_MS = 60_000;
/** Entries asked for that were written while it was being restarted. */
const CATCH_UP_ENTRIES_MAX = 1_000;
const REMEDY = "look at `journalctl -f` and `systemctl status systemd-journald`";

interface State {
  readonly options: JournalFollowOptions;
  child: Bun.Subprocess<"ignore", "pipe", "ignore"> | undefined;
  running: Promise<void>;
  wake: () => void;
  stopped: boolean;
  cursor: string;
  status: { state: JournalFollowStatus["state"]; entries: number; dropped: number; restarts: number };
}

export function createJournalFollow(options: JournalFollowOptions): JournalFollow {
  const state: State = {
    options,
    child: undefined,
    running: Promise.resolve(),
    wake: () => undefined,
    stopped: true,
    cursor: "",
    status: { state: "stopped", entries: 0, dropped: 0, restarts: 0 },
  };
  return {
    start() {
      if (!state.stopped) return;
      state.stopped = false;
      state.running = keepFollowing(state);
    },
    async stop() {
      state.stopped = true;
      state.wake();
      state.child?.kill("SIGKILL");
      await state.running;
      state.status.state = "stopped";
    },
    status: () => ({ ...state.status }),
  };
}

async function keepFollowing(state: State): Promise<void> {
  const { clock, onFault, restartAfterMs = RESTART_AFTER_MS } = state.options;
  let waitMs = restartAfterMs;
  while (!state.stopped) {
    const startedMs = clock.monotonicMs();
    const missing = await follow(state);
    if (state.stopped) return;
    if (missing !== undefined) {
      state.status.state = "unavailable";
      onFault(
        `the journal cannot be followed: ${missing}; units that fail and the way a user logged in by ssh are not known`,
        "install systemd's journalctl, or switch SCANNERS.sessions off where there is no systemd",
      );
      return;
    }
    if (clock.monotonicMs() - startedMs > HEALTHY_MS) waitMs = restartAfterMs;
    else if (waitMs > restartAfterMs)
      onFault("the journal is not followed for a while: journalctl keeps ending", REMEDY);
    state.status.state = "waiting";
    state.status.restarts++;
    await pause(state, waitMs);
    waitMs = Math.min(waitMs * 2, RESTART_AFTER_MS_MAX);
  }
}

/** Runs one journalctl to its end. Why it cannot be run at all, where that is so. */
async function follow(state: State): Promise<string | undefined> {
  try {
    const child = Bun.spawn(argumentsOf(state), {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C", SYSTEMD_COLORS: "0", SYSTEMD_PAGER: "" },
      cwd: "/",
    });
    state.child = child;
    state.status.state = "following";
    if (state.stopped) child.kill("SIGKILL");
    const split = createLineSplitter(
      (line) => take(state, line),
      () => drop(state),
    );
    for await (const chunk of child.stdout) split(chunk);
    await child.exited;
    return undefined;
  } catch (thrown) {
    return messageOf(thrown);
  } finally {
    state.child = undefined;
  }
}

function argumentsOf({ options, cursor }: State): string[] {
  const { command = ["journalctl"], matches, fields } = options;
  const from = cursor === "" ? ["--lines=0"] : [`--lines=${CATCH_UP_ENTRIES_MAX}`, `--after-cursor=${cursor}`];
  return [
    ...command,
    ...["--follow", "--output=json", "--no-pager", "--quiet", `--output-fields=${fields.join(",")}`],
    ...from,
    ...matches,
  ];
}

function take(state: State, line: string): void {
  const entry = parseJournalEntry(line);
  if (entry === undefined) return drop(state);
  state.cursor = entry["__CURSOR"] ?? state.cursor;
  state.status.entries++;
  state.options.onEntry(entry);
}

/** Told with the first and then each time that ten times as many are lost. */
function drop(state: State): void {
  state.status.dropped++;
  if (!/^10*$/.test(String(state.status.dropped))) return;
  state.options.onFault(
    `${state.status.dropped} journal entries were not understood or too long and are lost`,
    "look at what logs such entries: `journalctl -f -o json`",
  );
}

function pause(state: State, waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, waitMs);
    state.wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

/** Calls back with each whole line of a stream; a line over the bound is dropped to its end and counted once. */
export function createLineSplitter(
  onLine: (line: string) => void,
  onDropped: () => void,
  lineBytesMax = LINE_BYTES_MAX,
): (chunk: Uint8Array) => void {
  const decoder = new TextDecoder();
  let parts: Uint8Array[] = [];
  let length = 0;
  let isDropping = false;
  return (chunk) => {
    let at = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, at)) {
      keep(chunk.subarray(at, end));
      if (!isDropping && length > 0) onLine(decoder.decode(parts.length === 1 ? parts[0] : Buffer.concat(parts)));
      parts = [];
      length = 0;
      isDropping = false;
      at = end + 1;
    }
    // Copied: the stream may use the chunk's memory again.
    if (at < chunk.byteLength) keep(chunk.slice(at));
  };

  function keep(part: Uint8Array): void {
    if (isDropping || part.byteLength === 0) return;
    if (length + part.byteLength > lineBytesMax) {
      isDropping = true;
      parts = [];
      length = 0;
      onDropped();
      return;
    }
    parts.push(part);
    length += part.byteLength;
  }
}

/**
 * One line of `journalctl --output=json`. Values come as text, as an array of bytes where they are no printable UTF-8,
 * as an array of these where a field repeats, or as null where they are too long.
 */
export function parseJournalEntry(line: string): JournalEntry | undefined {
  const root = parsed(line);
  if (typeof root !== "object" || root === null || Array.isArray(root)) return undefined;
  const entry: Record<string, string> = {};
  for (const [name, value] of Object.entries(root)) {
    if (typeof value === "string") entry[name] = value;
    else if (isBytes(value)) entry[name] = new TextDecoder().decode(Uint8Array.from(value));
  }
  return Object.keys(entry).length === 0 ? undefined : entry;
}

function isBytes(value: unknown): value is number[] {
  return (
    Array.isArray(value) &&
    value.every((byte) => typeof byte === "number" && Number.isInteger(byte) && byte >= 0 && byte <= 255)
  );
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
