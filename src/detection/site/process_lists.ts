// The site's lists about processes, compiled once for each configuration: patterns, shell texts, names, places, limits.
// Patterns run on re2js one by one: most begin with a literal, which it looks for first, and a set of them in one
// machine needs more memory. Costs about 15 us a new process with 34 patterns, 0.4 ms with a thousand.
import { RE2JS } from "re2js";
import { compileIndicator, type Indicator } from "./indicator_text.ts";

/** As in config.json, so that a configuration can be handed in as it is. */
export interface ProcessListKeys {
  readonly SUSPICIOUS_PATTERNS: readonly string[];
  readonly REVERSE_SHELL_INDICATORS: readonly string[];
  readonly TRUSTED_USERS_PATTERNS: readonly string[];
  readonly TRUSTED_SYSTEM_PATTERNS: readonly string[];
  readonly PROTECTED_DIRECTORIES: readonly string[];
  readonly PROCESS_THRESHOLDS: Limits & { readonly executables: Readonly<Record<string, Partial<Limits>>> };
}

/** Percent (of CPU: 100 is one core) and counts; 0 is no limit. */
export interface Limits {
  readonly cpu_percent: number;
  readonly memory_percent: number;
  readonly children: number;
  readonly connections: number;
  readonly file_handles: number;
  readonly threads: number;
}

export type PatternKey = "SUSPICIOUS_PATTERNS" | "REVERSE_SHELL_INDICATORS";
export type PatternSubject = "name" | "executable" | "script" | "command line";

export interface ListHit {
  readonly key: PatternKey;
  /** As it stands in the list. */
  readonly text: string;
  readonly subject: PatternSubject;
  /** The part that it matched, and what stands around it; bounded. */
  readonly matched: string;
}

/** What of a process the lists are held against. */
export interface ProcessTexts {
  readonly name: string;
  readonly executable: string;
  /** The script's path; empty where there is none. */
  readonly script: string;
  readonly commandLine: string;
}

export interface ProcessLists {
  /** Each entry that matches, once, in the order of the list, with the first of the four texts that it matches. */
  suspicious(texts: ProcessTexts): readonly ListHit[];
  indicators(commandLine: string): readonly ListHit[];
  /** TRUSTED_USERS_PATTERNS has a prefix of this process name. */
  isKnownName(name: string): boolean;
  /** A prefix of TRUSTED_SYSTEM_PATTERNS with the form of a kernel thread's name, which this name continues as one. */
  claimsKernelThread(name: string): boolean;
  /** Below one of PROTECTED_DIRECTORIES. */
  isProtectedPlace(path: string): boolean;
  limitsOf(executable: string): Limits;
}

/** As much as is read of a command line. */
const TEXT_CHARACTERS_MAX = 32 * 1024;
/** A match within a word is passed over; nobody is made to look at more of them than this. */
const MATCHES_MAX = 32;
const CONTEXT_CHARACTERS = 40;
const LETTER = /\p{L}/u;

export function compileProcessLists(keys: ProcessListKeys): ProcessLists {
  const suspicious = keys.SUSPICIOUS_PATTERNS.flatMap((text) => entryOf(text, () => RE2JS.compile(text)));
  const indicators = keys.REVERSE_SHELL_INDICATORS.flatMap((text) => {
    const indicator = compileIndicator(text);
    return indicator === undefined ? [] : [{ text, ...indicator }];
  });
  const knownNames = keys.TRUSTED_USERS_PATTERNS.filter((prefix) => prefix !== "");
  const kernelPrefixes = keys.TRUSTED_SYSTEM_PATTERNS.filter((prefix) => KERNEL_PREFIX.test(prefix));
  const places = keys.PROTECTED_DIRECTORIES.flatMap((glob) => entryOf(glob, () => RE2JS.compile(placePattern(glob))));
  const { executables, ...limits } = keys.PROCESS_THRESHOLDS;
  const overrides = new Map(Object.entries(executables));
  return {
    suspicious: (texts) => suspicious.flatMap((entry) => hitOf(entry, texts) ?? []),
    indicators: (commandLine) => indicatorHits(indicators, bounded(commandLine)),
    isKnownName: (name) => knownNames.some((prefix) => name.startsWith(prefix)),
    claimsKernelThread: (name) =>
      kernelPrefixes.some((prefix) => [name, name.replace(/^\[/, "")].some((shown) => continues(shown, prefix))),
    isProtectedPlace: (path) => places.some(({ pattern }) => pattern.test(path)),
    limitsOf: (executable) => {
      const override = overrides.get(executable);
      return override === undefined ? limits : { ...limits, ...override };
    },
  };
}

/** Nothing is listed and nothing is limited. */
export const NO_PROCESS_LISTS: ProcessLists = compileProcessLists({
  SUSPICIOUS_PATTERNS: [],
  REVERSE_SHELL_INDICATORS: [],
  TRUSTED_USERS_PATTERNS: [],
  TRUSTED_SYSTEM_PATTERNS: [],
  PROTECTED_DIRECTORIES: [],
  PROCESS_THRESHOLDS: {
    cpu_percent: 0,
    memory_percent: 0,
    children: 0,
    connections: 0,
    file_handles: 0,
    threads: 0,
    executables: {},
  },
});

interface IndicatorEntry extends Indicator {
  readonly text: string;
}

interface Entry {
  readonly text: string;
  readonly pattern: RE2JS;
}

/** The configuration has told of a pattern that does not compile; it matches nothing here. */
function entryOf(text: string, compile: () => RE2JS): Entry[] {
  try {
    return [{ text, pattern: compile() }];
  } catch {
    return [];
  }
}

function hitOf(entry: Entry, texts: ProcessTexts): ListHit | undefined {
  const subjects: readonly [PatternSubject, string][] = [
    ["name", texts.name],
    ["executable", texts.executable],
    ["script", texts.script],
    ["command line", bounded(texts.commandLine)],
  ];
  for (const [subject, text] of subjects) {
    if (text === "" || !entry.pattern.test(text)) continue;
    const span = firstAtWordStart(entry.pattern, text);
    if (span === undefined) continue;
    return { key: "SUSPICIOUS_PATTERNS", text: entry.text, subject, matched: around(text, span) };
  }
  return undefined;
}

/** A program that was called by its path is the same one: `/usr/bin/bash -i` is also looked at as `bash -i`. */
function indicatorHits(entries: readonly IndicatorEntry[], commandLine: string): readonly ListHit[] {
  const folded = commandLine.toLowerCase();
  const near = entries.filter((entry) => folded.includes(entry.literal));
  if (near.length === 0) return [];
  const forms = [commandLine, commandLine.replace(/^\S*\//, "")];
  return near.flatMap((entry) => {
    const text = forms.find((form) => entry.pattern.test(form));
    const matcher = text === undefined ? undefined : entry.pattern.matcher(text);
    if (text === undefined || matcher?.find() !== true) return [];
    const matched = around(text, [matcher.start(), matcher.end()]);
    return [{ key: "REVERSE_SHELL_INDICATORS", text: entry.text, subject: "command line", matched }];
  });
}

/** `mine` is meant to find a miner, not to determine something: a match does not begin between two letters. */
function firstAtWordStart(pattern: RE2JS, text: string): readonly [number, number] | undefined {
  const matcher = pattern.matcher(text);
  for (let count = 0; count < MATCHES_MAX && matcher.find(); count++) {
    const start = matcher.start();
    const inWord = start > 0 && LETTER.test(text.charAt(start - 1)) && LETTER.test(text.charAt(start));
    if (!inWord) return [start, matcher.end()];
  }
  return undefined;
}

function around(text: string, [start, end]: readonly [number, number]): string {
  const from = Math.max(0, start - CONTEXT_CHARACTERS);
  const to = Math.min(text.length, Math.min(end, start + 2 * CONTEXT_CHARACTERS) + CONTEXT_CHARACTERS);
  return `${from > 0 ? "..." : ""}${text.slice(from, to)}${to < text.length ? "..." : ""}`;
}

function bounded(text: string): string {
  return text.length <= TEXT_CHARACTERS_MAX ? text : text.slice(0, TEXT_CHARACTERS_MAX);
}

/**
 * Names under which the kernel runs threads of its own, with the slash of those that exist once for each CPU. A site's
 * prefix of another form (`ng `, `panel-`) claims nothing.
 */
const KERNEL_PREFIX =
  /^\[?(kworker|kthreadd|ksoftirqd|kswapd|kcompactd|khugepaged|kauditd|kblockd|kdevtmpfs|kintegrityd|khungtaskd|kthrotld|ksmd|kjournald|kcryptd|kdmflush|kpsmoused|kstrp|migration|rcu_[a-z]+|cpuhp|watchdogd?|idle_inject|irq|jbd2|scsi_eh|oom_reaper|writeback|netns)[_/]?$/;
const THREAD_REST = /^[\w:.+-]*\]?$/;

function continues(name: string, prefix: string): boolean {
  return name.startsWith(prefix) && THREAD_REST.test(name.slice(prefix.length));
}

/** `*` stands for a part of one name. */
function placePattern(glob: string): string {
  const escaped = glob.replace(/\/+$/, "").replace(/[^*]+/g, (literal) => RE2JS.quote(literal));
  return `^${escaped.replace(/\*+/g, "[^/]*")}/`;
}
