/**
 * Notices that wait for a receiver, as a journal of JSON lines: `{"put":{...}}` and `{"done":"id"}`. Survives SIGKILL.
 * Only places are kept in memory, texts stay on disk. Trusts nothing in its folder: no links, torn lines are skipped.
 * Bounded by count and bytes: the oldest of the lowest rank goes first and is counted.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { fail, messageOf, ok, type Result } from "../core/result.ts";

export interface SpoolOptions {
  /** e.g. `/opt/.monitor/spool`; made with mode 0700. */
  readonly directory: string;
  /** `webhook` -> `webhook.jsonl`. */
  readonly name: string;
  readonly entriesMax?: number;
  readonly bytesMax?: number;
}

export interface SpoolEntry {
  readonly id: string;
  readonly atMs: number;
  /** Lower goes first when there is no room. */
  readonly rank: number;
  readonly body: string;
}

export interface Spool {
  /** Kept in memory where the disk refuses (told as a fault), up to 100. */
  put(entry: SpoolEntry): Result<void>;
  /** The oldest. */
  head(): SpoolEntry | undefined;
  /** Delivered or given up. */
  done(id: string): void;
  readonly size: number;
  /** Given up for want of room, or unreadable, since start. */
  readonly dropped: number;
  close(): void;
}

const ENTRIES_MAX = 1_000;
const BYTES_MAX = 4 * 1024 * 1024;
/** What is done stays in the file until it is this much too long. */
const SLACK_BYTES = 1024 * 1024;
const IN_MEMORY_MAX = 100;
const NEWLINE = 10;

interface Place {
  readonly rank: number;
  readonly sizeBytes: number;
  /** Where its line begins, or the line itself where the disk refused. */
  readonly at: number | string;
}

interface State {
  readonly options: SpoolOptions;
  readonly path: string;
  readonly places: Map<string, Place>;
  fd: number | undefined;
  fileBytes: number;
  liveBytes: number;
  dropped: number;
}

export function openSpool(options: SpoolOptions): Spool {
  const path = `${options.directory}/${options.name}.jsonl`;
  const state: State = { options, path, places: new Map(), fd: undefined, fileBytes: 0, liveBytes: 0, dropped: 0 };
  // A failure here is met again, and told, by the first `put`. Without a file there is no folder to make yet.
  if (quietly(() => lstatSync(path)) !== undefined) quietly(() => descriptor(state));
  return {
    put: (entry) => putEntry(state, entry),
    head: () => head(state),
    done: (id) => done(state, id),
    get size() {
      return state.places.size;
    },
    get dropped() {
      return state.dropped;
    },
    close: () => closeFile(state),
  };
}

function putEntry(state: State, entry: SpoolEntry): Result<void> {
  const line = `${JSON.stringify({ put: entry })}\n`;
  const sizeBytes = Buffer.byteLength(line);
  if (!makeRoom(state, entry.rank, sizeBytes)) {
    state.dropped++;
    return ok(undefined);
  }
  try {
    if (state.fileBytes > bytesMax(state) + SLACK_BYTES) compact(state);
    const at = append(state, line);
    keep(state, entry.id, { rank: entry.rank, sizeBytes, at });
    return ok(undefined);
  } catch (thrown) {
    closeFile(state);
    return keepInMemory(state, entry, { rank: entry.rank, sizeBytes, at: line }, thrown);
  }
}

function keepInMemory(state: State, entry: SpoolEntry, place: Place, thrown: unknown): Result<void> {
  let inMemory = 0;
  for (const { at } of state.places.values()) if (typeof at === "string") inMemory++;
  if (inMemory < IN_MEMORY_MAX) keep(state, entry.id, place);
  else state.dropped++;
  return fail(
    "io",
    `${state.path} cannot be written (${messageOf(thrown)}); notices wait in memory only`,
    `look at: df -h ${state.options.directory}; ls -la ${state.options.directory}`,
  );
}

function keep(state: State, id: string, place: Place): void {
  state.places.set(id, place);
  state.liveBytes += place.sizeBytes;
}

/** False when the new one itself is the least that there is. */
function makeRoom(state: State, rank: number, sizeBytes: number): boolean {
  const entriesMax = state.options.entriesMax ?? ENTRIES_MAX;
  if (sizeBytes > bytesMax(state)) return false;
  while (state.places.size >= entriesMax || state.liveBytes + sizeBytes > bytesMax(state)) {
    const least = leastOf(state);
    if (least === undefined || least.rank > rank) return false;
    done(state, least.id);
    state.dropped++;
  }
  return true;
}

function leastOf(state: State): { readonly id: string; readonly rank: number } | undefined {
  let least: { readonly id: string; readonly rank: number } | undefined;
  for (const [id, { rank }] of state.places) if (least === undefined || rank < least.rank) least = { id, rank };
  return least;
}

function bytesMax(state: State): number {
  return state.options.bytesMax ?? BYTES_MAX;
}

function head(state: State): SpoolEntry | undefined {
  for (const [id, place] of state.places) {
    const entry = read(state, place);
    if (entry?.id === id) return entry;
    done(state, id);
    state.dropped++;
  }
  return undefined;
}

function read(state: State, place: Place): SpoolEntry | undefined {
  if (typeof place.at === "string") return entryOf(parsed(place.at));
  const bytes = Buffer.alloc(place.sizeBytes);
  const { at } = place;
  const length = quietly(() => readSync(descriptor(state), bytes, 0, bytes.length, at));
  return length === bytes.length ? entryOf(parsed(bytes.toString())) : undefined;
}

function done(state: State, id: string): void {
  const place = state.places.get(id);
  if (place === undefined) return;
  state.places.delete(id);
  state.liveBytes -= place.sizeBytes;
  // If this cannot be written it is sent once more after a restart; receivers drop it by its id.
  quietly(() => {
    if (state.places.size > 0) append(state, `${JSON.stringify({ done: id })}\n`);
    else empty(state);
  });
}

function empty(state: State): void {
  ftruncateSync(descriptor(state), 0);
  state.fileBytes = 0;
}

/** Where it was written. */
function append(state: State, line: string): number {
  const fd = descriptor(state);
  const bytes = Buffer.from(line);
  const at = state.fileBytes;
  const written = writeSync(fd, bytes, 0, bytes.length, at);
  if (written !== bytes.length) {
    quietly(() => ftruncateSync(fd, at));
    throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  }
  state.fileBytes += written;
  return at;
}

/** Opens and reads what is there, if it is not open. */
function descriptor(state: State): number {
  if (state.fd !== undefined) return state.fd;
  mkdirSync(state.options.directory, { recursive: true, mode: 0o700 });
  const fd = openSync(
    state.path,
    constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    0o600,
  );
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new Error("it is not a regular file");
    if ((stats.mode & 0o077) !== 0) fchmodSync(fd, 0o600);
    state.fileBytes = load(state, fd, stats.size);
    state.fd = fd;
    return fd;
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
}

/** Where the next line goes: behind the last whole one, or at 0 where the file is none of ours. */
function load(state: State, fd: number, sizeBytes: number): number {
  if (sizeBytes > 2 * (bytesMax(state) + SLACK_BYTES)) {
    ftruncateSync(fd, 0);
    state.dropped++;
    return 0;
  }
  const bytes = Buffer.alloc(sizeBytes);
  const length = readSync(fd, bytes, 0, sizeBytes, 0);
  let from = 0;
  for (let end = bytes.indexOf(NEWLINE); end >= 0 && end < length; end = bytes.indexOf(NEWLINE, from)) {
    replay(state, bytes.toString("utf8", from, end), from, end + 1 - from);
    from = end + 1;
  }
  if (from < length) ftruncateSync(fd, from);
  return from;
}

function replay(state: State, line: string, at: number, sizeBytes: number): void {
  const record = parsed(line);
  if (typeof record !== "object" || record === null) return;
  if ("done" in record && typeof record.done === "string") {
    const place = state.places.get(record.done);
    if (place !== undefined) state.liveBytes -= place.sizeBytes;
    state.places.delete(record.done);
    return;
  }
  const entry = entryOf(record);
  if (entry === undefined || state.places.has(entry.id)) return;
  if (state.places.size >= (state.options.entriesMax ?? ENTRIES_MAX)) state.dropped++;
  else keep(state, entry.id, { rank: entry.rank, sizeBytes, at });
}

function entryOf(record: unknown): SpoolEntry | undefined {
  if (typeof record !== "object" || record === null || !("put" in record)) return undefined;
  const { put } = record;
  if (typeof put !== "object" || put === null) return undefined;
  if (!("id" in put && "atMs" in put && "rank" in put && "body" in put)) return undefined;
  const { id, atMs, rank, body } = put;
  if (typeof id !== "string" || typeof body !== "string") return undefined;
  return typeof atMs === "number" && typeof rank === "number" ? { id, atMs, rank, body } : undefined;
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** What waits, written anew beside the file and put into its place. */
function compact(state: State): void {
  const waiting: [string, Place, string][] = [];
  for (const [id, place] of state.places) {
    const entry = read(state, place);
    if (entry !== undefined) waiting.push([id, place, `${JSON.stringify({ put: entry })}\n`]);
  }
  const beside = `${state.path}.new`;
  rmSync(beside, { force: true });
  const fd = openSync(beside, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  const places: [string, Place][] = [];
  let at = 0;
  try {
    for (const [id, { rank }, line] of waiting) {
      const sizeBytes = writeSync(fd, line, at);
      if (sizeBytes !== Buffer.byteLength(line)) throw new Error("no space left on device");
      places.push([id, { rank, sizeBytes, at }]);
      at += sizeBytes;
    }
    renameSync(beside, state.path);
  } catch (thrown) {
    closeSync(fd);
    throw thrown;
  }
  closeFile(state);
  state.fd = fd;
  state.fileBytes = at;
  state.liveBytes = at;
  state.dropped += state.places.size - places.length;
  state.places.clear();
  for (const [id, place] of places) state.places.set(id, place);
}

function closeFile(state: State): void {
  const { fd } = state;
  state.fd = undefined;
  if (fd !== undefined) quietly(() => closeSync(fd));
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
