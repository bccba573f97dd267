/**
 * What sshd logs of whom it let in, and how. The line carries texts of the client, so only entries that journald itself
 * attributes to root's sshd count, and the line is read from its end, where sshd wrote address and port.
 */
import type { Authentication } from "../core/session_memory.ts";
import type { JournalEntry } from "../host/journal_follow.ts";

const WAITING_MAX = 1_000;

/** From the journal's follower to the sessions scanner. */
export interface Authentications {
  put(authentication: Authentication): void;
  /** All since the last call, oldest first. */
  take(): readonly Authentication[];
  /** Dropped because nobody took them, since start. */
  readonly lost: number;
}

export function createAuthentications(): Authentications {
  let waiting: Authentication[] = [];
  let lost = 0;
  return {
    put(authentication) {
      if (waiting.length < WAITING_MAX) waiting.push(authentication);
      else lost++;
    },
    take() {
      const taken = waiting;
      waiting = [];
      return taken;
    },
    get lost() {
      return lost;
    },
  };
}

/** OpenSSH 9.8 split sshd into sshd, sshd-session and sshd-auth. */
const SSHD = /(?:^|\/)sshd(?:-session|-auth)?(?: \(deleted\))?$/;
/**
 * `Accepted publickey for alice from 192.0.2.1 port 50022 ssh2: ED25519 SHA256:...` (auth_log of OpenSSH's auth.c).
 * A user name with ` from ` in it and the id in a certificate cannot end the name early: the name takes all it can.
 */
const ACCEPTED =
  /^Accepted ([\w@./-]{1,64}) for (.{1,256}) from ([0-9A-Fa-f:.]{2,45})(?:%\S{1,64})? port (\d{1,5}) ssh2(?:: .*)?$/;

/** Undefined for every other entry. */
export function authenticationOf(entry: JournalEntry): Authentication | undefined {
  if (entry["_UID"] !== "0" || !SSHD.test(entry["_COMM"] ?? "") || !SSHD.test(entry["_EXE"] ?? "sshd"))
    return undefined;
  const [, method, user, address] = ACCEPTED.exec(entry["MESSAGE"] ?? "") ?? [];
  const pid = Number(entry["_PID"]);
  const atUs = Number(entry["__REALTIME_TIMESTAMP"]);
  if (method === undefined || user === undefined || address === undefined) return undefined;
  if (!Number.isSafeInteger(pid) || pid <= 0 || !Number.isSafeInteger(atUs)) return undefined;
  return { pid, user, address, method, atMs: Math.floor(atUs / 1_000) };
}
