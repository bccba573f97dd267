/**
 * Logins and logouts each 5 s, one of each however many places know of it: logind, utmp and wtmp, and sshd's own word
 * in the journal, which is all there is of a command that ran for a second. Trusts root's files; texts of strangers in
 * them are escaped by whoever shows them. Costs three stats a scan while nobody comes or goes.
 */
import { scopeOf } from "../core/address.ts";
import type { Clock } from "../core/clock.ts";
import type { EventDraft } from "../core/nouns.ts";
import { type Fault, ok, type Result } from "../core/result.ts";
import type { Session } from "../core/session.ts";
import { type KnownSession, SESSIONS_KNOWN_MAX, type SessionMemory } from "../core/session_memory.ts";
import { createLeaders, type Leaders } from "../host/leaders.ts";
import { createLogindReader, type LogindReader } from "../host/logind.ts";
import type { Users } from "../host/users.ts";
import { createUtmpReader, createWtmpTail, type UtmpReader, type UtmpRecord, type WtmpTail } from "../host/utmp.ts";
import type { Authentications } from "./authentications.ts";
import { createHeardLogins, type HeardLogins } from "./heard_logins.ts";
import { isEmulator, isLogin, readLogins, UID_UNKNOWN } from "./logins.ts";
import { createNetworksSeen, type NetworkNovelty, type NetworksSeen, networkOf } from "./networks_seen.ts";
import type { Scanner } from "./scanner.ts";
import { endedDraft, startedDraft } from "./session_events.ts";

export interface SessionScannerParts {
  readonly clock: Clock;
  readonly users: Users;
  /** Of this boot; empty where it is not known. */
  readonly bootId: string;
  readonly authentications: Pick<Authentications, "take">;
  /** What was known before a restart; kept by the store. */
  readonly memory: {
    load(): Result<SessionMemory | undefined>;
    save(memory: SessionMemory): Result<void>;
  };
  readonly readers?: Partial<SessionReaders>;
}

export interface SessionReaders {
  readonly logind: LogindReader;
  readonly utmp: UtmpReader;
  readonly leaders: Leaders;
  readonly openWtmp: (from: SessionMemory["wtmp"]) => WtmpTail;
}

export interface SessionScanner extends Scanner<void, readonly EventDraft[]> {
  /** As of the last scan, of all classes. */
  current(): readonly Session[];
}

/** utmp keeps its own time, and so do logind and sshd. */
const SAME_LOGIN_MS = 10_000;
/** A login by ssh is there before sshd's word of it, or its terminal, has come through. */
const SETTLED_AFTER_MS = 1_500;
const OVER_MAX = 256;

interface Waiting {
  readonly session: Session;
  readonly authentication: string;
}

interface State {
  readonly parts: SessionScannerParts;
  readonly readers: SessionReaders;
  readonly heard: HeardLogins;
  wtmp: WtmpTail | undefined;
  networks: NetworksSeen;
  /** Told, or there before us; by `keyOf`. */
  known: Map<string, KnownSession>;
  /** Seen, and not told yet; by `keyOf`. */
  waiting: Map<string, Waiting>;
  current: readonly Session[];
  /** Ended lately, so that wtmp does not tell them a second time. */
  over: readonly Session[];
  isChanged: boolean;
  saveFailed: boolean;
}

export function createSessionScanner(parts: SessionScannerParts): SessionScanner {
  const { clock, users, readers = {} } = parts;
  const leaders = readers.leaders ?? createLeaders();
  const state: State = {
    parts,
    readers: {
      logind: readers.logind ?? createLogindReader(undefined, clock.nowMs),
      utmp: readers.utmp ?? createUtmpReader(undefined, clock.nowMs),
      leaders,
      openWtmp: readers.openWtmp ?? ((from) => createWtmpTail(undefined, from)),
    },
    heard: createHeardLogins(leaders, users),
    wtmp: undefined,
    networks: createNetworksSeen(),
    known: new Map(),
    waiting: new Map(),
    current: [],
    over: [],
    isChanged: false,
    saveFailed: false,
  };
  return { name: "sessions", probe: () => ok(undefined), scan: () => scan(state), current: () => state.current };
}

function scan(state: State): ReturnType<SessionScanner["scan"]> {
  const { clock, users, authentications } = state.parts;
  const startedMs = clock.monotonicMs();
  const faults: Fault[] = [];
  const isFirstEver = state.wtmp === undefined && !recall(state, faults);
  const records = wtmpRecords(state, faults);
  const seen = readLogins({ ...state.readers, users });
  if (seen.malformed > 0)
    faults.push({ kind: "invalid", message: `${seen.malformed} sessions of logind were not understood` });
  if (seen.cut > 0) faults.push({ kind: "limit", message: `${seen.cut} sessions are over the bound and not seen` });
  const logins = seen.sessions.filter(isLogin).slice(0, SESSIONS_KNOWN_MAX);
  state.heard.hear(authentications.take(), startedMs);
  const alone = state.heard.alone(new Set(logins.map(({ leaderPid }) => leaderPid)), startedMs);
  const now = new Map(logins.map((session) => [keyOf(session), session]));
  if (isFirstEver) for (const session of logins) become(state, knownOf(state, withTerminal(state, session), ""));
  const events = [
    ...arrivals(state, now),
    ...alone.present.flatMap((each) => (state.known.has(keyOf(each.session)) ? [] : [begin(state, each)])),
    ...alone.over.flatMap((each) => pass(state, each, clock.nowMs())),
    ...missed(state, records, logins),
  ];
  for (const { session } of alone.present) now.set(keyOf(session), session);
  events.push(...departures(state, now, records));
  state.current = [...seen.sessions, ...alone.present.map(({ session }) => session)].map((each) => whole(state, each));
  save(state, faults);
  return { seen: events, items: state.current.length, faults, tookMs: clock.monotonicMs() - startedMs };
}

/** With the terminal that was found when it began. */
function whole(state: State, session: Session): Session {
  const terminal = session.terminal || (state.known.get(keyOf(session))?.session.terminal ?? "");
  return terminal === session.terminal ? session : { ...session, terminal };
}

function keyOf({ id, startedAtMs }: Session): string {
  return `${id} ${startedAtMs}`;
}

/** Takes up what was known before. False where nothing was: whoever is there now is no news then. */
function recall(state: State, faults: Fault[]): boolean {
  const loaded = state.parts.memory.load();
  if (!loaded.ok) faults.push(loaded.fault);
  const memory = loaded.ok ? loaded.value : undefined;
  state.wtmp = state.readers.openWtmp(memory?.wtmp);
  state.isChanged = true;
  if (memory === undefined) return false;
  state.networks = createNetworksSeen(memory.networks);
  // Of another boot: all of them are over, and whoever is there now came since.
  if (memory.bootId !== state.parts.bootId) return true;
  state.known = new Map(memory.sessions.map((known) => [keyOf(known.session), known]));
  state.heard.restore(memory.sessions);
  return true;
}

function wtmpRecords(state: State, faults: Fault[]): readonly UtmpRecord[] {
  const read = state.wtmp?.read();
  if (read === undefined) return [];
  if (!read.ok) {
    faults.push(read.fault);
    return [];
  }
  if (read.value.skipped > 0)
    faults.push({ kind: "limit", message: `${read.value.skipped} records of wtmp came at once and were not read` });
  if (read.value.records.length > 0) state.isChanged = true;
  return read.value.records;
}

/** Logins that are there and were not told yet. Those by ssh wait for sshd's word, at most until the next scan. */
function arrivals(state: State, now: ReadonlyMap<string, Session>): EventDraft[] {
  const events: EventDraft[] = [];
  for (const [key, session] of now) {
    if (state.known.has(key) || isSameAsKnown(state, session, now)) continue;
    const waited = state.waiting.get(key);
    const authentication = waited?.authentication || state.heard.claim(session);
    const whole = withTerminal(state, session);
    if (waited !== undefined || isSettled(state, whole, authentication)) {
      state.waiting.delete(key);
      events.push(begin(state, knownOf(state, whole, authentication)));
    } else if (state.waiting.size < SESSIONS_KNOWN_MAX) state.waiting.set(key, { session: whole, authentication });
  }
  for (const [key, { session, authentication }] of state.waiting) {
    if (now.has(key)) continue;
    state.waiting.delete(key);
    const late = authentication || state.heard.claim(session);
    events.push(...pass(state, knownOf(state, session, late), state.parts.clock.nowMs()));
  }
  return events;
}

/** A login that one more place has come to know of: it stays the same one. */
function isSameAsKnown(state: State, session: Session, now: ReadonlyMap<string, Session>): boolean {
  if (session.leaderPid === 0) return false;
  for (const [key, known] of state.known) {
    if (known.session.leaderPid !== session.leaderPid || known.session.user !== session.user || now.has(key)) continue;
    if (known.leaderStartedAtTicks !== (state.readers.leaders.refOf(session.leaderPid)?.startedAtTicks ?? 0)) continue;
    state.known.delete(key);
    state.known.set(keyOf(session), { ...known, session });
    state.isChanged = true;
    return true;
  }
  return false;
}

function isBySsh({ service, remote }: Session): boolean {
  return service === "sshd" || (service === "" && remote);
}

function isSettled(state: State, session: Session, authentication: string): boolean {
  if (!isBySsh(session)) return true;
  const ageMs = state.parts.clock.nowMs() - session.startedAtMs;
  return authentication !== "" && (session.terminal !== "" || ageMs > SETTLED_AFTER_MS);
}

/** logind does not know the terminal of an ssh login, and Debian 13 has no utmp that would. */
function withTerminal(state: State, session: Session): Session {
  if (session.terminal !== "" || session.leaderPid === 0 || !isBySsh(session)) return session;
  return { ...session, terminal: state.readers.leaders.terminalBelow(session.leaderPid) };
}

function knownOf(state: State, session: Session, authentication: string): KnownSession {
  const leaderStartedAtTicks = state.readers.leaders.refOf(session.leaderPid)?.startedAtTicks ?? 0;
  return { session, leaderStartedAtTicks, authentication };
}

/** From now on it is known. Returns what its network was until now. */
function become(state: State, known: KnownSession): { network: string | undefined; novelty: NetworkNovelty } {
  const { session } = known;
  state.known.set(keyOf(session), known);
  state.isChanged = true;
  const network = session.remote && scopeOf(session.source) !== "loopback" ? networkOf(session.source) : undefined;
  if (network === undefined) return { network, novelty: { isNew: false, isFirst: false } };
  return { network, novelty: state.networks.learn(session.user, network, session.startedAtMs) };
}

function begin(state: State, known: KnownSession): EventDraft {
  const { session, authentication, leaderStartedAtTicks } = known;
  const shell = state.readers.leaders.shellOf(session.user);
  const leader =
    leaderStartedAtTicks === 0 ? undefined : { pid: session.leaderPid, startedAtTicks: leaderStartedAtTicks };
  return startedDraft({ session, authentication, shell, leader, ...become(state, known) });
}

/** Begun and ended between two scans. */
function pass(state: State, known: KnownSession, endedAtMs: number): EventDraft[] {
  const begun = begin(state, known);
  return [begun, end(state, known, endedAtMs)];
}

function end(state: State, { session, authentication }: KnownSession, endedAtMs: number): EventDraft {
  state.known.delete(keyOf(session));
  state.over = [...state.over, session].slice(-OVER_MAX);
  state.heard.spend(session.leaderPid, state.parts.clock.monotonicMs());
  state.isChanged = true;
  return endedDraft(session, authentication, endedAtMs);
}

/** Logins on terminals that wtmp has from beginning to end and nobody else showed: while we did not run, or did not look. */
function missed(state: State, records: readonly UtmpRecord[], logins: readonly Session[]): EventDraft[] {
  const events: EventDraft[] = [];
  for (const [at, record] of records.entries()) {
    if (record.kind !== "login" || record.user === "" || isEmulator(record)) continue;
    const out = records.slice(at + 1).find((other) => other.terminal === record.terminal && other.kind === "logout");
    if (out === undefined || isSeen(state, record, logins)) continue;
    const session: Session = {
      id: `${record.terminal}@${Math.floor(record.atMs / 1_000)}`,
      user: record.user,
      uid: state.parts.users.uidOf(record.user) ?? UID_UNKNOWN,
      source: record.address || record.host,
      terminal: record.terminal,
      service: "",
      type: "tty",
      class: "",
      remote: record.address !== "" || record.host !== "",
      leaderPid: record.pid,
      startedAtMs: record.atMs,
    };
    const authentication = state.heard.claim(session);
    const service = authentication === "" ? "" : "sshd";
    events.push(...pass(state, knownOf(state, { ...session, service }, authentication), out.atMs));
  }
  return events;
}

function isSeen(state: State, record: UtmpRecord, logins: readonly Session[]): boolean {
  const seen = [...logins, ...state.over, ...[...state.known.values()].map(({ session }) => session)];
  return seen.some(
    ({ user, leaderPid, terminal, startedAtMs }) =>
      user === record.user &&
      Math.abs(startedAtMs - record.atMs) < SAME_LOGIN_MS &&
      (leaderPid === record.pid || terminal === record.terminal),
  );
}

function departures(state: State, now: ReadonlyMap<string, Session>, records: readonly UtmpRecord[]): EventDraft[] {
  const { clock } = state.parts;
  const events: EventDraft[] = [];
  for (const [key, known] of state.known) {
    if (now.has(key)) continue;
    const { session } = known;
    const out = records.find(
      ({ kind, terminal, atMs }) => kind === "logout" && terminal === session.terminal && atMs >= session.startedAtMs,
    );
    events.push(end(state, known, out?.atMs ?? clock.nowMs()));
  }
  return events;
}

/** Where it cannot be written it is tried again at each scan, and told once. */
function save(state: State, faults: Fault[]): void {
  if (!state.isChanged) return;
  const wtmp = state.wtmp?.place();
  const saved = state.parts.memory.save({
    bootId: state.parts.bootId,
    sessions: [...state.known.values()].slice(0, SESSIONS_KNOWN_MAX),
    networks: state.networks.all(),
    ...(wtmp === undefined ? {} : { wtmp }),
  });
  if (!saved.ok && !state.saveFailed) faults.push(saved.fault);
  state.saveFailed = !saved.ok;
  state.isChanged = !saved.ok;
}
