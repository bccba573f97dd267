/**
 * Compares each scan with what the sensor reported: what the scan finds and the sensor never told is its loss; what the
 * sensor holds alive and /proc does not list hides, unless only the report of its end was lost. Keeps the blind windows.
 */
import type { BlindWindow } from "../core/control.ts";
import type { KernelLoss } from "../core/kernel.ts";
import type { EventDraft } from "../core/nouns.ts";
import { type ProcessRef, processKey } from "../core/process.ts";
import type { InternetSocket } from "../core/socket.ts";
import type { HostView } from "../core/view.ts";
import { closePidfd, openPidfd } from "../host/signals.ts";
import type { KernelProcesses } from "./kernel_processes.ts";

/** A record is on its way for so long, and a scan takes as long again. */
const SLACK_MS = 1_000;
const WINDOWS_KEPT = 32;
const HIDDEN_MAX = 64;
const CONNECTIONS_MAX = 65_536;

export interface Reconciliation {
  /** The sensor reports everything from now on; 0 where none does. */
  began(atMs: number): void;
  ended(atMs: number): void;
  heardConnection(inode: number, cookie: bigint): void;
  lost(loss: KernelLoss): void;
  /** After each scan of processes and sockets. */
  scanned(view: HostView, sockets: readonly InternetSocket[]): readonly EventDraft[];
  status(): ReconciliationStatus;
}

export interface ReconciliationStatus {
  /** Found by a scan and never reported. */
  readonly processesMissed: number;
  readonly connectionsMissed: number;
  /** Ends that were never reported. */
  readonly endsMissed: number;
  readonly hidden: number;
  readonly blindWindows: readonly BlindWindow[];
}

export function createReconciliation(processes: KernelProcesses, isListed: (pid: number) => boolean): Reconciliation {
  const counts = { processesMissed: 0, connectionsMissed: 0, endsMissed: 0, hidden: 0 };
  const inodes = new Map<number, bigint>();
  const missedProcesses = new Set<string>();
  let knownConnections = new Set<number>();
  let doubtful = new Set<number>();
  let suspects = new Map<string, ProcessRef>();
  const told = new Set<string>();
  let windows: readonly BlindWindow[] = [];
  let sinceMs = 0;
  let hasLooked = false;
  return { began, ended, heardConnection, lost, scanned, status: () => ({ ...counts, blindWindows: windows }) };

  function began(atMs: number): void {
    const open = windows.at(-1);
    if (open !== undefined && open.toMs === undefined) windows = [...windows.slice(0, -1), { ...open, toMs: atMs }];
    sinceMs = atMs;
    hasLooked = false;
  }

  function ended(atMs: number): void {
    if (sinceMs === 0) return;
    sinceMs = 0;
    keep({ fromMs: atMs, lost: 0 });
  }

  function heardConnection(inode: number, cookie: bigint): void {
    if (inode === 0) return;
    inodes.delete(inode);
    if (inodes.size >= CONNECTIONS_MAX) inodes.delete(inodes.keys().next().value ?? 0);
    inodes.set(inode, cookie);
  }

  function lost({ fromMs, toMs, urgent, vital, other, files, unseen }: KernelLoss): void {
    keep({ fromMs, toMs, lost: urgent + vital + other + files + unseen });
  }

  function keep(window: BlindWindow): void {
    windows = [...windows.slice(1 - WINDOWS_KEPT), window];
  }

  function scanned(view: HostView, sockets: readonly InternetSocket[]): readonly EventDraft[] {
    const drafts = windows.flatMap((window) => (isOpen(window, view.atMs) ? [windowDraft(window, view.atMs)] : []));
    windows = windows.map((window) => (isOpen(window, view.atMs) ? { ...window, reconciledAtMs: view.atMs } : window));
    if (sinceMs === 0) return drafts;
    countMissedProcesses(view);
    countMissedConnections(view, sockets);
    return [...drafts, ...hiddenProcesses(view)];
  }

  function countMissedProcesses(view: HostView): void {
    for (const process of view.processes.values()) {
      const isOurs = process.startedAtMs > sinceMs + SLACK_MS && process.startedAtMs < view.atMs - SLACK_MS;
      if (!isOurs || process.isKernelThread || process.state === "Z") continue;
      const key = processKey(process.ref);
      if (processes.isKnown(process.ref) || missedProcesses.has(key)) continue;
      if (missedProcesses.size >= CONNECTIONS_MAX) missedProcesses.clear();
      missedProcesses.add(key);
      counts.processesMissed++;
    }
  }

  /** What the first scan after the sensor began sees was there before. A report may be on its way: the next scan counts. */
  function countMissedConnections(view: HostView, sockets: readonly InternetSocket[]): void {
    const next = new Set<number>();
    const nextDoubtful = new Set<number>();
    for (const { inode, remote, protocol } of sockets) {
      if (inode === 0 || remote === undefined || protocol !== "tcp") continue;
      next.add(inode);
      if (view.internetSocket(inode)?.direction !== "connected" || inodes.has(inode)) continue;
      if (doubtful.has(inode)) counts.connectionsMissed++;
      else if (hasLooked && !knownConnections.has(inode)) nextDoubtful.add(inode);
    }
    knownConnections = next;
    doubtful = nextDoubtful;
    hasLooked = true;
  }

  function hiddenProcesses(view: HostView): readonly EventDraft[] {
    const next = new Map<string, ProcessRef>();
    const found: EventDraft[] = [];
    for (const ref of processes.livingSince(view.atMs - SLACK_MS)) {
      if (view.processes.get(ref.pid)?.ref.startedAtTicks === ref.startedAtTicks) continue;
      const key = processKey(ref);
      if (!suspects.has(key)) {
        if (next.size < HIDDEN_MAX) next.set(key, ref);
      } else if (!told.has(key) && processes.isAlive(ref)) {
        if (lives(ref) && !isListed(ref.pid)) {
          told.add(key);
          counts.hidden++;
          found.push(hiddenDraft(ref));
        } else {
          counts.endsMissed++;
          processes.ended(ref, view.atMs);
        }
      }
    }
    suspects = next;
    return found;
  }
}

function isOpen({ toMs, reconciledAtMs }: BlindWindow, scanAtMs: number): boolean {
  return reconciledAtMs === undefined && toMs !== undefined && toMs <= scanAtMs;
}

function lives(ref: ProcessRef): boolean {
  const opened = openPidfd(ref);
  if (opened.ok) closePidfd(opened.value);
  return opened.ok;
}

function windowDraft(window: BlindWindow, reconciledAtMs: number): EventDraft {
  return {
    action: "sensor-was-blind",
    logsource: { product: "linux", service: "algo-monitor", category: "blind_window" },
    fields: {
      "blind.from": window.fromMs,
      "blind.to": window.toMs ?? reconciledAtMs,
      "blind.lost": window.lost,
      "blind.reconciled": reconciledAtMs,
    },
  };
}

function hiddenDraft(ref: ProcessRef): EventDraft {
  return {
    action: "process-hidden",
    logsource: { product: "linux", service: "algo-monitor", category: "hidden_process" },
    fields: { "process.pid": ref.pid },
    process: ref,
  };
}
