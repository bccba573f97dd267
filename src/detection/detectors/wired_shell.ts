/**
 * Sees command interpreters whose input comes from, and whose output goes to, a remote connection: directly or over
 * pipes, fifos, socket pairs and terminals held by other processes. Looks at descriptors and socket state only; argv
 * tells nothing but whether commands are read from standard input. Costs one walk per interpreter with such descriptors.
 */
import type { EventDraft, Fields, SocketRef, Subject } from "../../core/nouns.ts";
import { isLoopback, isRootOnly, isSystemPath } from "../../core/place.ts";
import type { Process } from "../../core/process.ts";
import { connectionFields, processFields, socketRef } from "../../core/render.ts";
import type { InternetSocket } from "../../core/socket.ts";
import type { HostView } from "../../core/view.ts";
import { type Reach, reachFrom, remoteSocket, remoteSockets } from "./channels.ts";
import { type Detector, derived, refsOf } from "./detector.ts";
import { DUBIOUS, hardest, isServedByUnit, type Origin, originOf, softest } from "./origin.ts";

/** Start times come in ticks of 10 ms, and sockets are swept some milliseconds after processes. */
const START_SLACK_MS = 100;
/** A start time may say up to this much too early. */
const TICK_MS = 10;

/** How an interpreter hangs on its connection. */
type Wiring =
  /** Its own standard input and output are the connection. */
  | "direct"
  /** Input and output pass through other processes. */
  | "relayed"
  /** It reads the connection as standard input and can answer on another descriptor of its own. */
  | "reading";

export interface Wired {
  readonly process: Process;
  readonly wiring: Wiring;
  readonly source: Reach;
  readonly sink: Reach;
}

export const wiredShellDetector: Detector = {
  id: "wired_shell",
  emits: ["wired_shell"],
  urgent: true,
  sweep(view) {
    const byConnection = new Map<number, Wired[]>();
    for (const process of view.processes.values()) {
      const wired = findWiring(view, process);
      if (wired === undefined) continue;
      const list = byConnection.get(wired.source.socket.inode);
      if (list === undefined) byConnection.set(wired.source.socket.inode, [wired]);
      else list.push(wired);
    }
    return [...byConnection.values()].flatMap((group) => describe(view, group));
  },
};

/** Looks at one process; pure, so that a kernel event can ask the same question later. */
export function findWiring(view: HostView, process: Process): Wired | undefined {
  if (process.isKernelThread || process.executable === undefined || process.ref.pid === 1) return undefined;
  const stdin = view.descriptors(process).find((descriptor) => descriptor.fd === 0);
  // Other interpreters sleep on the output of their own children; a shell that does not read its standard input reads commands.
  const asleepOn = view.program(process).shell ? awaitedBeyondStandard(view, process) : 0;
  if ((stdin === undefined || stdin.channel === "") && asleepOn === 0) return undefined;
  const direct = stdin === undefined ? undefined : remoteSocket(view, stdin);
  if (direct === undefined && !mayObey(view, process)) return undefined;
  const sources = reachFrom(view, process, 0, "source");
  const sinks = [1, 2].flatMap((fd) => reachFrom(view, process, fd, "sink"));
  const wired = wireTogether(view, process, sources, sinks) ?? readsItself(view, process, sources);
  // `read -u9` and scripts behind /dev/fd: whatever it sleeps on to read is where its commands come from.
  if (wired !== undefined || asleepOn <= 2) return wired;
  const others = reachFrom(view, process, asleepOn, "source");
  return (
    readsItself(view, process, others) ??
    reading(wireTogether(view, process, others, [...sinks, ...answersOf(view, process, asleepOn)]))
  );
}

/** The descriptor above 2 that a shell sleeps on to read, 0 for none; asked only of those that hold such channels. */
function awaitedBeyondStandard(view: HostView, process: Process): number {
  const held = view
    .descriptors(process)
    .filter((descriptor) => descriptor.fd > 2 && descriptor.reads && descriptor.channel !== "");
  if (held.length === 0) return 0;
  const { descriptors } = view.awaited(process);
  return held.find((descriptor) => descriptors.has(descriptor.fd))?.fd ?? 0;
}

/** Runs what it reads, or is of unknown kind and origin. */
function mayObey(view: HostView, process: Process): boolean {
  const program = view.program(process);
  return program.interpreter || (!program.verified && !program.relayTool);
}

function reading(wired: Wired | undefined): Wired | undefined {
  return wired === undefined ? undefined : { ...wired, wiring: "reading" };
}

/** Where an interpreter that reads by another descriptor can answer: any pipe or pair that it may write to. */
function answersOf(view: HostView, process: Process, asleepOn: number): readonly Reach[] {
  const writable = view
    .descriptors(process)
    .filter((held) => held.writes && held.channel !== "" && held.fd > 2 && held.fd !== asleepOn);
  return writable.flatMap((held) => reachFrom(view, process, held.fd, "sink"));
}

function wireTogether(
  view: HostView,
  process: Process,
  sources: readonly Reach[],
  sinks: readonly Reach[],
): Wired | undefined {
  if (sources.length === 0 || sinks.length === 0) return undefined;
  // Reversed, so that standard output comes before standard error.
  const byConnection = new Map(sinks.toReversed().map((sink) => [sink.socket.inode, sink]));
  const same = sources.find((source) => byConnection.has(source.socket.inode));
  const source =
    same ?? sources.find((candidate) => sinks.some((sink) => belongTogether(view, process, sink, candidate)));
  if (source === undefined) return undefined;
  const sink =
    byConnection.get(source.socket.inode) ??
    sinks.find((candidate) => belongTogether(view, process, candidate, source));
  if (sink === undefined) return undefined;
  const wiring = source.hops.length === 0 && sink.hops.length === 0 ? "direct" : "relayed";
  return { process, wiring, source, sink };
}

function readsItself(view: HostView, process: Process, sources: readonly Reach[]): Wired | undefined {
  const own = remoteSockets(view, process);
  for (const source of sources) {
    const held = own.find((candidate) => candidate.socket.inode === source.socket.inode);
    if (held === undefined) continue;
    const sink: Reach = { socket: held.socket, holder: process, socketFd: held.fd, hops: [], through: [] };
    return { process, wiring: "reading", source, sink };
  }
  return undefined;
}

/** One event per connection: the plainest wiring stands for it, everything wired to it is an actor. */
function describe(view: HostView, group: readonly Wired[]): readonly EventDraft[] {
  const judged = withoutWrappers(view, group);
  const interpreters = judged.filter((wired) => view.program(wired.process).interpreter);
  const first = plainest(interpreters.length > 0 ? interpreters : judged);
  if (first === undefined) return [];
  const { process, source, sink, wiring } = first;
  const direction = source.socket.direction === "accepted" ? "accepted" : "connected";
  const { origin, controller } =
    direction === "accepted" ? acceptedOrigin(view, process, source) : connectedOrigin(view, process, source, sink);
  if (origin === "login-service") return [];
  const program = view.program(process);
  const fields: Fields = {
    ...processFields(view, process),
    ...connectionFields(source.socket),
    "shell.direction": direction,
    "shell.wiring": wiring,
    "shell.path": describePath(process, source, sink),
    "shell.interpreter": program.interpreter,
    "shell.stdin_commands": judged.some((wired) => takesCommands(view, wired.process)),
    "shell.is_shell": judged.some((wired) => view.program(wired.process).shell),
    "shell.foreign_program": isForeign(process),
    "shell.holder_waits": holderWaits(view, first),
    "shell.runs_given_code": judged.some((wired) => runsGivenCode(view, wired.process)),
    "shell.same_connection": source.socket.inode === sink.socket.inode,
    "shell.starts_programs": group.some(
      ({ process }) => view.children(process.ref.pid).length > 0 || process.childrenMinorFaults > 0,
    ),
    "shell.peer_loopback": isLoopback(source.socket.remote?.address ?? ""),
    "shell.in_service": isInService(view, process),
    "shell.holder.kind": origin,
    "shell.holder.pid": controller.ref.pid,
    "shell.holder.executable": controller.executable?.path ?? "",
    "shell.holder.command_line": controller.argv.join(" "),
    "shell.on_terminal": source.through.includes("terminal"),
    "shell.child_answers": group.some((wired) => childAnswers(view, wired)),
    ...trafficFields(view, process, source.socket),
    ...heldFields(view, process, source.socket),
  };
  // Who listens with a tool or with inline code to hand out shells would hand out the next one.
  const listener = direction === "accepted" && DUBIOUS.has(origin) && controller !== process ? [controller] : [];
  return [derived("wired_shell", "shell-wired", process, fields, subjectOf(group, listener))];
}

function connectedOrigin(
  view: HostView,
  process: Process,
  source: Reach,
  sink: Reach,
): { readonly origin: Origin; readonly controller: Process } {
  const ends = [source, sink].filter((reach) => reach.holder.ref.pid !== process.ref.pid);
  const origins = ends.map((reach): { origin: Origin; controller: Process } => {
    const origin = originOf(view, reach.holder);
    const carriesOnStdio = reach.socketFd <= 1 && origin !== "login-service" && origin !== "pid1";
    return {
      origin: hardest(carriesOnStdio ? [origin, "socket-on-stdio"] : [origin]) ?? origin,
      controller: reach.holder,
    };
  });
  // Two different connections to one peer prove less than one: the milder of both ends counts.
  const kinds = origins.map((end) => end.origin);
  const counted = source.socket.inode === sink.socket.inode ? hardest(kinds) : softest(kinds);
  return origins.find((end) => end.origin === counted) ?? { origin: originOf(view, process), controller: process };
}

/** An accepted connection is judged by who listened: that one decided to hand out a shell. */
function acceptedOrigin(
  view: HostView,
  process: Process,
  source: Reach,
): { readonly origin: Origin; readonly controller: Process } {
  const listeners = view.listenersFor(source.socket);
  const sharing = view.holders(`socket:${source.socket.inode}`).map((holder) => holder.process);
  const ancestors = new Set(view.ancestors(process).map((ancestor) => ancestor.ref.pid));
  const carriers = sharing.filter(
    (holder) =>
      holder.ref.pid !== process.ref.pid && (!isBelow(view, holder, process) || ancestors.has(holder.ref.pid)),
  );
  const candidates = [...new Set([...listeners, ...carriers])].filter(
    (candidate) => candidate.ref.pid !== process.ref.pid,
  );
  const judged = candidates.map((controller) => ({ origin: originOf(view, controller), controller }));
  // A login service pardons its own sessions only, not whoever listens on its port of another address.
  const pardoned = judged.find(
    ({ origin, controller }) =>
      origin === "pid1" ||
      (origin === "login-service" && (ancestors.has(controller.ref.pid) || carriers.includes(controller))),
  );
  if (pardoned !== undefined) return pardoned;
  const accountable = judged.filter(({ origin }) => origin !== "login-service");
  const counted = hardest(accountable.map((candidate) => candidate.origin));
  return (
    accountable.find((candidate) => candidate.origin === counted) ?? { origin: "unknown-listener", controller: process }
  );
}

function isBelow(view: HostView, process: Process, ancestor: Process): boolean {
  return view.ancestors(process).some((candidate) => candidate.ref.pid === ancestor.ref.pid);
}

/** Belongs to a service that an administrator or a package installed, not to a session or a transient unit. */
function isInService(view: HostView, process: Process): boolean {
  const unit = view.unit(process);
  return unit !== undefined && unit.name.endsWith(".service") && !unit.transient && isServedByUnit(view, process);
}

export type HolderWaits = "both" | "remote" | "loop" | "elsewhere" | "unknown" | "self";

/**
 * What those that carry the bytes sleep on. A relay at rest waits for the connection and for the shell; a client that
 * drives a shell waits for the shell, or for the answer to its request, and an event loop for everything.
 */
export function holderWaits(view: HostView, { source, sink }: Wired): HolderWaits {
  const listener = sink.hops[0];
  if (source.hops.length === 0 || listener === undefined) return "self";
  const reader = view.awaited(source.holder);
  const writer = view.awaited(listener);
  const waitsForShell = view
    .descriptors(listener)
    .some((held) => writer.descriptors.has(held.fd) && held.channel !== "" && remoteSocket(view, held) === undefined);
  if (reader.descriptors.has(source.socketFd)) return waitsForShell ? "both" : "remote";
  if (reader.loop.has(source.socketFd)) return "loop";
  return reader.known ? "elsewhere" : "unknown";
}

/** Was told to read its commands from standard input, or is a shell with inline code that sleeps in such a read. */
function takesCommands(view: HostView, process: Process): boolean {
  const script = view.scriptOf(process);
  if (script.kind === "stdin") return true;
  // A filter in one line of awk sleeps there too.
  return script.kind === "inline" && view.program(process).shell && view.awaited(process).descriptors.has(0);
}

/** `sh -c handler` that waits for the handler is not what answers: a child of its own on the same connection speaks for it. */
function withoutWrappers(view: HostView, group: readonly Wired[]): readonly Wired[] {
  const directChildren = group.filter((wired) => wired.wiring === "direct" && view.program(wired.process).interpreter);
  const parents = new Set(directChildren.map((wired) => wired.process.parentPid));
  return group.filter(
    ({ process }) =>
      !(parents.has(process.ref.pid) && view.program(process).shell && view.scriptOf(process).kind === "inline"),
  );
}

/** Not root's file in a system directory, be it of a container. */
function isForeign(process: Process): boolean {
  const executable = process.executable;
  return executable === undefined || !isRootOnly(executable) || !isSystemPath(executable.path);
}

/** Runs code that came with it or comes to it, not a program that somebody installed. */
function runsGivenCode(view: HostView, process: Process): boolean {
  const script = view.scriptOf(process);
  return script.kind === "file" ? script.temporary : script.kind !== "none" || !view.program(process).verified;
}

/** A command that the interpreter started writes its output to the connection. */
function childAnswers(view: HostView, { process, source }: Wired): boolean {
  const channel = `socket:${source.socket.inode}`;
  const carriers = new Set(source.hops.map((hop) => hop.ref.pid));
  return view
    .children(process.ref.pid)
    .filter((child) => !carriers.has(child.ref.pid) && child.executable?.inode !== process.executable?.inode)
    .some((child) =>
      view
        .descriptors(child)
        .some((descriptor) => (descriptor.fd === 1 || descriptor.fd === 2) && descriptor.channel === channel),
    );
}

/**
 * Payload counters; absent where the kernel does not tell, and then no rule that needs them can match. The kernel counts
 * in ticks of 1 to 10 ms: an answer within one tick is as old as its question, and nobody can say whose word was last.
 * What was sent before the interpreter lived was no answer of its: a client asks its database first, then starts a shell.
 */
function trafficFields(view: HostView, process: Process, socket: InternetSocket): Fields {
  const traffic = socket.traffic;
  if (traffic === undefined) return {};
  const answered = traffic.bytesSent > 0 && traffic.lastSentAgoMs + START_SLACK_MS <= view.atMs - process.startedAtMs;
  const talked = traffic.bytesReceived > 0 && answered;
  return {
    "shell.remote_spoke_first": traffic.bytesReceived > 0 && traffic.bytesSent === 0,
    "shell.remote_spoke": traffic.bytesReceived > 0,
    "shell.last_sent_ago_ms": traffic.lastSentAgoMs,
    "shell.last_word_ours": talked && traffic.lastSentAgoMs < traffic.lastReceivedAgoMs,
    "shell.last_words_together": talked && traffic.lastSentAgoMs === traffic.lastReceivedAgoMs,
  };
}

/**
 * While the incoming bytes are withheld nobody can have asked for anything: a client that speaks first has spoken, or has
 * not had the time; a shell that was started meanwhile was not started for an answer.
 */
function heldFields(view: HostView, process: Process, socket: InternetSocket): Fields {
  const held = view.heldOf(socket);
  if (held === undefined) return {};
  const isDated = held.openedAtMs > 0;
  return {
    "shell.held": true,
    ...(isDated ? { "shell.connection_age_ms": Math.max(0, Math.round(view.atMs - held.openedAtMs)) } : {}),
    ...(isDated ? { "shell.younger_than_connection": process.startedAtMs >= held.openedAtMs + TICK_MS } : {}),
    ...(socket.traffic === undefined ? {} : { "shell.sent_nothing": socket.traffic.bytesSent === 0 }),
  };
}

function subjectOf(group: readonly Wired[], listener: readonly Process[]): Subject {
  const actors = new Map(
    [...group.map((wired) => wired.process), ...listener].map((process) => [process.ref.pid, process]),
  );
  const relays = new Map<number, Process>();
  const sockets = new Map<number, SocketRef>();
  for (const wired of group) {
    for (const reach of [wired.source, wired.sink]) {
      for (const hop of reach.hops) if (!actors.has(hop.ref.pid)) relays.set(hop.ref.pid, hop);
      sockets.set(reach.socket.inode, socketRef(reach.socket));
    }
  }
  const certain = group.some((wired) => wired.wiring === "direct" && wired.source.socket.direction !== "accepted");
  const subject = { actors: refsOf(actors.values()), relays: refsOf(relays.values()), sockets: [...sockets.values()] };
  return certain ? { ...subject, certain } : subject;
}

function describePath(process: Process, source: Reach, sink: Reach): string {
  const peer = `${source.socket.protocol} ${source.socket.remote?.address ?? "?"}:${source.socket.remote?.port ?? 0}`;
  return `stdin of ${process.name} <- ${route(source)}${peer}; output -> ${route(sink)}${source.socket.inode === sink.socket.inode ? "the same connection" : `${sink.socket.remote?.address ?? "?"}:${sink.socket.remote?.port ?? 0}`}`;

  function route(reach: Reach): string {
    return reach.hops.map((hop, index) => `${reach.through[index] ?? "?"} ${hop.name}[${hop.ref.pid}] `).join("");
  }
}

/** The one whose wiring says most, and of those the oldest. */
function plainest(group: readonly Wired[]): Wired | undefined {
  const order: readonly Wiring[] = ["direct", "relayed", "reading"];
  return group.toSorted(
    (left, right) =>
      order.indexOf(left.wiring) - order.indexOf(right.wiring) ||
      left.process.ref.startedAtTicks - right.process.ref.startedAtTicks,
  )[0];
}

/**
 * Two connections to one peer; where two tools that only carry bytes feed a shell told to read commands, the peers may
 * even differ. A filter in between (`nc a | awk ... | nc b`) ships a log.
 */
function belongTogether(view: HostView, process: Process, left: Reach, right: Reach): boolean {
  if (left.socket.direction === "accepted" || right.socket.direction === "accepted") return false;
  if (left.socket.remote?.address === right.socket.remote?.address) return true;
  if (view.scriptOf(process).kind !== "stdin") return false;
  return [left, right].every((reach) => reach.hops.length > 0 && originOf(view, reach.holder) === "relay-tool");
}
