/**
 * Joins what the scanners saw into one view of the host and names what is in it: programs, scripts, units, users.
 * Costs one pass over the sweep; asks systemd only about units it has not seen, the file system only about files it
 * has not seen.
 */
import { isRootOnly, isSystemPath, isTemporaryPath } from "../core/place.ts";
import { type Executable, type Process, processKey } from "../core/process.ts";
import type { ProcessesSeen, SocketsSeen, Swept } from "../core/sweep.ts";
import type { FileIdentity, HostView, ProgramFacts, Script, Unit } from "../core/view.ts";
import { awaitedBy } from "../host/awaited.ts";
import { listDirectory } from "../host/directories.ts";
import {
  buildIdOf,
  deviceOf,
  type ResolvedFile,
  resolveInSystemDirectories,
  SYSTEM_DIRECTORIES,
  statOf,
} from "../host/executables.ts";
import { readUnits, unitNameOf } from "../host/units.ts";
import { ancestorsIn, createHostView } from "./host_view.ts";
import { appletClass, classifyName, createProgramCatalogue, type InstalledProgram, isLoader } from "./programs.ts";
import { appletOf, scriptSource } from "./scripts.ts";
import { createSocketMemory } from "./sockets.ts";
import { createNameTrust, type NameRefusal } from "./trust.ts";

const CATALOGUE_MAX_AGE_MS = 60_000;
const UNITS_MAX = 10_000;
/** Asked ahead for so long; each question starts a program. */
const EXPECTED_FOR_MS = 10_000;
const EXPECTED_MAX = 16;
const TEMPORARY_DIRECTORIES: readonly string[] = ["/tmp", "/var/tmp", "/dev/shm"];
const NO_PROGRAM: ProgramFacts = {
  shell: false,
  interpreter: false,
  relayTool: false,
  name: "",
  isCopy: false,
  verified: false,
  temporary: false,
};

export interface Context {
  /** The view after this sweep. Sockets or processes that were not swept this time are those of the last time. */
  update(seen: Swept): Promise<HostView>;
  /**
   * The same host, with processes that ended before any sweep could see them, for the sake of those who tell of them.
   * They have no descriptors and are nobody's children.
   */
  withGone(view: HostView, gone: readonly Process[]): HostView;
  /** A process appeared in this group: whoever has to know its unit in a moment finds that asked already. */
  expectUnit(cgroup: string): void;
  /** The config changed: what was learnt from it is learnt anew at the next sweep. */
  relearn(): void;
}

export interface ContextOptions {
  readonly ourMountNamespace: number;
  readonly ephemeralPorts: readonly [number, number];
  readonly memoryTotalBytes: number;
  readonly userName: (uid: number) => string;
  /** TRUSTED_SYSTEM_PROCESSES as it stands now. */
  readonly trustedProcesses: () => readonly string[];
  /** Told when systemd does not answer; the sweep goes on without units. */
  readonly onFault: (message: string) => void;
  /** Told once for each name of `trustedProcesses` that a program carries and is not trusted for. */
  readonly onNameRefused?: (refusal: NameRefusal) => void;
  /** What a file is by content and package; undefined while it is being found out, and where nobody can say. */
  readonly identity?: (executable: Executable) => FileIdentity | undefined;
  /** What the site's pattern lists say of a process. */
  readonly hints?: (process: Process) => readonly string[];
  /** By which name an address was looked up, where somebody heard it. */
  readonly nameOf?: (address: string) => string | undefined;
}

export function createContext(options: ContextOptions): Context {
  const catalogue = createProgramCatalogue();
  const sockets = createSocketMemory(options.ephemeralPorts);
  const trust = createNameTrust();
  const units = new Map<string, Unit>();
  let catalogueAtMs = Number.NEGATIVE_INFINITY;
  let lastProcesses: ProcessesSeen = { atMs: 0, processes: [], descriptors: new Map() };
  let lastSockets: SocketsSeen = { internet: [], unix: [], packet: [] };
  let programs = new Map<
    string,
    { executable: Executable; argv: readonly string[]; facts: ProgramFacts & { family: string } }
  >();
  let scripts = new Map<string, { argv: readonly string[]; script: Script }>();
  const expected = new Map<string, { readonly atMs: number; readonly answer: Promise<void> }>();
  return { update, withGone, expectUnit, relearn };

  function relearn(): void {
    catalogueAtMs = Number.NEGATIVE_INFINITY;
  }

  async function update(seen: Swept): Promise<HostView> {
    lastProcesses = seen.processes ?? lastProcesses;
    lastSockets = seen.sockets ?? lastSockets;
    const { atMs, descriptors } = lastProcesses;
    // In both directions: a clock that was set back must not stop the learning.
    if (Math.abs(atMs - catalogueAtMs) >= CATALOGUE_MAX_AGE_MS) {
      catalogue.learn(installedPrograms(), temporaryDevices());
      trust.learn(options.trustedProcesses());
      catalogueAtMs = atMs;
      programs = new Map();
    }
    const processes = new Map(lastProcesses.processes.map((process) => [process.ref.pid, withReplacement(process)]));
    recognise(processes);
    await learnUnits(processes);
    const internet = sockets.observe(lastSockets.internet, descriptors, atMs);
    return createHostView({
      atMs,
      processes,
      descriptors,
      internetSockets: internet,
      ownerlessSockets: lastSockets.internet.filter((socket) => socket.inode === 0),
      held: seen.held ?? [],
      unixSockets: new Map(lastSockets.unix.map((socket) => [socket.inode, socket])),
      packetSockets: lastSockets.packet,
      listenerPids: sockets.listenerPids,
      unit: unitOf,
      program: facts,
      script: scriptKnown,
      awaited: awaitedBy,
      ourMountNamespace: options.ourMountNamespace,
      memoryTotalBytes: options.memoryTotalBytes,
      userName: options.userName,
      isTrustedByName: (process) => trust.isTrusted(process, facts(process), scriptKnown(process)),
      identity: options.identity ?? nobodyKnows,
      hints: options.hints ?? noHints,
      nameOf: options.nameOf ?? (() => undefined),
    });
  }

  function withGone(view: HostView, gone: readonly Process[]): HostView {
    const known = new Map(
      gone.map((process) => {
        const facts = process.executable === undefined ? undefined : programOf(process, process.executable);
        const runsCode = facts?.interpreter === true || facts?.relayTool === true;
        const script: Script = runsCode ? scriptOf(process, facts.family) : { kind: "none" };
        return [processKey(process.ref), { process, facts: facts ?? NO_PROGRAM, script }] as const;
      }),
    );
    const of = (process: Process) => known.get(processKey(process.ref));
    const processes = new Map(view.processes);
    // Who lives is known better by the sweep that saw it.
    for (const process of gone) if (!processes.has(process.ref.pid)) processes.set(process.ref.pid, process);
    return {
      ...view,
      processes,
      ancestors: (process) => (of(process) === undefined ? view.ancestors(process) : ancestorsIn(processes, process)),
      program: (process) => of(process)?.facts ?? view.program(process),
      scriptOf: (process) => of(process)?.script ?? view.scriptOf(process),
      // systemd has forgotten a transient unit with its last process; the name of its group says which it was.
      unit: (process) => view.unit(process) ?? (of(process) === undefined ? undefined : unitOfGroup(process.cgroup)),
      isTrustedByName: (process) => {
        const one = of(process);
        return one === undefined ? view.isTrustedByName(process) : trust.isTrusted(process, one.facts, one.script);
      },
    };
  }

  function scriptKnown(process: Process): Script {
    return scripts.get(processKey(process.ref))?.script ?? { kind: "none" };
  }

  /** Looked at where a process is new or the catalogue was learnt anew. */
  function tellRefusedNames(fresh: readonly Process[]): void {
    if (options.onNameRefused === undefined) return;
    for (const process of fresh) {
      const refusal = trust.refusalOf(process, facts(process), scriptKnown(process), options.ourMountNamespace);
      if (refusal !== undefined) options.onNameRefused(refusal);
    }
  }

  /** `ld.so /bin/bash` is bash, and nobody installs it so: never verified. */
  function programOf(process: Process, executable: Executable): ProgramFacts & { family: string } {
    const ours = isOurFile(process, executable);
    const program = catalogue.recognise(executable, ours);
    if (program.family === "busybox") return { ...program, ...appletClass(appletOf(process.argv)[0]) };
    const loaded = isLoader(executable)
      ? fileOf(process, process.argv.slice(1).find((word) => !word.startsWith("-")) ?? "")
      : undefined;
    if (loaded === undefined) return program;
    return { ...catalogue.recognise({ ...executable, ...loaded }, ours), verified: false };
  }

  function scriptOf(process: Process, family: string): Script {
    const loaded = process.executable !== undefined && isLoader(process.executable);
    const source = scriptSource(family, loaded ? process.argv.slice(1) : process.argv);
    if (source.kind !== "file") return source;
    const path = source.path.startsWith("/") ? source.path : `${process.workingDirectory ?? ""}/${source.path}`;
    const file = statOf(path);
    return {
      kind: "file",
      path,
      verified: file !== undefined && isRootOnly(file) && isSystemPath(path) && isItsFile(process, path, file),
      temporary: isTemporaryFile(path, file?.device ?? -1, process),
    };
  }

  /**
   * Many services have a mount namespace of their own (PrivateTmp and the like) with the host's files in it: the same
   * inode under the same path is the same file. A container's is another one.
   */
  function isOurFile(process: Process, executable: Executable): boolean {
    if (process.namespaces.mount === options.ourMountNamespace) return true;
    const ours = statOf(executable.path);
    return ours !== undefined && ours.device === executable.device && ours.inode === executable.inode;
  }

  /** In a mount namespace of its own a process may see another file under that path: it must be the very same. */
  function isItsFile(process: Process, path: string, file: ResolvedFile): boolean {
    if (process.namespaces.mount === options.ourMountNamespace) return true;
    const seen = statOf(`/proc/${process.ref.pid}/root${path}`);
    return seen !== undefined && seen.device === file.device && seen.inode === file.inode;
  }

  function isTemporaryFile(path: string, device: number, process: Process): boolean {
    return (
      isTemporaryPath(path) &&
      catalogue.isOnTemporaryMount(device, process.namespaces.mount === options.ourMountNamespace)
    );
  }

  function facts(process: Process): ProgramFacts {
    return programs.get(processKey(process.ref))?.facts ?? NO_PROGRAM;
  }

  function recognise(processes: ReadonlyMap<number, Process>): void {
    const nextPrograms: typeof programs = new Map();
    const nextScripts: typeof scripts = new Map();
    const fresh: Process[] = [];
    for (const process of processes.values()) {
      const executable = process.executable;
      if (executable === undefined) continue;
      const key = processKey(process.ref);
      const known = programs.get(key);
      const facts =
        known?.executable === executable && known.argv === process.argv ? known.facts : programOf(process, executable);
      nextPrograms.set(key, { executable, argv: process.argv, facts });
      if (known?.executable !== executable) fresh.push(process);
      if (!facts.interpreter && !facts.relayTool) continue;
      const knownScript = scripts.get(key);
      const script =
        knownScript?.argv === process.argv && known?.executable === executable
          ? knownScript.script
          : scriptOf(process, facts.family);
      nextScripts.set(key, { argv: process.argv, script });
    }
    programs = nextPrograms;
    scripts = nextScripts;
    tellRefusedNames(fresh);
  }

  function unitOf(process: Process): Unit | undefined {
    const name = unitNameOf(process.cgroup);
    return name === undefined ? undefined : units.get(name);
  }

  /** Asks about units not seen before, and again where a unit's main process is gone (it was restarted). */
  async function learnUnits(processes: ReadonlyMap<number, Process>): Promise<void> {
    const named = new Set<string>();
    for (const process of processes.values()) {
      const name = unitNameOf(process.cgroup);
      if (name !== undefined) named.add(name);
    }
    for (const [name, { atMs }] of expected) if (performance.now() - atMs > EXPECTED_FOR_MS) expected.delete(name);
    for (const name of units.keys()) if (!named.has(name) && !expected.has(name)) units.delete(name);
    await Promise.all([...named].flatMap((name) => (units.has(name) ? [] : (expected.get(name)?.answer ?? []))));
    const unknown = [...named].filter((name) => {
      const unit = units.get(name);
      return unit === undefined || (unit.mainPid !== 0 && !processes.has(unit.mainPid));
    });
    if (unknown.length > 0) await askUnits(unknown);
  }

  function expectUnit(cgroup: string): void {
    const name = unitNameOf(cgroup);
    if (name === undefined || units.has(name) || expected.has(name) || expected.size >= EXPECTED_MAX) return;
    expected.set(name, { atMs: performance.now(), answer: askUnits([name]) });
  }

  async function askUnits(unknown: readonly string[]): Promise<void> {
    const answered = await readUnits(unknown.slice(0, UNITS_MAX));
    if (answered.size === 0)
      options.onFault(
        `systemd did not say anything about ${unknown.length} units; their processes count as unverified`,
      );
    for (const name of unknown) {
      const fallback = { name, mainPid: 0, transient: true, fragmentPath: "" };
      if (units.size < UNITS_MAX) units.set(name, answered.get(name) ?? units.get(name) ?? fallback);
    }
  }
}

function unitOfGroup(cgroup: string): Unit | undefined {
  const name = unitNameOf(cgroup);
  return name === undefined ? undefined : { name, mainPid: 0, transient: true, fragmentPath: "" };
}

/** A deleted file whose path leads to another root-owned file is what a package upgrade leaves behind. */
function withReplacement(process: Process): Process {
  const executable = process.executable;
  if (executable === undefined || !executable.deleted || executable.memfd) return process;
  const successor = statOf(executable.path);
  const replaced = successor !== undefined && isRootOnly(successor) && isSystemPath(successor.path);
  return { ...process, executable: { ...executable, replaced } };
}

/** A file named in a process's arguments, as that process would find it. */
function fileOf(process: Process, name: string): ResolvedFile | undefined {
  if (name === "") return undefined;
  return statOf(name.startsWith("/") ? name : `${process.workingDirectory ?? ""}/${name}`);
}

function nobodyKnows(): undefined {
  return undefined;
}

function noHints(): readonly string[] {
  return [];
}

/** The devices that /tmp and its like lie on. */
function temporaryDevices(): ReadonlySet<number> {
  return new Set(TEMPORARY_DIRECTORIES.flatMap((directory) => deviceOf(directory) ?? []));
}

/** The known shells, interpreters and relay tools of the system directories, under the files they are now. */
function installedPrograms(): readonly InstalledProgram[] {
  const found: InstalledProgram[] = [];
  for (const directory of SYSTEM_DIRECTORIES) {
    for (const name of listDirectory(directory)) {
      if (classifyName(name).family === "") continue;
      for (const file of resolveInSystemDirectories(name, [directory])) {
        found.push({ name, device: file.device, inode: file.inode, buildId: buildIdOf(file.path) });
      }
    }
  }
  return found;
}
