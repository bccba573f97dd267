/** What the watch over logins knows across restarts. Everything survives JSON. */
import type { Session } from "./session.ts";

export interface KnownSession {
  readonly session: Session;
  /** Of `session.leaderPid`; 0 where it was not known. */
  readonly leaderStartedAtTicks: number;
  /** How the user proved who he is, as sshd says; empty where nobody said. */
  readonly authentication: string;
}

/** A network in CIDR form (/24, /64) that a user has logged in from. */
export interface SeenNetwork {
  readonly network: string;
  readonly lastAtMs: number;
}

export interface UserNetworks {
  readonly user: string;
  readonly networks: readonly SeenNetwork[];
}

/** How far wtmp was read. */
export interface LogPlace {
  readonly device: number;
  readonly inode: number;
  readonly offsetBytes: number;
}

export interface SessionMemory {
  /** Of /proc/sys/kernel/random/boot_id: pids and session ids mean something within one boot only. */
  readonly bootId: string;
  readonly sessions: readonly KnownSession[];
  readonly networks: readonly UserNetworks[];
  readonly wtmp?: LogPlace;
}

/** Who got in by ssh and how, as sshd itself logged it. */
export interface Authentication {
  /** sshd's process for this connection, which leads the session. */
  readonly pid: number;
  readonly user: string;
  readonly address: string;
  /** `publickey`, `password`, `keyboard-interactive/pam`, `gssapi-with-mic`, `hostbased`, ... */
  readonly method: string;
  readonly atMs: number;
}

export const SESSIONS_KNOWN_MAX = 4_096;
export const USERS_REMEMBERED_MAX = 1_000;
export const NETWORKS_PER_USER_MAX = 64;
