/**
 * The configuration of a running daemon: initial load, last-good copy, reload whole or not at all, watching the file.
 * Trusts a file only where nobody but its owner (root) can have written it. Costs one stat every two seconds.
 *
 * What is in force: the file; if it is unusable or not to be trusted, what is already running; at start the last-good
 * copy; without one the built-in defaults in monitor, because nobody has said yet that we may kill.
 */
import { type FSWatcher, watch as watchFolder } from "node:fs";
import { basename, dirname } from "node:path";
import type { Clock } from "../core/clock.ts";
import { unreachable } from "../core/result.ts";
import type { AdviceContext } from "./advice.ts";
import { decodeConfig } from "./encoding.ts";
import { type FileIdentity, identify, mistrust, readBounded, sameIdentity, writeAtomically } from "./file.ts";
import { builtInConfig, type ParsedConfig, parseConfig } from "./load.ts";
import type { Problem } from "./problem.ts";
import type { Config } from "./schema.ts";

export type ConfigOrigin = "file" | "last-good" | "built-in";

export interface ConfigState {
  readonly config: Config;
  /** All problems of the newest attempt to read the file, also where it was not applied. */
  readonly problems: readonly Problem[];
  /** One more with every configuration that came into force; the first is 1. */
  readonly generation: number;
  readonly origin: ConfigOrigin;
  /** Top-level keys the configuration in force has from its file. */
  readonly keysSet: readonly string[];
}

export interface ConfigReload extends ConfigState {
  /** Another configuration is in force than before. */
  readonly changed: boolean;
  /** The file was read and is in force (changed or not); false where the running one was left. */
  readonly applied: boolean;
}

export interface ConfigSourceOptions {
  readonly path: string;
  readonly lastGoodPath: string;
  readonly clock: Clock;
  /** Who must own the file; root unless a test says otherwise. */
  readonly ownerUid?: number;
  readonly debounceMs?: number;
  readonly pollMs?: number;
  /** Names and ids of the loaded rules, asked at each load, so that a misspelt one in RULES is told. */
  readonly ruleNames?: () => readonly string[];
}

export interface ConfigSource {
  current(): ConfigState;
  /** Reads the file again now. Never throws; whole or not at all. */
  reload(): ConfigReload;
  /** Calls back after each change of the file (content, owner, mode, appearing, vanishing). Ends with `stop`. */
  watch(onChange: (reload: ConfigReload) => void): { stop(): void };
}

const DEBOUNCE_MS = 200;
const POLL_MS = 2000;

export function createConfigSource(options: ConfigSourceOptions): ConfigSource {
  const first = initialLoad(options);
  let state = first.state;
  let seen = first.identity;

  function reload(): ConfigReload {
    const read = readTrusted(options, options.path);
    seen = read.identity;
    if (!read.parsed.usable) {
      state = { ...state, problems: [...read.parsed.problems, stays(state)] };
      return { ...state, changed: false, applied: false };
    }
    const changed = JSON.stringify(read.parsed.config) !== JSON.stringify(state.config);
    const generation = changed ? state.generation + 1 : state.generation;
    const notes = keepLastGood(options, read);
    state = fileState(read.parsed, generation, notes);
    return { ...state, changed, applied: true };
  }

  function watch(onChange: (reload: ConfigReload) => void): { stop(): void } {
    return watchFile(options, () => {
      // A save may arrive as several events; what was already read is no news.
      if (!sameIdentity(identify(options.path), seen)) onChange(reload());
    });
  }

  return { current: () => state, reload, watch };
}

interface TrustedRead {
  readonly parsed: ParsedConfig;
  /** What the file was when it was read; undefined where there was none. */
  readonly identity: FileIdentity | undefined;
  readonly bytes: Uint8Array;
}

interface InitialLoad {
  readonly state: ConfigState;
  readonly identity: FileIdentity | undefined;
}

function initialLoad(options: ConfigSourceOptions): InitialLoad {
  const read = readTrusted(options, options.path);
  const { identity } = read;
  if (read.parsed.usable) return { state: fileState(read.parsed, 1, keepLastGood(options, read)), identity };
  const copy = readTrusted(options, options.lastGoodPath);
  if (copy.parsed.usable) {
    const { config, keysSet } = copy.parsed;
    const state: ConfigState = { config, keysSet, problems: [], generation: 1, origin: "last-good" };
    return { state: { ...state, problems: [...read.parsed.problems, stays(state)] }, identity };
  }
  const state: ConfigState = {
    config: builtInConfig("monitor"),
    keysSet: [],
    problems: [],
    generation: 1,
    origin: "built-in",
  };
  return { state: { ...state, problems: [...read.parsed.problems, stays(state)] }, identity };
}

function fileState(parsed: ParsedConfig, generation: number, notes: readonly Problem[]): ConfigState {
  const { config, keysSet } = parsed;
  return { config, keysSet, problems: [...parsed.problems, ...notes], generation, origin: "file" };
}

function readTrusted(options: ConfigSourceOptions, path: string): TrustedRead {
  // Before the read: a write that lands in between makes the next look see a difference, not miss one.
  const before = identify(path);
  const read = readBounded(path);
  if (!read.ok) {
    const problem = wholeFile("error", read.fault.message, read.fault.remedy ?? "");
    return { parsed: refused(problem), identity: before, bytes: new Uint8Array() };
  }
  const { bytes, identity } = read.value;
  const owner = options.ownerUid ?? 0;
  const reason = mistrust(identity, owner);
  if (reason !== undefined) {
    const remedy = `Look what changed in it, then: chown ${owner}:${owner} ${path} && chmod 600 ${path}.`;
    return { parsed: refused(wholeFile("error", `${path} is not obeyed: ${reason}`, remedy)), identity: before, bytes };
  }
  const ruleNames = options.ruleNames?.();
  const context: AdviceContext = { nowMs: options.clock.nowMs(), ...(ruleNames === undefined ? {} : { ruleNames }) };
  return { parsed: parseConfig(bytes, context), identity: before, bytes };
}

function refused(problem: Problem): ParsedConfig {
  return { config: builtInConfig("monitor"), problems: [problem], usable: false, keysSet: [] };
}

/** The newest usable text, for a start after the file was spoilt. Failing to write it is told, and nothing else. */
function keepLastGood(options: ConfigSourceOptions, read: TrustedRead): readonly Problem[] {
  const text = decodeConfig(read.bytes);
  if (typeof text !== "string") return [];
  const known = readBounded(options.lastGoodPath);
  if (known.ok && Buffer.compare(known.value.bytes, new TextEncoder().encode(text)) === 0) return [];
  const written = writeAtomically(options.lastGoodPath, text, { mode: 0o600, keepMode: false });
  if (written.ok) return [];
  return [
    wholeFile("warning", `the last-good copy was not renewed: ${written.fault.message}`, written.fault.remedy ?? ""),
  ];
}

function stays(state: ConfigState): Problem {
  const what = inForce(state.origin, state.generation);
  return wholeFile(
    "warning",
    `the file was not applied; ${what} in mode ${state.config.MODE}`,
    "Mend the file; it is read again by itself.",
  );
}

function inForce(origin: ConfigOrigin, generation: number): string {
  switch (origin) {
    case "file":
      return `configuration ${generation} stays in force`;
    case "last-good":
      return "the last good copy is in force";
    case "built-in":
      return "built-in defaults are in force";
    default:
      return unreachable(origin);
  }
}

function wholeFile(severity: Problem["severity"], message: string, remedy: string): Problem {
  return { severity, line: 1, column: 1, key: "", message, remedy };
}

/** The folder is watched, not the file: editors replace files, and a watch on the old inode would go blind. */
function watchFile(options: ConfigSourceOptions, look: () => void): { stop(): void } {
  let soon: ReturnType<typeof setTimeout> | undefined;
  let folder: FSWatcher | undefined;
  const name = basename(options.path);
  const onEvent = (_kind: string, changed: string | null): void => {
    if (changed !== null && changed !== name) return;
    clearTimeout(soon);
    soon = setTimeout(look, options.debounceMs ?? DEBOUNCE_MS);
  };
  try {
    folder = watchFolder(dirname(options.path), { persistent: false }, onEvent);
    // Out of inotify watches, folder gone: the poll below still sees everything, only later.
    folder.on("error", () => folder?.close());
  } catch {
    folder = undefined;
  }
  const poll = setInterval(look, options.pollMs ?? POLL_MS);
  poll.unref();
  return {
    stop: () => {
      clearTimeout(soon);
      clearInterval(poll);
      folder?.close();
    },
  };
}
