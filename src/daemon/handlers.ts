/** What operators can ask of the running daemon: one table, reached by the control socket now and by HTTP later. */
import type { ConfigReload } from "../config/runtime.ts";
import type { Clock } from "../core/clock.ts";
import type { Caller, Handlers, ReloadReport } from "../core/control.ts";
import type { Paths } from "../core/paths.ts";
import { fail, ok } from "../core/result.ts";
import { COMMIT, VERSION } from "../core/version.ts";
import type { KillBudget } from "../decision/budget.ts";
import { remoteSockets } from "../detection/detectors/channels.ts";
import type { Detector } from "../detection/detectors/detector.ts";
import { hasTerminal } from "../host/system.ts";
import type { Notifier } from "../notify/notifier.ts";
import type { Store } from "../store/types.ts";
import type { Blocks } from "./blocks.ts";
import type { Degradations } from "./degradations.ts";
import type { Eyes } from "./eyes.ts";
import { blockHandlers } from "./handlers_blocks.ts";
import { trustHandlers } from "./handlers_trust.ts";
import { viewHandlers } from "./handlers_views.ts";
import type { Kernel } from "./kernel.ts";
import type { Orders } from "./orders.ts";
import type { Pauses } from "./pauses.ts";
import type { Pipeline } from "./pipeline.ts";
import { rehearse } from "./rehearse.ts";
import { blindness } from "./rule_files.ts";
import { selftest } from "./selftest.ts";
import type { SensorLink } from "./sensor_link.ts";
import { statusReport } from "./status_report.ts";
import type { Supervisor } from "./supervisor.ts";

export interface HandlerParts {
  readonly clock: Clock;
  readonly paths: Paths;
  readonly startedAtMs: number;
  readonly orders: Orders;
  readonly store: Store;
  readonly notifier: Notifier;
  readonly supervisor: Supervisor;
  readonly eyes: Eyes;
  readonly pipeline: Pipeline;
  readonly budget: KillBudget;
  readonly pauses: Pauses;
  readonly blocks: Blocks;
  readonly kernel: Pick<Kernel, "applyOrders" | "report">;
  readonly sensor: Pick<SensorLink, "status">;
  readonly degradations: Degradations;
  /** New ones, without memory: a rehearsal must not disturb what the live ones remember. */
  readonly detectors: () => readonly Detector[];
  /** Reads rules and configuration again and announces them. */
  readonly reload: () => ConfigReload;
}

export function createHandlers(parts: HandlerParts): Handlers {
  const { clock, orders, store, pauses } = parts;
  return {
    version: async () => ok({ version: VERSION, commit: COMMIT }),
    status: async () => ok(await statusReport(parts)),
    reload: async (_params, caller) => {
      audit(caller, "reload", "");
      return ok(reloaded());
    },
    config_edited: async ({ key, value }, caller) => {
      // The key that signs, and an address that may hold another, are no record.
      const isSecret = /^NOTIFICATIONS($|\.webhook($|\.(url|secret)$))/.test(key);
      audit(caller, "config-set", isSecret ? `${key} (the value is not kept)` : `${key} = ${value}`);
      return ok(reloaded());
    },
    pause: async ({ minutes, reason }, caller) => {
      const untilMs = clock.nowMs() + minutes * 60_000;
      const kept = pauses.begin({ untilMs, by: caller.user, reason });
      inForce();
      audit(caller, "pause", `${minutes} minutes: ${reason}`);
      const ends = kept ? "" : ", or with a restart of the daemon (it could not be written down)";
      warn(
        `${caller.user} paused protection for ${minutes} minutes (${reason})${ends}: everything is recorded, nothing is stopped; end it with: sudo algo-monitor resume`,
      );
      return ok({ pausedUntilMs: untilMs });
    },
    resume: async (_params, caller) => {
      const wasPaused = pauses.end();
      inForce();
      audit(caller, "resume", wasPaused ? "" : "was not paused");
      if (wasPaused) warn(`${caller.user} ended the pause; the mode is ${orders.modeText()}`);
      return ok({ wasPaused, mode: orders.mode() });
    },
    scan: async ({ scanner }, caller) => {
      const blind = blindness(orders.rules());
      if (blind !== undefined) return fail("invalid", blind, "algo-monitor rules list says more");
      const startedMs = clock.monotonicMs();
      await parts.supervisor.sweepNow();
      const last = parts.pipeline.last();
      if (last === undefined) return fail("timeout", "no sweep has succeeded yet", "look at `algo-monitor status`");
      const only = scanner === undefined ? {} : { scanner };
      const [detectors, engine, policy] = [parts.detectors(), orders.engine(), orders.policy()];
      const { pid } = caller;
      return ok(rehearse({ ...last, detectors, engine, policy, caller: pid, sweptBy: "daemon", startedMs, ...only }));
    },
    ...viewHandlers({ ...parts.eyes, lastSweep: parts.pipeline.last, nowMs: clock.nowMs }),
    ...trustHandlers(parts, audit),
    ...blockHandlers({ ...parts, remotesOf, hasTerminal, say: warn }, audit),
    set_alert_status: async ({ id, status }, caller) => {
      const changed = store.setStatus(id, status, caller.user);
      if (!changed.ok) return changed;
      audit(caller, "alert-status", `${changed.value.id}: ${changed.value.previous} -> ${status}`);
      return ok({ ...changed.value, status });
    },
    selftest: async (params, caller) => {
      audit(caller, "selftest", params.marker);
      return ok(await selftest({ clock, store, lastSweep: parts.pipeline.last }, params));
    },
  };

  function reloaded(): ReloadReport {
    const before = orders.rules().fingerprint;
    const { changed, generation, problems } = parts.reload();
    const rulesChanged = orders.rules().fingerprint !== before;
    return { changed, rulesChanged, configGeneration: generation, problems };
  }

  function remotesOf(pids: ReadonlySet<number>): readonly string[] {
    const view = parts.pipeline.last()?.view;
    const processes = [...pids].flatMap((pid) => view?.processes.get(pid) ?? []);
    return processes
      .flatMap((process) => (view === undefined ? [] : remoteSockets(view, process)))
      .flatMap(({ socket }) => socket.remote?.address ?? []);
  }

  /** For the next sweep and for the kernel, which does not wait for one. */
  function inForce(): void {
    orders.refresh();
    parts.kernel.applyOrders();
  }

  function audit(caller: Caller, action: string, detail: string): void {
    store.audit({ who: caller.user, uid: caller.uid, action, detail });
  }

  function warn(message: string): void {
    parts.notifier.notify({ kind: "health", severity: "WARNING", atMs: clock.nowMs(), message, fields: {} });
  }
}
