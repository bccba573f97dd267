// systemd-logind's sessions, from the files in which it keeps them (the ones sd_session_get_user(3) reads).
// Trusts root's directory; a value may still be text of strangers (a host name), so shape and length are checked.
// Costs one stat a scan; after a change only files that changed are read again.
import { listDirectory } from "./directories.ts";
import { AT } from "./libc.ts";
import { decodeText, readBytes, statFollowing } from "./procfs.ts";

const SESSIONS_MAX = 4_096;
const FILE_BYTES_MAX = 16 * 1024;
const VALUE_CHARACTERS_MAX = 1_024;
/** A change this young may be followed by another with the same time stamp. */
const FRESH_MS = 2_000;

export interface LogindSession {
  readonly id: string;
  readonly uid: number;
  readonly user: string;
  /** `opening`, `online`, `active`, `closing`. */
  readonly state: string;
  readonly remote: boolean;
  /** Address or name; empty for a local one. */
  readonly remoteHost: string;
  readonly type: string;
  readonly class: string;
  /** `pts/0`, `tty1`, `:0`; empty where logind was not told. */
  readonly terminal: string;
  readonly seat: string;
  readonly service: string;
  /** 0 where it is not known. */
  readonly leaderPid: number;
  readonly startedAtMs: number;
}

export interface LogindSessions {
  readonly sessions: readonly LogindSession[];
  /** Files that were not understood, now. */
  readonly malformed: number;
  /** Sessions over the bound, not read. */
  readonly cut: number;
}

export interface LogindReader {
  /** The same object as before where nothing changed. */
  read(): LogindSessions;
}

const NONE: LogindSessions = { sessions: [], malformed: 0, cut: 0 };

interface Kept {
  readonly stamp: string;
  readonly session: LogindSession | undefined;
}

export function createLogindReader(directory = "/run/systemd/sessions", nowMs: () => number = Date.now): LogindReader {
  let stamp = "";
  let kept = new Map<string, Kept>();
  let last = NONE;
  return { read };

  function read(): LogindSessions {
    const stat = statFollowing(AT.currentDirectory, directory);
    if (stat === undefined) {
      stamp = "";
      kept = new Map();
      last = NONE;
      return last;
    }
    const current = `${stat.inode}:${stat.modifiedSeconds}:${stat.modifiedNanoseconds}`;
    if (current === stamp) return last;
    // logind replaces a file by rename, so every change shows in the directory's own time.
    stamp = nowMs() - stat.modifiedSeconds * 1_000 < FRESH_MS ? "" : current;
    const names = listDirectory(directory).filter(isSessionId);
    const next = new Map<string, Kept>();
    for (const name of names.slice(0, SESSIONS_MAX)) {
      const session = readSession(name);
      if (session !== undefined) next.set(name, session);
    }
    kept = next;
    const sessions = [...next.values()].flatMap(({ session }) => session ?? []);
    last = { sessions, malformed: next.size - sessions.length, cut: Math.max(0, names.length - SESSIONS_MAX) };
    return last;
  }

  function readSession(id: string): Kept | undefined {
    const path = `${directory}/${id}`;
    const stat = statFollowing(AT.currentDirectory, path);
    if (stat === undefined) return undefined;
    const current = `${stat.inode}:${stat.sizeBytes}:${stat.modifiedSeconds}:${stat.modifiedNanoseconds}`;
    const before = kept.get(id);
    if (before?.stamp === current) return before;
    const bytes = readBytes(AT.currentDirectory, path, FILE_BYTES_MAX);
    return typeof bytes === "number"
      ? undefined
      : { stamp: current, session: parseLogindSession(id, decodeText(bytes)) };
  }
}

/** `42` (of the audit system) or `c7` (of logind's own); beside them lie fifos `42.ref` and half-written files. */
function isSessionId(name: string): boolean {
  return /^[a-z]{0,2}\d{1,20}$/.test(name);
}

/** Undefined where user, class or start is missing or no such thing. */
export function parseLogindSession(id: string, text: string): LogindSession | undefined {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=");
    if (equals <= 0 || line.startsWith("#")) continue;
    values.set(line.slice(0, equals), unescaped(line.slice(equals + 1)));
  }
  const value = (name: string): string => (values.get(name) ?? "").slice(0, VALUE_CHARACTERS_MAX);
  const uid = wholeNumber(value("UID"));
  const startedAtUs = wholeNumber(value("REALTIME"));
  const user = value("USER");
  if (uid === undefined || startedAtUs === undefined || user === "") return undefined;
  return {
    id,
    uid,
    user,
    state: value("STATE"),
    remote: value("REMOTE") === "1",
    remoteHost: value("REMOTE_HOST"),
    type: value("TYPE"),
    class: value("CLASS"),
    terminal: value("TTY"),
    seat: value("SEAT"),
    service: value("SERVICE"),
    leaderPid: wholeNumber(value("LEADER")) ?? 0,
    startedAtMs: Math.floor(startedAtUs / 1_000),
  };
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined;
}

/** Quotes of an environment file, and the C escapes (`\x20`, `\\`) in which logind writes texts of strangers. */
function unescaped(raw: string): string {
  const quoted = /^"(.*)"$/.exec(raw)?.[1] ?? raw;
  return quoted.replace(/\\(?:x([0-9a-fA-F]{2})|(.))/g, (_, hex: string | undefined, other: string | undefined) =>
    hex === undefined ? (other ?? "") : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
