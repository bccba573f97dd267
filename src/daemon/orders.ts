/**
 * What is in force: rules, configuration, pause, and the policy and engine made of them. Read and replaced as a
 * whole, so that no sweep is judged half by old and half by new orders.
 */

import { type ConfigReload, type ConfigState, createConfigSource } from "../config/runtime.ts";
import type { Config } from "../config/schema.ts";
import type { Clock } from "../core/clock.ts";
import type { Mode } from "../core/control.ts";
import type { Paths } from "../core/paths.ts";
import type { ProcessRef } from "../core/process.ts";
import type { Policy } from "../decision/policy.ts";
import { createEngine, type Engine } from "../detection/engine.ts";
import type { Users } from "../host/users.ts";
import type { Retention } from "../store/prune.ts";
import type { Pauses } from "./pauses.ts";
import { createArgsMatcher, policyOf } from "./policy_of.ts";
import { type LoadedRules, readRules, ruleFolders } from "./rule_files.ts";

export interface OrdersParts {
  readonly paths: Paths;
  readonly clock: Clock;
  readonly users: Users;
  readonly pauses: Pauses;
  /** `--monitor`: watch only, whatever MODE says. */
  readonly monitorOnly: boolean;
  /** Never to be touched: ourselves and what is above us, and the sessions that talk to us. */
  readonly own: () => readonly ProcessRef[];
  /** Of these, the daemon and its sensor. */
  readonly ours?: () => readonly ProcessRef[];
}

export interface Orders {
  config(): Config;
  /** The configuration with its problems and where it comes from. */
  state(): ConfigState;
  rules(): LoadedRules;
  engine(): Engine;
  policy(): Policy;
  /** As `policy` will be at the next sweep: for who must not wait for it. */
  fresh(): Policy;
  /** Without regard to a pause. */
  mode(): Mode;
  /** For people: `enforce`, `monitor`, `monitor (paused)`. */
  modeText(): string;
  retention(): Retention;
  /** False in monitor mode and while paused. */
  mayAct(): boolean;
  /** The policy anew, before each sweep: a pause ends, an account appears, a trusted file is replaced. */
  refresh(): void;
  /** Reads rules and configuration again. */
  reload(): ConfigReload;
  /** Tells of each change of the file that was read by itself. */
  watch(onRead: (read: ConfigReload) => void): { stop(): void };
}

export function createOrders(parts: OrdersParts): Orders {
  const { paths, clock, users, pauses, own } = parts;
  const folders = ruleFolders(paths);
  let rules = readRules(folders);
  let engine = createEngine(rules.rules);
  const source = createConfigSource({
    path: paths.configFile,
    lastGoodPath: paths.lastGoodConfigFile,
    clock,
    ruleNames: () => rules.rules.flatMap((rule) => [rule.ref.name, rule.ref.id]),
  });
  const config = () => source.current().config;
  const mode = () => (parts.monitorOnly ? "monitor" : config().MODE);
  let argsMatch = createArgsMatcher();
  let policy = compile();
  return {
    config,
    state: () => source.current(),
    rules: () => rules,
    engine: () => engine,
    policy: () => policy,
    fresh: compile,
    mode,
    modeText: () => (mode() === "enforce" && pauses.current() !== undefined ? "monitor (paused)" : mode()),
    retention: () => {
      const { days, database_mb } = config().RETENTION;
      return { days, databaseBytesMax: database_mb * 1024 * 1024 };
    },
    mayAct: () => mode() === "enforce" && pauses.current() === undefined,
    refresh: () => {
      policy = compile();
    },
    reload: () => {
      rules = readRules(folders);
      engine = createEngine(rules.rules);
      return taken(source.reload());
    },
    watch: (onRead) => source.watch((read) => onRead(taken(read))),
  };

  function taken(read: ConfigReload): ConfigReload {
    if (read.changed) {
      argsMatch = createArgsMatcher();
      policy = compile();
    }
    return read;
  }

  function compile(): Policy {
    const state = source.current();
    return policyOf({
      config: state.config,
      generation: state.generation,
      monitorOnly: parts.monitorOnly,
      pausedUntilMs: pauses.current()?.untilMs ?? 0,
      own: own(),
      ours: parts.ours?.() ?? [],
      uidOf: users.uidOf,
      argsMatch,
    });
  }
}
