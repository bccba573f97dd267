// A question of the kernel: how often it is looked at, and what is answered when.
import { describe, expect, test } from "bun:test";
import { hostFixture } from "../context/host.fixture.ts";
import { systemClock } from "../core/clock.ts";
import { askFixture, connectionFixture, taskFixture } from "../core/kernel.fixture.ts";
import type { KernelAsk } from "../core/kernel.ts";
import { outcomeFixture, planFixture, socketFixture } from "../core/nouns.fixture.ts";
import type { ProcessRef } from "../core/process.ts";
import { createKernelAsks } from "./kernel_asks.ts";
import type { Acted } from "./pipeline.ts";

/** Code in one line that holds the connection and has said nothing. */
const hostOf = (more: string): string => `pid 500 ppid 1 uid 1000 age 30 exe /usr/bin/python3.11
  argv ["python3","-c","..."]
  fd 3 rw socket:[9001]
${more}
tcp 10.0.0.5:40000 -> 203.0.113.7:4444 inode 9001 sent 0 0 received 0 0`;
const UNDECIDED = hostOf("");
const ASLEEP = hostOf("  blocked 3");
const CLOSED = `pid 500 ppid 1 uid 1000 exe /usr/bin/python3.11`;

function killOf(killed: readonly ProcessRef[], sockets: readonly number[] = []): Acted {
  const plan = { ...planFixture(), sockets: sockets.map((inode) => socketFixture({ inode })) };
  return {
    decision: {
      id: "d",
      atMs: 0,
      rule: { id: "r", name: "reverse_shell", version: 1 },
      by: "policy",
      reasons: [],
      do: "kill",
      plan,
    },
    outcome: outcomeFixture({ killed, socketsDestroyed: sockets.length }),
  };
}

interface Look {
  readonly host: string;
  readonly acted?: readonly Acted[];
}

/** Each look sees the next of these, the last one for good; resolves with all answers, `release@2` with the number of looks. */
async function answers(
  looks: readonly Look[],
  asks: readonly KernelAsk[] = [askFixture()],
): Promise<readonly string[]> {
  const told: string[] = [];
  let count = 0;
  const kernel = createKernelAsks({
    clock: systemClock,
    look: async () => {
      const look = looks[Math.min(count, looks.length - 1)] ?? { host: "" };
      count++;
      kernel.judged({ view: hostFixture(look.host, { atMs: Date.now() }).view, acted: look.acted ?? [] });
    },
    answer: ({ id }, answer) => void told.push(`${answer}${id === 42n ? "" : ` ${id}`}@${count}`),
  });
  for (const ask of asks) kernel.hear(ask);
  const settled = () => kernel.counts().released + kernel.counts().stopped;
  for (let round = 0; round < 200 && settled() < asks.length; round++) await Bun.sleep(5);
  expect(settled()).toBe(asks.length);
  expect(kernel.held()).toEqual([]);
  return told;
}

const REF: ProcessRef = { pid: 500, startedAtTicks: 1_500 };

describe("a question", () => {
  test("is answered stop when the process was killed", async () =>
    expect(await answers([{ host: UNDECIDED, acted: [killOf([REF])] }])).toEqual(["stop@1"]));

  test("is answered stop when the connection was destroyed", async () =>
    expect(await answers([{ host: UNDECIDED, acted: [killOf([], [9_001])] }])).toEqual(["stop@1"]));

  test("is answered release when a kill failed", async () =>
    expect(await answers([{ host: ASLEEP, acted: [killOf([])] }])).toEqual(["release@1"]));

  test("is answered release when somebody else was killed", async () =>
    expect(await answers([{ host: ASLEEP, acted: [killOf([{ pid: 9, startedAtTicks: 9 }], [8])] }])).toEqual([
      "release@1",
    ]));

  test("is answered at once where nothing can come of it", async () =>
    expect(await answers([{ host: ASLEEP }])).toEqual(["release@1"]));

  test("is answered at once where the connection is closed", async () =>
    expect(await answers([{ host: CLOSED }])).toEqual(["release@1"]));

  test("waits while code runs that has said nothing, and is answered when it sleeps", async () =>
    expect(await answers([{ host: UNDECIDED }, { host: UNDECIDED }, { host: ASLEEP }])).toEqual([
      "wait@1",
      "release@3",
    ]));

  test("waits, and is answered stop when a shell came of it", async () =>
    expect(await answers([{ host: UNDECIDED }, { host: UNDECIDED, acted: [killOf([REF])] }])).toEqual([
      "wait@1",
      "stop@2",
    ]));

  test("is let go before its time is over", async () =>
    expect(await answers([{ host: UNDECIDED }])).toEqual(["wait@1", "release@6"]));

  test("of an exec has less time", async () =>
    expect(await answers([{ host: UNDECIDED }], [askFixture({ held: "exec" })])).toEqual(["wait@1", "release@3"]));

  test("without a connection is answered after one look", async () => {
    const { connection: _gone, ...ask } = askFixture({ held: "exec" });
    expect(await answers([{ host: UNDECIDED }], [ask])).toEqual(["release@1"]);
  });

  test("that holds nothing is looked at and not answered", async () =>
    expect(await answers([{ host: ASLEEP }], [askFixture({ held: "nothing" })])).toEqual([]));

  test("of many at once is looked at once", async () => {
    const asks = Array.from({ length: 50 }, (_, index) =>
      askFixture({
        id: BigInt(100 + index),
        task: taskFixture({ ref: { pid: 600 + index, startedAtTicks: 1 } }),
        connection: connectionFixture({ inode: 1 }),
      }),
    );
    const told = await answers([{ host: ASLEEP }], asks);
    expect(told.length).toBe(50);
    expect(new Set(told.map((line) => line.split("@")[1]))).toEqual(new Set(["1"]));
  });
});
