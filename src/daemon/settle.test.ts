// A real store, and real processes frozen as a daemon that was killed in mid-kill leaves them.
import { afterEach, describe, expect, test } from "bun:test";
import { systemClock } from "../core/clock.ts";
import { findingFixture, fixtureId, killFixture, outcomeFixture, planFixture } from "../core/nouns.fixture.ts";
import type { Decision } from "../core/nouns.ts";
import type { ProcessRef } from "../core/process.ts";
import { childrenOf } from "../host/evidence.ts";
import { closePidfd, openPidfd, processState, type Signal, signal } from "../host/signals.ts";
import { endStarted, startPython, until } from "../host/test_processes.ts";
import { open, reading, useHome, value } from "../store/home.fixture.ts";
import { settleLeftovers } from "./settle.ts";

afterEach(endStarted);

const home = useHome();
const extra: ProcessRef[] = [];
afterEach(() => {
  for (const ref of extra.splice(0)) send(ref, "SIGKILL");
});

function send(ref: ProcessRef, which: Signal): void {
  const opened = openPidfd(ref);
  if (!opened.ok) return;
  signal(opened.value, which);
  closePidfd(opened.value);
}

/** A parent, and a child that was born after the decision: only the parent is in the intent. Both frozen. */
async function frozenPair(): Promise<readonly [ProcessRef, ProcessRef]> {
  const { ref } = await startPython("import os\nif os.fork() == 0:\n  import time; time.sleep(60); os._exit(0)");
  const [child] = await until(() => {
    const found = childrenOf(ref.pid);
    return found.length > 0 && found;
  });
  if (child === undefined) throw new Error("no child");
  extra.push(child);
  for (const one of [child, ref]) send(one, "SIGSTOP");
  await until(() => processState(ref) === "stopped" && processState(child) === "stopped");
  return [ref, child];
}

function intent(ref: ProcessRef, atMs: number): Decision {
  const plan = planFixture({ kill: [ref], sockets: [] });
  return { id: fixtureId(), atMs, rule: findingFixture().rule, by: "policy", reasons: [], do: "kill", plan };
}

function isDead(ref: ProcessRef): boolean {
  const state = processState(ref);
  return state === "gone" || state === "zombie";
}

describe("what a predecessor left", () => {
  const NOW = () => systemClock.nowMs();
  const rows: readonly (readonly [name: string, atMs: () => number, mayAct: boolean, dies: boolean, says: RegExp])[] = [
    [
      "a fresh kill is finished with its whole tree",
      () => NOW() - 1_000,
      true,
      true,
      /finished after a restart: killed 2/,
    ],
    [
      "in monitor mode it is let go",
      () => NOW() - 1_000,
      false,
      false,
      /nothing is touched now.*2 frozen processes run/,
    ],
    ["one of an hour ago is let go", () => NOW() - 3_600_000, true, false, /too long ago; 2 frozen processes run/],
    ["one of tomorrow is let go", () => NOW() + 86_400_000, true, false, /too long ago; 2 frozen processes run/],
  ];
  test.each(rows)("%s, and nothing stays frozen", async (_name, atMs, mayAct, dies, says) => {
    const [ref, child] = await frozenPair();
    const store = open(home);
    const decision = intent(ref, atMs());
    store.intend(decision);
    const messages = await settleLeftovers(store, systemClock, mayAct);
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(says);
    await until(() => [ref, child].every((one) => (dies ? isDead(one) : processState(one) === "running")));
    expect(store.unsettled()).toEqual([]);
  });

  test("each intent is settled once, and a second look finds nothing", async () => {
    const store = open(home);
    store.intend(killFixture());
    store.intend({ ...killFixture(), id: fixtureId() });
    expect(await settleLeftovers(store, systemClock, true)).toHaveLength(2);
    expect(await settleLeftovers(store, systemClock, true)).toEqual([]);
  });

  test("a kill with an outcome is left alone", async () => {
    const store = open(home);
    const decision = killFixture();
    store.intend(decision);
    store.settle(outcomeFixture({ decisionId: decision.id }));
    expect(await settleLeftovers(store, systemClock, true)).toEqual([]);
  });

  test("an intent of an outage is found when the database is back", async () => {
    const store = open(home);
    // The same order as in the daemon: the fault's end makes it look again.
    expect(await settleLeftovers(store, systemClock, true)).toEqual([]);
    store.intend(killFixture());
    expect(await settleLeftovers(store, systemClock, true)).toHaveLength(1);
    expect(reading(home, (reader) => value(reader.counts())).findings).toBeDefined();
  });

  test("one that cannot be settled is told, and the next is settled all the same", async () => {
    const settled: string[] = [];
    const decisions = [killFixture(), killFixture()];
    const store = {
      unsettled: () => decisions,
      settle: ({ decisionId }: { decisionId: string }) => {
        if (decisionId === decisions[0]?.id) throw new Error("out of order");
        settled.push(decisionId);
      },
    };
    const messages = await settleLeftovers(store, systemClock, true);
    expect(messages[0]).toContain("could not be settled: out of order; look for stopped processes");
    expect(settled).toEqual([decisions[1]?.id ?? ""]);
  });
});
