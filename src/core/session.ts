/** A login as one scan saw it. */
export interface Session {
  /** systemd's id, or `<terminal>@<start in seconds>` where only utmp knows it. */
  readonly id: string;
  readonly user: string;
  readonly uid: number;
  /** Address or host the login came from; empty for a local one. */
  readonly source: string;
  /** `pts/0`, `tty1`, `seat0`; empty where it has none. */
  readonly terminal: string;
  /** What let the user in: `sshd`, `login`, `gdm-password`, `cockpit`, ...; empty where nobody says. */
  readonly service: string;
  /** `tty`, `x11`, `wayland`, `web`, `unspecified`. */
  readonly type: string;
  /** `user`, `greeter`, `background`, ... as logind calls it. */
  readonly class: string;
  readonly remote: boolean;
  /** The process that leads it; 0 where it is not known. */
  readonly leaderPid: number;
  readonly startedAtMs: number;
}
