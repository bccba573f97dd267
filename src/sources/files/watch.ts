/**
 * The watch over files, in a thread of its own: rounds over the directories, a slow reading of everything, digests on
 * demand. Trusts the clock, the baseline and the package database it is handed. Costs 2.5 us a file and round.
 */
import type { Clock } from "../../core/clock.ts";
import type { Baseline } from "../../core/file_record.ts";
import type { FilesRoot, FilesStatus } from "../../core/files.ts";
import type { Fault } from "../../core/result.ts";
import type { FileIdentity } from "../../core/view.ts";
import { AT } from "../../host/libc.ts";
import { type Mounts, NO_MOUNTS, readMounts } from "../../host/mounts.ts";
import { createTreeWalker } from "../../host/tree.ts";
import { createDigestReader } from "../../host/tree_digest.ts";
import { createTreeHash, highOf, keyOfPath, lowOf, type TreeHash } from "../../host/tree_hash.ts";
import { bytesOfPath, textOfPath } from "../../host/tree_names.ts";
import { createTreeTable } from "../../host/tree_table.ts";
import type { TreeRoot, TreeVisitor, TreeWalk } from "../../host/tree_types.ts";
import { type Closed, createClosed } from "./closed.ts";
import { createPace, nextTurn } from "./pace.ts";
import { createHolding, type Packages } from "./packages.ts";
import type { FilesSettings, FromWorker, IdentityWanted } from "./protocol.ts";
import { createRecords } from "./records.ts";
import { expandRoots, isBelow, type Root, type Roots } from "./roots.ts";
import { createRound, type Retried, type Round } from "./round.ts";
import { createVerification, numberIn } from "./verification.ts";

const MEGABYTE = 1024 * 1024;
const HOUR_MS = 3_600_000;
const STATUS_EVERY_MS = 1000;
const PACKAGES_FRESH_MS = 30_000;
const SKIPPED_SHOWN_MAX = 50;
const CHANGES_A_MESSAGE = 500;
const COLLECTED_ENTRIES = 1000;

export interface WatchParts {
  readonly clock: Clock;
  readonly baseline: Baseline;
  readonly packages: Packages;
  readonly databasePath: string;
  /** False where the baseline lives in memory only. */
  readonly persistent: boolean;
  /** Tries to write such a one to its file. */
  readonly persist: () => boolean;
  readonly say: (message: FromWorker) => void;
  /** For tests. */
  readonly mounts?: () => Mounts | undefined;
}

export interface Watch {
  /** One round; `verify`: every file is read. Resolves when it has ended. */
  round(settings: FilesSettings, verify: boolean): Promise<void>;
  identify(wanted: IdentityWanted): Promise<void>;
  status(): FilesStatus;
  /** Ends the round under way and writes everything. */
  stop(): Promise<void>;
}

type Skipped = FilesStatus["skipped"][number];

interface State {
  readonly parts: WatchParts;
  readonly hash: TreeHash;
  readonly table: ReturnType<typeof createTreeTable>;
  readonly records: ReturnType<typeof createRecords>;
  readonly pace: ReturnType<typeof createPace>;
  readonly walker: ReturnType<typeof createTreeWalker>;
  readonly holding: ReturnType<typeof createHolding>;
  readonly verification: ReturnType<typeof createVerification>;
  readonly roundReader: ReturnType<typeof createDigestReader>;
  readonly identityReader: ReturnType<typeof createDigestReader>;
  readonly retried: Retried;
  /** As remembered: patterns whose files are the baseline, and the directories they stood for. */
  known: KnownRoots;
  stopped: boolean;
  running: Promise<void> | undefined;
  statusAtMs: number;
  packagesAtMs: number;
  lastRoundMonotonicMs: number | undefined;
  /** Entries that differed, since the collector ran. */
  uncollected: number;
  isHeavy: boolean;
  /** What is remembered outlives this thread. */
  isOnDisk: boolean;
  skipped: Skipped[];
  skippedTotal: number;
  report: Report;
  /** Faults of the last round, by what they are about: told where they begin. */
  told: Set<string>;
  telling: Set<string>;
}

interface Report {
  readonly bytes: number;
  readonly roots: readonly FilesRoot[];
  readonly unreadable: number;
  readonly unhashed: number;
  readonly progress?: NonNullable<FilesStatus["progress"]>;
  readonly lastRound?: NonNullable<FilesStatus["lastRound"]>;
}

interface KnownRoots {
  readonly patterns: readonly string[];
  readonly roots: readonly (readonly [pattern: string, path: string])[];
}

export function createWatch(parts: WatchParts): Watch {
  const state = begin(parts);
  return {
    round(settings, verify) {
      state.running ??= wholeRound(state, settings, verify).finally(() => {
        state.running = undefined;
        // Its end would write what the daemon may not have taken over yet: a crash would lose it.
        const isSettled = state.holding.held === 0 && state.records.held === 0;
        parts.say({ kind: "round-ended", wasHeavy: state.isHeavy && isSettled && state.isOnDisk });
      });
      return state.running;
    },
    identify: (wanted) => identify(state, wanted),
    status: () => statusOf(state),
    async stop() {
      state.stopped = true;
      await state.running;
      if (state.holding.held === 0) state.records.commit();
      else state.records.flush();
    },
  };
}

function begin(parts: WatchParts): State {
  const { baseline, clock } = parts;
  const hash = createTreeHash(seedOf(baseline));
  const table = createTreeTable(baseline.count());
  baseline.load((key, signature) => table.set(lowOf(key), highOf(key), lowOf(signature), highOf(signature)));
  const pace = createPace(clock);
  const records = createRecords(baseline);
  const roundReader = createDigestReader();
  const state: State = {
    parts,
    hash,
    table,
    records,
    pace,
    walker: createTreeWalker(hash, table),
    holding: createHolding({
      clock,
      packages: { ...parts.packages, refresh: () => refreshPackages(state) },
      reader: roundReader,
      pace,
      onFault: (fault) => tell(state, "packages", fault),
    }),
    verification: createVerification({
      baseline,
      records,
      table,
      reader: roundReader,
      pace,
      collect: () => collect(state),
    }),
    roundReader,
    identityReader: createDigestReader(),
    retried: new Map(),
    known: knownRootsIn(baseline.meta("roots")),
    stopped: false,
    running: undefined,
    statusAtMs: Number.NEGATIVE_INFINITY,
    packagesAtMs: Number.NEGATIVE_INFINITY,
    lastRoundMonotonicMs: undefined,
    uncollected: 0,
    isHeavy: false,
    isOnDisk: parts.persistent,
    skipped: [],
    skippedTotal: 0,
    report: { bytes: 0, roots: [], unreadable: 0, unhashed: 0 },
    told: new Set(),
    telling: new Set(),
  };
  return state;
}

async function wholeRound(state: State, settings: FilesSettings, verify: boolean): Promise<void> {
  const { clock, baseline } = state.parts;
  const isFirst = state.known.patterns.length === 0;
  const startedAtMs = clock.nowMs();
  const startedMonotonicMs = clock.monotonicMs();
  // What was told a round ago has arrived. What is held back was not told to anybody yet.
  if (state.holding.held === 0) state.records.commit();
  if (!state.isOnDisk) writeToDisk(state);
  if (state.holding.mustWait() && !isFirst) return say(state);
  state.telling = new Set();
  state.pace.setRate(settings.hashMbPerSecond);
  const bytesBefore = state.pace.bytes;
  const progress = () => ({ bytesRead: state.pace.bytes - bytesBefore, startedAtMs });
  const verificationStep = (all: boolean) =>
    state.verification.step({
      nowMs: startedAtMs,
      elapsedMs: startedMonotonicMs - (state.lastRoundMonotonicMs ?? startedMonotonicMs),
      periodMs: settings.verifyHours * HOUR_MS,
      all,
      bytesMax: settings.hashMbMax * MEGABYTE,
      isStopped: () => state.stopped,
    });
  if (!isFirst && !verify) await verificationStep(false);
  let { round, walk, plan } = await walkOnce(state, settings, progress);
  state.isHeavy ||= isFirst || verify;
  const seen = [...round.changes];
  if (verify && !isFirst && (await verificationStep(true)) > 0) {
    ({ round, walk, plan } = await walkOnce(state, settings, progress));
    seen.push(...round.changes);
  }
  state.records.flush();
  state.lastRoundMonotonicMs = startedMonotonicMs;
  if (walk.finished) remember(state, settings, plan);
  if (isFirst && walk.finished) {
    baseline.setMeta("baseline_at_ms", String(startedAtMs));
    state.verification.complete(startedAtMs);
  }
  const changes = await tellChanges(state, seen, settings);
  tellRound(state, round, settings);
  state.told = state.telling;
  const tookMs = Math.round(clock.monotonicMs() - startedMonotonicMs);
  state.report = {
    bytes: walk.bytes,
    roots: rootsOf(settings, plan, walk),
    unreadable: round.unreadable + plan.unreadable,
    unhashed: walk.large,
    lastRound: { atMs: startedAtMs, tookMs, changes, bytesRead: state.pace.bytes - bytesBefore },
  };
  if (isFirst && walk.finished)
    state.parts.say({
      kind: "baseline",
      entries: state.table.size,
      bytes: state.pace.bytes - bytesBefore,
      tookMs,
    });
  collect(state);
  say(state);
}

/** A database that had no place on the disk is tried again each round; then a new worker goes on with the file. */
function writeToDisk(state: State): void {
  if (state.parts.baseline.count() === 0 || !state.parts.persist()) return;
  state.isOnDisk = true;
  state.isHeavy = true;
}

/** A small heap of its own: 2 ms, and what was left behind goes back to the system. By itself the collector waits for 30 MB. */
function collect(state: State): void {
  state.uncollected = 0;
  state.parts.baseline.releaseMemory();
  Bun.gc(true);
}

interface Plan {
  readonly roots: Roots;
  readonly all: readonly Root[];
  /** By tag: the index in `all`. */
  readonly quiet: readonly boolean[];
  readonly closed: Closed;
  readonly mounts: Mounts;
  unreadable: number;
}

function planOf(state: State, settings: FilesSettings): Plan {
  const mounts = settings.otherFilesystems ? NO_MOUNTS : ((state.parts.mounts ?? readMounts)() ?? NO_MOUNTS);
  const roots = expandRoots(settings.directories, mounts);
  const all = [...roots.outer, ...roots.nested];
  const known = new Set(state.known.patterns);
  const isKnown = (root: Root): boolean =>
    root.patterns.some((index) => known.has(patternId(settings.directories[index] ?? "", settings)));
  const quiet = all.map(
    (root) => !isKnown(root) && !all.some((outer) => isBelow(root.path, outer.path) && isKnown(outer)),
  );
  const concerned = mounts.foreign.filter((mount) => roots.outer.some((root) => isBelow(mount.path, root.path)));
  state.skipped = [];
  state.skippedTotal = 0;
  for (const skipped of roots.skipped) skip(state, skipped);
  for (const mount of concerned) skip(state, { path: mount.path, reason: `another filesystem (${mount.type})` });
  const closed = createClosed(settings.excluded, { ...mounts, foreign: concerned }, state.hash);
  return { roots, all, quiet, closed, mounts, unreadable: 0 };
}

async function walkOnce(
  state: State,
  settings: FilesSettings,
  progress: () => { bytesRead: number; startedAtMs: number },
): Promise<{ round: Round; walk: TreeWalk; plan: Plan }> {
  const { table, records, pace, parts, hash } = state;
  const plan = planOf(state, settings);
  const round = createRound(
    {
      table,
      records,
      reader: state.roundReader,
      pace,
      nowMs: parts.clock.nowMs,
      wantsMd5: (path) => parts.packages.lookup(path)?.algorithm === "md5",
    },
    { hashMbMax: settings.hashMbMax, filesMax: settings.filesMax, quiet: plan.quiet },
    state.retried,
  );
  const treeRoot = (root: Root, tag: number): TreeRoot => {
    const path = bytesOfPath(root.path);
    return { path, ...keyOfPath(hash, path), tag };
  };
  const tags = new Map<number, number>();
  plan.all.forEach((root, tag) => {
    if (tag >= plan.roots.outer.length) tags.set(treeRoot(root, tag).key, tag);
  });
  const visitor: TreeVisitor = {
    ...plan.closed,
    tags,
    largeBytes: settings.hashMbMax * MEGABYTE,
    differs(entry) {
      state.uncollected++;
      return round.differs(entry);
    },
    unreadable(path, reason) {
      plan.unreadable++;
      skip(state, { path: textOfPath(path), reason });
    },
    pause: (entries) => pause(state, { entries, ...progress() }),
  };
  table.beginRound();
  const walk = await state.walker.walk(plan.roots.outer.map(treeRoot), visitor);
  if (walk.finished) await settleMissing(state, settings, plan, round);
  return { round, walk, plan };
}

async function settleMissing(state: State, settings: FilesSettings, plan: Plan, round: Round): Promise<void> {
  const configured = new Set(settings.directories);
  const watchedRoots = new Set(plan.all.map((root) => root.path));
  for (const [pattern, path] of state.known.roots) if (configured.has(pattern)) watchedRoots.add(path);
  const paths = [...watchedRoots];
  const isWatched = (path: string): "watched" | "closed" | "dropped" => {
    if (plan.closed.isExcluded(path)) return "dropped";
    if (!paths.some((root) => path === root || isBelow(path, root))) return "dropped";
    return plan.mounts.foreignAt(path) === undefined ? "watched" : "closed";
  };
  let looked = 0;
  for (const key of state.table.unseen()) {
    round.missing(key, isWatched);
    if (++looked % 500 === 0) await nextTurn();
  }
}

async function pause(state: State, progress: NonNullable<FilesStatus["progress"]>): Promise<boolean> {
  const nowMs = state.parts.clock.monotonicMs();
  if (nowMs - state.statusAtMs >= STATUS_EVERY_MS) {
    state.report = { ...state.report, progress };
    say(state);
  }
  if (state.uncollected >= COLLECTED_ENTRIES) collect(state);
  await nextTurn();
  return !state.stopped;
}

/** How many were told or held. */
async function tellChanges(state: State, seen: Round["changes"], settings: FilesSettings): Promise<number> {
  if (seen.length > 0 && state.holding.mustWait()) {
    state.holding.hold(seen);
    return seen.length;
  }
  const changes = await state.holding.release(seen, settings.hashMbMax);
  for (let at = 0; at < changes.length; at += CHANGES_A_MESSAGE)
    state.parts.say({ kind: "changes", changes: changes.slice(at, at + CHANGES_A_MESSAGE) });
  return changes.length;
}

function tellRound(state: State, round: Round, settings: FilesSettings): void {
  if (round.lost > 0)
    tell(state, "changes lost", {
      kind: "limit",
      message: `${round.lost} changes of files in one round were over the bound and are not told one by one`,
      remedy:
        "look at their directories: one account's ordinary files over a thousand, and all over 20000, are only counted",
    });
  if (round.overLimit > 0)
    tell(state, "files over the limit", {
      kind: "limit",
      message: `${round.overLimit} files below PROTECTED_DIRECTORIES are not watched: ${settings.filesMax} is the limit`,
      remedy: "name fewer directories in PROTECTED_DIRECTORIES, or raise FILES.files_max (30 bytes of memory each)",
    });
}

/** Once, until a round went by without it. */
function tell(state: State, about: string, fault: Fault): void {
  const isNew = !state.told.has(about) && !state.telling.has(about);
  state.telling.add(about);
  if (isNew) state.parts.say({ kind: "fault", part: "filesystem", fault });
}

function remember(state: State, settings: FilesSettings, plan: Plan): void {
  const roots = plan.all.flatMap((root) =>
    root.patterns.map((index) => [settings.directories[index] ?? "", root.path] as const),
  );
  // A directory that is missing now keeps its place as long as its pattern stands: what was in it was deleted.
  const configured = new Set(settings.directories);
  const present = new Set(roots.map(([, path]) => path));
  const absent = state.known.roots.filter(([pattern, path]) => configured.has(pattern) && !present.has(path));
  const known: KnownRoots = {
    patterns: settings.directories.map((pattern) => patternId(pattern, settings)),
    roots: [...roots, ...absent.slice(0, 1000)],
  };
  const text = JSON.stringify(known);
  if (text !== JSON.stringify(state.known)) state.parts.baseline.setMeta("roots", text);
  state.known = known;
}

/** What was foreign and is entered from now on is a baseline too. */
function patternId(pattern: string, settings: FilesSettings): string {
  return settings.otherFilesystems ? `${pattern}\0` : pattern;
}

async function identify(state: State, wanted: IdentityWanted): Promise<void> {
  await freshenPackages(state);
  const packaged = state.parts.packages.lookup(wanted.path);
  const digest = await state.identityReader.digest(AT.currentDirectory, wanted.path, {
    md5: packaged?.algorithm === "md5",
    pace: state.pace.read,
    expected: wanted,
    bytesMax: Number.MAX_SAFE_INTEGER,
  });
  const read = digest.kind === "read" ? digest : undefined;
  const identity: FileIdentity | undefined = read && {
    sha256: read.sha256,
    ...(packaged === undefined ? {} : { packageName: packaged.package }),
    packageState: packaged === undefined ? "none" : state.parts.packages.judge(packaged, read),
  };
  state.parts.say({ kind: "identified", wanted, identity });
}

/** A program may have been installed since the last round. */
async function freshenPackages(state: State): Promise<void> {
  const nowMs = state.parts.clock.monotonicMs();
  if (nowMs - state.packagesAtMs < PACKAGES_FRESH_MS) return;
  state.packagesAtMs = nowMs;
  for (const fault of (await refreshPackages(state)).faults) tell(state, "packages", fault);
}

async function refreshPackages(state: State): ReturnType<Packages["refresh"]> {
  const refreshed = await state.parts.packages.refresh();
  state.isHeavy ||= refreshed.changed === true;
  return refreshed;
}

function rootsOf(settings: FilesSettings, plan: Plan, walk: TreeWalk): readonly FilesRoot[] {
  return settings.directories.map((pattern, index) => {
    const tags = plan.all.flatMap((root, tag) => (root.patterns.includes(index) ? [tag] : []));
    const entries = tags.reduce((sum, tag) => sum + (walk.entriesByTag[tag] ?? 0), 0);
    const skipped = plan.roots.skipped.find((one) => one.pattern === index)?.reason ?? "there is no such directory";
    return { pattern, directories: tags.length, entries, ...(tags.length > 0 ? {} : { reason: skipped }) };
  });
}

function skip(state: State, { path, reason }: Skipped): void {
  state.skippedTotal++;
  if (state.skipped.length < SKIPPED_SHOWN_MAX) state.skipped.push({ path, reason });
}

function say(state: State): void {
  state.statusAtMs = state.parts.clock.monotonicMs();
  state.parts.say({ kind: "status", status: statusOf(state) });
}

function statusOf(state: State): FilesStatus {
  const { report, parts } = state;
  const baselineAtMs = numberIn(parts.baseline.meta("baseline_at_ms"));
  const { completedAtMs } = state.verification;
  return {
    state: baselineAtMs === undefined ? "baseline" : "watching",
    entries: state.table.size,
    bytes: report.bytes,
    roots: report.roots,
    ...(report.progress === undefined ? {} : { progress: report.progress }),
    ...(report.lastRound === undefined ? {} : { lastRound: report.lastRound }),
    ...(completedAtMs === undefined ? {} : { lastVerifiedAtMs: completedAtMs }),
    ...(baselineAtMs === undefined ? {} : { baselineAtMs }),
    skipped: state.skipped,
    skippedTotal: state.skippedTotal,
    unreadable: report.unreadable,
    unhashed: report.unhashed,
    held: state.holding.held,
    ...(state.isOnDisk ? {} : { inMemoryOnly: true as const }),
    databasePath: parts.databasePath,
    databaseBytes: parts.baseline.sizeBytes(),
  };
}

function seedOf(baseline: Baseline): Uint32Array {
  const known = baseline.meta("seed");
  if (known !== undefined && /^[0-9a-f]{32}$/.test(known))
    return new Uint32Array(new Uint8Array(Buffer.from(known, "hex")).buffer);
  const seed = crypto.getRandomValues(new Uint32Array(4));
  baseline.setMeta("seed", Buffer.from(seed.buffer).toString("hex"));
  return seed;
}

function knownRootsIn(text: string | undefined): KnownRoots {
  const none: KnownRoots = { patterns: [], roots: [] };
  if (text === undefined) return none;
  try {
    const parsed: unknown = JSON.parse(text);
    return isKnownRoots(parsed) ? parsed : none;
  } catch {
    return none;
  }
}

function isKnownRoots(value: unknown): value is KnownRoots {
  if (typeof value !== "object" || value === null || !("patterns" in value) || !("roots" in value)) return false;
  return Array.isArray(value.patterns) && Array.isArray(value.roots);
}
