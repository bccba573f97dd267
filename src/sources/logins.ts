/**
 * Who is logged in now, one entry for each login however many places know of it: logind's sessions, and records of utmp
 * that belong to none of them. Terminal emulators write utmp too, for terminals that nobody logged in on.
 */
import type { Session } from "../core/session.ts";
import { createLeaders, type Leaders } from "../host/leaders.ts";
import { createLogindReader, type LogindReader, type LogindSession } from "../host/logind.ts";
import type { Users } from "../host/users.ts";
import { createUtmpReader, type UtmpReader, type UtmpRecord } from "../host/utmp.ts";

export interface LoginReaders {
  readonly logind: LogindReader;
  readonly utmp: UtmpReader;
  readonly leaders: Leaders;
  readonly users: Users;
}

export interface LoginsSeen {
  /** Of all classes. */
  readonly sessions: readonly Session[];
  /** Files of logind that were not understood, and sessions over its bound. */
  readonly malformed: number;
  readonly cut: number;
}

/** A person's login, as logind(5) and pam_systemd(8) call it; empty where only utmp knows it. */
const LOGIN_CLASSES: ReadonlySet<string> = new Set(["user", "user-early", "user-light", "user-incomplete", ""]);
const ANCESTORS_LOOKED_AT = 4;
/** Programs that let somebody in, by the name of their process. */
const SERVICES: ReadonlyMap<string, string> = new Map([
  ["sshd", "sshd"],
  ["sshd-session", "sshd"],
  ["dropbear", "dropbear"],
  ["login", "login"],
  ["in.telnetd", "telnetd"],
  ["telnetd", "telnetd"],
]);
/** (uid_t) -1, nobody's number: the account is in no file here. */
export const UID_UNKNOWN = 4_294_967_295;

export function isLogin(session: Session): boolean {
  return LOGIN_CLASSES.has(session.class);
}

/** For a look without the daemon. */
export function readSessionsOnce(users: Users): readonly Session[] {
  return readLogins({ logind: createLogindReader(), utmp: createUtmpReader(), leaders: createLeaders(), users })
    .sessions;
}

export function readLogins(readers: LoginReaders): LoginsSeen {
  const { sessions, malformed, cut } = readers.logind.read();
  const records = readers.utmp.read();
  const recordOf = new Map<LogindSession, UtmpRecord>();
  const alone: UtmpRecord[] = [];
  for (const record of records) {
    const session = sessions.find((candidate) => isSameLogin(readers.leaders, candidate, record));
    if (session === undefined) alone.push(record);
    // A shared connection has a record for each of its terminals; the first one stands for the login.
    else if (!recordOf.has(session)) recordOf.set(session, record);
  }
  const hasSession = new Set(sessions.map(({ user }) => user));
  return {
    sessions: [
      // Closing: the login is over, and something it started still runs.
      ...sessions.filter(({ state }) => state !== "closing").map((session) => ofLogind(session, recordOf.get(session))),
      ...alone.filter((record) => isRealLogin(readers, record, hasSession)).map((record) => ofUtmp(readers, record)),
    ],
    malformed,
    cut,
  };
}

function isSameLogin(leaders: Leaders, session: LogindSession, record: UtmpRecord): boolean {
  if (session.terminal !== "" && session.terminal === record.terminal) return session.user === record.user;
  if (session.leaderPid === 0 || record.pid === 0) return false;
  let pid = record.pid;
  for (let step = 0; step < ANCESTORS_LOOKED_AT && pid > 1; step++) {
    if (pid === session.leaderPid) return true;
    pid = leaders.parentOf(pid);
  }
  return false;
}

/**
 * utempter(3) lets any user write a record for a terminal of his own, with a host of his choice: xterm, screen and tmux
 * do. Such a record's process is the user's; that of a login is root's, except where the login program became the shell.
 */
function isRealLogin({ leaders }: LoginReaders, record: UtmpRecord, hasSession: ReadonlySet<string>): boolean {
  const uid = leaders.uidOf(record.pid);
  if (uid < 0) return false; // left behind by a crash
  if (uid === 0 && SERVICES.has(leaders.nameOf(record.pid))) return true;
  return !isEmulator(record) && !hasSession.has(record.user);
}

/** By its record alone: `:0`, `tmux(4711).%0`, or a pseudo-terminal from no address. */
export function isEmulator({ host, terminal, address }: UtmpRecord): boolean {
  if (/^(?::|tmux\(|screen|mosh)/.test(host) || /^:/.test(terminal)) return true;
  return terminal.startsWith("pts/") && address === "";
}

function ofLogind(session: LogindSession, record: UtmpRecord | undefined): Session {
  const { id, user, uid, service, type, remote, leaderPid, startedAtMs } = session;
  const terminal = session.terminal || record?.terminal || session.seat;
  const source = record?.address || session.remoteHost || record?.host || "";
  return {
    ...{ id, user, uid, source: remote ? source : "", terminal, service: serviceName(service), type },
    ...{ class: session.class, remote, leaderPid, startedAtMs },
  };
}

function ofUtmp({ leaders, users }: LoginReaders, record: UtmpRecord): Session {
  return {
    id: `${record.terminal}@${Math.floor(record.atMs / 1_000)}`,
    user: record.user,
    uid: users.uidOf(record.user) ?? UID_UNKNOWN,
    source: record.address || record.host,
    terminal: record.terminal,
    service: SERVICES.get(leaders.nameOf(record.pid)) ?? "",
    type: "tty",
    class: "",
    remote: record.address !== "" || record.host !== "",
    leaderPid: record.pid,
    startedAtMs: record.atMs,
  };
}

/** The PAM service; sshd may have been told to use another name, but not by whom it lets in. */
function serviceName(service: string): string {
  return SERVICES.get(service) ?? service;
}
