/** A login that began or ended, as an event: facts only, in the words of fields.ts. Pure. */
import { parseAddress, scopeOf } from "../core/address.ts";
import type { EventDraft, Fields } from "../core/nouns.ts";
import type { ProcessRef } from "../core/process.ts";
import type { Session } from "../core/session.ts";
import { UID_UNKNOWN } from "./logins.ts";
import type { NetworkNovelty } from "./networks_seen.ts";

export interface StartFacts {
  readonly session: Session;
  /** Empty where nobody said. */
  readonly authentication: string;
  /** Of the account, empty where it is not known. */
  readonly shell: string;
  /** Undefined for a local login, and for one from a name without address. */
  readonly network: string | undefined;
  readonly novelty: NetworkNovelty;
  readonly leader: ProcessRef | undefined;
}

/** An account change inside a login that was told already. */
const SWITCHES: ReadonlySet<string> = new Set(["su", "su-l", "sudo", "sudo-i", "runuser", "runuser-l"]);
/** uid_t of nobody, and what login.defs keeps for services. */
const NOBODY = 65_534;
const SERVICE_UID_MAX = 999;

export function startedDraft(facts: StartFacts): EventDraft {
  const { session, authentication, shell, network, novelty } = facts;
  const shellDisabled = /\/(?:nologin|false)$/.test(shell);
  const fields: Fields = {
    ...common(session, authentication),
    "session.state": "started",
    "session.new_network": novelty.isNew,
    "session.first_remote": network !== undefined && novelty.isFirst,
    "session.service_account": isServiceAccount(session, shellDisabled),
    "session.shell_disabled": shellDisabled,
    ...(network === undefined ? {} : { "session.network": network }),
  };
  return draft("session-started", fields, facts.leader);
}

export function endedDraft(session: Session, authentication: string, endedAtMs: number): EventDraft {
  const seconds = Math.max(0, Math.round((endedAtMs - session.startedAtMs) / 1_000));
  return draft("session-ended", {
    ...common(session, authentication),
    "session.state": "ended",
    "session.end": Math.max(endedAtMs, session.startedAtMs),
    "session.duration_seconds": seconds,
    "session.lasted": lastedText(seconds),
  });
}

function draft(action: string, fields: Fields, leader?: ProcessRef): EventDraft {
  const logsource = { category: "session", product: "linux", service: "algo-monitor" } as const;
  return { action, logsource, fields, ...(leader === undefined ? {} : { process: leader }) };
}

function common(session: Session, authentication: string): Fields {
  const { source, terminal, service, uid, leaderPid } = session;
  const isAddress = parseAddress(source) !== undefined;
  return {
    "user.name": session.user,
    ...(uid === UID_UNKNOWN ? {} : { "user.id": uid }),
    ...(leaderPid === 0 ? {} : { "process.pid": leaderPid }),
    ...(isAddress ? { "source.ip": source, "session.scope": scopeOf(source) } : {}),
    "session.id": session.id,
    ...(terminal === "" ? {} : { "session.terminal": terminal }),
    ...(service === "" ? {} : { "session.service": service }),
    "session.type": session.type,
    "session.class": session.class,
    "session.remote": session.remote,
    "session.start": session.startedAtMs,
    ...(authentication === "" ? {} : { "session.authentication": authentication }),
    "session.origin": source || (session.remote ? "another host" : "this host"),
    "session.access": accessText(session, authentication),
  };
}

function accessText({ service, terminal }: Session, authentication: string): string {
  const by = authentication === "" ? "" : ` by ${authentication}`;
  const on = terminal === "" ? "" : ` on ${terminal}`;
  return `${service === "" ? "login" : service}${by}${on}`;
}

/**
 * An account of the system (root apart), or one whose shell refuses everybody, that somebody entered. Not su and sudo,
 * by which administrators work as `postgres`; and not a file transfer by an account of a person without a shell.
 */
function isServiceAccount({ uid, terminal, remote, service }: Session, shellDisabled: boolean): boolean {
  if (SWITCHES.has(service)) return false;
  if ((uid >= 1 && uid <= SERVICE_UID_MAX) || uid === NOBODY) return terminal !== "" || remote;
  return shellDisabled && terminal !== "";
}

/** The two largest units: `42 s`, `5 min 3 s`, `2 d 4 h`. */
export function lastedText(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return "0 s";
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}
