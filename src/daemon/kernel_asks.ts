/**
 * Answers what the kernel asks about: a look out of turn, and where what is there may still become a shell some more of
 * them, until the answer is stop or release. Whoever is not answered is let go by the sensor when its time is over.
 */
import type { Clock } from "../core/clock.ts";
import type { KernelAsk, KernelConnection } from "../core/kernel.ts";
import { type ProcessRef, sameProcess } from "../core/process.ts";
import type { HeldConnection } from "../core/sweep.ts";
import type { HostView } from "../core/view.ts";
import { mayBecomeShell } from "../detection/pending_shape.ts";
import type { Acted, Run } from "./pipeline.ts";

const LOOKS_AFTER_MS: readonly number[] = [5, 15, 40, 100, 200];
const CONNECTION_DEADLINE_MS = 500;
const EXEC_DEADLINE_MS = 50;
/** An answer on its way needs this long at most. */
const ANSWER_MARGIN_MS = 15;
const PENDING_MAX = 1_024;
const ACTED_KEPT_MS = 5_000;
const TOOK_KEPT = 512;

export type Answer = "release" | "stop" | "wait";

export interface AsksParts {
  readonly clock: Clock;
  /** Resolves when a look that began after the call was judged, with what it led to. */
  readonly look: () => Promise<void>;
  readonly answer: (ask: Pick<KernelAsk, "id" | "held">, answer: Answer, moreMs: number) => void;
}

export interface KernelAsks {
  hear(ask: KernelAsk): void;
  /** After each sweep, whoever wanted it. */
  judged(run: Run): void;
  held(): readonly HeldConnection[];
  counts(): AskCounts;
}

export interface AskCounts {
  readonly asked: number;
  readonly stopped: number;
  readonly released: number;
  /** More than fit: released at once. */
  readonly refused: number;
  /** From the question to the answer, the newest, milliseconds. */
  readonly tookMs: readonly number[];
}

interface Pending {
  ask: KernelAsk;
  /** All that were named in questions about this connection. */
  processes: readonly ProcessRef[];
  readonly heardMonotonicMs: number;
  nextLookMonotonicMs: number;
  looks: number;
}

export function createKernelAsks(parts: AsksParts): KernelAsks {
  const { clock } = parts;
  const pending = new Map<string, Pending>();
  const counts = { asked: 0, stopped: 0, released: 0, refused: 0 };
  let tookMs: readonly number[] = [];
  let acted: readonly { readonly atMs: number; readonly what: Acted }[] = [];
  let view: HostView | undefined;
  let isLooking = false;
  return { hear, judged, held, counts: () => ({ ...counts, tookMs }) };

  function hear(ask: KernelAsk): void {
    counts.asked++;
    const key = keyOf(ask);
    const known = pending.get(key);
    const named = [ask.task.ref, ...(ask.holder === undefined ? [] : [ask.holder])];
    const nowMs = clock.monotonicMs();
    if (known !== undefined) {
      // Something new on a connection that waits already: it is looked at again from the start, within the first deadline.
      known.ask = ask;
      known.processes = [...known.processes, ...named].slice(-64);
      known.nextLookMonotonicMs = nowMs;
      known.looks = 0;
    } else if (pending.size >= PENDING_MAX) {
      counts.refused++;
      reply(ask, "release", 0);
      return;
    } else {
      pending.set(key, { ask, processes: named, heardMonotonicMs: nowMs, nextLookMonotonicMs: nowMs, looks: 0 });
    }
    if (!isLooking) void lookOn();
  }

  async function lookOn(): Promise<void> {
    isLooking = true;
    // What came in one breath is looked at together.
    await Promise.resolve();
    try {
      while (pending.size > 0) {
        const waitMs = Math.min(...[...pending.values()].map((one) => one.nextLookMonotonicMs)) - clock.monotonicMs();
        if (waitMs > 0) await Bun.sleep(Math.min(waitMs, LOOKS_AFTER_MS[0] ?? waitMs));
        const due = [...pending].filter(([, one]) => one.nextLookMonotonicMs <= clock.monotonicMs());
        if (due.length === 0) continue;
        await parts.look();
        for (const [key, one] of due) settle(key, one);
      }
    } finally {
      isLooking = false;
    }
  }

  function settle(key: string, one: Pending): void {
    const ageMs = clock.monotonicMs() - one.heardMonotonicMs;
    if (wasStopped(one)) {
      pending.delete(key);
      counts.stopped++;
      tookMs = [...tookMs.slice(1 - TOOK_KEPT), ageMs];
      reply(one.ask, "stop", 0);
      return;
    }
    const afterMs = LOOKS_AFTER_MS[one.looks];
    const deadlineMs = one.ask.held === "exec" ? EXEC_DEADLINE_MS : CONNECTION_DEADLINE_MS;
    const hasTime = afterMs !== undefined && ageMs + afterMs + ANSWER_MARGIN_MS < deadlineMs;
    if (hasTime && view !== undefined && mayStillBecome(view, one)) {
      one.looks++;
      one.nextLookMonotonicMs = clock.monotonicMs() + afterMs;
      if (one.looks === 1) reply(one.ask, "wait", deadlineMs - ageMs);
      return;
    }
    pending.delete(key);
    counts.released++;
    tookMs = [...tookMs.slice(1 - TOOK_KEPT), ageMs];
    reply(one.ask, "release", 0);
  }

  function mayStillBecome(seen: HostView, { ask, processes }: Pending): boolean {
    const { connection } = ask;
    if (connection === undefined) return false;
    const socket = seen.internetSocket(connection.inode);
    const ageMs = connection.openedAtMs === 0 ? undefined : seen.atMs - connection.openedAtMs;
    return mayBecomeShell(seen, { socket, processes, ageMs });
  }

  function wasStopped({ ask, processes }: Pending): boolean {
    return acted.some(({ what }) => isAbout(what, ask.connection, processes));
  }

  function judged(run: Run): void {
    view = run.view;
    const nowMs = clock.monotonicMs();
    acted = [
      ...acted.filter(({ atMs }) => nowMs - atMs < ACTED_KEPT_MS),
      ...run.acted.map((what) => ({ atMs: nowMs, what })),
    ];
  }

  function held(): readonly HeldConnection[] {
    return [...pending.values()].flatMap(({ ask }) => {
      const { connection } = ask;
      if (ask.held !== "connection" || connection === undefined) return [];
      const { cookie, inode, openedAtMs } = connection;
      return [{ cookie, inode, openedAtMs }];
    });
  }

  function reply(ask: KernelAsk, answer: Answer, moreMs: number): void {
    if (ask.held !== "nothing") parts.answer(ask, answer, moreMs);
  }
}

function keyOf({ held, id, task }: KernelAsk): string {
  return held === "nothing" && id === 0n ? `process ${task.ref.pid} ${task.ref.startedAtTicks}` : `${held} ${id}`;
}

/** A kill that failed stopped nothing. */
function isAbout(
  { decision, outcome }: Acted,
  connection: KernelConnection | undefined,
  processes: readonly ProcessRef[],
): boolean {
  const cut =
    connection !== undefined &&
    outcome.socketsDestroyed > 0 &&
    decision.plan.sockets.some((socket) => socket.inode === connection.inode);
  return cut || outcome.killed.some((killed) => processes.some((ref) => sameProcess(ref, killed)));
}
