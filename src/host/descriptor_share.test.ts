import { describe, expect, test } from "bun:test";
import { createOrdinaryShare, type ShareLimits, spendShare, type Waiting } from "./descriptor_share.ts";

const LIMITS: ShareLimits = {
  ordinaryMax: 10,
  ordinaryPerUidMax: 20,
  ordinaryTotalMax: 30,
  largeTotalMax: 1000,
  largeMs: 1000,
};

const admissions: readonly [
  name: string,
  asked: readonly (readonly [uid: number, handles: number])[],
  last: boolean,
][] = [
  ["an ordinary process is admitted", [[1, 10]], true],
  ["a large one waits", [[1, 11]], false],
  ["a uid that had its share waits", [[1, 10], [1, 10], [1, 1]], false], // biome-ignore format: a row is a line
  ["another uid does not pay for it", [[1, 10], [1, 10], [2, 10]], true], // biome-ignore format: a row is a line
  ["all uids together have a bound", [[1, 10], [2, 10], [3, 10], [4, 1]], false], // biome-ignore format: a row is a line
  ["root has no more than others", [[0, 10], [0, 10], [0, 1]], false], // biome-ignore format: a row is a line
  ["what was refused was not booked", [[1, 10], [1, 11], [1, 10]], true], // biome-ignore format: a row is a line
];

test.each(admissions)("%s", (_, asked, last) => {
  const share = createOrdinaryShare(LIMITS);
  expect(asked.map(([uid, handles]) => share.admit(uid, handles)).at(-1)).toBe(last);
});

interface Row extends Waiting {
  readonly name: string;
}

function row(name: string, uid: number, handles: number, turn?: number): Row {
  return { name, uid, handles, wasCut: turn !== undefined, turn: turn ?? 0 };
}

const spendings: readonly [name: string, waiting: readonly Row[], spent: string][] = [
  ["few come before many", [row("b", 1, 300), row("a", 1, 100)], "a:100 b:300"],
  ["no uid takes more than half", [row("a", 1, 400), row("b", 1, 400), row("c", 2, 450)], "a:400 b:100 c:450"],
  ["root takes no more either", [row("a", 0, 900), row("b", 2, 100)], "b:100 a:500"],
  ["the longest waiting comes first", [row("a", 1, 200, 7), row("b", 1, 200, 3)], "b:200 a:50"],
  [
    "those that wait get at most half, so that giants do not keep a small one out",
    [row("giant", 1, 9000, 1), row("other giant", 1, 9000, 2), row("small", 1, 20)],
    "giant:250 small:20 other giant:230",
  ],
  ["three uids share what there is", [row("a", 1, 600), row("b", 2, 600), row("c", 3, 600)], "a:500 b:500"],
];

test.each(spendings)("%s", (_, waiting, spent) => {
  expect(spend(waiting, () => true)).toBe(spent);
});

function spend(waiting: readonly Row[], hasTime: () => boolean): string {
  const spent: string[] = [];
  spendShare(
    waiting,
    LIMITS,
    (process, linksMax) => {
      const links = Math.min(linksMax, process.handles);
      spent.push(`${process.name}:${links}`);
      return links;
    },
    hasTime,
  );
  return spent.join(" ");
}

describe("over many sweeps", () => {
  test("each of a crowd of giants has its turn before any has its second", () => {
    const turns = new Map(Array.from({ length: 76 }, (_, index) => [`p${index}`, 0]));
    const order: string[] = [];
    for (let sweep = 1; order.length < 152; sweep++) {
      const waiting = [...turns].map(([name, turn]) => ({ ...row(name, 1, 16_360, turn), wasCut: sweep > 1 }));
      for (const step of spend(waiting, () => true).split(" ")) {
        const [name = ""] = step.split(":");
        turns.set(name, sweep);
        order.push(name);
      }
    }
    expect(new Set(order.slice(0, 76)).size).toBe(76);
  });

  test("without time nothing is read", () => {
    expect(spend([row("a", 1, 100), row("b", 2, 100, 1)], () => false)).toBe("");
  });
});
