/** Where notices go, and what the pipeline is given to speak and to act with. */
import { hostname } from "node:os";
import type { Clock } from "../core/clock.ts";
import type { Paths } from "../core/paths.ts";
import type { Session } from "../core/session.ts";
import { VERSION } from "../core/version.ts";
import { createJournal } from "../host/journald.ts";
import { killOwnGroup } from "../host/process_group.ts";
import { alertsJsonl } from "../notify/alerts_jsonl.ts";
import { journaldOutput } from "../notify/journald.ts";
import { logFiles } from "../notify/logfiles.ts";
import { noticeOf } from "../notify/messages.ts";
import { createNotifier, type Notifier } from "../notify/notifier.ts";
import { createOffHostOutputs, type OffHostOptions } from "../notify/off_host.ts";
import { disconnectPlan } from "../response/disconnect.ts";
import { killPlan } from "../response/kill.ts";
import type { Degradations } from "./degradations.ts";
import type { Orders } from "./orders.ts";
import type { Actor, Teller } from "./pipeline.ts";

const PIDS_NAMED_MAX = 50;

/** What the voices need of parts that start after them. */
export interface VoiceParts {
  readonly paths: Paths;
  readonly clock: Clock;
  readonly orders: Orders;
  readonly graphicalSessions: OffHostOptions["graphicalSessions"];
  readonly onFault: OffHostOptions["onFault"];
}

export function createVoices({ paths, clock, orders, graphicalSessions, onFault }: VoiceParts): Notifier {
  const directory = paths.logsDirectory;
  const bounds = () => {
    const { log_mb, log_days } = orders.config().RETENTION;
    return { rotateAtBytes: log_mb * 1024 * 1024, retentionDays: log_days };
  };
  return createNotifier({
    outputs: [
      journaldOutput({ journal: createJournal() }),
      logFiles({ directory, clock, bounds }),
      alertsJsonl({ directory, clock, hostName: hostname(), version: VERSION, bounds }),
      ...createOffHostOutputs({
        clock,
        settings: () => orders.config().NOTIFICATIONS,
        home: paths.home,
        hostName: hostname(),
        version: VERSION,
        graphicalSessions,
        killGroup: killOwnGroup,
        onFault,
      }),
    ],
    clock,
    levels: new Set(orders.config().LOG_LEVELS),
  });
}

/** Who sits at a desktop, each user once. */
export function graphicalSessions(sessions: readonly Session[]): ReturnType<OffHostOptions["graphicalSessions"]> {
  const graphical = sessions.filter((session) => session.class === "user" && /^(x11|wayland)$/.test(session.type));
  return [...new Map(graphical.map(({ uid, user }) => [uid, { uid, user }])).values()];
}

export function tellerOf(notifier: Pick<Notifier, "notify">, degradations: Degradations, clock: Clock): Teller {
  return {
    judged: (about) => notifier.notify(noticeOf(about)),
    fault: degradations.note,
    unrecorded: (decision, fault) => {
      const pids = "plan" in decision ? decision.plan.kill.slice(0, PIDS_NAMED_MAX).map(({ pid }) => pid) : [];
      const whom = pids.length === 0 ? "" : ` of pid ${pids.join(", ")}`;
      const message = `intent ${decision.id}: ${decision.do}${whom} by rule ${decision.rule.name}, recorded only here: ${fault.message}. What to do: ${fault.remedy ?? "see `algo-monitor status`"}`;
      notifier.notify({ kind: "health", severity: "ERROR", atMs: clock.nowMs(), message, fields: {} });
    },
  };
}

export function hands(clock: Clock): Actor {
  return {
    kill: (decision) => killPlan(decision.id, decision.plan, clock),
    disconnect: (decision) => disconnectPlan(decision.id, decision.plan, clock),
  };
}
