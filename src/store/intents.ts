/**
 * The ledger beside the database: intents and outcomes as JSON lines in the run directory (a tmpfs, so it works on a
 * full or read-only disk), used only while the database cannot be written. A torn last line is expected after a crash.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import type { Decision, Outcome } from "../core/nouns.ts";
import { fail, messageOf, ok, type Result } from "../core/result.ts";
import { encode, isDecision, isObject, isOutcome, parse } from "./codec.ts";

const FILE_BYTES_MAX = 4 * 1024 * 1024;

export interface LedgerContent {
  readonly intents: readonly Decision[];
  readonly outcomes: readonly Outcome[];
  /** Lines that were neither: torn by a crash, or foreign. */
  readonly unreadable: number;
}

export interface Ledger {
  readonly path: string;
  intend(decision: Decision): Result<void>;
  settle(outcome: Outcome): Result<void>;
  /** Empty where there is no file. */
  read(): LedgerContent;
  /** Everything in it is in the database now. */
  clear(): void;
}

export function openLedger(runDir: string): Ledger {
  const path = `${runDir}/intents.jsonl`;
  return {
    path,
    intend: (decision) => append(path, `{"intent":${encode(decision)}}\n`),
    settle: (outcome) => append(path, `{"outcome":${encode(outcome)}}\n`),
    read: () => readLedger(path),
    clear: () => clear(path),
  };
}

/** What cannot be removed is read again at the next start, and ignored there row by row. */
function clear(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // A read-only run directory.
  }
}

function append(path: string, line: string): Result<void> {
  try {
    const size = appendLine(path, line);
    if (size > FILE_BYTES_MAX) compact(path);
    return ok(undefined);
  } catch (thrown) {
    return fail(
      "io",
      `the intent cannot be kept in ${path} either: ${messageOf(thrown)}`,
      `make room in the run directory: df -h ${path}`,
    );
  }
}

/** The new size. One write call, so that a SIGKILL leaves the whole line or none of it. */
function appendLine(path: string, line: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const fd = openSync(path, flags, 0o600);
  try {
    const before = fstatSync(fd);
    if (!before.isFile()) throw new Error("it is not a regular file");
    const bytes = Buffer.from(endsTorn(fd, before.size) ? `\n${line}` : line);
    const written = writeSync(fd, bytes);
    if (written !== bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes fit`);
    return before.size + bytes.length;
  } finally {
    closeSync(fd);
  }
}

/** A crash or a full disk left half a line: begin a new one, or the next intent is lost with it. */
function endsTorn(fd: number, sizeBytes: number): boolean {
  if (sizeBytes === 0) return false;
  const last = Buffer.alloc(1);
  return readSync(fd, last, 0, 1, sizeBytes - 1) === 1 && last[0] !== 0x0a;
}

/** Settled pairs go: they wait in memory for the database, and what must survive a crash are open intents. */
function compact(path: string): void {
  const content = readLedger(path);
  const temporary = `${path}.new`;
  rmSync(temporary, { force: true });
  for (const intent of openIntents(content)) appendLine(temporary, `{"intent":${encode(intent)}}\n`);
  renameSync(temporary, path);
}

export function openIntents(content: LedgerContent): readonly Decision[] {
  const settled = new Set(content.outcomes.map((outcome) => outcome.decisionId));
  return content.intents.filter((intent) => !settled.has(intent.id));
}

function readLedger(path: string): LedgerContent {
  const intents: Decision[] = [];
  const outcomes: Outcome[] = [];
  let unreadable = 0;
  for (const line of readText(path).split("\n")) {
    if (line === "") continue;
    const entry = parse(line);
    if (isObject(entry) && isDecision(entry["intent"])) intents.push(entry["intent"]);
    else if (isObject(entry) && isOutcome(entry["outcome"])) outcomes.push(entry["outcome"]);
    else unreadable++;
  }
  return { intents, outcomes, unreadable };
}

function readText(path: string): string {
  try {
    return readFileSync(path, {
      encoding: "utf8",
      flag: constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    });
  } catch {
    return "";
  }
}
