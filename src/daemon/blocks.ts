/**
 * Addresses that operators refuse for a time: holds them, hands them to the packet filter and to the kernel sensor, and ends
 * them. What would cut off the host itself is refused at the order, and suspended when it becomes so later. An order of an
 * operator holds in every mode.
 */
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
  longestEnds,
  networkRange,
  parseTarget,
  rangesMeet,
  type TimedNetwork,
  type UnblockParams,
  type UnblockReport,
} from "../core/blocks.ts";
import type { Clock } from "../core/clock.ts";
import { type Fault, fail, ok, type Result } from "../core/result.ts";
import type { InternetSocket } from "../core/socket.ts";
import { type Reachable, withoutKept } from "../decision/block.ts";
import type { NftRange } from "../host/nft_messages.ts";
import type { NftTable } from "../host/nftables.ts";
import type { BlocksFile } from "../store/known_blocks.ts";
import { createBlockNames, type Resolve } from "./block_names.ts";

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
  /** Where logins that stand come from: a domain that moves there does not take them along. */
  readonly logins: () => readonly Reachable[];
  readonly sensorWatches: () => boolean;
  readonly connections: () => readonly InternetSocket[];
  /** Answers how many are gone. */
  readonly cut: (connections: readonly InternetSocket[]) => number;
  readonly resolve?: Resolve;
  /** The sensor is to be told. */
  readonly onChange: () => void;
  readonly say: (message: string) => void;
  /** What nobody ordered, for the audit trail. */
  readonly audit: (action: string, detail: string) => void;
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

/** What is refused of one block at the moment. */
interface InForce extends Held {
  readonly networks: readonly string[];
}

interface Plan {
  readonly inForce: readonly InForce[];
  /** Why blocks do not hold, by target. */
  readonly suspended: ReadonlyMap<string, string>;
  /** Addresses of domains that are reachable all the same, as sentences. */
  readonly leftOut: readonly string[];
  readonly unfit: number;
}

const NOTHING: Plan = { inForce: [], suspended: new Map(), leftOut: [], unfit: 0 };

export function createBlocks(parts: BlocksParts): Blocks {
  const { clock, file, filter } = parts;
  const names = createBlockNames(parts.resolve);
  const held = new Map<string, Held>();
  let plan = NOTHING;
  let blocked: readonly BlockedNetwork[] = [];
  let filterFault: Fault | undefined;
  let ranges: readonly NftRange[] = [];
  let roundAtMs = clock.monotonicMs() + ROUND_EVERY_MS;
  return { begin, block, unblock, list, networks: () => blocked, tick };

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
    const isDomain = meant.kind === "domain";
    const known = isDomain ? await names.now(meant.target) : [meant.target];
    if (known.length === 0)
      return fail("gone", `${meant.target} has no address at the moment`, "block its addresses, where you know them");
    const { networks, refusals } = withoutKept(meant.target, known, [...parts.reachable(), ...by.session]);
    const [refused] = refusals;
    if (refused !== undefined && networks.length === 0)
      return fail("denied", `not blocked: ${refused.reason}`, refused.remedy);
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
      networks: networks.slice(0, DOMAIN_ADDRESSES_MAX),
      sinceMs: nowMs,
      untilMs: nowMs + params.minutes * 60_000,
      by: by.name,
      reason: params.reason,
    };
    hold(one);
    const remarks = [...refusals.map(({ reason }) => `left out: ${reason}`), ...changed()];
    return ok({ block: one, replaced, means: means(), cut: cutConnections(one.networks), remarks });
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
        const why = plan.suspended.get(one.target);
        return why === undefined ? one : { ...one, suspended: why };
      }),
      means: means(),
      ...(packets === undefined ? {} : { packets: Number(packets) }),
      remarks: remarksNow(),
    };
  }

  function tick(): void {
    const over = [...held.values()].filter(({ untilBootMs }) => parts.sinceBootMs() >= untilBootMs);
    for (const { block: one } of over) {
      held.delete(one.target);
      parts.audit("block-over", `${one.target}: ${one.reason}, by ${one.by}`);
      parts.say(`the block of ${one.target} (${one.reason}, by ${one.by}) is over: it is reachable again`);
    }
    if (over.length > 0) changed();
    if (held.size === 0 || clock.monotonicMs() < roundAtMs) return;
    roundAtMs = clock.monotonicMs() + ROUND_EVERY_MS;
    lookAgain();
    const domains = [...held.values()].filter(({ block: each }) => each.kind === "domain");
    void names.follow(
      domains.map(({ block: each }) => each.target),
      moved,
    );
  }

  /** Gateways and resolvers come and go, and others change the packet filter too. */
  function lookAgain(): void {
    const before = plan;
    const known = rangesText(ranges);
    makePlan();
    const table = filter.read();
    const stands = table.ok && (ranges.length === 0 ? table.value === undefined : filter.holds(table.value, ranges));
    if (!stands || known !== rangesText(ranges)) putInForce();
    for (const [target, why] of plan.suspended)
      if (!before.suspended.has(target)) parts.say(`the block of ${target} is suspended, because ${why}`);
    for (const target of before.suspended.keys())
      if (held.has(target) && !plan.suspended.has(target)) parts.say(`the block of ${target} holds again`);
  }

  /** A domain keeps the addresses it had: whoever moved on still answers there. */
  function moved(target: string, addresses: readonly string[]): void {
    const one = held.get(target);
    if (one?.block.kind !== "domain") return;
    const known = new Set(one.block.networks);
    const { networks } = withoutKept(target, addresses, [...parts.reachable(), ...parts.logins()]);
    const news = networks.filter((address) => !known.has(address));
    if (news.length === 0) return;
    const all = [...news, ...one.block.networks].slice(0, DOMAIN_ADDRESSES_MAX);
    held.set(target, { ...one, block: { ...one.block, networks: all } });
    changed();
    const cut = cutConnections(news);
    parts.say(
      `${target}, which is blocked, has new addresses: ${news.join(", ")} are refused too; ${cut} connections cut`,
    );
  }

  /** Writes it down and puts it in force; what could not be done, as sentences. */
  function changed(): readonly string[] {
    const saved = file.save([...held.values()].map((one) => one.block));
    enforce();
    return [...(saved.ok ? [] : [saved.fault.message]), ...remarksNow()];
  }

  function enforce(): void {
    makePlan();
    putInForce();
  }

  function makePlan(): void {
    plan = planOf([...held.values()], parts.reachable());
    const timed = plan.inForce.flatMap(({ networks, untilBootMs }) =>
      networks.map((network) => ({ network, untilMs: untilBootMs })),
    );
    const ends = longestEnds(timed);
    blocked = ends.map(({ network, untilMs }) => ({ network, untilNs: BigInt(Math.ceil(untilMs)) * 1_000_000n }));
    ranges = rangesOf(ends, parts.sinceBootMs());
  }

  function putInForce(): void {
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

  function means(): readonly BlockMeans[] {
    if (plan.inForce.length === 0) return [];
    return [
      ...(filterFault === undefined ? (["packet-filter"] as const) : []),
      ...(parts.sensorWatches() ? (["sensor"] as const) : []),
    ];
  }

  function remarksNow(): readonly string[] {
    return [
      ...(filterFault === undefined ? [] : [`the packet filter does not take it: ${filterFault.message}`]),
      ...(held.size > 0 && !parts.sensorWatches()
        ? ["the kernel sensor does not watch: programs are not refused at connect"]
        : []),
      ...[...plan.suspended].map(([target, why]) => `${target} is not refused for now: ${why}`),
      ...plan.leftOut,
      ...(plan.unfit > 0
        ? [`${plan.unfit} blocks do not fit: together they are more than ${BLOCKED_NETWORKS_MAX} addresses`]
        : []),
    ];
  }

  function cutConnections(networks: readonly string[]): number {
    const wanted = networks.flatMap((network) => networkRange(network) ?? []);
    const hit = parts.connections().filter(({ remote }) => {
      const range = remote === undefined ? undefined : networkRange(remote.address);
      return range !== undefined && wanted.some((each) => rangesMeet(each, range));
    });
    return hit.length === 0 ? 0 : parts.cut(hit.slice(0, CONNECTIONS_CUT_MAX));
  }
}

function planOf(all: readonly Held[], kept: readonly Reachable[]): Plan {
  const inForce: InForce[] = [];
  const suspended = new Map<string, string>();
  const leftOut: string[] = [];
  let room = BLOCKED_NETWORKS_MAX;
  let unfit = 0;
  for (const one of all) {
    const { target, networks: wanted } = one.block;
    const { networks, refusals } = withoutKept(target, wanted, kept);
    const [first] = refusals;
    if (first !== undefined && networks.length === 0) suspended.set(target, first.reason);
    else if (networks.length > room) unfit++;
    else {
      room -= networks.length;
      inForce.push({ ...one, networks });
      leftOut.push(...refusals.map(({ reason }) => `left out: ${reason}`));
    }
  }
  return { inForce, suspended, leftOut, unfit };
}

function rangesOf(timed: readonly TimedNetwork[], nowMs: number): readonly NftRange[] {
  const ranges = timed.flatMap(({ network, untilMs }) => {
    const range = networkRange(network);
    return range === undefined ? [] : [{ ...range, untilMs }];
  });
  return disjointRanges(ranges).map(({ family, first, last, untilMs }) => ({
    family,
    first,
    last,
    timeoutMs: Math.max(1_000, Math.ceil(untilMs - nowMs)),
  }));
}

function rangesText(ranges: readonly NftRange[]): string {
  return ranges.map(({ first, last }) => `${first}-${last}`).join(" ");
}
