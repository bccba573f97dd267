/** A complete set of handlers with fixed answers, for tests of the socket and of the command line. */
import type { BlockReport } from "../core/blocks.ts";
import type { Handlers, RehearsalReport, StatusReport } from "../core/control.ts";
import { fail, ok } from "../core/result.ts";
import { viewHandlersFixture } from "./views.fixture.ts";

export const FIXED_NOW_MS = Date.UTC(2026, 2, 14, 12, 0, 0);

export function statusFixture(over: Partial<StatusReport> = {}): StatusReport {
  return {
    version: "0.1.0",
    commit: "abc1234",
    pid: 4242,
    startedAtMs: FIXED_NOW_MS - 3 * 3_600_000,
    nowMs: FIXED_NOW_MS,
    mode: "enforce",
    configGeneration: 3,
    configProblems: [],
    rules: { loaded: 21, refused: 0 },
    scanners: [
      {
        name: "processes",
        enabled: true,
        intervalMs: 5000,
        lastAtMs: FIXED_NOW_MS - 2000,
        lastTookMs: 11.25,
        medianTookMs: 10.5,
        scans: 2160,
        overruns: 0,
        items: 214,
      },
      {
        name: "network",
        enabled: false,
        intervalMs: 5000,
        scans: 0,
        overruns: 0,
        items: 0,
        skippedReason: "switched off by SCANNERS",
      },
    ],
    budgets: [],
    degradations: [],
    faults: {},
    counts: {
      events: 5120,
      findings: { ALERT: 1, WARNING: 4, INFO: 0, ERROR: 0 },
      kills: 1,
      disconnects: 0,
      rehearsed: 0,
      refused: 0,
      actionsFailed: 0,
      openAlerts: 3,
    },
    store: { path: "/opt/.monitor/algo-monitor.db", sizeBytes: 5_242_880, pending: 0, dropped: 0 },
    outputs: [{ name: "journald", sent: 12, failed: 0 }],
    self: { rssBytes: 62_914_560, cpuPercent: 0.31 },
    ...over,
  };
}

export function rehearsalFixture(over: Partial<RehearsalReport> = {}): RehearsalReport {
  return {
    atMs: FIXED_NOW_MS,
    sweptBy: "daemon",
    processes: 214,
    sockets: 61,
    findings: [],
    wouldKill: [],
    wouldDisconnect: [],
    ownSessionConcerned: false,
    tookMs: 14.2,
    ...over,
  };
}

function blockReportFixture(target: string, minutes: number, reason: string): BlockReport {
  const block = {
    target,
    kind: "address",
    networks: [target],
    sinceMs: FIXED_NOW_MS,
    untilMs: FIXED_NOW_MS + minutes * 60_000,
    by: "alice",
    reason,
  } as const;
  return { block, replaced: false, means: ["packet-filter", "sensor"], cut: 1, remarks: [] };
}

export function handlersFixture(over: Partial<Handlers> = {}): Handlers {
  return {
    ...viewHandlersFixture(),
    version: async () => ok({ version: "0.1.0", commit: "abc1234" }),
    status: async () => ok(statusFixture()),
    reload: async () => ok({ changed: true, rulesChanged: false, configGeneration: 4, problems: [] }),
    pause: async ({ minutes }) => ok({ pausedUntilMs: FIXED_NOW_MS + minutes * 60_000 }),
    resume: async () => ok({ wasPaused: true, mode: "enforce" }),
    block: async ({ target, minutes, reason }) => ok(blockReportFixture(target, minutes, reason)),
    unblock: async ({ target }) =>
      target === "203.0.113.99"
        ? fail("gone", `${target} is not blocked`)
        : ok({ ended: [blockReportFixture(target ?? "203.0.113.7", 60, "scans").block], remarks: [] }),
    blocks: async () =>
      ok({
        blocks: [{ ...blockReportFixture("203.0.113.7", 60, "scans").block }],
        means: ["packet-filter", "sensor"],
        packets: 12,
        remarks: [],
      }),
    scan: async () => ok(rehearsalFixture()),
    trust: async (params) =>
      ok({
        changed: true,
        file: "/opt/.monitor/config.json",
        configGeneration: 4,
        ...(params.path === undefined
          ? { entry: { rule: "reverse_shell", exe: "/usr/bin/bash", reason: params.reason } }
          : { path: params.path }),
      }),
    untrust: async (params) =>
      ok({
        file: "/opt/.monitor/config.json",
        removedEntries: [],
        removedPaths: params.path === undefined ? [] : [params.path],
        configGeneration: 5,
      }),
    set_alert_status: async ({ id, status }) =>
      id === "nothing" ? fail("gone", `no alert has the id ${id}`) : ok({ id: `${id}0000`, previous: "new", status }),
    config_edited: async () => ok({ changed: true, rulesChanged: false, configGeneration: 6, problems: [] }),
    selftest: async () => ok({ checks: [{ name: "process", passed: true, detail: "seen by the sweep", tookMs: 120 }] }),
    ...over,
  };
}
