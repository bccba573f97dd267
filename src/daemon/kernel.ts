/**
 * The daemon's head for the kernel sensor: takes what it says, sends it what is in force, and sees to it that a verdict
 * and a question are looked at at once. The daemon guards as before where there is no sensor.
 */
import type { Config } from "../config/schema.ts";
import type { Context } from "../context/context.ts";
import { classesOf, createKernelProgramList, type KernelProgramFile } from "../context/kernel_programs.ts";
import { classifyName } from "../context/programs.ts";
import type { Clock } from "../core/clock.ts";
import type { KernelReport } from "../core/control.ts";
import type { KernelExec, KernelTask, KernelWord } from "../core/kernel.ts";
import type { EventDraft } from "../core/nouns.ts";
import { type Process, type ProcessRef, sameProcess } from "../core/process.ts";
import type { InternetSocket } from "../core/socket.ts";
import type { HeldConnection } from "../core/sweep.ts";
import type { HostView, ProgramFacts } from "../core/view.ts";
import { type Cgroups, createCgroups } from "../host/cgroups.ts";
import { statOf } from "../host/executables.ts";
import { AT } from "../host/libc.ts";
import { listNumbers } from "../host/procfs.ts";
import type { Users } from "../host/users.ts";
import { createKernelEvents } from "../sources/kernel_events.ts";
import { createKernelFiles } from "../sources/kernel_files.ts";
import { createKernelProcesses } from "../sources/kernel_processes.ts";
import { createReconciliation } from "../sources/kernel_reconcile.ts";
import { createKernelStops } from "../sources/kernel_stops.ts";
import { createHeardNames } from "../sources/names_heard.ts";
import type { BlockedNetwork } from "./blocks.ts";
import { createKernelAsks } from "./kernel_asks.ts";
import { createKernelOrders } from "./kernel_orders.ts";
import { bitsOf, compileKernelPolicy, type KernelProgram, programOf } from "./kernel_policy.ts";
import { createKernelWatches } from "./kernel_watches.ts";
import type { Orders } from "./orders.ts";
import type { Run } from "./pipeline.ts";
import { createStartLooks } from "./start_looks.ts";
import type { UrgentSweeps } from "./supervisor.ts";

const LISTEN_EVERY_MS = 100;
const EVENTS_TAKEN_MAX = 256;
const BREATH_EVERY_EVENTS = 1_000;
const CATALOGUE_EVERY_MS = 60_000;
const PROCESSES_MAX = 200_000;
const UNIT_ROOTS = ["/system.slice/", "/", "/user.slice/"];

export interface KernelParts {
  readonly clock: Clock;
  readonly users: Users;
  readonly orders: Pick<Orders, "fresh" | "rules"> & {
    config(): Pick<Config, "SENSOR" | "GUARD_ON" | "DECOYS" | "DEEP_SYSCALLS">;
  };
  readonly context: Pick<Context, "withGone" | "expectUnit">;
  /** Addresses and networks of the site's pools. */
  readonly pools: () => readonly string[];
  /** What operators refuse for a time. */
  readonly blocked: () => readonly BlockedNetwork[];
  readonly lastView: () => HostView | undefined;
  readonly sweepSoon: () => Promise<void>;
  readonly listenSoon: () => Promise<void>;
  /** Gives back what a crowd of events left in memory. */
  readonly breathe: () => void;
  readonly urgentSweeps: () => UrgentSweeps;
  readonly send: (frame: Uint8Array) => boolean;
  readonly onFault: (part: string, message: string, remedy: string) => void;
}

export interface Kernel {
  /** The sensor runs anew and knows nothing. */
  began(): void;
  ended(): void;
  hear(word: KernelWord): void;
  /** What it stopped since the last sweep. */
  stops(view: HostView): readonly EventDraft[];
  held(): readonly HeldConnection[];
  /** After each sweep. */
  judged(run: Run, sockets: readonly InternetSocket[], isWhole: boolean): void;
  takeEvents(): readonly EventDraft[];
  wasTold(ref: ProcessRef, inode: number): boolean;
  wasConnectionTold(cookie: bigint): boolean;
  /** By which name an address was looked up. */
  nameOf(address: string): string | undefined;
  /** Config, pause, operators: whatever may have changed is compared and sent. */
  applyOrders(): void;
  /** Once a second. */
  tick(): void;
  report(): KernelReport;
}

export function createKernel(parts: KernelParts): Kernel {
  const { clock, orders } = parts;
  const nowMs = () => clock.nowMs();
  const cgroups = createCgroups(() => clock.monotonicMs());
  const files = createKernelFiles(nowMs);
  const processes = createKernelProcesses({ files, cgroups, nowMs });
  const names = createHeardNames();
  const events = createKernelEvents({ processes, living, names, nowMs });
  const stops = createKernelStops(processes);
  const sent = createKernelOrders(parts.send);
  const reconciliation = createReconciliation(processes, isListed);
  const asks = createKernelAsks({
    clock,
    look: parts.sweepSoon,
    answer: ({ id, held }, answer, moreMs) => sent.answer(id, held, answer, moreMs),
  });
  const looks = createStartLooks({ clock, isWorthALook, look: parts.sweepSoon });
  let leftovers: readonly EventDraft[] = [];
  const programs = createKernelProgramList();
  let installed: readonly KernelProgramFile[] = [];
  let installedAtMs = Number.NEGATIVE_INFINITY;
  const watches = createKernelWatches({ clock, lastView: parts.lastView, onFault: parts.onFault });
  let listening: Timer | undefined;
  let expired = 0;
  let lostTold = 0;
  let isRunning = false;
  let breathedAt = 0;
  return {
    began,
    ended,
    hear,
    stops: (view) => stops.take(view, (gone) => parts.context.withGone(view, gone)),
    held: asks.held,
    judged,
    takeEvents,
    wasTold: events.wasTold,
    wasConnectionTold: events.wasConnectionTold,
    nameOf: names.nameOf,
    applyOrders,
    tick,
    report,
  };

  function report(): KernelReport {
    const { asked, stopped, released, tookMs } = asks.counts();
    const { told, alike, lost } = events.counts();
    const { processesMissed, connectionsMissed, endsMissed, hidden, blindWindows } = reconciliation.status();
    const { count, medianTookMs } = parts.urgentSweeps();
    const sorted = tookMs.toSorted((left, right) => left - right);
    return {
      watches: isRunning,
      generation: sent.generation(),
      verdicts: stops.heard,
      asks: asked,
      askedStopped: stopped,
      askedReleased: released,
      answerMedianMs: sorted[Math.floor(sorted.length / 2)] ?? 0,
      answerP99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      holdsExpired: expired,
      eventsTold: told,
      eventsAlike: alike,
      eventsLost: lost + stops.lost,
      urgentSweeps: count,
      urgentMedianMs: medianTookMs,
      processesMissed,
      connectionsMissed,
      endsMissed,
      hiddenProcesses: hidden,
      blindWindows,
    };
  }

  function began(): void {
    isRunning = true;
    sent.forget();
    applyOrders();
    reconciliation.began(nowMs());
  }

  function ended(): void {
    if (!isRunning) return;
    isRunning = false;
    reconciliation.ended(nowMs());
    // Nobody reports what happens now: the scan looks at once.
    void parts.sweepSoon();
  }

  function hear(word: KernelWord): void {
    switch (word.kind) {
      case "verdict":
        stops.hear(word.verdict);
        // Who was only refused by an order lives on, and nothing is left to do: the next look tells it.
        if (word.verdict.rule !== "blocked" || word.verdict.action !== "refused") void parts.sweepSoon();
        return;
      case "ask":
        if (!word.ask.task.isNamed) nameProgram(word.ask);
        asks.hear(word.ask);
        return;
      case "exec":
        parts.context.expectUnit(processes.executed(word.exec));
        if (word.exec.incomplete) looks.hear(word.exec);
        else if (!word.exec.task.isNamed) nameProgram(word.exec);
        break;
      case "fork":
        processes.started(word.ref, word.parent);
        return;
      case "exit":
        processes.ended(word.ref, nowMs());
        return;
      case "connect":
      case "accept":
        reconciliation.heardConnection(word.connection.inode, word.connection.cookie);
        break;
      case "expired":
        expired++;
        return;
      case "loss":
        reconciliation.lost(word);
        parts.onFault("sensor", lossText(word), "the scan looks at everything at once; see `algo-monitor status`");
        void parts.sweepSoon();
        return;
      default:
        break;
    }
    events.hear(word);
    // What is like something that was told a moment ago is only counted.
    if (events.waiting > 0) listening ??= setTimeout(listen, LISTEN_EVERY_MS);
  }

  function living(ref: ProcessRef): Process | undefined {
    const process = parts.lastView()?.processes.get(ref.pid);
    return process !== undefined && sameProcess(process.ref, ref) ? process : undefined;
  }

  function listen(): void {
    listening = undefined;
    void parts.listenSoon();
  }

  function takeEvents(): readonly EventDraft[] {
    const waiting = leftovers;
    leftovers = [];
    const view = parts.lastView();
    // Before the first sweep there is nothing to tell them by; they wait.
    if (view === undefined) return waiting;
    // A crowd of events leaves garbage faster than the collector comes by itself.
    if (events.counts().told - breathedAt >= BREATH_EVERY_EVENTS) {
      breathedAt = events.counts().told;
      parts.breathe();
    }
    const taken = events.take(EVENTS_TAKEN_MAX, (gone) => parts.context.withGone(view, gone));
    if (events.waiting > 0) listening ??= setTimeout(listen, LISTEN_EVERY_MS);
    return [...waiting, ...taken];
  }

  function judged(run: Run, sockets: readonly InternetSocket[], isWhole: boolean): void {
    asks.judged(run);
    if (isWhole) leftovers = [...leftovers, ...reconciliation.scanned(run.view, sockets)];
  }

  function applyOrders(): void {
    if (!isRunning) return;
    if (Math.abs(clock.monotonicMs() - installedAtMs) >= CATALOGUE_EVERY_MS) {
      installed = programs.list();
      files.learn(installed);
      installedAtMs = clock.monotonicMs();
    }
    const rules = new Map(orders.rules().rules.map((rule) => [rule.ref.name, rule]));
    sent.apply(
      compileKernelPolicy({
        policy: orders.fresh(),
        nowMs: nowMs(),
        ruleResponse: (name) => rules.get(name)?.response,
        ruleId: (name) => rules.get(name)?.ref.id.toLowerCase(),
        installed,
        fileOf: statOf,
        uidOf: parts.users.uidOf,
        cgroupOfUnit: (unit) => cgroupOf(unit, parts.lastView(), cgroups),
        pools: parts.pools(),
        watches: watches.list(orders.config().DECOYS),
        blocked: parts.blocked(),
        daemonPid: process.pid,
        mayHold: orders.config().SENSOR.hold,
        guardOn: orders.config().GUARD_ON,
        deepSyscalls: orders.config().DEEP_SYSCALLS,
      }),
    );
  }

  /** A file that nobody had named executes for the first time: what it is decides what the kernel makes of the next. */
  function nameProgram({ task, argv }: Pick<KernelExec, "task" | "argv">): void {
    const seen = factsOf({ task, argv });
    if (seen !== undefined) sent.name(namedProgram(task, seen));
  }

  function isWorthALook(exec: KernelExec): boolean | undefined {
    const seen = factsOf(exec);
    return seen === undefined ? undefined : !seen.verified || seen.interpreter || seen.relayTool;
  }

  /** Undefined before the first sweep. */
  function factsOf({ task, argv }: Pick<KernelExec, "task" | "argv">): ProgramFacts | undefined {
    const view = parts.lastView();
    if (view === undefined) return undefined;
    const process = processes.describe(task, argv);
    return parts.context.withGone(view, [process]).program(process);
  }

  function tick(): void {
    processes.forget(nowMs());
    applyOrders();
    const { lost } = events.counts();
    const news = lost + stops.lost - lostTold;
    if (news === 0) return;
    lostTold += news;
    parts.onFault(
      "sensor",
      `${news} reports of the sensor came faster than they could be judged and are lost; the scan sees what still runs`,
      "look for what starts so many programs: algo-monitor processes",
    );
  }
}

/** Of a unit that runs; where it lies says a process of it, else the usual places. */
function cgroupOf(unit: string, view: HostView | undefined, cgroups: Cgroups): bigint | undefined {
  for (const process of view?.processes.values() ?? []) {
    if (view?.unit(process)?.name !== unit) continue;
    const end = process.cgroup.indexOf(`/${unit}`) + unit.length + 1;
    return cgroups.idOf(process.cgroup.slice(0, end));
  }
  for (const root of UNIT_ROOTS) {
    const id = cgroups.idOf(`${root}${unit}`);
    if (id !== undefined) return id;
  }
  return undefined;
}

/** Copies are what they are copies of, and nobody vouches for them. */
function namedProgram({ device, inode }: KernelTask, seen: ProgramFacts): KernelProgram {
  const isKnown = !seen.name.includes("/");
  const { family } = classifyName(isKnown ? seen.name : "");
  const { shell, interpreter, relayTool, verified } = seen;
  const classes = classesOf(verified ? seen.name.slice(seen.name.lastIndexOf("/") + 1) : "", {
    shell,
    interpreter,
    relayTool,
    family,
  });
  return programOf({ device, inode }, bitsOf(verified ? [...classes, "verified"] : classes), family);
}

/** The list, not the entry: what hides is the entry missing from the list. */
function isListed(pid: number): boolean {
  return listNumbers(AT.currentDirectory, "/proc", PROCESSES_MAX).numbers.includes(pid);
}

function lossText({ urgent, vital, other, files, unseen }: Extract<KernelWord, { kind: "loss" }>): string {
  const named = [
    [urgent, "verdicts or questions"],
    [vital, "starts, ends or connections"],
    [other, "other reports"],
    [files, "opens or writes of watched files"],
    [unseen, "events that the programs were not called for"],
  ] as const;
  const lost = named.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
  return `the kernel sensor lost ${lost.join(", ")}`;
}
