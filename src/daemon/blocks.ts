/**
 * Addresses that operators refuse for a time: holds them, hands them to the packet filter and to the kernel sensor, and ends
 * them. What would cut off the host itself is refused at the order, and suspended when it becomes so later. An order of an
 * operator holds in every mode.
 */
import { lookup } from "node:dns/promises";
import {
  BLOCKED_NETWORKS_MAX,
  BLOCKS_MAX,
  type Block,
  type BlockMeans,
  type BlockParams,
  type BlockReport,
  type BlocksReport,
  DOMAIN_ADDRESSES_MAX,
  disjointRanges,
  networkRange,
  parseTarget,
  rangesMeet,
  type UnblockParams,
  type UnblockReport,
} from "../core/blocks.ts";
import type { Clock } from "../core/clock.ts";
import { type Fault, fail, ok, type Result } from "../core/result.ts";
import type { InternetSocket } from "../core/socket.ts";
import { type Reachable, refusalOf } from "../decision/block.ts";
import type { NftRange } from "../host/nft_messages.ts";
import type { NftTable } from "../host/nftables.ts";
import type { BlocksFile } from "../store/known_blocks.ts";

const ROUND_EVERY_MS = 60_000;
const CONNECTIONS_CUT_MAX = 1_000;

/** One network for the sensor, until a moment of the clock that counts from boot. */
export interface BlockedNetwork {
  readonly network: string;
  readonly untilNs: bigint;
}

export interface BlocksParts {
  readonly clock: Clock;
  readonly sinceBootMs: () => number;
  readonly file: BlocksFile;
  readonly filter: PacketFilter;
  /** What must stay reachable whoever asks: addresses of the host, its gateways and resolvers. */
  readonly reachable: () => readonly Reachable[];
  readonly sensorWatches: () => boolean;
  readonly connections: () => readonly InternetSocket[];
  /** Answers how many are gone. */
  readonly cut: (connections: readonly InternetSocket[]) => number;
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  /** The sensor is to be told. */
  readonly onChange: () => void;
  readonly say: (message: string) => void;
  readonly onFault: (fault: Fault, phase: "begins" | "ends") => void;
}

export interface PacketFilter {
  replace(ranges: readonly NftRange[]): Result<void>;
  read(): Result<NftTable | undefined>;
  remove(): Result<void>;
  holds(table: NftTable | undefined, ranges: readonly NftRange[]): boolean;
}

/** Who orders, and whom that must not cut off. */
export interface Requester {
  readonly name: string;
  readonly session: readonly Reachable[];
}

export interface Blocks {
  /** Puts in force again what was written down before. */
  begin(): void;
  block(params: BlockParams, by: Requester): Promise<Result<BlockReport>>;
  unblock(params: UnblockParams): Result<UnblockReport>;
  list(): BlocksReport;
  networks(): readonly BlockedNetwork[];
  /** Once a second: ends what is over; once a minute domains are looked up and the packet filter is checked. */
  tick(): void;
}

interface Held {
  readonly block: Block;
  /** Nobody sets this clock. */
  readonly untilBootMs: number;
}

export function createBlocks(parts: BlocksParts): Blocks {
  const { clock, file, filter } = parts;
  const resolve = parts.resolve ?? addressesOf;
  const held = new Map<string, Held>();
  let suspended = new Map<string, string>();
  let filterFault: Fault | undefined;
  let ranges: readonly NftRange[] = [];
  let roundAtMs = clock.monotonicMs() + ROUND_EVERY_MS;
  return { begin, block, unblock, list, networks, tick };

  function begin(): void {
    const loaded = file.load();
    if (!loaded.ok) {
      parts.onFault(loaded.fault, "begins");
      return;
    }
    for (const one of loaded.value) if (one.untilMs > clock.nowMs()) hold(one);
    if (held.size > 0) enforce();
  }

  function hold(one: Block): void {
    held.set(one.target, { block: one, untilBootMs: parts.sinceBootMs() + (one.untilMs - clock.nowMs()) });
  }

  async function block(params: BlockParams, by: Requester): Promise<Result<BlockReport>> {
    const meant = parseTarget(params.target);
    if (meant === undefined)
      return fail(
        "invalid",
        `${JSON.stringify(params.target)} is no address, network or domain`,
        "write it like 203.0.113.7, 203.0.113.0/24 or c2.example.org",
      );
    const known = meant.kind === "domain" ? await resolve(meant.target) : [meant.target];
    if (known.length === 0)
      return fail("gone", `${meant.target} has no address at the moment`, "block its addresses, where you know them");
    const refused = refusalOf(meant.target, known, [...parts.reachable(), ...by.session]);
    if (refused !== undefined) return fail("denied", `not blocked: ${refused.reason}`, refused.remedy);
    const replaced = held.has(meant.target);
    if (!replaced && held.size >= BLOCKS_MAX)
      return fail(
        "limit",
        `there are ${BLOCKS_MAX} blocks already`,
        "end one: algo-monitor blocks, algo-monitor unblock",
      );
    const nowMs = clock.nowMs();
    const one: Block = {
      ...meant,
      networks: known.slice(0, DOMAIN_ADDRESSES_MAX),
      sinceMs: nowMs,
      untilMs: nowMs + params.minutes * 60_000,
      by: by.name,
      reason: params.reason,
    };
    hold(one);
    const remarks = changed();
    return ok({ block: one, replaced, means: means(), cut: cutConnections(one), remarks });
  }

  function unblock({ target }: UnblockParams): Result<UnblockReport> {
    const wanted = target === undefined ? undefined : (parseTarget(target)?.target ?? target);
    if (wanted !== undefined && !held.has(wanted))
      return fail("gone", `${wanted} is not blocked`, "see what is: sudo algo-monitor blocks");
    const ended = [...held.values()]
      .map((one) => one.block)
      .filter((one) => wanted === undefined || one.target === wanted);
    for (const one of ended) held.delete(one.target);
    return ok({ ended, remarks: changed() });
  }

  function list(): BlocksReport {
    const table = filterFault === undefined && held.size > 0 ? filter.read() : undefined;
    const packets = table?.ok === true ? table.value?.counters.packets : undefined;
    return {
      blocks: [...held.values()].map(({ block: one }) => {
        const why = suspended.get(one.target);
        return why === undefined ? one : { ...one, suspended: why };
      }),
      means: means(),
      ...(packets === undefined ? {} : { packets: Number(packets) }),
      remarks: remarksNow(),
    };
  }

  function networks(): readonly BlockedNetwork[] {
    return active().flatMap(({ block: one, untilBootMs }) =>
      one.networks.map((network) => ({ network, untilNs: BigInt(Math.ceil(untilBootMs)) * 1_000_000n })),
    );
  }

  function tick(): void {
    const over = [...held.values()].filter(({ untilBootMs }) => parts.sinceBootMs() >= untilBootMs);
    for (const { block: one } of over) {
      held.delete(one.target);
      parts.say(`the block of ${one.target} (${one.reason}, by ${one.by}) is over: it is reachable again`);
    }
    if (over.length > 0) changed();
    if (held.size === 0 || clock.monotonicMs() < roundAtMs) return;
    roundAtMs = clock.monotonicMs() + ROUND_EVERY_MS;
    const table = filter.read();
    if (!table.ok || !filter.holds(table.value, ranges)) enforce();
    void followDomains();
  }

  /** A domain keeps the addresses it had: whoever moved on still answers there. */
  async function followDomains(): Promise<void> {
    let isNew = false;
    for (const { block: one, untilBootMs } of [...held.values()].filter((each) => each.block.kind === "domain")) {
      const known = new Set(one.networks);
      const news = (await resolve(one.target)).filter((address) => !known.has(address));
      if (news.length === 0 || held.get(one.target)?.block !== one) continue;
      held.set(one.target, {
        block: { ...one, networks: [...news, ...one.networks].slice(0, DOMAIN_ADDRESSES_MAX) },
        untilBootMs,
      });
      isNew = true;
    }
    if (isNew) changed();
  }

  /** Writes it down and puts it in force; what could not be done, as sentences. */
  function changed(): readonly string[] {
    const saved = file.save([...held.values()].map((one) => one.block));
    enforce();
    return [...(saved.ok ? [] : [saved.fault.message]), ...remarksNow()];
  }

  function enforce(): void {
    const kept = parts.reachable();
    suspended = new Map(
      [...held.values()].flatMap(({ block: one }) => {
        const refused = refusalOf(one.target, one.networks, kept);
        return refused === undefined ? [] : [[one.target, refused.reason] as const];
      }),
    );
    ranges = rangesOf(active());
    const done = ranges.length === 0 ? filter.remove() : filter.replace(ranges);
    if (done.ok) {
      if (filterFault !== undefined)
        parts.onFault({ ...filterFault, message: "the packet filter takes our blocks again" }, "ends");
      filterFault = undefined;
    } else {
      if (filterFault === undefined && ranges.length > 0) parts.onFault(done.fault, "begins");
      filterFault = ranges.length > 0 ? done.fault : undefined;
    }
    parts.onChange();
  }

  function active(): readonly Held[] {
    let room = BLOCKED_NETWORKS_MAX;
    return [...held.values()].filter(({ block: one }) => {
      if (suspended.has(one.target) || one.networks.length > room) return false;
      room -= one.networks.length;
      return true;
    });
  }

  function rangesOf(all: readonly Held[]): readonly NftRange[] {
    const timed = all.flatMap(({ block: one, untilBootMs }) =>
      one.networks.flatMap((network) => {
        const range = networkRange(network);
        return range === undefined ? [] : [{ ...range, untilMs: untilBootMs }];
      }),
    );
    const nowMs = parts.sinceBootMs();
    return disjointRanges(timed).map(({ family, first, last, untilMs }) => ({
      family,
      first,
      last,
      timeoutMs: Math.max(1_000, Math.ceil(untilMs - nowMs)),
    }));
  }

  function means(): readonly BlockMeans[] {
    if (held.size === 0) return [];
    return [
      ...(filterFault === undefined ? (["packet-filter"] as const) : []),
      ...(parts.sensorWatches() ? (["sensor"] as const) : []),
    ];
  }

  function remarksNow(): readonly string[] {
    const left = [...held.values()].length - active().length - suspended.size;
    return [
      ...(filterFault === undefined ? [] : [`the packet filter does not take it: ${filterFault.message}`]),
      ...(held.size > 0 && !parts.sensorWatches()
        ? ["the kernel sensor does not watch: programs are not refused at connect"]
        : []),
      ...[...suspended].map(([target, why]) => `${target} is not refused for now: ${why}`),
      ...(left > 0 ? [`${left} blocks do not fit: together they are more than ${BLOCKED_NETWORKS_MAX} addresses`] : []),
    ];
  }

  function cutConnections(one: Block): number {
    const wanted = one.networks.flatMap((network) => networkRange(network) ?? []);
    const hit = parts.connections().filter(({ remote }) => {
      const range = remote === undefined ? undefined : networkRange(remote.address);
      return range !== undefined && wanted.some((each) => rangesMeet(each, range));
    });
    return hit.length === 0 ? 0 : parts.cut(hit.slice(0, CONNECTIONS_CUT_MAX));
  }
}

async function addressesOf(name: string): Promise<readonly string[]> {
  try {
    return (await lookup(name, { all: true })).slice(0, DOMAIN_ADDRESSES_MAX).map(({ address }) => address);
  } catch {
    return [];
  }
}
