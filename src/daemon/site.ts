/**
 * What this site holds for known, unwanted or bad: the lists of the configuration, compiled once for each generation of
 * it, and the files they name. Detectors ask; nothing here judges.
 */
import type { Config } from "../config/schema.ts";
import type { Fault } from "../core/result.ts";
import type { Endpoint } from "../core/socket.ts";
import type { PoolMatcher } from "../detection/detectors/miner.ts";
import { createIndicatorBuilder, type IndicatorSet, NO_INDICATORS } from "../detection/site/indicators.ts";
import { compileNetworkLists, type NetworkLists } from "../detection/site/network_lists.ts";
import { compileProcessLists, NO_PROCESS_LISTS, type ProcessLists } from "../detection/site/process_lists.ts";
import { createIndicatorFiles } from "../host/indicator_files.ts";
import { distroAllowances, readOsRelease } from "../host/os_release.ts";
import { createTorConsensus } from "../host/tor_consensus.ts";
import { poolMatcherOf, poolNames } from "./policy_of.ts";
import { createPoolResolver } from "./pool_names.ts";

const FAULTS_SHOWN = 3;

/** What detectors may ask about the site. Each answer is of the configuration that is in force at that moment. */
export interface Site {
  pools(): PoolMatcher;
  processes(): ProcessLists;
  network(): NetworkLists;
  indicators(): IndicatorSet;
  isTorRelay(remote: Endpoint): boolean;
}

export interface LiveSite extends Site {
  /** TRUSTED_SYSTEM_PROCESSES and what DISTRO_SPECIFIC_ALLOWANCES adds on this host. */
  trustedProcesses(): readonly string[];
  /** Addresses and networks of MINING_POOLS, its host names as they resolve now. */
  poolNetworks(): readonly string[];
  /** Looks whether names, lists and consensus are to be read anew; call it about once a second. */
  refresh(): void;
  /** Resolves when the lists of INDICATORS were read once. */
  ready(): Promise<void>;
}

export interface SiteParts {
  readonly config: () => Config;
  readonly onFault: (part: string, fault: Fault, phase: "begins" | "ends") => void;
}

/** A site that says nothing. */
export const NO_SITE: Site = {
  pools: () => ({ byAddress: () => undefined, byWord: () => undefined }),
  processes: () => NO_PROCESS_LISTS,
  network: () => NO_NETWORK_LISTS,
  indicators: () => NO_INDICATORS,
  isTorRelay: () => false,
};

const NO_NETWORK_LISTS = compileNetworkLists({ TRUSTED_PORTS: {}, SUSPICIOUS_NETWORK_PATTERNS: [] });

export function createSite({ config, onFault }: SiteParts): LiveSite {
  const osRelease = readOsRelease();
  const resolver = createPoolResolver(() => poolNames(config().MINING_POOLS));
  const consensus = createTorConsensus();
  const lists = createIndicatorFiles<IndicatorSet>({
    files: () => config().INDICATORS.files,
    sink: createIndicatorBuilder,
  });
  const trustedProcesses = perConfig(config, (now) => [
    ...now.TRUSTED_SYSTEM_PROCESSES,
    ...distroAllowances(now.DISTRO_SPECIFIC_ALLOWANCES, osRelease),
  ]);
  let isFaulty = false;
  let pools = poolMatcherOf(config().MINING_POOLS, resolver.resolved());
  const poolsOfConfig = perConfig(config, (now) => {
    pools = poolMatcherOf(now.MINING_POOLS, resolver.resolved());
  });
  return {
    pools: () => {
      poolsOfConfig();
      return pools;
    },
    poolNetworks: () => [
      ...config().MINING_POOLS.filter((pool) => !poolNames([pool]).includes(pool.toLowerCase())),
      ...[...resolver.resolved().values()].flat(),
    ],
    processes: perConfig(config, compileProcessLists),
    network: perConfig(config, compileNetworkLists),
    indicators: lists.current,
    isTorRelay: consensus.isRelay,
    trustedProcesses,
    refresh: () => {
      if (resolver.refresh()) pools = poolMatcherOf(config().MINING_POOLS, resolver.resolved());
      void readLists();
      void consensus.refresh();
    },
    ready: readLists,
  };

  async function readLists(): Promise<void> {
    if (!(await lists.refresh())) return;
    const fault = faultOfLists(lists.faults(), lists.current().remarks);
    if (fault !== undefined) onFault("indicators", fault, "begins");
    else if (isFaulty) onFault("indicators", { kind: "io", message: "all lists are read, every line counts" }, "ends");
    isFaulty = fault !== undefined;
  }
}

/** One fault for all that is wrong with the lists: it stands in `status` until they are mended. */
function faultOfLists(files: readonly Fault[], remarks: readonly string[]): Fault | undefined {
  const messages = [...files.map(({ message }) => message), ...remarks.map((remark) => `passed over: ${remark}`)];
  if (messages.length === 0) return undefined;
  const more = messages.length > FAULTS_SHOWN ? `; and ${messages.length - FAULTS_SHOWN} more` : "";
  return {
    kind: "invalid",
    message: `${messages.slice(0, FAULTS_SHOWN).join("; ")}${more}`,
    remedy: files[0]?.remedy ?? "correct the line or remove it; the others count",
  };
}

/** Compiled anew when another configuration is in force. */
function perConfig<T>(config: () => Config, compile: (config: Config) => T): () => T {
  let made: { readonly of: Config; readonly value: T } | undefined;
  return () => {
    const now = config();
    if (made?.of !== now) made = { of: now, value: compile(now) };
    return made.value;
  };
}
