/**
 * The daemon's memory: never throws, never blocks protection. While the database cannot be written, rows wait in
 * bounded memory, intents go to the ledger in the run directory, and the outage is told when it begins and ends.
 */
import { ALERT_STATUSES, type AlertStatus } from "../core/control.ts";
import type { Decision, Finding, Outcome } from "../core/nouns.ts";
import { type Fault, fail, messageOf, ok, type Result } from "../core/result.ts";
import { decodeDecision } from "./codec.ts";
import {
  classify,
  closeDatabase,
  codeOf,
  identityAt,
  moveAside,
  type OpenDatabase,
  openDatabase,
  worldFault,
} from "./database.ts";
import { findAlert } from "./find_alert.ts";
import { type FoldMemory, foldMemory, foldsInto, rowOfAlert } from "./fold.ts";
import { type Ledger, openIntents, openLedger } from "./intents.ts";
import { type PendingRows, pendingRows } from "./pending.ts";
import { databaseSizeBytes, type PruneReport, pruneDatabase, type Retention } from "./prune.ts";
import {
  apply,
  auditWrite,
  decisionWrite,
  eventWrite,
  findingWrite,
  needsSettling,
  outcomeWrite,
  type Write,
} from "./statements.ts";
import type { FaultPhase, Folded, StatusChange, Store, StoreOptions, StoreStatus } from "./types.ts";

const FOLD_WINDOW_MS = 3_600_000;
const PENDING_ROWS_MAX = 5_000;
const PENDING_CHARACTERS_MAX = 16 * 1024 * 1024;
const RETRY_FIRST_MS = 1_000;
const RETRY_LAST_MS = 60_000;
/** A database healthy for this long is trusted again: retries start anew from the first interval. */
const HEALTHY_AFTER_MS = 60_000;
const IDENTITY_CHECK_EVERY_MS = 2_000;
/** A disk that keeps corrupting files would fill itself with copies. */
const SET_ASIDE_PER_HOUR_MAX = 3;

/** Opening and checking a database takes too long for this path: events, audit and prune retry an outage instead. */
const IN_THE_WAY_OF_A_KILL = false;

interface Outage {
  readonly sinceMs: number;
  readonly fault: Fault;
  nextRetryAtMonotonicMs: number;
}

interface State {
  readonly options: StoreOptions;
  readonly ledger: Ledger;
  readonly pending: PendingRows;
  readonly folds: FoldMemory;
  open: OpenDatabase | undefined;
  outage: Outage | undefined;
  retryMs: number;
  healthySinceMonotonicMs: number;
  identityCheckedAtMonotonicMs: number;
  setAsideAtMs: number[];
  setAside: number;
  rejectedRows: number;
  ledgerUsed: boolean;
  closed: boolean;
}

/** Never throws and always answers a working store, be it one that only remembers in memory for now. */
export function openStore(options: StoreOptions): Store {
  const state: State = {
    options,
    ledger: openLedger(options.runDir),
    pending: pendingRows(options.pendingRowsMax ?? PENDING_ROWS_MAX, PENDING_CHARACTERS_MAX),
    folds: foldMemory(),
    open: undefined,
    outage: undefined,
    retryMs: RETRY_FIRST_MS,
    healthySinceMonotonicMs: options.clock.monotonicMs(),
    identityCheckedAtMonotonicMs: options.clock.monotonicMs(),
    setAsideAtMs: [],
    setAside: 0,
    rejectedRows: 0,
    ledgerUsed: true,
    closed: false,
  };
  if (reopen(state)) guarded(state, () => drain(state));
  return {
    appendEvents: (events) => void commit(state, events.map(eventWrite)),
    recordFinding: (finding) => recordFinding(state, finding),
    intend: (decision) => intend(state, decision),
    settle: (outcome) => settle(state, outcome),
    unsettled: () => unsettled(state),
    audit: (entry) => void commit(state, [auditWrite(entry, options.clock.nowMs())]),
    setStatus: (id, status, by) => setStatus(state, id, status, by),
    prune: (retention) => prune(state, retention),
    status: () => statusOf(state),
    close: () => closeStore(state),
  };
}

function recordFinding(state: State, finding: Finding): Folded {
  const windowMs = state.options.foldWindowMs ?? FOLD_WINDOW_MS;
  let last = state.folds.last(finding.foldKey);
  if (usable(state, IN_THE_WAY_OF_A_KILL)) {
    const row = guarded(state, (open) => rowOfAlert(open.statements.lastOfFoldKey.get(finding.foldKey)));
    // No answer (undefined) is a database that failed this moment: memory knows. Nothing found is null.
    if (row !== undefined) last = row ?? undefined;
  }
  // The distance counts in both directions: a clock that was stepped back must not fold into the future for ever.
  const folded: Folded =
    last?.open === true && Math.abs(finding.atMs - last.lastAtMs) <= windowMs
      ? { alertId: last.alertId, count: last.count + 1, isNew: false }
      : { alertId: finding.id, count: 1, isNew: true };
  state.folds.remember(finding.foldKey, {
    alertId: folded.alertId,
    count: folded.count,
    lastAtMs: finding.atMs,
    open: true,
  });
  commit(state, [findingWrite(finding, folded.alertId)], IN_THE_WAY_OF_A_KILL);
  return folded;
}

function intend(state: State, decision: Decision): Result<void> {
  if (commit(state, [decisionWrite(decision)], IN_THE_WAY_OF_A_KILL) || !needsSettling(decision)) return ok(undefined);
  state.ledgerUsed = true;
  return state.ledger.intend(decision);
}

function settle(state: State, outcome: Outcome): void {
  if (commit(state, [outcomeWrite(outcome)], IN_THE_WAY_OF_A_KILL)) return;
  state.ledgerUsed = true;
  // Where this fails too the action is settled once more at the next start, which finds it done: harmless.
  state.ledger.settle(outcome);
}

function unsettled(state: State): readonly Decision[] {
  const found = new Map<string, Decision>();
  if (usable(state)) {
    for (const row of guarded(state, (open) => open.statements.unsettled.values()) ?? []) {
      const decision = decodeDecision(String(row[0]));
      if (decision !== undefined) found.set(decision.id, decision);
      else
        tell(
          state,
          {
            kind: "invalid",
            message: "an unsettled intent in the database cannot be read; what it stopped may still be frozen",
            remedy: "look for stopped processes: ps -eo pid,stat,args | awk '$2 ~ /T/'",
          },
          "once",
        );
    }
  }
  if (state.ledgerUsed) for (const decision of openIntents(state.ledger.read())) found.set(decision.id, decision);
  return [...found.values()];
}

function setStatus(state: State, id: string, status: AlertStatus, by: string): Result<StatusChange> {
  const remedy = "see algo-monitor status, then try again";
  if (!usable(state))
    return fail("io", `the status of alert ${id} was not changed: the database cannot be written now`, remedy);
  const changed = guarded(state, (open): Result<StatusChange> => {
    const found = findAlert(open.db, id);
    if (!found.ok) return found;
    const before = open.statements.statusOf.values(found.value)[0]?.[0];
    open.statements.setStatus.run(found.value, status, by.slice(0, 256), Math.trunc(state.options.clock.nowMs()));
    return ok({ id: found.value, previous: ALERT_STATUSES.find((known) => known === before) ?? "new" });
  });
  if (changed === undefined)
    return fail("io", `the status of alert ${id} was not changed: the database failed`, remedy);
  if (changed.ok) state.folds.setOpen(changed.value.id, foldsInto(status));
  return changed;
}

function prune(state: State, retention: Retention): PruneReport {
  if (!usable(state)) return { deletedRows: 0, more: false, sizeBytes: databaseSizeBytes(state.options.path) };
  const report = guarded(state, (open) =>
    pruneDatabase(open.db, state.options.path, retention, state.options.clock.nowMs()),
  );
  return report ?? { deletedRows: 0, more: false, sizeBytes: databaseSizeBytes(state.options.path) };
}

function statusOf(state: State): StoreStatus {
  const outage = state.outage;
  return {
    path: state.options.path,
    sizeBytes: databaseSizeBytes(state.options.path),
    ...(outage === undefined
      ? {}
      : {
          outage: {
            sinceMs: outage.sinceMs,
            reason: outage.fault.message,
            ...(outage.fault.remedy === undefined ? {} : { remedy: outage.fault.remedy }),
            nextRetryInMs: Math.max(0, outage.nextRetryAtMonotonicMs - state.options.clock.monotonicMs()),
          },
        }),
    pending: state.pending.size(),
    dropped: state.pending.dropped(),
    rejected: state.rejectedRows,
    setAside: state.setAside,
  };
}

function closeStore(state: State): void {
  if (usable(state)) guarded(state, () => drain(state));
  if (state.open !== undefined) closeDatabase(state.open);
  state.open = undefined;
  state.closed = true;
}

/** True when the rows are in the database; false when they wait in memory (or found no room there). */
function commit(state: State, writes: readonly Write[], mayRetry = true): boolean {
  if (writes.length === 0) return true;
  for (let attempt = 0; attempt < 2 && usable(state, mayRetry); attempt++) {
    if (guarded(state, (open) => transact(state, open, writes)) !== undefined) return true;
  }
  for (const write of writes) state.pending.push(write);
  return false;
}

/** Retries an outage that is due, notices a replaced file, and answers whether there is a database to write to. */
function usable(state: State, mayRetry = true): boolean {
  if (state.closed) return false;
  const nowMonotonicMs = state.options.clock.monotonicMs();
  if (state.outage !== undefined) {
    if (!mayRetry || nowMonotonicMs < state.outage.nextRetryAtMonotonicMs) return false;
    return recover(state, state.outage);
  }
  if (nowMonotonicMs - state.identityCheckedAtMonotonicMs >= IDENTITY_CHECK_EVERY_MS) {
    state.identityCheckedAtMonotonicMs = nowMonotonicMs;
    if (state.open !== undefined && identityAt(state.options.path) !== state.open.identity)
      return replaced(state, state.open);
  }
  return state.open !== undefined;
}

function recover(state: State, outage: Outage): boolean {
  if (state.open === undefined && !reopen(state)) return false;
  const waited = state.pending.size();
  if (guarded(state, () => drain(state)) === undefined) return false;
  state.outage = undefined;
  state.healthySinceMonotonicMs = state.options.clock.monotonicMs();
  const seconds = Math.round((state.options.clock.nowMs() - outage.sinceMs) / 1_000);
  const lost = state.pending.takeDroppedSinceTold();
  const message = `the database ${state.options.path} is written again after ${seconds} s: ${waited} rows that waited in memory are in it, ${lost} found no room and are lost`;
  tell(state, { kind: "io", message }, "ends");
  return true;
}

/** Somebody deleted or replaced the file: what we still hold open is nowhere to be found. */
function replaced(state: State, open: OpenDatabase): boolean {
  closeDatabase(open);
  state.open = undefined;
  state.folds.clear();
  const { path, clock } = state.options;
  // A journal of the old file beside a new one would be played into it.
  if (identityAt(`${path}-wal`) !== undefined) moveAside(path, "orphan", clock.nowMs());
  tell(
    state,
    {
      kind: "gone",
      message: `the database ${path} was deleted or replaced while in use; the file that is there now is used, or a new one begun`,
      remedy: "stop the service before restoring a database: sudo systemctl stop algo-monitor",
    },
    "once",
  );
  return reopen(state);
}

function reopen(state: State): boolean {
  const { path, clock } = state.options;
  if (setAsideTooOften(state))
    return beginOutage(state, {
      kind: "limit",
      message: `the database ${path} became unusable ${SET_ASIDE_PER_HOUR_MAX} times within an hour; no new one is begun for now`,
      remedy: "check the disk: sudo dmesg | tail; sudo smartctl -H",
    });
  const attempt = openDatabase(path, clock.nowMs());
  for (const fault of attempt.setAside) {
    state.setAside++;
    state.setAsideAtMs.push(clock.nowMs());
    state.folds.clear();
    tell(state, fault, "once");
  }
  if (attempt.opened === undefined) {
    return beginOutage(state, attempt.fault ?? { kind: "io", message: `the database ${path} cannot be opened` });
  }
  state.open = attempt.opened;
  state.identityCheckedAtMonotonicMs = clock.monotonicMs();
  return true;
}

function setAsideTooOften(state: State): boolean {
  const nowMs = state.options.clock.nowMs();
  state.setAsideAtMs = state.setAsideAtMs.filter((atMs) => Math.abs(nowMs - atMs) < 3_600_000);
  return state.setAsideAtMs.length >= SET_ASIDE_PER_HOUR_MAX;
}

/** Always false, for the caller to return. */
function beginOutage(state: State, fault: Fault): false {
  const { clock } = state.options;
  const nowMonotonicMs = clock.monotonicMs();
  if (state.outage === undefined && nowMonotonicMs - state.healthySinceMonotonicMs >= HEALTHY_AFTER_MS)
    state.retryMs = RETRY_FIRST_MS;
  const nextRetryAtMonotonicMs = nowMonotonicMs + state.retryMs;
  state.retryMs = Math.min(state.retryMs * 2, RETRY_LAST_MS);
  if (state.outage !== undefined) {
    state.outage.nextRetryAtMonotonicMs = nextRetryAtMonotonicMs;
    return false;
  }
  state.outage = { sinceMs: clock.nowMs(), fault, nextRetryAtMonotonicMs };
  const message = `${fault.message}. Protection goes on; rows wait in memory (at most ${state.options.pendingRowsMax ?? PENDING_ROWS_MAX}) and intents go to ${state.ledger.path} until it works again`;
  tell(state, { ...fault, message }, "begins");
  return false;
}

/** Runs a piece of database work; undefined when it failed, and then the failure has been dealt with. */
function guarded<T>(state: State, work: (open: OpenDatabase) => T): T | undefined {
  const open = state.open;
  if (open === undefined) return undefined;
  try {
    return work(open);
  } catch (thrown) {
    if (open.db.inTransaction) rollback(open);
    failed(state, open, thrown);
    return undefined;
  }
}

function rollback(open: OpenDatabase): void {
  try {
    open.db.run("ROLLBACK");
  } catch {
    // SQLite has rolled back by itself (full disk, I/O error).
  }
}

function failed(state: State, open: OpenDatabase, thrown: unknown): void {
  const { path } = state.options;
  switch (classify(thrown)) {
    case "corrupt": {
      // The next open checks the whole file and sets it aside with what is wrong.
      closeDatabase(open);
      state.open = undefined;
      setAsideNow(state, thrown);
      return;
    }
    case "row":
      if (codeOf(thrown) !== "") {
        tell(
          state,
          {
            kind: "invalid",
            message: `the database refused a row: ${messageOf(thrown)} (${codeOf(thrown)}); please report this bug`,
          },
          "once",
        );
        return;
      }
      // Not SQLite's word but the runtime's (a closed or broken handle): begin with a new connection.
      closeDatabase(open);
      state.open = undefined;
      beginOutage(state, worldFault(path, thrown));
      return;
    case "world":
      // A connection that met a disk error is not used again; a full or locked one can be.
      if (codeOf(thrown).startsWith("SQLITE_IOERR") || codeOf(thrown).startsWith("SQLITE_CANTOPEN")) {
        closeDatabase(open);
        state.open = undefined;
      }
      beginOutage(state, worldFault(path, thrown));
  }
}

/** SQLite said corrupt in mid-use: quick_check may not see it (an index, a big table), so the word of the write counts. */
function setAsideNow(state: State, thrown: unknown): void {
  const { path, clock } = state.options;
  const moved = moveAside(path, "corrupt", clock.nowMs());
  if (typeof moved !== "string") {
    beginOutage(state, moved);
    return;
  }
  state.setAside++;
  state.setAsideAtMs.push(clock.nowMs());
  state.folds.clear();
  tell(
    state,
    {
      kind: "invalid",
      message: `the database ${path} became unusable: ${messageOf(thrown)}. It was set aside as ${moved} and a new one is begun`,
      remedy: `what is left of the history can be read with: sqlite3 ${moved} .recover`,
    },
    "once",
  );
  reopen(state);
}

/** One transaction; a row that the database refuses for its content is left out, counted and told, and blocks nobody. */
function transact(state: State, open: OpenDatabase, writes: readonly Write[]): true {
  open.db.run("BEGIN IMMEDIATE");
  for (const write of writes) {
    try {
      apply(open.statements, write);
    } catch (thrown) {
      if (classify(thrown) !== "row") throw thrown;
      state.rejectedRows++;
      tell(
        state,
        {
          kind: "invalid",
          message: `a row for ${write.table} was refused by the database: ${messageOf(thrown)}; please report this bug`,
        },
        "once",
      );
    }
  }
  open.db.run("COMMIT");
  return true;
}

/** Everything that waits, in memory and in the ledger, in one transaction. Throws what SQLite throws. */
function drain(state: State): true {
  const open = state.open;
  if (open === undefined) throw new Error("no database");
  const ledger = state.ledgerUsed ? state.ledger.read() : { intents: [], outcomes: [], unreadable: 0 };
  const writes = [...state.pending.peek(), ...ledger.intents.map(decisionWrite), ...ledger.outcomes.map(outcomeWrite)];
  // Written even when nothing waits: an outage has ended only when a write went through.
  open.statements.setMeta.run("last_opened_at_ms", String(Math.trunc(state.options.clock.nowMs())));
  if (writes.length > 0) transact(state, open, writes);
  state.pending.clear();
  if (state.ledgerUsed) state.ledger.clear();
  state.ledgerUsed = false;
  if (ledger.unreadable > 0) {
    tell(
      state,
      {
        kind: "invalid",
        message: `${ledger.unreadable} lines of ${state.ledger.path} were torn or foreign and are ignored`,
      },
      "once",
    );
  }
  return true;
}

function tell(state: State, fault: Fault, phase: FaultPhase): void {
  try {
    state.options.onFault(fault, phase);
  } catch {
    // Who listens must not be able to stop the store.
  }
}
