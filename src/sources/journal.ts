/**
 * What the journal says of systemd's units, and of whom sshd let in, as it is written. Units count on the word of pid 1
 * alone. What comes and goes by itself all day (scopes, transient units, user managers, units of single connections) is
 * left out, and one unit is told at most once a minute for each of started, stopped and failed.
 */
import type { Clock } from "../core/clock.ts";
import type { Inbox } from "../core/inbox.ts";
import type { EventDraft } from "../core/nouns.ts";
import {
  createJournalFollow,
  type JournalEntry,
  type JournalFollow,
  type JournalFollowOptions,
  type JournalFollowStatus,
} from "../host/journal_follow.ts";
import { type Authentications, authenticationOf } from "./authentications.ts";

/** Of systemd's catalog: sd-messages.h. */
const MESSAGE = {
  started: "39f53479d3a045ac8e11786248231fbf",
  stopped: "9d1aaa27d60140bd96365438aad20286",
  startFailed: "be02cf6855d2428ba40df7e9d022f03d",
  failed: "d9b373ed55a64feb8242e02dbe79a49c",
} as const;
/** Disjunctions of one field, and `+` between whole expressions: journalctl(1). */
const MATCHES: readonly string[] = [
  ...Object.values(MESSAGE).map((id) => `MESSAGE_ID=${id}`),
  "_PID=1",
  ...["+", "_COMM=sshd", "_COMM=sshd-session", "_UID=0"],
];
const FIELDS = "MESSAGE MESSAGE_ID UNIT UNIT_RESULT JOB_RESULT _PID _UID _COMM _EXE".split(" ");
const OWN_UNIT = "algo-monitor.service";
const AGAIN_AFTER_MS = 60_000;
const UNITS_MAX = 2_000;

export interface JournalSourceParts {
  readonly clock: Clock;
  readonly inbox: Inbox;
  readonly authentications: Pick<Authentications, "put">;
  readonly onFault: (message: string, remedy: string) => void;
  readonly follow?: (options: JournalFollowOptions) => JournalFollow;
}

export interface JournalSource {
  start(): void;
  stop(): Promise<void>;
  status(): JournalFollowStatus;
}

export function createJournalSource(parts: JournalSourceParts): JournalSource {
  const { clock, inbox, authentications, onFault, follow = createJournalFollow } = parts;
  const units = createUnitWatch(clock);
  return follow({
    clock,
    matches: MATCHES,
    fields: FIELDS,
    onFault,
    onEntry(entry) {
      const draft = units.draftOf(entry);
      if (draft !== undefined) inbox.put(draft);
      const authentication = authenticationOf(entry);
      if (authentication !== undefined) authentications.put(authentication);
    },
  });
}

type UnitState = "started" | "stopped" | "failed";

export interface UnitWatch {
  /** Undefined for what is no news. */
  draftOf(entry: JournalEntry): EventDraft | undefined;
}

export function createUnitWatch(clock: Clock): UnitWatch {
  /** When it was last told, by state and unit; the oldest first. */
  const told = new Map<string, number>();
  return { draftOf };

  function draftOf(entry: JournalEntry): EventDraft | undefined {
    const name = entry["UNIT"] ?? "";
    const state = stateOf(entry);
    if (entry["_PID"] !== "1" || state === undefined || !isWorthTelling(name) || isRecent(`${state} ${name}`))
      return undefined;
    // A failed start is told twice, by its result and by its job; the first one says more.
    const result = entry["UNIT_RESULT"] ?? entry["JOB_RESULT"] ?? "";
    return {
      action: `unit-${state}`,
      logsource: { category: "unit", product: "linux", service: "algo-monitor" },
      fields: { "unit.name": name, "unit.state": state, "unit.result": result === "" ? "unknown" : result },
    };
  }

  function isRecent(key: string): boolean {
    const nowMs = clock.monotonicMs();
    const lastMs = told.get(key);
    if (lastMs !== undefined && nowMs - lastMs < AGAIN_AFTER_MS) return true;
    told.delete(key);
    told.set(key, nowMs);
    if (told.size > UNITS_MAX) told.delete(told.keys().next().value ?? "");
    return false;
  }
}

/** systemd gives a unit that was skipped for a condition the id and the job result of a started one: only its words differ. */
function stateOf(entry: JournalEntry): UnitState | undefined {
  const message = entry["MESSAGE"] ?? "";
  switch (entry["MESSAGE_ID"]) {
    case MESSAGE.started:
      return /^(?:Started|Finished|Listening on) /.test(message) ? "started" : undefined;
    case MESSAGE.stopped:
      return "stopped";
    case MESSAGE.startFailed:
    case MESSAGE.failed:
      return "failed";
    default:
      return undefined;
  }
}

/** Names: systemd.unit(5), run-u12.service of systemd-run(1), dbus-:1.2-name@0.service of D-Bus activation. */
function isWorthTelling(name: string): boolean {
  if (name.length > 255 || name === OWN_UNIT || !/\.(?:service|timer|socket|path)$/.test(name)) return false;
  if (/^(?:run-[rup]?[0-9a-f]+(?:-i\d+)?\.|dbus-:|user@|user-runtime-dir@|session-)/.test(name)) return false;
  // An instance for one connection (Accept=yes) or one crash: `ssh@3-192.0.2.1:22-198.51.100.2:50022.service`.
  return !/@\d+-/.test(name);
}
