// Our own table of nftables (`inet algo_monitor`), spoken by netlink: works where no nft program is installed.
// Trusts an acknowledgement only after reading the sets back. Costs one batch and three dumps, about a millisecond.
// The table outlives this process; its ranges end by the kernel's own clock.
import { type Fault, fail, ok, type Result } from "../core/result.ts";
import { type FilterSocket, openFilterSocket } from "./netlink.ts";
import {
  dumpRequest,
  type NftCounters,
  type NftElement,
  type NftRange,
  parseCounters,
  parseElements,
  RULES,
  removalBatch,
  replacementBatch,
} from "./nft_messages.ts";

export interface NftTable {
  readonly elements4: readonly NftElement[];
  readonly elements6: readonly NftElement[];
  readonly rules: number;
  /** Of all rules. */
  readonly counters: NftCounters;
}

/** Whether nf_tables is there and we may change it. */
export function probeTables(): Result<void> {
  return withSocket((socket) => {
    const { type, body } = dumpRequest("tables");
    const dumped = socket.dump(type, body, () => undefined);
    return dumped.ok ? ok(undefined) : missing(dumped);
  });
}

/** Makes the table refuse exactly these ranges (none may touch another with another end), and looks whether it does. */
export function replaceTable(ranges: readonly NftRange[]): Result<void> {
  return withSocket((socket) => {
    const before = read(socket);
    const counters = before.ok && before.value !== undefined ? before.value.counters : { packets: 0n, bytes: 0n };
    const changed = socket.transact(replacementBatch(ranges, counters));
    if (!changed.ok) return missing(changed);
    const after = read(socket);
    if (!after.ok) return after;
    return holds(after.value, ranges)
      ? ok(undefined)
      : fail(
          "io",
          "the packet filter acknowledged the blocks, yet they do not stand in it",
          "nft list table inet algo_monitor",
        );
  });
}

/** Undefined where there is no such table. */
export function readTable(): Result<NftTable | undefined> {
  return withSocket(read);
}

/** `ok` where it is gone, whether or not it was there. */
export function removeTable(): Result<void> {
  return withSocket((socket) => {
    const changed = socket.transact(removalBatch());
    if (!changed.ok) return missing(changed);
    const after = read(socket);
    if (!after.ok) return after;
    return after.value === undefined
      ? ok(undefined)
      : fail(
          "io",
          "the packet filter acknowledged the end of our table, yet it is there",
          "nft delete table inet algo_monitor",
        );
  });
}

/** Whether the table has all its rules and refuses these ranges and no others. */
export function holds(table: NftTable | undefined, ranges: readonly NftRange[]): boolean {
  if (table === undefined || table.rules !== RULES) return false;
  return ([4, 6] as const).every((family) => {
    const elements = family === 4 ? table.elements4 : table.elements6;
    const end = 1n << (family === 4 ? 32n : 128n);
    const wanted = ranges.filter((range) => range.family === family);
    const edges = wanted.flatMap(({ first, last }) => [`${first}`, ...(last + 1n < end ? [`${last + 1n} end`] : [])]);
    // The kernel puts an end at the very first address where no range begins there.
    const found = elements
      .filter(({ value, isEnd }) => !isEnd || value !== 0n)
      .map(({ value, isEnd }) => `${value}${isEnd ? " end" : ""}`);
    return edges.length === found.length && edges.every((edge) => found.includes(edge));
  });
}

function read(socket: FilterSocket): Result<NftTable | undefined> {
  let rules = 0;
  let packets = 0n;
  let bytes = 0n;
  const asked = dumpRequest("rules");
  const ruled = socket.dump(asked.type, asked.body, (message) => {
    const counters = parseCounters(message.body);
    rules++;
    packets += counters?.packets ?? 0n;
    bytes += counters?.bytes ?? 0n;
  });
  if (!ruled.ok) return ruled.fault.kind === "gone" ? ok(undefined) : missing(ruled);
  const elements4 = elementsOf(socket, "elements4");
  if (!elements4.ok) return elements4.fault.kind === "gone" ? ok(undefined) : elements4;
  const elements6 = elementsOf(socket, "elements6");
  if (!elements6.ok) return elements6.fault.kind === "gone" ? ok(undefined) : elements6;
  return ok({ elements4: elements4.value, elements6: elements6.value, rules, counters: { packets, bytes } });
}

function elementsOf(socket: FilterSocket, what: "elements4" | "elements6"): Result<readonly NftElement[]> {
  const { type, body } = dumpRequest(what);
  const elements: NftElement[] = [];
  const dumped = socket.dump(type, body, (message) => {
    elements.push(...parseElements(message.body));
  });
  return dumped.ok ? ok(elements) : dumped;
}

function withSocket<T>(use: (socket: FilterSocket) => Result<T>): Result<T> {
  const opened = openFilterSocket();
  if (!opened.ok) return missing(opened);
  try {
    return use(opened.value);
  } finally {
    opened.value.close();
  }
}

/** A fault of the socket with what to do about it. */
function missing(failed: { readonly ok: false; readonly fault: Fault }): ReturnType<typeof fail> {
  const { kind, message } = failed.fault;
  if (kind === "unsupported") return fail(kind, message, "use a kernel with CONFIG_NF_TABLES_INET (module nf_tables)");
  if (kind === "denied") return fail(kind, message, "run as root with CAP_NET_ADMIN");
  return fail(kind, message);
}
