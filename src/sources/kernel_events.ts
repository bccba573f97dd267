/**
 * What the kernel reports between two scans, as events: programs started and connections made, also by processes that no
 * scan ever sees, and the acts that leave nothing for a scan to find. Equal ones are told once in ten seconds and counted.
 * Bounded: what comes faster is lost, counted and said. Costs a map look-up a record; the event is made when it is judged.
 */
import type { KernelConnection, KernelExec, KernelFileAccess, KernelTask, KernelWord } from "../core/kernel.ts";
import type { EventDraft, Fields } from "../core/nouns.ts";
import { type Process, type ProcessRef, processKey } from "../core/process.ts";
import { connectionFields, processFields } from "../core/render.ts";
import type { InternetSocket } from "../core/socket.ts";
import type { HostView } from "../core/view.ts";
import { statOf } from "../host/executables.ts";
import { foreignLibraries } from "./foreign_libraries.ts";
import type { KernelProcesses } from "./kernel_processes.ts";
import { asSocket } from "./kernel_verdicts.ts";
import type { HeardNames } from "./names_heard.ts";

const WAITING_MAX = 2_000;
const SAME_FOR_MS = 10_000;
const SAMES_MAX = 8_192;
const KEY_CHARACTERS_MAX = 1_024;
const TOLD_MAX = 65_536;

export interface KernelEvents {
  hear(word: KernelWord): void;
  /** At most so many, the oldest first. `withGone` gives a view that knows these processes too. */
  take(max: number, look: (gone: readonly Process[]) => HostView): readonly EventDraft[];
  /** Whether this process, running this file, was told of already. */
  wasTold(ref: ProcessRef, inode: number): boolean;
  wasConnectionTold(cookie: bigint): boolean;
  counts(): KernelEventCounts;
  readonly waiting: number;
}

export interface KernelEventCounts {
  /** Like one that was told within ten seconds. */
  readonly alike: number;
  /** Found no room. */
  readonly lost: number;
  readonly told: number;
}

type Waiting =
  | { readonly kind: "exec"; readonly exec: KernelExec }
  | {
      readonly kind: "connection";
      readonly word: Extract<KernelWord, { connection: KernelConnection; task: KernelTask }>;
    }
  | { readonly kind: "access"; readonly access: KernelFileAccess; readonly ref: ProcessRef }
  | { readonly kind: "fact"; readonly word: FactWord };
type FactWord = Extract<KernelWord, { kind: "dns" | "refused" | "signal" | "module" | "uring" | "deep" | "change" }>;

export function createKernelEvents(parts: {
  readonly processes: KernelProcesses;
  /** As the last scan saw it. */
  readonly living: (ref: ProcessRef) => Process | undefined;
  readonly names: HeardNames;
  readonly nowMs: () => number;
}): KernelEvents {
  const { processes, nowMs } = parts;
  const counts = { alike: 0, lost: 0, told: 0 };
  const sames = new Map<string, number>();
  const toldProcesses = new Map<string, number>();
  const toldConnections = new Set<bigint>();
  let waiting: Waiting[] = [];
  return {
    hear,
    take,
    wasTold: (ref, inode) => toldProcesses.get(processKey(ref)) === inode,
    wasConnectionTold: (cookie) => cookie !== 0n && toldConnections.has(cookie),
    counts: () => ({ ...counts }),
    get waiting() {
      return waiting.length;
    },
  };

  function hear(word: KernelWord): void {
    switch (word.kind) {
      case "exec":
        if (put(execKey(processes, word.exec), { kind: "exec", exec: word.exec }))
          remember(toldProcesses, processKey(word.exec.task.ref), word.exec.task.inode);
        return;
      case "connect":
      case "accept":
      case "listen":
        if (put(connectionKey(word.kind, word.task, word.connection), { kind: "connection", word }))
          rememberConnection(word.connection.cookie);
        return;
      case "dns":
        if (word.message.isAnswer) parts.names.learn(word.message.name, word.message.addresses);
        else put(`dns ${word.ref.pid} ${word.message.name} ${word.message.questionType}`, { kind: "fact", word });
        return;
      case "refused":
        put(`refused ${word.source}`, { kind: "fact", word });
        return;
      case "signal":
        put(`signal ${word.task.ref.pid} ${word.targetPid} ${word.signal}`, { kind: "fact", word });
        return;
      case "file":
        hearAccess(word);
        return;
      case "module":
        put(`module ${word.name}`, { kind: "fact", word });
        return;
      case "uring":
        put(`uring ${word.task.inode} ${word.task.effectiveUid}`, { kind: "fact", word });
        return;
      case "deep":
        put(`deep ${word.call} ${word.task.inode} ${word.task.effectiveUid}`, { kind: "fact", word });
        return;
      case "change":
        put(`change ${word.task.inode} ${word.beforeUid} ${word.task.effectiveUid} ${word.namespaces.join()}`, {
          kind: "fact",
          word,
        });
        return;
      default:
        return;
    }
  }

  /** Of who was gone already the newest of that number; the sensor tells of an exec before what was opened after it. */
  function hearAccess(access: KernelFileAccess): void {
    const { pid, startedAtTicks, path, sinceBootUs } = access;
    const ref = startedAtTicks === 0 ? (processes.refOf(pid) ?? { pid, startedAtTicks }) : { pid, startedAtTicks };
    const exec = processes.execAt(ref, sinceBootUs);
    const who = exec === undefined ? `pid ${pid}` : execKey(processes, exec);
    put(`access ${path} ${who}`, { kind: "access", access, ref });
  }

  /** True where it will be told, or is like one that was. */
  function put(key: string, what: Waiting): boolean {
    const short = key.slice(0, KEY_CHARACTERS_MAX);
    const before = sames.get(short);
    if (before !== undefined && Math.abs(nowMs() - before) < SAME_FOR_MS) {
      counts.alike++;
      return true;
    }
    if (waiting.length >= WAITING_MAX) {
      counts.lost++;
      return false;
    }
    sames.delete(short);
    if (sames.size >= SAMES_MAX) sames.delete(sames.keys().next().value ?? "");
    sames.set(short, nowMs());
    waiting.push(what);
    return true;
  }

  function take(max: number, look: (gone: readonly Process[]) => HostView): readonly EventDraft[] {
    if (waiting.length === 0) return [];
    const taken = waiting.slice(0, max);
    waiting = waiting.slice(max);
    const described = taken.map((one) => ({ one, process: processOf(one) }));
    const above = described.flatMap(({ one, process }) => (one.kind === "access" ? parentOf(process, one.access) : []));
    const view = look([...described.flatMap(({ process }) => process ?? []), ...above]);
    counts.told += taken.length;
    return described.flatMap(({ one, process }) => draftOf(view, one, process) ?? []);
  }

  function processOf(one: Waiting): Process | undefined {
    if (one.kind === "exec") return processes.describe(one.exec.task, one.exec.argv);
    if (one.kind === "access") return processes.describedAt(one.ref, one.access.sinceBootUs, parts.living);
    const { word } = one;
    return "task" in word ? processes.describe(word.task) : undefined;
  }

  /** Above who opened something; it may be gone as well. */
  function parentOf(process: Process | undefined, { sinceBootUs }: KernelFileAccess): readonly Process[] {
    const ref = process === undefined ? undefined : processes.refOf(process.parentPid);
    const parent = ref === undefined ? undefined : processes.describedAt(ref, sinceBootUs, parts.living);
    return parent === undefined ? [] : [parent];
  }

  function rememberConnection(cookie: bigint): void {
    if (toldConnections.size >= TOLD_MAX)
      for (const first of [...toldConnections].slice(0, TOLD_MAX / 4)) toldConnections.delete(first);
    toldConnections.add(cookie);
  }
}

/** What is judged of an exec is the same for the same program, arguments, starter and user. */
function execKey(processes: KernelProcesses, { task, argv, environment }: KernelExec): string {
  const { parent } = task;
  const starter = parent === undefined ? 0 : (processes.reportedInode(parent) ?? `pid ${parent.pid}`);
  return `exec ${task.device} ${task.inode} ${task.effectiveUid} ${starter} ${environment.join("\0")} ${argv.join("\0")}`;
}

function connectionKey(kind: string, task: KernelTask, { remote, local, listens }: KernelConnection): string {
  const peer = listens ? `${local.address} ${local.port}` : `${remote.address} ${remote.port}`;
  return `${kind} ${task.inode} ${task.effectiveUid} ${peer}`;
}

function remember(map: Map<string, number>, key: string, value: number): void {
  map.delete(key);
  if (map.size >= TOLD_MAX) map.delete(map.keys().next().value ?? "");
  map.set(key, value);
}

function draftOf(view: HostView, one: Waiting, process: Process | undefined): EventDraft | undefined {
  switch (one.kind) {
    case "exec":
      return process === undefined ? undefined : execDraft(view, one.exec, process);
    case "connection":
      return process === undefined ? undefined : connectionDraft(view, one.word, process);
    case "access":
      return accessDraft(view, one.access, one.ref, process);
    case "fact":
      return factDraft(view, one.word, process);
  }
}

function execDraft(view: HostView, exec: KernelExec, process: Process): EventDraft {
  const loads = exec.environment.length === 0 ? {} : loadsOf(view, exec);
  return {
    action: "process-started",
    logsource: { product: "linux", category: "process_creation" },
    fields: { ...processFields(view, process), ...loads },
    process: process.ref,
  };
}

function loadsOf({ ourMountNamespace }: HostView, { environment, directory, task }: KernelExec): Fields {
  // In another mount namespace the same path is another file.
  const root = task.namespaces.mount === ourMountNamespace ? "" : `/proc/${task.ref.pid}/root`;
  const foreign = foreignLibraries(environment, directory, (path) => statOf(`${root}${path}`));
  return {
    "process.env_vars": environment,
    ...(foreign.length === 0 ? {} : { "process.foreign_libraries": foreign }),
  };
}

function connectionDraft(
  view: HostView,
  { connection }: { readonly connection: KernelConnection },
  process: Process,
): EventDraft {
  const socket = asSocket(connection);
  const about: Fields = connection.listens
    ? {
        "network.transport": socket.protocol,
        "source.ip": socket.local.address,
        "source.port": socket.local.port,
      }
    : { ...connectionFields(socket), ...domainOf(view, socket) };
  return {
    action: connection.listens ? "listener-opened" : "connection-opened",
    logsource: { product: "linux", category: connection.listens ? "network_listener" : "network_connection" },
    fields: { ...processFields(view, process), ...about },
    process: process.ref,
  };
}

/** The name that the other side was looked up by. */
function domainOf(view: HostView, { remote, direction }: InternetSocket): Fields {
  const name = remote === undefined || direction === "accepted" ? undefined : view.nameOf(remote.address);
  return name === undefined ? {} : { "destination.domain": name };
}

function accessDraft(
  view: HostView,
  { path, watch, written }: KernelFileAccess,
  ref: ProcessRef,
  process: Process | undefined,
): EventDraft {
  return {
    action: written ? "file-written" : "file-opened",
    logsource: { product: "linux", service: "algo-monitor", category: "sensitive_access" },
    fields: {
      ...(process === undefined ? { "process.pid": ref.pid } : processFields(view, process)),
      "file.path": path,
      "access.kind": watch,
      "access.vouched": process !== undefined && isVouched(view, process),
    },
    process: ref,
  };
}

/** Root's program in a system directory; of an interpreter its script too. */
function isVouched(view: HostView, process: Process): boolean {
  const { verified, interpreter } = view.program(process);
  const script = view.scriptOf(process);
  return verified && (!interpreter || (script.kind === "file" && script.verified));
}

function factDraft(view: HostView, word: FactWord, process: Process | undefined): EventDraft | undefined {
  const of = process === undefined ? {} : processFields(view, process);
  const whom = process === undefined ? {} : { process: process.ref };
  const own = (category: string, action: string, fields: Fields): EventDraft => ({
    action,
    logsource: { product: "linux", service: "algo-monitor", category },
    fields: { ...of, ...fields },
    ...whom,
  });
  switch (word.kind) {
    case "dns": {
      const asker = knownProcess(view, word.ref);
      return {
        action: "name-asked",
        logsource: { product: "linux", category: "dns_query" },
        fields: {
          ...(asker === undefined ? { "process.pid": word.ref.pid } : processFields(view, asker)),
          "dns.question.name": word.message.name,
          "dns.question.type": word.message.questionType,
        },
        process: word.ref,
      };
    }
    case "refused":
      return own("port_probe", "ports-refused", {
        "peer.ip": word.source,
        "scan.kind": "refused",
        "scan.ports": word.ports,
      });
    case "signal":
      return own("guard_signal", "guard-signalled", {
        "signal.number": word.signal,
        "signal.target_pid": word.targetPid,
      });
    case "module":
      return own("kernel_module", "module-loaded", { "module.name": word.name });
    case "uring":
      return own("io_uring", "io-uring-created", {});
    case "deep":
      return own("deep_syscall", "system-call-seen", {
        "syscall.name": word.call,
        ...(word.targetPid === 0 ? {} : { "syscall.target_pid": word.targetPid }),
      });
    case "change":
      return own("credential_change", "credentials-changed", {
        "change.before_user_id": word.beforeUid,
        "change.user": word.uidChanged,
        "change.capabilities_gained": word.capabilitiesGained,
        "change.namespaces": word.namespaces,
        "change.root_unexplained":
          word.uidChanged && word.task.effectiveUid === 0 && word.beforeUid !== 0 && !word.task.marks.setuid,
      });
  }
}

function knownProcess(view: HostView, ref: ProcessRef): Process | undefined {
  const process = view.processes.get(ref.pid);
  return process !== undefined && process.ref.startedAtTicks === ref.startedAtTicks ? process : undefined;
}
