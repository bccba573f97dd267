/** The outputs that reach somebody: desktop, webhook, command. Each is off until the configuration turns it on. */
import type { Clock } from "../core/clock.ts";
import type { Fault, Result } from "../core/result.ts";
import { commandOutput } from "./command.ts";
import { desktopOutput, type GraphicalSession } from "./desktop.ts";
import type { Output } from "./output.ts";
import type { MinimumLevel } from "./routes.ts";
import { webhookOutput } from "./webhook.ts";

/** NOTIFICATIONS of the configuration. */
export interface NotificationSettings {
  readonly desktop: { readonly enabled: boolean; readonly min_level: MinimumLevel };
  readonly webhook?: { readonly url: string; readonly secret?: string; readonly min_level: MinimumLevel };
  readonly command?: {
    readonly argv: readonly string[];
    readonly min_level: MinimumLevel;
    readonly timeout_seconds: number;
  };
  readonly cooldown_seconds: number;
  readonly per_hour: number;
}

export interface OffHostOptions {
  readonly clock: Clock;
  /** Asked at each use, so that a reload takes effect. */
  readonly settings: () => NotificationSettings;
  /** e.g. `/opt/.monitor`; `spool` below it is ours. */
  readonly home: string;
  readonly hostName: string;
  readonly version: string;
  /** Who is logged in to a desktop now; asked often, so it should be cheap. */
  readonly graphicalSessions: () => readonly GraphicalSession[];
  readonly killGroup: (leaderPid: number) => Result<void>;
  /** Each fault once when it begins and, where it lasts, when it ends. */
  readonly onFault: (part: string, fault: Fault, phase: "begins" | "ends" | "once") => void;
}

export function createOffHostOutputs(options: OffHostOptions): readonly Output[] {
  const { clock, settings, hostName, version, graphicalSessions, killGroup, onFault } = options;
  const directory = `${options.home}/spool`;
  const host = { clock, hostName, version, directory };
  const shared = () => {
    const { cooldown_seconds, per_hour } = settings();
    return { cooldownMs: cooldown_seconds * 1000, perHour: per_hour };
  };
  return [
    desktopOutput({
      clock,
      graphicalSessions,
      settings: () => {
        const { enabled, min_level } = settings().desktop;
        return enabled ? { ...shared(), minimumLevel: min_level } : undefined;
      },
      onFault: (fault, phase) => onFault("desktop notices", fault, phase),
    }),
    webhookOutput({
      ...host,
      settings: () => {
        const { webhook } = settings();
        if (webhook === undefined) return undefined;
        const { url, secret, min_level } = webhook;
        return { ...shared(), minimumLevel: min_level, url, ...(secret === undefined ? {} : { secret }) };
      },
      onFault: (fault, phase) => onFault("webhook", fault, phase),
    }),
    commandOutput({
      ...host,
      killGroup,
      settings: () => {
        const { command } = settings();
        if (command === undefined) return undefined;
        const { argv, min_level, timeout_seconds } = command;
        return { ...shared(), minimumLevel: min_level, argv, timeoutMs: timeout_seconds * 1000 };
      },
      onFault: (fault, phase) => onFault("notification command", fault, phase),
    }),
  ];
}
