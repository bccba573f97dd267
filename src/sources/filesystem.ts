/**
 * The files of PROTECTED_DIRECTORIES, each 60 s, looked at by a worker thread; here its changes become events.
 * Trusts the worker as our own code and survives its death: it is started again, later each time. Never waits for it.
 */
import type { Clock } from "../core/clock.ts";
import type { FilesStatus } from "../core/files.ts";
import type { Inbox } from "../core/inbox.ts";
import type { Executable } from "../core/process.ts";
import { ok, unreachable } from "../core/result.ts";
import type { FileIdentity } from "../core/view.ts";
import { createUsers } from "../host/users.ts";
import { type DraftContext, directoryMatcher, draftOf } from "./files/drafts.ts";
import { createIdentities, type Identities } from "./files/identities.ts";
import { type FilesSettings, type FromWorker, isFromWorker, type ToWorker } from "./files/protocol.ts";
import type { Scanner } from "./scanner.ts";

const PART = "filesystem";
const RESTART_MS_MIN = 5_000;
const RESTART_MS_MAX = 600_000;
/** A worker that lived that long is not one that keeps dying. */
const HEALTHY_MS = 600_000;
const STOP_MS_MAX = 5_000;

/** The part of Worker that is used; a test may hand in another. */
export interface FilesWorker {
  postMessage(message: ToWorker): void;
  terminate(): void;
  onmessage: ((event: MessageEvent) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  addEventListener(type: "close", listener: () => void): void;
}

export interface FilesystemParts {
  readonly clock: Clock;
  readonly inbox: Inbox;
  readonly settings: () => FilesSettings;
  readonly databasePath: string;
  readonly onFault: (part: string, message: string, remedy: string) => void;
  /** A sentence for the log: the first baseline is made. */
  readonly onNotice?: (message: string) => void;
  readonly spawnWorker: () => FilesWorker;
}

export interface FilesystemScanner {
  /** `scan` begins a round where none is under way, and never waits; changes arrive in the inbox. */
  readonly scanner: Scanner<void, readonly []>;
  /** Of the file that a process runs. Absent until the worker has read it; ask again at the next sweep. */
  identify(executable: Executable): FileIdentity | undefined;
  status(): FilesStatus;
  /** A round that reads every file. */
  verifyNow(): void;
  /** Files are no longer to be watched: ends the worker, and costs nothing where none lives. `scan` starts it again. */
  switchOff(): void;
  /** Resolves when the worker has written everything, or after five seconds. */
  stop(): Promise<void>;
}

interface State {
  readonly parts: FilesystemParts;
  readonly context: DraftContext;
  readonly identities: Identities;
  worker: FilesWorker | undefined;
  startedAtMs: number;
  restartAtMs: number;
  restartMs: number;
  roundRunning: boolean;
  /** Asked for while the worker was ending. */
  roundWanted: boolean;
  verifyWanted: boolean;
  lostTold: number;
  status: FilesStatus | undefined;
  /** While the worker writes what it has and ends: no other may open its database. */
  ending: Promise<void> | undefined;
  stopped: (() => void) | undefined;
  stopping: boolean;
}

export function createFilesystemScanner(parts: FilesystemParts): FilesystemScanner {
  const state = begin(parts);
  return {
    scanner: {
      name: "filesystem",
      probe: () => ok(undefined),
      scan() {
        const startMs = parts.clock.monotonicMs();
        beginRound(state, state.verifyWanted);
        return { seen: [], items: state.status?.entries ?? 0, faults: [], tookMs: parts.clock.monotonicMs() - startMs };
      },
    },
    identify: (executable) => state.identities.of(executable),
    status: () => state.status ?? notYet(state),
    verifyNow() {
      state.verifyWanted = true;
      beginRound(state, true);
    },
    switchOff() {
      state.roundWanted = false;
      state.verifyWanted = false;
      if (state.worker === undefined) return;
      void endWorker(state).then(() => {
        if (state.worker === undefined) state.status = undefined;
      });
    },
    async stop() {
      state.stopping = true;
      await endWorker(state);
    },
  };
}

function begin(parts: FilesystemParts): State {
  const users = createUsers("/etc/passwd", () => parts.clock.monotonicMs());
  let trusted: readonly string[] = [];
  let isTrusted = directoryMatcher(trusted);
  const state: State = {
    parts,
    context: {
      userName: (uid) => users.nameOf(uid) ?? String(uid),
      isTrustedDirectory(path) {
        const { trustedDirectories } = parts.settings();
        if (trustedDirectories !== trusted) {
          trusted = trustedDirectories;
          isTrusted = directoryMatcher(trusted);
        }
        return isTrusted(path);
      },
    },
    identities: createIdentities(
      (wanted) => {
        const worker = workerOf(state);
        worker?.postMessage({ kind: "identify", wanted });
        return worker !== undefined;
      },
      () => parts.clock.monotonicMs(),
    ),
    worker: undefined,
    startedAtMs: 0,
    restartAtMs: Number.NEGATIVE_INFINITY,
    restartMs: RESTART_MS_MIN,
    roundRunning: false,
    roundWanted: false,
    verifyWanted: false,
    lostTold: 0,
    status: undefined,
    ending: undefined,
    stopped: undefined,
    stopping: false,
  };
  return state;
}

function beginRound(state: State, verify: boolean): void {
  const worker = workerOf(state);
  state.roundWanted = state.ending !== undefined;
  if (worker === undefined || state.roundRunning) return;
  state.roundRunning = true;
  state.verifyWanted = false;
  worker.postMessage({ kind: "round", settings: plain(state.parts.settings()), verify });
}

/** Only what is named: a settings object of the caller may carry more than can be copied to a thread. */
function plain(settings: FilesSettings): FilesSettings {
  return {
    directories: [...settings.directories],
    trustedDirectories: [...settings.trustedDirectories],
    excluded: [...settings.excluded],
    hashMbMax: settings.hashMbMax,
    hashMbPerSecond: settings.hashMbPerSecond,
    verifyHours: settings.verifyHours,
    otherFilesystems: settings.otherFilesystems,
    filesMax: settings.filesMax,
  };
}

/** The worker, started where none lives; undefined while one that died may not be started again yet. */
function workerOf(state: State): FilesWorker | undefined {
  const { parts } = state;
  if (state.stopping || state.ending !== undefined) return undefined;
  if (state.worker !== undefined) return state.worker;
  const nowMs = parts.clock.monotonicMs();
  if (nowMs < state.restartAtMs) return undefined;
  const worker = parts.spawnWorker();
  state.worker = worker;
  state.startedAtMs = nowMs;
  worker.onmessage = (event) => {
    if (isFromWorker(event.data)) heard(state, event.data);
  };
  worker.onerror = (event) => died(state, worker, event.message);
  worker.addEventListener("close", () => died(state, worker, "it ended"));
  worker.postMessage({ kind: "open", databasePath: parts.databasePath, nowMs: parts.clock.nowMs() });
  return worker;
}

function heard(state: State, message: FromWorker): void {
  switch (message.kind) {
    case "status":
      state.status = message.status;
      return;
    case "changes":
      for (const change of message.changes) state.parts.inbox.put(draftOf(change, state.context));
      return tellLost(state);
    case "identified":
      return state.identities.answered(message.wanted, message.identity);
    case "fault":
      return state.parts.onFault(message.part, message.fault.message, message.fault.remedy ?? "");
    case "baseline":
      return state.parts.onNotice?.(
        `the baseline of watched files is made: ${message.entries} files, directories and links, ${Math.round(message.bytes / 1e6)} MB read in ${Math.round(message.tookMs / 1000)} s. From now on changes are told`,
      );
    case "round-ended":
      state.roundRunning = false;
      if (state.verifyWanted) beginRound(state, true);
      // What such a round took stays with its thread: a new one, when there is work again, is a third smaller.
      else if (message.wasHeavy) void endWorker(state);
      return;
    case "stopped":
      state.stopped?.();
      return;
    default:
      return unreachable(message);
  }
}

function tellLost(state: State): void {
  const { lost } = state.parts.inbox;
  if (lost === state.lostTold) return;
  const more = lost - state.lostTold;
  state.lostTold = lost;
  state.parts.onFault(
    PART,
    `${more} events were lost because more came in than could be judged`,
    "look at what changed: algo-monitor files status",
  );
}

function died(state: State, worker: FilesWorker, reason: string): void {
  if (state.worker !== worker) return;
  const nowMs = state.parts.clock.monotonicMs();
  state.worker = undefined;
  state.roundRunning = false;
  state.identities.forgetAsked();
  if (state.stopped !== undefined) {
    state.stopped();
    return;
  }
  if (nowMs - state.startedAtMs > HEALTHY_MS) state.restartMs = RESTART_MS_MIN;
  state.restartAtMs = nowMs + state.restartMs;
  state.parts.onFault(
    PART,
    `the thread that watches files ended (${reason}) and is started again in ${Math.round(state.restartMs / 1000)} s; until then no file is looked at`,
    "if it happens again, send the lines around this one in the journal to whoever maintains algo-monitor",
  );
  state.restartMs = Math.min(RESTART_MS_MAX, state.restartMs * 2);
  worker.terminate();
}

/** Asks the worker to write what it has, and ends it. The next round or question starts another, unless all is to stop. */
function endWorker(state: State): Promise<void> {
  const { worker } = state;
  if (worker !== undefined) state.ending ??= end(state, worker);
  return state.ending ?? Promise.resolve();
}

async function end(state: State, worker: FilesWorker): Promise<void> {
  await new Promise<void>((resolve) => {
    const late = setTimeout(resolve, STOP_MS_MAX);
    state.stopped = () => {
      clearTimeout(late);
      resolve();
    };
    worker.postMessage({ kind: "stop" });
  });
  state.worker = undefined;
  state.roundRunning = false;
  state.identities.forgetAsked();
  state.stopped = undefined;
  worker.terminate();
  state.ending = undefined;
  if (state.roundWanted || state.verifyWanted) beginRound(state, state.verifyWanted);
}

function notYet(state: State): FilesStatus {
  return {
    state: state.worker === undefined ? "off" : "starting",
    entries: 0,
    bytes: 0,
    roots: [],
    skipped: [],
    skippedTotal: 0,
    unreadable: 0,
    unhashed: 0,
    held: 0,
    databasePath: state.parts.databasePath,
    databaseBytes: 0,
  };
}
