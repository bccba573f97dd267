/** `block`, `unblock`, `blocks`: each order is audited and told, and nobody cuts off the session that gives it. */
import type { Caller, Handlers } from "../core/control.ts";
import type { Session } from "../core/session.ts";
import type { Reachable } from "../decision/block.ts";
import type { Blocks } from "./blocks.ts";
import { sessionOf } from "./rehearse.ts";

export interface BlockHandlerParts {
  readonly blocks: Blocks;
  readonly eyes: { sessions(): readonly Session[] };
  /** Remote ends of the connections that these processes hold. */
  readonly remotesOf: (pids: ReadonlySet<number>) => readonly string[];
  readonly hasTerminal: (pid: number) => boolean;
  readonly say: (message: string) => void;
}

export function blockHandlers(
  { blocks, eyes, remotesOf, hasTerminal, say }: BlockHandlerParts,
  audit: (caller: Caller, action: string, detail: string) => void,
): Pick<Handlers, "block" | "unblock" | "blocks"> {
  return {
    block: async (params, caller) => {
      const done = await blocks.block(params, { name: caller.user, session: sessionAddresses(caller) });
      if (!done.ok) return done;
      const { block, replaced, cut } = done.value;
      audit(caller, "block", `${block.target} for ${params.minutes} minutes: ${block.reason}`);
      say(
        `${caller.user} blocked ${block.target} for ${params.minutes} minutes (${block.reason})${replaced ? ", instead of a block before" : ""}; ${cut} connections were cut; end it with: sudo algo-monitor unblock ${block.target}`,
      );
      return done;
    },
    unblock: async (params, caller) => {
      const done = blocks.unblock(params);
      if (!done.ok) return done;
      for (const { target } of done.value.ended) {
        audit(caller, "unblock", target);
        say(`${caller.user} ended the block of ${target}: it is reachable again`);
      }
      return done;
    },
    blocks: async () => ({ ok: true, value: blocks.list() }),
  };

  /**
   * By logind, and by what the processes above the caller hold themselves: a host without logind has sshd all the same.
   * Above a terminal that has neither (tmux, screen, mosh) stands nobody who could be asked: any login may be the own one.
   */
  function sessionAddresses(caller: Caller): readonly Reachable[] {
    const above = new Set(sessionOf(caller.pid).map(({ pid }) => pid));
    const all = eyes.sessions();
    const own = all.filter(({ leaderPid }) => above.has(leaderPid));
    const remotes = remotesOf(above);
    if (own.length === 0 && remotes.length === 0 && hasTerminal(caller.pid))
      return all.map((session) => ({
        network: session.source,
        what: `where ${nameOf(session)} is logged in from, which may be you: above this terminal stands no login (tmux, screen)`,
      }));
    return [
      ...own.map((session) => ({ network: session.source, what: `your own session (${nameOf(session)})` })),
      ...remotes.map((network) => ({ network, what: "the other end of your own session" })),
    ];
  }
}

function nameOf({ user, terminal }: Session): string {
  return terminal === "" ? user : `${user} on ${terminal}`;
}
