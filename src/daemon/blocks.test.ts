// Blocks with a packet filter and names of paper: what is put in force, what ends it, what must stay reachable.
import { describe, expect, test } from "bun:test";
import type { Block } from "../core/blocks.ts";
import { fakeClock } from "../core/nouns.fixture.ts";
import { fail, ok } from "../core/result.ts";
import type { Reachable } from "../decision/block.ts";
import type { NftRange } from "../host/nft_messages.ts";
import { createBlocks, type Requester } from "./blocks.ts";

const HOUR_MS = 3_600_000;
const BY: Requester = { name: "alice", session: [{ network: "198.51.100.20", what: "your own session (alice)" }] };

function setUp(written: readonly Block[] = []) {
  const clock = fakeClock();
  const startMs = clock.monotonicMs();
  const state = {
    ranges: [] as readonly NftRange[],
    saved: [] as readonly Block[],
    said: [] as string[],
    audited: [] as string[],
    logins: [] as Reachable[],
    faults: [] as string[],
    kept: [{ network: "10.77.0.1", what: "the default gateway" }] as Reachable[],
    addresses: ["203.0.113.7"] as readonly string[],
    refuses: false,
    holds: true,
    replaced: 0,
    changes: 0,
  };
  const blocks = createBlocks({
    clock,
    sinceBootMs: () => 1_000 + clock.monotonicMs() - startMs,
    file: {
      load: () => ok(written),
      save: (all) => {
        state.saved = all;
        return ok(undefined);
      },
    },
    filter: {
      replace: (ranges) => {
        if (state.refuses) return fail("unsupported", "no nf_tables here");
        state.ranges = ranges;
        state.replaced++;
        return ok(undefined);
      },
      read: () => ok(undefined),
      remove: () => {
        state.ranges = [];
        return ok(undefined);
      },
      holds: () => state.holds,
    },
    reachable: () => state.kept,
    logins: () => state.logins,
    sensorWatches: () => true,
    connections: () => [],
    cut: (connections) => connections.length,
    resolve: async () => state.addresses,
    onChange: () => state.changes++,
    say: (message) => void state.said.push(message),
    audit: (action, detail) => void state.audited.push(`${action} ${detail}`),
    onFault: ({ message }, phase) => void state.faults.push(`${phase}: ${message}`),
  });
  return { clock, blocks, state };
}

const order = (target: string, minutes = 60) => ({ target, minutes, reason: "scans" });

describe("blocks", () => {
  test("an address is told to the packet filter, the sensor and the file, until the time is over", async () => {
    const { clock, blocks, state } = setUp();
    const done = await blocks.block(order("203.0.113.7"), BY);
    expect(done.ok && done.value.means).toEqual(["packet-filter", "sensor"]);
    expect(state.ranges.map(({ timeoutMs }) => timeoutMs)).toEqual([HOUR_MS]);
    expect(blocks.networks()).toEqual([{ network: "203.0.113.7", untilNs: BigInt(1_000 + HOUR_MS) * 1_000_000n }]);
    expect(state.saved.map(({ target, by }) => `${target} ${by}`)).toEqual(["203.0.113.7 alice"]);
    clock.advance(HOUR_MS - 1);
    blocks.tick();
    expect(blocks.list().blocks).toHaveLength(1);
    clock.advance(1);
    blocks.tick();
    expect([blocks.list().blocks, state.ranges, state.saved]).toEqual([[], [], []]);
    expect(state.said).toEqual(["the block of 203.0.113.7 (scans, by alice) is over: it is reachable again"]);
    expect(state.audited).toEqual(["block-over 203.0.113.7: scans, by alice"]);
  });

  test("a second order for one address replaces the first", async () => {
    const { blocks, state } = setUp();
    await blocks.block(order("203.0.113.7"), BY);
    const again = await blocks.block(order("203.0.113.7/32", 5), BY);
    expect(again.ok && again.value.replaced).toBe(true);
    expect(state.ranges.map(({ timeoutMs }) => timeoutMs)).toEqual([300_000]);
  });

  const REFUSED: readonly [target: string, says: RegExp][] = [
    ["10.77.0.1", /not blocked: 10.77.0.1 is the default gateway/],
    ["0.0.0.0/0", /loopback/],
    ["198.51.100.0/24", /your own session/],
    ["nonsense", /is no address, network or domain/],
  ];
  test.each(REFUSED)("%s is refused, and nothing changes", async (target, says) => {
    const { blocks, state } = setUp();
    const done = await blocks.block(order(target), BY);
    expect(done.ok ? "" : done.fault.message).toMatch(says);
    expect([state.changes, state.saved, blocks.networks()]).toEqual([0, [], []]);
  });

  test("a domain keeps the addresses it had and gets those it moves to", async () => {
    const { clock, blocks, state } = setUp();
    await blocks.block(order("c2.example.org"), BY);
    state.addresses = ["203.0.113.8"];
    clock.advance(60_000);
    blocks.tick();
    await Bun.sleep(0);
    expect(blocks.networks().map(({ network }) => network)).toEqual(["203.0.113.7", "203.0.113.8"]);
    expect(state.said).toEqual([
      "c2.example.org, which is blocked, has new addresses: 203.0.113.8 are refused too; 0 connections cut",
    ]);
    state.addresses = [];
    const unknown = await blocks.block(order("gone.example.org"), BY);
    expect(unknown.ok ? "" : unknown.fault.message).toMatch(/has no address at the moment/);
  });

  test("a domain that names the gateway or where somebody is logged in from takes them not along", async () => {
    const { clock, blocks, state } = setUp();
    state.addresses = ["203.0.113.7", "10.77.0.1", "198.51.100.20"];
    const done = await blocks.block(order("c2.example.org"), BY);
    expect(done.ok && [done.value.block.networks, done.value.remarks]).toEqual([
      ["203.0.113.7"],
      [
        "left out: c2.example.org (10.77.0.1) is the default gateway",
        "left out: c2.example.org (198.51.100.20) is your own session (alice)",
      ],
    ]);
    state.logins = [{ network: "198.51.100.30", what: "where bob is logged in from" }];
    state.addresses = ["198.51.100.30", "127.0.0.1", "203.0.113.8"];
    clock.advance(60_000);
    blocks.tick();
    await Bun.sleep(0);
    expect(blocks.networks().map(({ network }) => network)).toEqual(["203.0.113.7", "203.0.113.8"]);
    state.addresses = ["10.77.0.1"];
    const none = await blocks.block(order("www.example.org"), BY);
    expect(none.ok ? "" : none.fault.message).toMatch(/not blocked: www.example.org .* is the default gateway/);
  });

  test("what becomes the gateway later is let go within a minute, said to be, and holds again afterwards", async () => {
    const { clock, blocks, state } = setUp();
    await blocks.block(order("203.0.113.7"), BY);
    await blocks.block(order("203.0.113.9"), BY);
    const was = state.kept;
    state.kept = [{ network: "203.0.113.7", what: "the default gateway" }];
    clock.advance(60_000);
    blocks.tick();
    expect(blocks.networks().map(({ network }) => network)).toEqual(["203.0.113.9"]);
    expect(blocks.list().blocks[0]?.suspended).toMatch(/is the default gateway/);
    state.kept = was;
    clock.advance(60_000);
    blocks.tick();
    expect(blocks.networks()).toHaveLength(2);
    expect(state.said).toEqual([
      "the block of 203.0.113.7 is suspended, because 203.0.113.7 is the default gateway",
      "the block of 203.0.113.7 holds again",
    ]);
  });

  test("a table that somebody took away is put back within a minute, one that stands is left alone", async () => {
    const { clock, blocks, state } = setUp();
    await blocks.block(order("203.0.113.7"), BY);
    clock.advance(60_000);
    blocks.tick();
    expect(state.replaced).toBe(1);
    state.holds = false;
    clock.advance(60_000);
    blocks.tick();
    expect(state.replaced).toBe(2);
  });

  test("an address is refused as long as the longest block that covers it", async () => {
    const { blocks } = setUp();
    await blocks.block(order("203.0.113.7", 5), BY);
    await blocks.block(order("203.0.113.0/24", 60), BY);
    const ends = blocks.networks().map(({ network, untilNs }) => [network, untilNs / 60_000_000_000n]);
    expect(ends).toEqual([
      ["203.0.113.0/24", 60n],
      ["203.0.113.7", 60n],
    ]);
  });

  test("a host without a packet filter says so, and the sensor refuses alone", async () => {
    const { blocks, state } = setUp();
    state.refuses = true;
    const done = await blocks.block(order("203.0.113.7"), BY);
    expect(done.ok && [done.value.means, done.value.remarks]).toEqual([
      ["sensor"],
      ["the packet filter does not take it: no nf_tables here"],
    ]);
    expect(state.faults).toEqual(["begins: no nf_tables here"]);
    state.refuses = false;
    blocks.unblock({});
    expect(state.faults).toHaveLength(2);
  });

  test("what was written down holds again after a restart, what is over does not", () => {
    const nowMs = fakeClock().nowMs();
    const block = { kind: "address", sinceMs: nowMs - 1, by: "bob", reason: "x" } as const;
    const { blocks, state } = setUp([
      { ...block, target: "203.0.113.7", networks: ["203.0.113.7"], untilMs: nowMs + 5_000 },
      { ...block, target: "203.0.113.8", networks: ["203.0.113.8"], untilMs: nowMs },
    ]);
    blocks.begin();
    expect(blocks.networks()).toEqual([{ network: "203.0.113.7", untilNs: 6_000_000_000n }]);
    expect(state.ranges).toHaveLength(1);
  });

  test("unblock ends one, or all, or says that there is none", async () => {
    const { blocks } = setUp();
    await blocks.block(order("203.0.113.7"), BY);
    await blocks.block(order("203.0.113.0/28"), BY);
    const none = blocks.unblock({ target: "203.0.113.99" });
    expect(none.ok ? "" : none.fault.message).toBe("203.0.113.99 is not blocked");
    const one = blocks.unblock({ target: "203.0.113.5/28" });
    expect(one.ok && one.value.ended.map(({ target }) => target)).toEqual(["203.0.113.0/28"]);
    const rest = blocks.unblock({});
    expect(rest.ok && rest.value.ended.map(({ target }) => target)).toEqual(["203.0.113.7"]);
  });
});
