// What an innocent scenario is: everyday work that stays alive until it is stopped and must never be harmed.

export interface Innocent {
  /** A sentence that says what the work is. */
  readonly name: string;
  readonly run: Run;
  /** A bash script run in the host before. */
  readonly setup?: string;
  /** Bash in the attacker's namespace that plays the other side (requests, a client that stays), until stopped. */
  readonly traffic?: string;
  /** The rule that may tell of it, and never stop it: nothing seen from outside parts it from what the rule is about. */
  readonly told?: string;
  /** Bash in the host that must succeed while the work is alive. Default: it still has processes. */
  readonly alive?: string;
  /** Bash in the host afterwards. */
  readonly cleanup?: string;
}

export type Run =
  /** Bash as a transient unit of the host. */
  | { readonly as: "unit"; readonly script: string; readonly user?: string }
  /** A service with a unit file: lines of [Service]. */
  | { readonly as: "service"; readonly lines: readonly string[] }
  /** Bash on the remote side, e.g. a client that comes in by ssh; alive while it runs. */
  | { readonly as: "remote"; readonly script: string }
  /** The setup started it (cron, at, xinetd, socket activation); `alive` is required to say that it lives. */
  | { readonly as: "setup" };

export function unit(script: string, user?: string): Run {
  return user === undefined ? { as: "unit", script } : { as: "unit", script, user };
}

export function service(...lines: string[]): Run {
  return { as: "service", lines };
}

export function remote(script: string): Run {
  return { as: "remote", script };
}
