/**
 * sshd's own word on whom it let in, kept until the login it belongs to shows elsewhere. What belongs to none is a login
 * of its own: on a host without pam_systemd, or of a command that was over before anybody looked. Bounded.
 */
import type { Session } from "../core/session.ts";
import type { Authentication, KnownSession } from "../core/session_memory.ts";
import type { Leaders } from "../host/leaders.ts";
import type { Users } from "../host/users.ts";
import { UID_UNKNOWN } from "./logins.ts";

export interface HeardLogins {
  hear(fresh: readonly Authentication[], nowMs: number): void;
  /** How the user of this login got in, where sshd said so; said once. */
  claim(session: Session): string;
  /** The login that this process led was told: what sshd says of it later is no news. */
  spend(pid: number, nowMs: number): void;
  /** Logins of which nobody else knows, without those led by `led`: there now, and over already. */
  alone(led: ReadonlySet<number>, nowMs: number): Alone;
  /** Known before a restart. */
  restore(known: readonly KnownSession[]): void;
}

export interface Alone {
  readonly present: readonly KnownSession[];
  readonly over: readonly KnownSession[];
}

/** Beside logind and utmp: within this time they have seen it too, if they ever will. */
const ALONE_AFTER_MS = 3_500;
const KEPT_MS = 120_000;
const HEARD_MAX = 1_000;
const SPENT_MAX = 1_000;
const ID_BEGINS = "ssh-";

interface Heard extends Authentication {
  readonly heardAtMs: number;
}

export function createHeardLogins(leaders: Leaders, users: Users): HeardLogins {
  let heard: readonly Heard[] = [];
  let present: readonly KnownSession[] = [];
  /** When, by pid. */
  const spent = new Map<number, number>();
  return { hear, claim, spend, alone, restore };

  function hear(fresh: readonly Authentication[], nowMs: number): void {
    for (const [pid, atMs] of spent) if (nowMs - atMs > KEPT_MS) spent.delete(pid);
    const news = fresh.filter(({ pid }) => !spent.has(pid)).map((each) => ({ ...each, heardAtMs: nowMs }));
    if (news.length === 0 && heard.length === 0) return;
    heard = [...heard, ...news].filter(({ heardAtMs }) => nowMs - heardAtMs < KEPT_MS).slice(-HEARD_MAX);
  }

  function claim(session: Session): string {
    const { leaderPid, user } = session;
    if (leaderPid === 0 || heard.length === 0) return "";
    const by = (pid: number): Heard | undefined => heard.find((each) => each.pid === pid && each.user === user);
    const found = by(leaderPid) ?? by(leaders.parentOf(leaderPid));
    heard = heard.filter((each) => each !== found);
    return found?.method ?? "";
  }

  function spend(pid: number, nowMs: number): void {
    if (pid === 0 || spent.size >= SPENT_MAX) return;
    spent.set(pid, nowMs);
    heard = heard.filter((each) => each.pid !== pid);
  }

  function alone(led: ReadonlySet<number>, nowMs: number): Alone {
    const due = heard.filter(({ pid, heardAtMs }) => nowMs - heardAtMs >= ALONE_AFTER_MS && !led.has(pid));
    if (due.length > 0) heard = heard.filter((each) => !due.includes(each));
    const begun = due.map(known);
    present = [...present, ...begun].filter((each) => isThere(each) && !led.has(each.session.leaderPid));
    return { present, over: begun.filter((each) => !isThere(each)) };
  }

  function restore(sessions: readonly KnownSession[]): void {
    present = sessions.filter(({ session }) => session.id.startsWith(ID_BEGINS));
  }

  function isThere({ session, leaderStartedAtTicks }: KnownSession): boolean {
    return leaderStartedAtTicks > 0 && leaders.refOf(session.leaderPid)?.startedAtTicks === leaderStartedAtTicks;
  }

  function known({ pid, user, address, method, atMs }: Heard): KnownSession {
    const session: Session = {
      id: `${ID_BEGINS}${pid}@${Math.floor(atMs / 1_000)}`,
      user,
      uid: users.uidOf(user) ?? UID_UNKNOWN,
      source: address,
      terminal: leaders.terminalBelow(pid),
      service: "sshd",
      type: "unspecified",
      class: "",
      remote: true,
      leaderPid: pid,
      startedAtMs: atMs,
    };
    return { session, leaderStartedAtTicks: leaders.refOf(pid)?.startedAtTicks ?? 0, authentication: method };
  }
}
