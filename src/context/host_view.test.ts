// The view answers from one sweep, whatever shape the process tree has.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { hostFixture } from "./host.fixture.ts";

const HOST = `pid 10 ppid 1 uid 0 exe /usr/sbin/sshd
pid 11 ppid 10 uid 1000 exe /usr/bin/bash
  fd 1 w pipe:[5]
pid 12 ppid 11 uid 1000 exe /usr/bin/cat
  fd 0 r pipe:[5]
  fd 1 w /dev/null`;

describe("the view", () => {
  const { view, process } = hostFixture(HOST);

  test("knows children and ancestors, nearest first", () => {
    expect(view.children(11).map((child) => child.ref.pid)).toEqual([12]);
    expect(view.children(12)).toEqual([]);
    expect(view.ancestors(process(12)).map((ancestor) => ancestor.ref.pid)).toEqual([11, 10, 1]);
  });

  test("knows who holds both ends of a channel, and nobody for what has no channel", () => {
    expect(view.holders("pipe:5").map((holder) => [holder.process.ref.pid, holder.descriptor.fd])).toEqual([
      [11, 1],
      [12, 0],
    ]);
    expect(view.holders("pipe:6")).toEqual([]);
    expect(view.holders("")).toEqual([]);
  });

  test("a process without descriptors has none", () => {
    expect(view.descriptors(process(10))).toEqual([]);
  });

  test("a process whose parent vanished in mid-sweep has no ancestors", () => {
    const orphan = hostFixture("pid 20 ppid 19 uid 0 exe /usr/bin/bash");
    expect(orphan.view.ancestors(orphan.process(20))).toEqual([]);
  });

  test("ancestors end, though reused pids make a circle or a chain has no end", () => {
    const parents = fc.array(fc.integer({ min: 2, max: 120 }), { minLength: 1, maxLength: 118 });
    fc.assert(
      fc.property(parents, (list) => {
        const host = hostFixture(
          list.map((parent, index) => `pid ${index + 2} ppid ${parent} uid 0 exe /usr/bin/bash`).join("\n"),
        );
        for (const one of host.view.processes.values()) {
          const chain = host.view.ancestors(one).map((ancestor) => ancestor.ref.pid);
          expect(chain.length).toBeLessThanOrEqual(64);
          expect(new Set(chain).size).toBe(chain.length);
        }
      }),
      { seed: 3, numRuns: 100 },
    );
  });
});
