/** From config.json to the policy that decision reads, and the pools the miner detector asks. */
import { RE2JS } from "re2js";
import type { Config } from "../config/schema.ts";
import { inNetwork } from "../core/address.ts";
import { isRootOnly } from "../core/place.ts";
import type { ProcessRef } from "../core/process.ts";
import type { Policy } from "../decision/policy.ts";
import type { PoolMatcher } from "../detection/detectors/miner.ts";
import { POOL_DOMAINS } from "../detection/detectors/pools.ts";
import { statOf } from "../host/executables.ts";

const PATTERNS_MAX = 1_000;

export interface PolicyInput {
  readonly config: Config;
  readonly generation: number;
  readonly monitorOnly: boolean;
  readonly pausedUntilMs: number;
  readonly own: readonly ProcessRef[];
  readonly ours?: readonly ProcessRef[];
  readonly uidOf: (name: string) => number | undefined;
  /** Kept over many policies of one configuration, because compiling patterns is what costs. */
  readonly argsMatch: Policy["argsMatch"];
}

export function policyOf(input: PolicyInput): Policy {
  const { config } = input;
  return {
    generation: input.generation,
    mode: input.monitorOnly ? "monitor" : config.MODE,
    pausedUntilMs: input.pausedUntilMs,
    rules: new Map(
      Object.entries(config.RULES).flatMap(([name, response]) => [
        [name, response],
        [name.toLowerCase(), response],
      ]),
    ),
    exceptions: config.EXCEPTIONS,
    argsMatch: input.argsMatch,
    neverTouch: {
      executables: new Set(config.NEVER_TOUCH.executables),
      units: new Set(config.NEVER_TOUCH.units),
      userIds: new Set(
        config.NEVER_TOUCH.users.flatMap((user) => (/^\d+$/.test(user) ? Number(user) : (input.uidOf(user) ?? []))),
      ),
      processes: input.own,
      ours: input.ours ?? [],
    },
    trustedExecutables: config.TRUSTED_SYSTEM_PROCESSES.filter((name) => name.startsWith("/")).flatMap((path) => {
      const file = statOf(path);
      return file !== undefined && isRootOnly(file) ? { path, device: file.device, inode: file.inode } : [];
    }),
    killBudgetPerMinute: config.KILL_BUDGET.per_minute,
  };
}

/** Compiled patterns are kept; a pattern that does not compile matches nothing (config check has told it). */
export function createArgsMatcher(): Policy["argsMatch"] {
  const compiled = new Map<string, RE2JS | undefined>();
  return (pattern, commandLine) => {
    if (!compiled.has(pattern) && compiled.size < PATTERNS_MAX) compiled.set(pattern, compile(pattern));
    return compiled.get(pattern)?.test(commandLine) ?? false;
  };
}

function compile(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(pattern);
  } catch {
    return undefined;
  }
}

/** `resolved` are the addresses that the host names of MINING_POOLS have now. */
export function poolMatcherOf(pools: readonly string[], resolved: ReadonlyMap<string, readonly string[]>): PoolMatcher {
  const names = poolNames(pools);
  const networks = pools.filter((pool) => !isHostName(pool));
  return {
    byAddress: (address) =>
      networks.find((network) => inNetwork(address, network)) ??
      names.find((name) => resolved.get(name)?.includes(address) === true),
    byWord(word) {
      const named = /(?:^|[/@=])([a-z0-9-]+(?:\.[a-z0-9-]+)+):(\d{2,5})(?:[/?]|$)/i.exec(word);
      const host = named?.[1]?.toLowerCase() ?? "";
      const domain = [...POOL_DOMAINS, ...names].find(
        (candidate) => host === candidate || host.endsWith(`.${candidate}`),
      );
      return domain === undefined ? undefined : { name: host, port: Number(named?.[2]) };
    },
  };
}

export function poolNames(pools: readonly string[]): readonly string[] {
  return pools.filter(isHostName).map((name) => name.toLowerCase());
}

/** The schema takes addresses, networks and host names, without a port. */
function isHostName(pool: string): boolean {
  return /[g-z]/i.test(pool) && !pool.includes(":");
}
