/**
 * One append-only text file that bounds itself: rotated by size and age to `<name>.<YYYYMMDD-HHMMSS>`, old ones removed.
 * Trusts nothing in its folder: never follows a link, never blocks on a FIFO. One stat call an append.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import type { Clock } from "../core/clock.ts";
import { fail, messageOf, ok, type Result } from "../core/result.ts";

export interface RotatingFileOptions {
  readonly directory: string;
  readonly name: string;
  readonly clock: Clock;
  /** Asked at each use. Default 10 MB, 30 days. */
  readonly bounds?: () => LogBounds;
}

export interface LogBounds {
  readonly rotateAtBytes: number;
  /** Rotated files are removed this long after their last line. */
  readonly retentionDays: number;
}

export interface RotatingFile {
  /** Whole lines, each with its newline. */
  append(text: string): Result<void>;
  /** Retention, for a log that is silent. Cheap; call it now and then. */
  maintain(): void;
  close(): void;
}

const DEFAULT_BOUNDS: LogBounds = { rotateAtBytes: 10_000_000, retentionDays: 30 };
/** Rotated files of one log kept at most, whatever their age: 300 MB. */
const ROTATED_FILES_MAX = 30;
/** A quiet log is rotated after a week, or its first lines would outlive the retention by years. */
const ROTATE_AFTER_MS = 7 * 86_400_000;
const DAY_MS = 86_400_000;
const MAINTAIN_EVERY_MS = 3_600_000;

interface OpenFile {
  readonly fd: number;
  readonly device: number;
  readonly inode: number;
  readonly openedForMs: number;
  sizeBytes: number;
}

interface State {
  readonly options: RotatingFileOptions;
  readonly path: string;
  file: OpenFile | undefined;
  maintainedAtMonotonicMs: number;
}

export function rotatingFile(options: RotatingFileOptions): RotatingFile {
  const state: State = {
    options,
    path: `${options.directory}/${options.name}`,
    file: undefined,
    maintainedAtMonotonicMs: Number.NEGATIVE_INFINITY,
  };
  // There from the first moment, for `tail -F`; a failure here is met again, and told, by the first line.
  quietly(() => open(state));
  return {
    append: (text) => append(state, text),
    maintain: () => maintain(state),
    close: () => close(state),
  };
}

function append(state: State, text: string): Result<void> {
  try {
    let file = current(state);
    if (dueForRotation(state, file, text)) {
      rotate(state);
      file = open(state);
    }
    write(file, Buffer.from(text));
    return ok(undefined);
  } catch (thrown) {
    close(state);
    return fault(state.path, thrown);
  }
}

function write(file: OpenFile, bytes: Buffer): void {
  const written = writeSync(file.fd, bytes);
  if (written === bytes.length) {
    file.sizeBytes += written;
    return;
  }
  // Half a line would be glued to the next one.
  quietly(() => ftruncateSync(file.fd, file.sizeBytes));
  throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
}

function fault(path: string, thrown: unknown): Result<void> {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const what = `the log ${path} cannot be written`;
  if (code === "ENOSPC" || code === "EDQUOT")
    return fail("io", `${what}: the disk is full`, `free space: df -h ${path}`);
  if (code === "ELOOP" || code === "ENXIO")
    return fail("denied", `${what}: it is a link or a pipe, not a file`, `remove it: sudo rm ${path}`);
  return fail("io", `${what}: ${messageOf(thrown)}`, `look at: ls -la ${path}`);
}

/** The open file, or a new one where it was deleted, renamed or replaced (logrotate, an operator, an attacker). */
function current(state: State): OpenFile {
  const file = state.file;
  if (file === undefined) return open(state);
  const there = quietly(() => lstatSync(state.path));
  if (there === undefined || there.dev !== file.device || there.ino !== file.inode) {
    close(state);
    return open(state);
  }
  file.sizeBytes = there.size;
  return file;
}

function open(state: State): OpenFile {
  const { directory, clock } = state.options;
  ensureDirectory(directory);
  const flags =
    constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = openSync(state.path, flags, 0o600);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw Object.assign(new Error("it is not a regular file"), { code: "ENXIO" });
    if ((stats.mode & 0o077) !== 0) fchmodSync(fd, 0o600);
    const bornMs = stats.size === 0 || stats.birthtimeMs <= 0 ? clock.nowMs() : stats.birthtimeMs;
    const file = { fd, device: stats.dev, inode: stats.ino, openedForMs: bornMs, sizeBytes: stats.size };
    state.file = file;
    return file;
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
}

function ensureDirectory(directory: string): void {
  const stats = quietly(() => lstatSync(directory));
  if (stats === undefined) mkdirSync(directory, { recursive: true, mode: 0o700 });
  // Whoever may write in the folder may swap the logs.
  else if (stats.isDirectory() && (stats.mode & 0o022) !== 0) chmodSync(directory, 0o700);
}

function dueForRotation(state: State, file: OpenFile, text: string): boolean {
  if (file.sizeBytes === 0) return false;
  const ageMs = state.options.clock.nowMs() - file.openedForMs;
  return file.sizeBytes + text.length > boundsOf(state).rotateAtBytes || ageMs > ROTATE_AFTER_MS;
}

function boundsOf(state: State): LogBounds {
  return state.options.bounds?.() ?? DEFAULT_BOUNDS;
}

function rotate(state: State): void {
  close(state);
  const target = freeName(`${state.path}.${stampOf(state.options.clock.nowMs())}`);
  // Without a free name the file grows on rather than overwrite an old one.
  if (target !== undefined) renameSync(state.path, target);
  prune(state);
}

function freeName(base: string): string | undefined {
  for (let number = 1; number < 100; number++) {
    const name = number === 1 ? base : `${base}-${number}`;
    if (quietly(() => lstatSync(name)) === undefined) return name;
  }
  return undefined;
}

/** UTC, so that names sort and repeat no hour when clocks go back. */
function stampOf(atMs: number): string {
  return new Date(atMs).toISOString().replace(/[-:]/g, "").replace("T", "-").slice(0, 15);
}

function maintain(state: State): void {
  const nowMs = state.options.clock.monotonicMs();
  if (nowMs - state.maintainedAtMonotonicMs < MAINTAIN_EVERY_MS) return;
  state.maintainedAtMonotonicMs = nowMs;
  prune(state);
}

function prune(state: State): void {
  const { directory, name, clock } = state.options;
  const cutoffMs = clock.nowMs() - boundsOf(state).retentionDays * DAY_MS;
  const rotated = (quietly(() => readdirSync(directory)) ?? [])
    .filter((entry) => isRotated(entry, name))
    .sort()
    .reverse();
  rotated.forEach((entry, index) => {
    const path = `${directory}/${entry}`;
    const stats = quietly(() => lstatSync(path));
    if (stats?.isFile() === true && (index >= ROTATED_FILES_MAX || stats.mtimeMs < cutoffMs))
      quietly(() => rmSync(path));
  });
}

function isRotated(entry: string, name: string): boolean {
  return entry.startsWith(`${name}.`) && /^\d{8}-\d{6}(-\d+)?$/.test(entry.slice(name.length + 1));
}

function close(state: State): void {
  const file = state.file;
  state.file = undefined;
  if (file !== undefined) quietly(() => closeSync(file.fd));
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
