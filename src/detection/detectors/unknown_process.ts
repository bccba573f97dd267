/**
 * States that a program runs that nobody vouches for: not root's own in a system or protected directory, not as the
 * package database says, not trusted, not of a name the site knows. Once for each digest and user, by directory for
 * what people build in their homes, by container for what images bring. What lies in memory, in /tmp or was deleted is
 * told by program_place. Waits a few sweeps for the digest; remembers at most 10,000.
 */
import type { EventDraft, Fields } from "../../core/nouns.ts";
import { isRootOnly, isSystemPath } from "../../core/place.ts";
import { type Executable, type Process, type ProcessRef, sameProcess } from "../../core/process.ts";
import { processFields } from "../../core/render.ts";
import type { FileIdentity, HostView } from "../../core/view.ts";
import { isInContainer } from "../site/ownership.ts";
import type { ProcessLists } from "../site/process_lists.ts";
import { type Detector, derived } from "./detector.ts";
import { createOncePerProcess } from "./new_processes.ts";

const TOLD_MAX = 10_000;
const PENDING_MAX = 1_000;
const WAIT_SWEEPS = 6;
/** So many unknown programs of one user below one directory are told one by one, an hour's others as one. */
const APART_MAX = 5;
const DIRECTORIES_MAX = 1_000;
const HOUR_MS = 3_600_000;
const PERSON_UID_MIN = 1000;
const NOBODY_UID = 65_534;

/** Where package managers of other kinds keep root's own files. */
const OTHER_STORES = /^\/((nix|gnu)\/store|var\/lib\/(flatpak|snapd))\//;

type Origin = "container" | "own-home" | "elsewhere";

interface Pending {
  readonly process: Process;
  readonly fields: Fields;
  sweepsLeft: number;
}

export function createUnknownProcessDetector(lists: () => ProcessLists): Detector {
  const once = createOncePerProcess();
  const told = new Map<string, true>();
  const apart = new Map<string, number>();
  let pending: Pending[] = [];
  return { id: "unknown_process", emits: ["unknown_process"], sweep };

  function sweep(view: HostView): readonly EventDraft[] {
    const current = lists();
    const drafts: EventDraft[] = [];
    const waiting = pending;
    pending = [];
    for (const entry of waiting) drafts.push(...lookAgain(view, entry));
    for (const process of once.fresh(view)) {
      const executable = process.executable;
      if (executable === undefined || isKnown(view, process, executable, current)) continue;
      drafts.push(...firstLook(view, process, executable));
    }
    return drafts;
  }

  function firstLook(view: HostView, process: Process, executable: Executable): readonly EventDraft[] {
    const origin = originOf(view, process, executable);
    const directory = directoryOf(executable.path);
    if (origin !== "elsewhere") {
      const fold = isInContainer(process) ? process.cgroup : directory;
      return tell(process, processFields(view, process), origin, fold, view.atMs);
    }
    const crowd = `${process.effectiveUid} ${directory}`;
    if ((apart.get(crowd) ?? 0) >= APART_MAX)
      return tell(process, processFields(view, process), origin, directory, view.atMs);
    const entry = { process, fields: processFields(view, process), sweepsLeft: WAIT_SWEEPS };
    return lookAgain(view, entry);
  }

  /** With the digest where it is known by now; without it when there is no more waiting. */
  function lookAgain(view: HostView, entry: Pending): readonly EventDraft[] {
    const alive = isAlive(view, entry.process.ref);
    const identity = alive ? view.identityOf(entry.process) : undefined;
    if (identity !== undefined) return identified(entry, identity, view.atMs);
    entry.sweepsLeft--;
    if (alive && entry.sweepsLeft > 0 && pending.length < PENDING_MAX) {
      pending.push(entry);
      return [];
    }
    const executable = entry.process.executable;
    return tellApart(entry, `${executable?.device ?? 0}:${executable?.inode ?? 0}`, {}, view.atMs);
  }

  function identified(entry: Pending, identity: FileIdentity, atMs: number): readonly EventDraft[] {
    if (identity.packageState === "matches" || identity.packageState === "config") return [];
    const fields: Fields = {
      "process.hash.sha256": identity.sha256,
      "process.package.state": identity.packageState,
      ...(identity.packageName === undefined ? {} : { "process.package.name": identity.packageName }),
    };
    return tellApart(entry, identity.sha256, fields, atMs);
  }

  function tellApart(entry: Pending, fold: string, more: Fields, atMs: number): readonly EventDraft[] {
    const { process } = entry;
    const drafts = tell(process, { ...entry.fields, ...more }, "elsewhere", fold, atMs);
    if (drafts.length > 0) {
      const crowd = `${process.effectiveUid} ${directoryOf(process.executable?.path ?? "")}`;
      remember(apart, crowd, (apart.get(crowd) ?? 0) + 1, DIRECTORIES_MAX);
    }
    return drafts;
  }

  /** A directory or container is told again each hour in which something new runs there; a digest never. */
  function tell(process: Process, fields: Fields, origin: Origin, fold: string, atMs: number): readonly EventDraft[] {
    const hour = fold.startsWith("/") ? ` ${Math.floor(atMs / HOUR_MS)}` : "";
    const key = `${process.effectiveUid} ${fold}${hour}`;
    const isNew = !told.has(key);
    remember(told, key, true, TOLD_MAX);
    if (!isNew) return [];
    const all = { ...fields, "unknown.origin": origin, "unknown.fold": fold };
    const subject = { actors: [process.ref], relays: [], sockets: [] };
    return [derived("unknown_process", "program-unknown", process, all, subject)];
  }
}

function isKnown(view: HostView, process: Process, executable: Executable, lists: ProcessLists): boolean {
  const program = view.program(process);
  if (program.verified || view.isTrustedByName(process) || lists.isKnownName(process.name)) return true;
  // Told by program_place, and not worth a digest.
  if (executable.memfd || (executable.deleted && executable.replaced !== true) || program.temporary) return true;
  const isOurs = process.namespaces.mount === view.ourMountNamespace;
  const isKept = lists.isProtectedPlace(executable.path) || OTHER_STORES.test(executable.path);
  return isOurs && isRootOnly(executable) && isKept;
}

function originOf(view: HostView, process: Process, executable: Executable): Origin {
  if (process.namespaces.mount !== view.ourMountNamespace) {
    // An image's own programs, a sandbox's below /app; somebody's `unshare` brings his own file or runs one of ours.
    const isImage = isSystemPath(executable.path) || executable.path.startsWith("/app/");
    if (isInContainer(process) || (isRootOnly(executable) && isImage)) return "container";
  }
  const uid = process.effectiveUid;
  const isPerson = uid >= PERSON_UID_MIN && uid !== NOBODY_UID && uid === process.uid && uid === executable.ownerUid;
  const isHome = executable.path.startsWith("/home/") && (executable.mode & 0o002) === 0;
  return isPerson && isHome && isOfLogin(process) ? "own-home" : "elsewhere";
}

/** Of somebody who logged in, in person or by cron; a service that runs as a person's account is not. */
function isOfLogin(process: Process): boolean {
  return (
    process.loginUid === process.effectiveUid || process.cgroup.startsWith(`/user.slice/user-${process.uid}.slice/`)
  );
}

/** `/home/alice/project` of anything below it. */
function directoryOf(path: string): string {
  const parts = path.split("/").slice(0, -1);
  return parts.slice(0, 4).join("/") || "/";
}

function isAlive(view: HostView, ref: ProcessRef): boolean {
  const current = view.processes.get(ref.pid);
  return current !== undefined && sameProcess(current.ref, ref);
}

/** The entry that was not touched for longest goes first. */
function remember<V>(map: Map<string, V>, key: string, value: V, max: number): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= max) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}
